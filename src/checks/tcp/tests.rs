//! Every case against a real listener on a free port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::*;
use crate::checks::namespace::{BLACK_HOLE, ROUTER, inside as in_namespace};
use crate::checks::testing::{block_on, build_kind, documented_example, has_no_files, problems_are, told};
use crate::net::testing::{Authority, DAY, again, answer, closed_port, passes_again, self_signed_server, serve, serve_tls, take_request};
use crate::settings::Problem;

fn build(section: &str) -> Result<Box<dyn Check>, Vec<Problem>> {
    build_kind::<TcpSettings>(section)
}

async fn look(section: &str, within: Duration) -> Vec<Reading> {
    build(section).unwrap().run(&Run::alone(within, 10)).await
}

/// One look at one address, `rest` being the other keys of the section.
async fn check(address: SocketAddr, rest: &str, expect: &str) -> Reading {
    let readings = look(&format!("{{ address: '{address}', {rest} }}"), Duration::from_secs(5)).await;
    assert_eq!(readings.iter().map(told).collect::<Vec<_>>(), [expect]);
    assert_eq!(*readings[0].target.key, *address.to_string());
    readings.into_iter().next().unwrap()
}

/// The same against a server that hangs somewhere.
async fn check_hung(address: SocketAddr, rest: &str, expect: &str) {
    let readings = look(&format!("{{ address: '{address}', {rest} }}"), Duration::from_millis(40)).await;
    assert_eq!(readings.iter().map(told).collect::<Vec<_>>(), [expect]);
}

#[tokio::test]
async fn a_connection_is_enough() {
    let open = serve(async |stream| drop(stream)).await;
    let reading = check(open, "", "pass").await;
    let names: Vec<_> = reading.values.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["connect", "latency"]);
    assert!(reading.value("latency").unwrap() >= reading.value("connect").unwrap());
    check(closed_port().await, "", "fail: connection refused").await;
}

#[tokio::test]
async fn names_are_looked_up() {
    let open = serve(async |stream| drop(stream)).await;
    let readings = look(&format!("address: 'localhost:{}'", open.port()), Duration::from_secs(5)).await;
    assert_eq!(told(&readings[0]), "pass");
    assert!(readings[0].value("resolve").is_some());
}

#[tokio::test]
async fn the_answer_is_searched() {
    let pong = serve(async |stream| answer(stream, b"+PONG\r\n").await).await;
    check(pong, r#"send: "PING\n", expect: PONG"#, "pass").await;
    check(pong, r#"send: "PING\n", expect_regex: "^.PO[MN]G""#, "pass").await;
    check(pong, r#"send: "PING\n", expect: "OK\n""#, "fail: the answer has no `OK`: `+PONG`").await;
    check(pong, r#"send: "PING\n", expect_regex: "^PONG""#, "fail: the answer has no match of `^PONG`: `+PONG`").await;
    check(pong, r#"send: "PING\n", expect: OK, max_bytes: 3"#, "fail: the first 3 bytes of the answer have no `OK`: `+PO`").await;

    let hostile = serve(async |stream| answer(stream, b"\x1b[2J\xe2\x80\xaeevil\0").await).await;
    check(hostile, "send: x, expect: PONG", r"fail: the answer has no `PONG`: `\u{1b}[2J\u{202e}evil\u{0}`").await;
    let echo = serve(async |stream| answer(stream, b"-ERR AUTH CANARY").await).await;
    check(echo, r#"send: "AUTH CANARY\n", expect: OK"#, "fail: the answer has no `OK`: `-ERR ***`").await;
    let mute = serve(async |stream| answer(stream, b"").await).await;
    check(mute, "send: x, expect: PONG", "fail: the connection was closed without an answer").await;
}

#[tokio::test]
async fn an_answer_in_pieces_is_one_answer() {
    let pieces = serve(async |mut stream| {
        stream.set_nodelay(true).unwrap();
        for piece in [b"P", b"O", b"N", b"G"] {
            stream.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    check(pieces, "expect: PONG", "pass").await;
    check(pieces, "expect_regex: PONG", "pass").await;
}

/// F29: the handshake works, then nothing comes. F25: something comes for ever.
#[tokio::test]
async fn one_deadline_for_all() {
    let silent = serve(async |mut stream| while stream.read(&mut [0; 64]).await.is_ok_and(|length| length > 0) {}).await;
    check_hung(silent, "send: x, expect: PONG", "fail: no answer in 40 ms").await;
    check_hung(silent, "tls: true", "fail: no end of the TLS handshake in 40 ms").await;
    let babbling = serve(async |mut stream| {
        while stream.write_all(b"-").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    })
    .await;
    let reading = look(&format!("{{ address: '{babbling}', expect: PONG }}"), Duration::from_millis(40)).await;
    assert!(told(&reading[0]).starts_with("fail: the answer has no `PONG` after 40 ms: `-"), "{}", told(&reading[0]));
    let flood = serve(async |mut stream| while stream.write_all(&[b'x'; 4096]).await.is_ok() {}).await;
    let shown = "x".repeat(60);
    check(flood, "expect: PONG", &format!("fail: the first 64 KiB of the answer have no `PONG`: `{shown}…`")).await;
}

/// F27, F28: what the way to a target says; one that swallows everything takes no time from the others.
#[test]
fn faults_of_the_way_have_their_reasons() {
    let setup = format!("{ROUTER}\n{BLACK_HOLE}; ip route add prohibit 10.8.0.0/16");
    in_namespace("checks::tcp::tests::faults_of_the_way_have_their_reasons", &setup, || {
        block_on(async {
            let open = serve(async |stream| drop(stream)).await;
            let away =
                ["10.9.4.1:80", "10.0.0.1:80", "10.5.0.1:80", "10.6.0.1:80", "10.7.0.1:80", "10.8.0.1:80", "'[fd05::1]:80'"].join(", ");
            // Enough for a second SYN: the kernel drops what a router says while it still works on the socket.
            let (start, within) = (Instant::now(), Duration::from_millis(1500));
            let readings = look(&format!("addresses: [{away}, '{open}']"), within).await;
            assert!(start.elapsed() < within * 2, "{:?}", start.elapsed());
            let expect = [
                "fail: no connection in 1.5 s",
                "fail: connection refused",
                "fail: the host is unreachable",
                "fail: the host is unreachable",
                "fail: the network is unreachable",
                "unknown: this machine may not connect there (a local firewall or sandbox)",
                "fail: the network is unreachable",
                "pass",
            ];
            assert_eq!(readings.iter().map(told).collect::<Vec<_>>(), expect);
        });
    });
}

/// F28: the connection stands, then it is reset.
#[tokio::test]
async fn a_reset_is_told_as_one() {
    let resetting = serve(async |mut stream| {
        take_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    check(resetting, "send: x, expect: PONG", "fail: the connection was reset").await;
}

/// F30: the backlog is full, so the third connection's handshake is never answered.
#[tokio::test]
async fn a_full_backlog() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _waiting = tokio::net::TcpStream::connect(address).await.unwrap();
    check_hung(address, "", "fail: no connection in 40 ms").await;
}

#[tokio::test]
async fn certificates_of_every_kind() {
    let authority = Authority::new();
    let ca = format!("tls: {{ ca: '{}' }}", authority.file().display());
    let now = SystemTime::now();
    let serve_with = async |tls| serve_tls(tls, async |stream| answer(stream, b"PONG").await).await;

    let good = serve_with(authority.good_server()).await;
    let reading = check(good, &format!("{ca}, send: x, expect: PONG"), "pass").await;
    assert_eq!(reading.value("cert_days").unwrap().floor(), 30.0);
    assert!(reading.value("tls").is_some());
    let reading = check(good, "tls: true", "fail: the certificate's authority is not trusted: CN=Test Authority").await;
    assert_eq!(reading.value("cert_days").unwrap().floor(), 30.0);
    check(good, "tls: { insecure: true }", "pass").await;

    let expired = serve_with(authority.server(&["127.0.0.1"], now - 9 * DAY, now - 3 * DAY - DAY / 24)).await;
    let reading = check(expired, &ca, "fail: the certificate expired 3 days ago").await;
    assert_eq!(reading.value("cert_days").unwrap().ceil(), -3.0);
    let early = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let early = serve_with(authority.server(&["127.0.0.1"], early, early + DAY)).await;
    check(early, &ca, "fail: the certificate is not valid before 2100-01-01 00:00 UTC").await;
    let other = serve_with(authority.server(&["other.example", "10.0.0.1"], now - DAY, now + DAY)).await;
    check(other, &ca, "fail: the certificate is for other.example, 10.0.0.1, not for 127.0.0.1").await;
    let named = format!("tls: {{ ca: '{}', server_name: other.example }}", authority.file().display());
    check(other, &named, "pass").await;
    let (tls, pem) = self_signed_server(&["127.0.0.1"]);
    let itself = serve_with(tls).await;
    let reading = check(itself, "tls: true", "fail: the certificate is self-signed").await;
    assert_eq!(reading.value("cert_days").unwrap().floor(), 30.0);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let trusted = file.path().display();
    check(itself, &format!("tls: {{ ca: '{trusted}' }}"), "pass").await;
    let other = format!("tls: {{ ca: '{trusted}', server_name: other.example }}");
    check(itself, &other, "fail: the certificate is for 127.0.0.1, not for other.example").await;
}

#[tokio::test]
async fn handshakes_that_fail() {
    let plain = serve(async |stream| answer(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await).await;
    check(plain, "tls: true", "fail: the server does not speak TLS").await;
    let closing = serve(async |stream| answer(stream, b"").await).await;
    check(closing, "tls: true", "fail: the connection was closed early in the TLS handshake").await;
    let alert = serve(async |stream| answer(stream, b"\x15\x03\x03\x00\x02\x02\x28").await).await;
    check(alert, "tls: true", "fail: the server refused the TLS handshake: HandshakeFailure").await;
}

#[tokio::test]
async fn many_addresses_in_their_order() {
    let open = serve(async |stream| drop(stream)).await;
    let closed = closed_port().await;
    let done = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = done.clone();
    let mut run = Run::alone(Duration::from_secs(5), 2);
    run.progress = Some(crate::checks::Progress(Arc::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    })));
    let check = build(&format!("addresses: ['{closed}', '{open}', 'localhost:{}']", open.port())).unwrap();
    let readings = check.run(&run).await;
    let seen: Vec<_> = readings.iter().map(|reading| (reading.target.key.to_string(), told(reading))).collect();
    assert_eq!(
        seen,
        [
            (closed.to_string(), "fail: connection refused".into()),
            (open.to_string(), "pass".into()),
            (format!("localhost:{}", open.port()), "pass".into()),
        ]
    );
    assert_eq!((check.size(), done.load(std::sync::atomic::Ordering::Relaxed)), (3, 3));
}

#[test]
fn want_of_files_is_not_the_targets_fault() {
    passes_again(&mut again("checks::tcp::tests::without_files", "ulimit -n 64"));
}

#[tokio::test]
#[ignore = "needs a process of its own"]
async fn without_files() {
    has_no_files(build("address: 127.0.0.1:9").unwrap()).await;
}

#[test]
fn the_documented_example_builds() {
    build(&documented_example::<TcpSettings>("tcp")).map(drop).unwrap();
}

#[test]
fn every_problem_at_once() {
    let check = problems_are::<TcpSettings>;
    check("{}", &[": `address` is missing"]);
    check("addresses: []", &["addresses: `addresses` is empty"]);
    check("{ address: 'a:1', addresses: ['b:1'] }", &["address: `address` and `addresses` are both given"]);
    check("addresses: ['a:1', 'b:1', 'a:1']", &["addresses/2: `a:1` is listed twice"]);
    check("{ address: 'a:1', sned: x }", &["sned: unknown key `sned`"]);
    check("{ address: 'a:1', tls: { cs: x } }", &["tls/cs: unknown key `cs`"]);
    check(
        "{ address: nowhere, expect: a, expect_regex: b, max_bytes: 0, send: '', tls: { ca: x.pem } }",
        &[
            "tls/ca: cannot read /nowhere/x.pem: No such file or directory (os error 2)",
            "expect: `expect` and `expect_regex` are both given",
            "send: `send` is empty",
            "max_bytes: `max_bytes` must be from 1 byte to 16 MiB",
            "address: `nowhere` has no port; write `nowhere:443`",
        ],
    );
    check("{ address: 'a:1', expect_regex: '(' }", &["expect_regex: `(` is not a regular expression: unclosed group"]);
    check(
        "{ address: 'a:1', max_bytes: 3 apples }",
        &["max_bytes: `3 apples` is not a size; write a number of bytes, or one with KiB, MiB or GiB, such as `64KiB`"],
    );
}

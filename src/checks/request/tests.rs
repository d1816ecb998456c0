//! Looks by HTTP, through the kind `http`: every case against a real listener on a free port.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;
use crate::checks::http::HttpSettings;
use crate::checks::namespace::{BLACK_HOLE, ROUTER, inside as in_namespace};
use crate::checks::testing::{block_on, build_kind, has_no_files, told};
use crate::checks::{Check, Run};
use crate::domain::reading::Reading;
use crate::net::testing::{Authority, DAY, again, answer, closed_port, passes_again, self_signed_server, serve, serve_tls, take_request};
use crate::settings::Problem;

pub fn build(section: &str) -> Result<Box<dyn Check>, Vec<Problem>> {
    build_kind::<HttpSettings>(section)
}

async fn look(section: &str, within: Duration) -> Reading {
    let mut readings = build(section).unwrap().run(&Run::alone(within, 10)).await;
    assert_eq!(readings.len(), 1);
    readings.remove(0)
}

/// One look at one page, `rest` being the other keys of the section.
pub async fn check(url: &str, rest: &str, expect: &str) -> Reading {
    let reading = look(&format!("{{ url: '{url}', {rest} }}"), Duration::from_secs(5)).await;
    assert_eq!(told(&reading), expect);
    reading
}

/// The same against a server that hangs somewhere.
async fn check_hung(url: &str, rest: &str, expect: &str) {
    let reading = look(&format!("{{ url: '{url}', {rest} }}"), Duration::from_millis(60)).await;
    assert_eq!(told(&reading), expect);
}

/// Answers everything with these bytes.
pub async fn page(bytes: &'static [u8]) -> String {
    url(serve(move |stream| answer(stream, bytes)).await)
}

pub fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nPONG";

/// The phases are noted by callbacks that know their look only by the task they run in.
#[tokio::test]
async fn every_phase_is_measured() {
    let pong = page(OK).await.replace("127.0.0.1", "localhost");
    let reading = check(&pong, "", "pass").await;
    let metrics: Vec<_> = reading.values.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(metrics, ["latency", "resolve", "connect", "first_byte", "status", "size"]);
    let value = |metric| reading.value(metric).unwrap();
    assert_eq!((value("status"), value("size")), (200.0, 4.0));
    assert!(value("resolve") + value("connect") <= value("first_byte") && value("first_byte") <= value("latency"), "{reading:?}");

    let authority = Authority::new();
    let secured = serve_tls(authority.good_server(), async |stream| answer(stream, OK).await).await;
    let reading = check(&format!("https://{secured}/"), &format!("ca: '{}'", authority.file().display()), "pass").await;
    let metrics: Vec<_> = reading.values.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(metrics, ["latency", "connect", "tls", "first_byte", "status", "size", "cert_days"]);
    assert_eq!(reading.value("cert_days").unwrap().floor(), 30.0);
}

#[tokio::test]
async fn a_hundred_looks_at_once_keep_their_traces_apart() {
    let authority = Authority::new();
    let now = SystemTime::now();
    let mut urls = Vec::new();
    for days in 1..=5 {
        let tls = authority.server(&["127.0.0.1"], now - DAY, now + days * DAY + DAY / 24);
        let server = serve_tls(tls, async |stream| answer(stream, OK).await).await;
        urls.extend((0..20).map(|n| format!("'https://{server}/{days}/{n}'")));
    }
    let http = build(&format!("{{ urls: [{}], ca: '{}' }}", urls.join(", "), authority.file().display())).unwrap();
    for reading in http.run(&Run::alone(Duration::from_secs(30), 100)).await {
        let days = reading.target.key.split('/').nth(3).unwrap().parse().unwrap();
        assert_eq!((told(&reading), reading.value("cert_days").map(f64::floor)), ("pass".into(), Some(days)));
    }
}

/// F36.
#[tokio::test]
async fn certificates_of_every_kind() {
    let authority = Authority::new();
    let ca = format!("ca: '{}'", authority.file().display());
    let now = SystemTime::now();
    let serve_with = async |tls| format!("https://{}/", serve_tls(tls, async |stream| answer(stream, OK).await).await);

    let good = serve_with(authority.good_server()).await;
    check(&good, "", "fail: the certificate's authority is not trusted: CN=Test Authority").await;
    check(&good, "insecure: true", "pass").await;
    let expired = serve_with(authority.server(&["127.0.0.1"], now - 9 * DAY, now - 3 * DAY - DAY / 24)).await;
    let reading = check(&expired, &ca, "fail: the certificate expired 3 days ago").await;
    assert_eq!(reading.value("cert_days").unwrap().ceil(), -3.0);
    let early = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let early = serve_with(authority.server(&["127.0.0.1"], early, early + DAY)).await;
    check(&early, &ca, "fail: the certificate is not valid before 2100-01-01 00:00 UTC").await;
    let other = serve_with(authority.server(&["other.example"], now - DAY, now + DAY)).await;
    check(&other.replace("127.0.0.1", "localhost"), &ca, "fail: the certificate is for other.example, not for localhost").await;
    let itself = serve_with(self_signed_server(&["127.0.0.1"]).0).await;
    let reading = check(&itself, "", "fail: the certificate is self-signed").await;
    assert_eq!(reading.value("cert_days").unwrap().floor(), 30.0);

    let plain = page(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.replace("http:", "https:");
    check(&plain, "", "fail: the server does not speak TLS").await;
    let closing = page(b"").await.replace("http:", "https:");
    check(&closing, "", "fail: the connection was closed early in the TLS handshake").await;
}

/// F25, F29: whatever the server does with its time, the look has one deadline.
#[tokio::test]
async fn one_deadline_for_all() {
    let silent = serve(async |mut stream| while stream.read(&mut [0; 64]).await.is_ok_and(|length| length > 0) {}).await;
    check_hung(&url(silent), "", "fail: no answer in 60 ms").await;
    check_hung(&format!("https://{silent}/"), "", "fail: no end of the TLS handshake in 60 ms").await;
    let trickle = serve(async |mut stream| {
        take_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(b"-").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    check_hung(&url(trickle), "", "fail: the answer did not end in 60 ms").await;
    let flood = serve(async |mut stream| {
        take_request(&mut stream).await;
        while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_ok() {}
    })
    .await;
    check_hung(&url(flood), "", "fail: no answer in 60 ms").await;
}

/// F27, F28: what the way to a page says; one that swallows everything takes no time from the others.
#[test]
fn faults_of_the_way_have_their_reasons() {
    in_namespace("checks::request::tests::faults_of_the_way_have_their_reasons", &format!("{ROUTER}\n{BLACK_HOLE}"), || {
        block_on(async {
            let open = page(OK).await;
            let away =
                ["http://10.9.4.1/", "http://10.0.0.1/", "http://10.5.0.1/", "http://10.6.0.1/", "http://10.7.0.1/", "'http://[fd05::1]/'"];
            let http = build(&format!("urls: [{}, '{open}']", away.join(", "))).unwrap();
            // Enough for a second SYN: the kernel drops what a router says while it still works on the socket.
            let (start, within) = (Instant::now(), Duration::from_millis(1500));
            let readings = http.run(&Run::alone(within, 10)).await;
            assert!(start.elapsed() < within * 2, "{:?}", start.elapsed());
            let expect = [
                "fail: no connection in 1.5 s",
                "fail: connection refused",
                "fail: the host is unreachable",
                "fail: the host is unreachable",
                "fail: the network is unreachable",
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
    check(&url(resetting), "", "fail: the connection was reset").await;
}

/// F25, F26: the cap is on what comes out of the packing.
#[tokio::test]
async fn bodies_without_end() {
    let endless = serve(async |mut stream| {
        take_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 16384]).await.is_ok() {}
    })
    .await;
    check(&url(endless), "", "fail: the body is larger than 1 MiB").await;
    check(&url(endless), "status: 204", "fail: status 200, expected 204").await;
    check(&url(endless), "max_bytes: 64KiB", "fail: the body is larger than 64 KiB").await;

    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..32 {
        packer.write_all(&[0; 1 << 20]).unwrap();
    }
    let packed = packer.finish().unwrap();
    let mut bomb = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len()).into_bytes();
    bomb.extend(packed);
    check(&page(bomb.leak()).await, "", "fail: the body is larger than 1 MiB").await;
}

/// F35: what no server should send. Nothing panics, and everything has its words.
#[tokio::test]
async fn malformed_answers() {
    const INCOMPLETE: &str = "fail: the connection was closed before the answer was complete";
    let malformed = |what: &str| format!("fail: not a valid HTTP answer: {what}");
    let long = |text: &str, times: usize, end: &str| -> &'static [u8] {
        format!("HTTP/1.1 200 OK\r\n{}{end}", text.repeat(times)).into_bytes().leak()
    };
    let version = malformed("invalid HTTP version parsed");
    let header = malformed("invalid HTTP header parsed");
    let status = malformed("invalid HTTP status-code parsed");
    let cases: Vec<(&'static [u8], String)> = vec![
        (b"", INCOMPLETE.into()),
        (b"HTTP/1.1 200 OK\r\nContent-Le", INCOMPLETE.into()),
        (b"garbage\r\n\r\n", version.clone()),
        (b"\0\0\0\0\0\0\0\0", version.clone()),
        (b"SSH-2.0-OpenSSH_9.6\r\n", version.clone()),
        (b"HTTP/9.9 200 OK\r\n\r\n", version.clone()),
        (b"HTTP/1.1 20 OK\r\n\r\n", status.clone()),
        (b"HTTP/1.1 9999 OK\r\n\r\n", status.clone()),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", header.clone()),
        (b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", header.clone()),
        (b"HTTP/1.1 200 OK\r\n : x\r\n\r\n", header.clone()),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", malformed("invalid content-length parsed")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", malformed("invalid content-length parsed")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", malformed("invalid content-length parsed")),
        (long("A: b\r\n", 200, "\r\n"), malformed("message head is too large")),
        (long("A", 1_000_000, ": b\r\n\r\n"), malformed("message head is too large")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", INCOMPLETE.into()),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "fail: the body of the answer is broken: Invalid chunk size line: missing size digit".into(),
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", INCOMPLETE.into()),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
            "fail: the body of the answer is broken: invalid chunk size: overflow".into(),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
            "fail: the body of the answer is broken: Invalid gzip header".into(),
        ),
        // Odd, but every browser takes it.
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "pass".into()),
        (b"HTTP/1.1 204 No Content\r\n\r\nbody that is not there", "pass".into()),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "pass".into()),
        (b"HTTP/1.0 200\r\n\r\n", "pass".into()),
    ];
    for (bytes, expect) in cases {
        let reading = look(&format!("url: '{}'", page(bytes).await), Duration::from_secs(5)).await;
        assert_eq!(told(&reading), expect, "{}", words::excerpt(bytes, []));
    }
}

#[tokio::test]
async fn a_server_that_speaks_first() {
    let ssh = serve(async |mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
        while stream.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {}
    })
    .await;
    let reading = look(&format!("url: 'http://{ssh}/'"), Duration::from_secs(5)).await;
    assert!(told(&reading).starts_with("fail: not a valid HTTP answer: "), "{}", told(&reading));
}

/// Answers each path by its own script and notes the head of every request.
async fn site(pages: &'static [(&'static str, &'static str)]) -> (String, Arc<Mutex<Vec<String>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let noted = requests.clone();
    let server = serve(move |mut stream| {
        let noted = noted.clone();
        async move {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
            let path = request.split_whitespace().nth(1).unwrap_or_default().to_owned();
            noted.lock().unwrap().push(request);
            let page = pages.iter().find(|(known, _)| *known == path).map_or("HTTP/1.1 404 No\r\n\r\n", |(_, page)| page);
            let _ = stream.write_all(page.as_bytes()).await;
        }
    });
    (format!("http://{}", server.await), requests)
}

/// F34.
#[tokio::test]
async fn redirects() {
    let (site, _) = site(&[
        ("/", "HTTP/1.1 302 Found\r\nLocation: /next?key=CANARY\r\nContent-Length: 0\r\n\r\n"),
        ("/next?key=canary", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("/loop", "HTTP/1.1 307 Again\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"),
        ("/file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"),
        ("/bad", "HTTP/1.1 302 Found\r\nLocation: http://:x\r\nContent-Length: 0\r\n\r\n"),
    ])
    .await;
    check(&site, "follow: 1", "pass").await;
    check(&site, "", &format!("fail: status 302, expected 200-299: redirect to {site}/next?key=***, not followed")).await;
    check(&site, "status: 302", "pass").await;
    check(&format!("{site}/loop"), "follow: 3", &format!("fail: more than 3 redirects, the last from {site}/loop")).await;
    check(&format!("{site}/file"), "follow: 3", "fail: redirect to file:///etc/passwd, which is neither http nor https").await;
    check(&format!("{site}/file"), "status: 302", "pass").await;
    let bare = "fail: status 302, expected 200-299: redirect to something that is no URL, not followed";
    check(&format!("{site}/bad"), "", bare).await;
    check(&format!("{site}/bad"), "follow: 3", "fail: status 302, with a redirect that is no URL").await;
}

#[tokio::test]
async fn credentials_stay_at_their_host() {
    let (other, seen_there) = site(&[("/", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]).await;
    let redirect = format!("HTTP/1.1 307 There\r\nLocation: {other}/\r\nContent-Length: 0\r\n\r\n");
    let (here, seen_here) = site(Box::leak(Box::new([("/", &*redirect.leak())]))).await;
    check(&here, "method: post, body: CANARY1, headers: { X-Key: CANARY2 }, bearer: CANARY3, follow: 1", "pass").await;
    let (here, there) = (seen_here.lock().unwrap().join(""), seen_there.lock().unwrap().join(""));
    assert!(
        here.starts_with("post / ")
            && ["canary1", "x-key: canary2", "authorization: bearer canary3"].iter().all(|part| here.contains(part)),
        "{here}"
    );
    assert!(there.starts_with("post / ") && !there.contains("canary"), "{there}");
}

#[tokio::test]
async fn what_is_sent() {
    let (site, seen) = site(&[("/", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]).await;
    check(&site, "basic: { user: me, password: secret }, headers: { Host: x.example }", "pass").await;
    let request = seen.lock().unwrap().remove(0);
    let version = env!("CARGO_PKG_VERSION");
    for part in ["get / http/1.1", "host: x.example", "authorization: basic bwu6c2vjcmv0", &format!("user-agent: vakhta/{version}")] {
        assert!(request.contains(part), "{part} in {request}");
    }
}

#[tokio::test]
async fn no_secret_is_shown() {
    let echo = serve(async |stream| answer(stream, b"HTTP/1.1 200 OK\r\n\r\nwrong token CANARY-1, body CANARY-2").await).await;
    let reading = check(
        &format!("http://{echo}/?key=CANARY-3&CANARY-5#CANARY-4"),
        "contains: fine, bearer: CANARY-1, body: CANARY-2",
        "fail: the answer has no `fine`: `wrong token ***, body ***`",
    )
    .await;
    assert_eq!(*reading.target.key, format!("http://{echo}/?key=***&***"));
    let echo = page(b"HTTP/1.1 200 OK\r\n\r\n{\"token\": \"CANARY-1\"}").await;
    let told = r#"fail: `$.token` is "***", expected 1"#;
    check(&echo, r#"json: { "$.token": 1 }, headers: { X-Key: CANARY-1 }"#, told).await;
    let refused = closed_port().await;
    let reading = check(&format!("http://{refused}/?key=CANARY"), "", "fail: connection refused").await;
    assert!(!format!("{reading:?}").contains("CANARY"));
    let http = build("urls: ['http://a/?key=1', 'http://a/?key=2']").unwrap();
    let keys: Vec<_> = http.run(&Run::alone(Duration::ZERO, 2)).await.iter().map(|reading| reading.target.key.to_string()).collect();
    assert_eq!(keys, ["http://a/?key=***", "http://a/?key=*** #2"]);
}

#[tokio::test]
async fn connections_are_fresh_unless_kept() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    // Serves two requests on each connection, then closes it.
    let server = serve(move |mut stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            for _ in 0..2 {
                let length = stream.read(&mut [0; 1024]).await.unwrap_or(0);
                if length == 0 || stream.write_all(OK).await.is_err() {
                    break;
                }
            }
        }
    })
    .await;
    let run = Run::alone(Duration::from_secs(5), 1);
    let looks = async |section: String, count: usize| {
        let before = connections.load(Ordering::Relaxed);
        let http = build(&section).unwrap();
        for _ in 0..count {
            let reading = &http.run(&run).await[0];
            assert_eq!(told(reading), "pass");
        }
        connections.load(Ordering::Relaxed) - before
    };
    assert_eq!(looks(format!("url: http://{server}/"), 4).await, 4);
    assert_eq!(looks(format!("{{ url: 'http://{server}/', keepalive: true }}"), 6).await, 3);
}

#[tokio::test]
async fn through_a_proxy() {
    let (proxy, seen) = site(&[("http://target.example/", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]).await;
    check("http://target.example/", &format!("proxy: '{}'", proxy.replace("//", "//me:CANARY@")), "pass").await;
    assert!(seen.lock().unwrap()[0].contains("proxy-authorization: basic"), "{seen:?}");
    check("https://target.example/", &format!("proxy: '{proxy}'"), "fail: the proxy could not connect: tunnel error: unsuccessful").await;
    let closed = closed_port().await;
    check("http://target.example/", &format!("proxy: 'http://{closed}'"), "unknown: connection refused by the proxy").await;

    // RFC 1928 by hand: no login, then whatever is asked for is connected.
    let socks = serve(async |mut stream| {
        let mut request = [0; 256];
        stream.read_exact(&mut request[..3]).await.unwrap();
        stream.write_all(&[5, 0]).await.unwrap();
        let length = stream.read(&mut request).await.unwrap();
        assert_eq!(request[..length], *b"\x05\x01\x00\x03\x0etarget.example\x00\x50", "the proxy looks the name up");
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        answer(stream, OK).await;
    })
    .await;
    check("http://target.example/", &format!("proxy: 'socks5h://{socks}', contains: PONG"), "pass").await;
}

#[test]
fn the_proxies_of_the_environment_are_ignored() {
    let proxies = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let mut again = again("checks::http::tests::a_page_is_judged", "true");
    passes_again(again.envs(proxies.map(|name| (name, "http://127.0.0.1:9"))));
}

#[test]
fn want_of_files_is_not_the_targets_fault() {
    passes_again(&mut again("checks::request::tests::without_files", "ulimit -n 64"));
}

#[tokio::test]
#[ignore = "needs a process of its own"]
async fn without_files() {
    has_no_files(build("url: http://127.0.0.1:9/").unwrap()).await;
}

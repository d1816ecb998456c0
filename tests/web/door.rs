//! The door of the running program: TLS, and those who are slow on purpose.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::visitor::{Visitor, address};
use crate::bot::FakeBot;
use crate::program::{PATIENCE, Place, left_out, until};
use crate::service::Service;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A new certificate for 127.0.0.1 and its key, put where the program looks.
    fn issue(&self, place: &Place) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        place.write("web.pem", &certificate.pem());
        place.write("web.key", &key.serialize_pem());
    }
}

/// What `/healthz` says to somebody who trusts this authority, and the certificate that was shown.
fn ask(address: SocketAddr, trusted: &Authority) -> Result<(String, CertificateDer<'static>), String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.0.der().clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = ClientConnection::new(Arc::new(client), ServerName::from(address.ip())).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(client, stream);
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    Ok((answer, stream.conn.peer_certificates().unwrap()[0].clone()))
}

#[test]
fn a_certificate_is_shown_and_changed_while_the_watch_runs() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = Place::new(&format!(
        "host: srv-01\nweb: {{ listen: \"127.0.0.1:0\", tls: {{ certificate: web.pem, key: web.key }} }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n",
        bot.section(),
        service.section()
    ));
    let (ours, other) = (Authority::new(), Authority::new());
    let (code, _, err) = place.run(&["validate"]);
    assert!(code == 1 && err.contains("checks.yaml:2:") && err.contains("web.pem: No such file"), "{err}");
    ours.issue(&place);
    let program = place.start();
    let address = address(&program);

    let (answer, first) = ask(address, &ours).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security: max-age="), "{answer}");
    assert!(ask(address, &other).unwrap_err().contains("invalid peer certificate"));
    let plain = Visitor::stranger(&program).get("/healthz");
    assert!(plain.code == 400 && plain.body.contains("ask with https://"), "{plain:?}");
    // A client that says nothing, or goes away in the midst, hinders nobody.
    let silent = TcpStream::connect(address).unwrap();
    TcpStream::connect(address).unwrap().write_all(&[22, 3, 1, 2, 0, 1]).unwrap();

    ours.issue(&place);
    until("the new certificate is shown", || ask(address, &ours).ok().filter(|(_, shown)| *shown != first));
    let (_, second) = ask(address, &ours).unwrap();
    place.write("web.key", "nonsense");
    let text = bot.texts(1).remove(0);
    assert!(text.contains("(vakhta)") && text.contains("web.key has no private key in it"), "{text}");
    assert_eq!(ask(address, &ours).unwrap().1, second, "the last good one stays");
    ours.issue(&place);
    let text = bot.texts(2).remove(1);
    assert!(text.starts_with("✅ srv-01 · (vakhta)"), "{text}");
    assert_ne!(ask(address, &ours).unwrap().1, second);
    program.stop();
    drop(silent);
}

fn place(bot: &FakeBot, service: &Service) -> Place {
    Place::new(&format!(
        "host: srv-01\nweb: {{ listen: \"127.0.0.1:0\" }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n    every: 100ms\n",
        bot.section(),
        service.section()
    ))
}

/// A connection from another address of this machine.
fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&format!("{from}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    TcpStream::from(socket)
}

/// More come than there is room for; this machine's own programs are heard all the same.
#[test]
fn who_is_slow_on_purpose_makes_no_check_late() {
    if !Path::new("/usr/bin/slowhttptest").exists() {
        return left_out("web::door::who_is_slow_on_purpose_makes_no_check_late", "slowhttptest is not installed");
    }
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service);
    let program = place.start();
    let address = address(&program);
    let modes = [
        ("slow heads", "-H -i 1 -x 24", "healthz"),
        ("slow bodies", "-B -i 1 -s 8192 -x 10 -t POST", "login"),
        ("slow readers", "-X -w 16 -y 32 -n 1 -z 8 -k 3", "healthz"),
    ];
    for (what, mode, path) in modes {
        let mut attack = Command::new("slowhttptest")
            .args(mode.split(' '))
            .args(["-c", "400", "-r", "400", "-l", "3", "-p", "3", "-u", &format!("http://{address}/{path}")])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let looks = || service.asked.load(Ordering::SeqCst);
        let (begun, before) = (Instant::now(), looks());
        while attack.try_wait().unwrap().is_none() {
            let mut stream = connect("127.0.0.2", address);
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{what}: {answer}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let (took, looks) = (begun.elapsed(), looks() - before);
        // Ten a second; the machine has other tests to run, and whoever is slow here is so for three seconds.
        assert!(looks as u128 * 4 > took.as_millis() / 100, "{what}: {looks} looks in {took:?}");
    }
    let log = program.stop();
    assert!(log.contains("too many connections, this one is refused"), "{log}");
    assert_eq!(bot.requests(), 0);
}

#[test]
fn one_address_never_takes_all_the_room() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    let place = place(&bot, &service);
    let program = place.start();
    let stranger = Visitor::stranger(&program);
    let another = || {
        let mut stream = connect("127.0.0.2", stranger.address);
        stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").unwrap();
        stream
    };
    let greedy: Vec<TcpStream> = (0..300).map(|_| another()).collect();
    until("it is full", || program.stderr().iter().any(|line| line.contains("too many connections")).then_some(()));
    assert_eq!(stranger.get("/healthz").code, 200);
    drop(greedy);
    program.stop();
}

#[test]
fn wrong_passwords_are_counted_for_who_asks_and_not_for_the_proxy() {
    let (bot, service) = (FakeBot::start(""), Service::start());
    for (proxies, counted) in [("[]", "127.0.0.1"), ("[\"127.0.0.0/8\"]", "203.0.113.7")] {
        let place = Place::new(&format!(
            "host: srv-01\nweb: {{ listen: \"127.0.0.1:0\", proxies: {proxies} }}\nchannels:\n  ops: {}\nchecks:\n  - name: atto\n    {}\n",
            bot.section(),
            service.section()
        ));
        let program = place.start();
        let headers =
            "Sec-Fetch-Site: same-origin\r\nX-Forwarded-For: 10.0.0.1, 203.0.113.7\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        let answer = Visitor::stranger(&program).ask("POST", "/login", headers, "name=anna&password=anything+at+all");
        assert_eq!(answer.code, 401, "{answer:?}");
        let log = program.stop();
        let line = log.lines().find(|line| line.contains("a wrong name or password")).unwrap();
        assert!(line.contains(&format!("address=\"{counted}\"")), "{line}");
    }
}

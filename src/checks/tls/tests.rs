//! Real handshakes with certificates of every kind, on the loopback.

use std::net::SocketAddr;
use std::time::SystemTime;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::checks::testing::{build_kind, documented_example, problems_are, told};
use crate::net::testing::{Authority, DAY, answer, closed_port, self_signed_server, serve, serve_tls};

async fn served(server: Arc<ServerConfig>) -> SocketAddr {
    serve_tls(server, |mut stream| async move { drop(stream.read(&mut [0; 1]).await) }).await
}

async fn look(address: SocketAddr, more: &str) -> Reading {
    let section = format!("{{ address: '{address}' {more} }}");
    let check = build_kind::<TlsSettings>(&section).map_err(|problems| problems[0].message.clone()).unwrap();
    check.run(&Run::alone(Duration::from_millis(500), 1)).await.remove(0)
}

#[tokio::test]
async fn a_good_certificate_has_its_days() {
    let authority = Authority::new();
    let address = served(authority.good_server()).await;
    let trusted = format!(", ca: {}", authority.file().display());
    let reading = look(address, &format!("{trusted}, issuer: test auth, min_version: '1.3', names: [127.0.0.1]")).await;
    assert_eq!((told(&reading).as_str(), reading.value("version")), ("pass", Some(1.3)));
    assert!(reading.value("cert_days").is_some_and(|days| (30.0..30.1).contains(&days)), "{reading:?}");
    assert!(reading.value("latency").is_some(), "{reading:?}");
    let other = look(address, &format!("{trusted}, issuer: Let's Encrypt")).await;
    assert_eq!(told(&other), "fail: the certificate is from another authority: CN=Test Authority");
    assert!(other.value("cert_days").is_some());
    let named = look(address, &format!("{trusted}, names: [www.example.com]")).await;
    assert_eq!(told(&named), "fail: the certificate is not for www.example.com");
}

#[tokio::test]
async fn what_is_wrong_has_its_words_and_its_days() {
    let authority = Authority::new();
    let trusted = format!(", ca: {}", authority.file().display());
    let (own, _) = self_signed_server(&["127.0.0.1"]);
    let reading = look(served(own.clone()).await, &trusted).await;
    assert_eq!(told(&reading), "fail: the certificate is self-signed");
    assert!(reading.value("cert_days").is_some());
    assert_eq!(told(&look(served(own).await, ", insecure: true").await), "pass");
    let now = SystemTime::now();
    let expired = served(authority.server(&["127.0.0.1"], now - 9 * DAY, now - 3 * DAY)).await;
    let reading = look(expired, &trusted).await;
    assert_eq!(told(&reading), "fail: the certificate expired 3 days ago");
    assert!(reading.value("cert_days").is_some_and(|days| (-3.1..-2.9).contains(&days)), "{reading:?}");
    let other = served(authority.server(&["example.com"], now - DAY, now + DAY)).await;
    assert_eq!(told(&look(other, &trusted).await), "fail: the certificate is for example.com, not for 127.0.0.1");
    assert_eq!(told(&look(other, &format!("{trusted}, server_name: example.com")).await), "pass");
    let reading = look(served(authority.good_server()).await, "").await;
    assert_eq!(told(&reading), "fail: the certificate's authority is not trusted: CN=Test Authority");
}

#[tokio::test]
async fn an_older_tls_can_be_refused() {
    let authority = Authority::new();
    let mut older = (*authority.good_server()).clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    let resolver = older.cert_resolver.clone();
    older = versions.with_no_client_auth().with_cert_resolver(resolver);
    let address = served(Arc::new(older)).await;
    let trusted = format!(", ca: {}", authority.file().display());
    let reading = look(address, &trusted).await;
    assert_eq!((told(&reading).as_str(), reading.value("version")), ("pass", Some(1.2)));
    let strict = look(address, &format!("{trusted}, min_version: '1.3'")).await;
    assert_eq!(told(&strict), "fail: the server speaks an older TLS than 1.3");
}

#[tokio::test]
async fn servers_with_other_manners() {
    assert_eq!(told(&look(closed_port().await, "").await), "fail: connection refused");
    let plain = serve(|stream| answer(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    assert_eq!(told(&look(plain, "").await), "fail: the server does not speak TLS");
    let silent = serve(|mut stream| async move { while stream.read(&mut [0; 512]).await.is_ok_and(|length| length > 0) {} }).await;
    assert_eq!(told(&look(silent, "").await), "fail: no end of the TLS handshake in 500 ms");
    assert_eq!(told(&look(silent, ", starttls: smtp").await), "fail: no answer to STARTTLS in 500 ms");
}

/// A mail server that says these lines, one for each that it hears, and then speaks TLS.
async fn mail_server(tls: Arc<ServerConfig>, lines: &'static [&'static str]) -> SocketAddr {
    serve(move |mut stream| {
        let acceptor = TlsAcceptor::from(tls.clone());
        async move {
            let (reader, mut writer) = stream.split();
            let mut reader = BufReader::new(reader);
            for (index, line) in lines.iter().enumerate() {
                if index > 0 {
                    reader.read_line(&mut String::new()).await.unwrap();
                }
                writer.write_all(line.as_bytes()).await.unwrap();
            }
            if let Ok(mut secured) = acceptor.accept(stream).await {
                let _ = secured.read(&mut [0; 1]).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn mail_servers_are_asked_first() {
    let authority = Authority::new();
    let more = format!(", starttls: smtp, ca: {}", authority.file().display());
    let said = async |lines| told(&look(mail_server(authority.good_server(), lines).await, &more).await);
    let good = &["220 mail ESMTP\r\n", "250-mail\r\n250-SIZE 10\r\n250 STARTTLS\r\n", "220 go\r\n"];
    assert_eq!(said(good).await, "pass");
    assert_eq!(said(&["554 no\x1b[2J service\r\n"]).await, r"fail: the mail server answered the connection with `554 no\u{1b}[2J service`");
    assert_eq!(
        said(&["220 mail\r\n", "250 mail\r\n", "454 not now\r\n"]).await,
        "fail: the mail server answered STARTTLS with `454 not now`"
    );
    assert_eq!(
        said(&["220 mail\r\n", "250 mail\r\n", "220 go\r\n250 and more\r\n"]).await,
        "fail: the mail server went on in the clear after STARTTLS"
    );
}

#[test]
fn bad_settings() {
    let are = |section: &str, expect: &[&str]| problems_are::<TlsSettings>(section, expect);
    are("{}", &[": `address` is missing"]);
    are("{ address: example.com }", &["address: `example.com` has no port; write `example.com:443`"]);
    are("{ address: 'a:1', issuer: ' ' }", &["issuer: `issuer` is empty"]);
    are("{ address: 'a:1', server_name: 'a b' }", &["server_name: `a b` is not a host name"]);
    are("{ address: 'a:1', ca: none.pem }", &["ca: cannot read /nowhere/none.pem: No such file or directory (os error 2)"]);
}

#[test]
fn the_example_is_good() {
    build_kind::<TlsSettings>(&documented_example::<TlsSettings>("tls")).map_err(|problems| problems[0].message.clone()).unwrap();
}

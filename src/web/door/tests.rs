//! Real sockets, and somebody at the other end who does not play fair; time passes when nothing happens.

use axum::Extension;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Serves a few paths on a free port.
async fn open(proxies: &[&str]) -> (SocketAddr, TaskTracker, CancellationToken) {
    let router = Router::new()
        .route("/origin", get(async |Extension(Origin { peer, scheme, host })| format!("{peer} {scheme}://{host}")))
        .route("/body", post(async |body: String| body.len().to_string()))
        .route("/large", get(async || "x".repeat(64 << 20)))
        .route(
            "/later",
            get(async || {
                sleep(Duration::from_secs(1)).await;
                "it is done"
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop, visits) = (listener.local_addr().unwrap(), CancellationToken::new(), TaskTracker::new());
    let proxies: Vec<IpNet> = proxies.iter().map(|network| network.parse().unwrap()).collect();
    let hall = Hall::new(None, proxies.clone(), router, stop.clone());
    tokio::spawn(welcome(listener, hall, Seats::new(proxies), visits.clone()));
    (address, visits, stop)
}

/// Sends this and hears what comes until the other end has had enough.
async fn say(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // What was not read at the other end makes its end a rude one.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_is_small_and_comes_in_time() {
    let (address, ..) = open(&[]).await;
    let post = |headers: &str, body: &str| format!("POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n\r\n{body}");
    let right = say(address, &post("Content-Length: 65536", &"x".repeat(65_536))).await;
    assert!(right.starts_with("HTTP/1.1 200") && right.ends_with("65536"), "{right}");
    let large = say(address, &post("Content-Length: 65537", "")).await;
    assert!(large.starts_with("HTTP/1.1 413") && large.contains("the body may have 64 KiB"), "{large}");
    let chunk = format!("10001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10001));
    let large = say(address, &post("Transfer-Encoding: chunked", &chunk)).await;
    assert!(large.starts_with("HTTP/1.1 413"), "{large}");
    let late = say(address, &post("Content-Length: 10", "x")).await;
    assert!(late.starts_with("HTTP/1.1 408") && late.contains("connection: close"), "{late}");
}

#[tokio::test(start_paused = true)]
async fn whoever_says_or_reads_nothing_is_let_go() {
    let (address, visits, _) = open(&[]).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(say(address, "GET /origin HTTP/1.1\r\nX: ").await, "");
    assert!((HEAD..HEAD * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // Else the system takes all of it for whoever reads nothing.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    while visits.is_empty() {
        tokio::task::yield_now().await;
    }
    visits.close();
    visits.wait().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.len() < 64 << 20, "{}", answer.len());
}

#[tokio::test]
async fn only_a_proxy_says_for_whom_it_asks() {
    let ask = "GET /origin HTTP/1.1\r\nHost: vakhta:8080\r\nConnection: close\r\nX-Forwarded-For: 10.9.9.9, 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: watch.example.com\r\n\r\n";
    let (address, ..) = open(&["10.0.0.0/8"]).await;
    let answer = say(address, ask).await;
    assert!(answer.ends_with("\r\n127.0.0.1 http://vakhta:8080"), "{answer}");
    let (address, ..) = open(&["10.0.0.0/8", "127.0.0.1/32"]).await;
    let answer = say(address, ask).await;
    assert!(answer.ends_with("\r\n198.51.100.1 https://watch.example.com"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_answers_but_not_for_ever() {
    let (address, visits, stop) = open(&[]).await;
    let later = tokio::spawn(say(address, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"));
    let idle = tokio::spawn(say(address, "GET /origin HTTP/1.1\r\nHost: x\r\n\r\n"));
    let half = tokio::spawn(say(address, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"));
    sleep(Duration::from_millis(500)).await;
    assert_eq!(visits.len(), 3);
    let begun = tokio::time::Instant::now();
    stop.cancel();
    visits.close();
    visits.wait().await;
    assert!((Duration::from_millis(400)..Duration::from_millis(1600)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert!(later.await.unwrap().ends_with("it is done"));
    assert!(idle.await.unwrap().contains("127.0.0.1 http://x"));
    assert_eq!(half.await.unwrap(), "");
}

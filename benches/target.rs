//! What the contestants look at: `target PORT` answers every HTTP request with 200 and counts connections and
//! requests, so that nobody's own count has to be believed. `GET /count` tells them.

use std::cell::Cell;
use std::env;
use std::net::Ipv4Addr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::LocalSet;

#[derive(Default)]
struct Counts {
    connections: Cell<u64>,
    requests: Cell<u64>,
}

fn main() -> anyhow::Result<()> {
    let Some(port) = env::args().skip(1).find_map(|argument| argument.parse::<u16>().ok()) else {
        println!("skipped: target PORT; scripts/bench calls it");
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::UNSPECIFIED, port).into())?;
        // Room for all: a full queue would drop connections, and a second would pass before each is tried again.
        let listener = socket.listen(65_535)?;
        let counts = Rc::new(Counts::default());
        loop {
            let (stream, _) = listener.accept().await?;
            counts.connections.set(counts.connections.get() + 1);
            tokio::task::spawn_local(serve(stream, counts.clone()));
        }
    })
}

/// Serves one connection until its client is done. A client that goes away is no error here.
async fn serve(mut stream: TcpStream, counts: Rc<Counts>) -> std::io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let body = if buffer.starts_with(b"GET /count ") {
            // Who asks is not counted.
            counts.connections.set(counts.connections.get() - 1);
            format!("{} {}\n", counts.connections.get(), counts.requests.get())
        } else {
            counts.requests.set(counts.requests.get() + 1);
            "ok\n".to_owned()
        };
        let response = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(response.as_bytes()).await?;
    }
}

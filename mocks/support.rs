//! What the mocks share: where they listen and how they say so.

use std::io;

use tokio::net::TcpListener;

/// Listens on this machine only. The first line printed names the port: with `--port 0` the system chooses it.
pub async fn listen(port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

//! The least that the same work can cost: sockets and nothing else. `floor ping FIRST COUNT`,
//! `floor tcp ADDRESS COUNT`, `floor http ADDRESS COUNT`.

use std::env;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, Type};

/// So many echoes go out before their replies are fetched.
const BATCH: u32 = 64;
/// So many HTTP requests are under way at once.
const AT_ONCE: usize = 256;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [what, at, count] = &arguments[..] else {
        println!("skipped: floor ping|tcp|http ADDRESS COUNT; scripts/bench calls it");
        return Ok(());
    };
    let count = count.parse()?;
    match &**what {
        "ping" => ping(at.parse()?, count),
        "tcp" => tcp(at.parse()?, count),
        "http" => http(at.parse()?, count),
        other => bail!("no floor for {other}"),
    }
}

/// One unprivileged or raw socket, blocking calls, no table of who answered.
fn ping(first: Ipv4Addr, count: u32) -> anyhow::Result<()> {
    let dgram = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4));
    let socket = match dgram {
        Ok(socket) => socket,
        Err(_) => bail!("the floor of ping needs net.ipv4.ping_group_range"),
    };
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    // Type 8, code 0; the kernel fills in checksum and identifier.
    let mut echo = [0_u8; 64];
    echo[0] = 8;
    let mut reply = [MaybeUninit::uninit(); 128];
    let mut answered = 0;
    for start in (0..count).step_by(BATCH as usize) {
        let batch = BATCH.min(count - start);
        for number in start..start + batch {
            let address = Ipv4Addr::from_bits(first.to_bits() + number);
            socket.send_to(&echo, &SocketAddrV4::new(address, 0).into())?;
        }
        for _ in 0..batch {
            socket.recv_from(&mut reply).context("a reply is missing")?;
            answered += 1;
        }
    }
    println!("pass={answered} fail=0 unknown=0");
    Ok(())
}

/// Blocking connects, one after another.
fn tcp(address: SocketAddr, count: u32) -> anyhow::Result<()> {
    for _ in 0..count {
        TcpStream::connect(address)?;
    }
    println!("pass={count} fail=0 unknown=0");
    Ok(())
}

/// hyper without a client around it: a fresh connection each.
fn http(address: SocketAddr, count: u32) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let passed = runtime.block_on(async {
        let looks = stream::iter(0..count).map(|number| get(address, number)).buffer_unordered(AT_ONCE);
        looks.filter(|answer| std::future::ready(answer.as_ref().is_ok_and(|status| *status == 200))).count().await
    });
    println!("pass={passed} fail={} unknown=0", count as usize - passed);
    Ok(())
}

async fn get(address: SocketAddr, number: u32) -> anyhow::Result<u16> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = hyper::Request::get(format!("/{number}")).header("host", address.to_string()).body(String::new())?;
    tokio::select! {
        response = sender.send_request(request) => Ok(response?.status().as_u16()),
        _ = connection => bail!("the connection ended before its response"),
    }
}

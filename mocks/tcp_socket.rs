//! A socket that answers `PONG` to `PING`, and can be switched while it runs.
//!
//! ```text
//! cargo run --example tcp-socket -- --port 9100
//! printf 'PING\n' | nc 127.0.0.1 9100                PONG
//! printf 'SWITCH down\n' | nc 127.0.0.1 9100         or type `down` where it runs: ok, down, silent or closed
//! ```

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use clap::{Parser, ValueEnum};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[derive(Parser)]
#[command(about = "A socket that answers PONG to PING, and can be switched while it runs")]
struct Options {
    /// Where to listen on 127.0.0.1; 0 takes any free port.
    #[arg(long, default_value_t = 9100)]
    port: u16,
    /// How the service is at the start.
    #[arg(long, value_enum, default_value_t = Health::Ok)]
    state: Health,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Health {
    /// Answers `PONG`.
    Ok,
    /// Answers `ERR down`.
    Down,
    /// Takes everything and says nothing.
    Silent,
    /// Closes the connection when it is spoken to.
    Closed,
}

type Shared = Arc<Mutex<Health>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let health: Shared = Arc::new(Mutex::new(options.state));
    let listener = support::listen(options.port).await?;
    obey_keyboard(health.clone());
    loop {
        let (stream, _) = listener.accept().await?;
        let health = health.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &health).await {
                println!("a connection broke: {error}");
            }
        });
    }
}

async fn converse(stream: TcpStream, health: &Shared) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match line.trim().strip_prefix("SWITCH ") {
            Some(to) => switch(health, to),
            None => match current(health) {
                Health::Ok if line.trim() == "PING" => "PONG".into(),
                Health::Ok => "ERR unknown command".into(),
                Health::Down => "ERR down".into(),
                Health::Silent => continue,
                Health::Closed => return Ok(()),
            },
        };
        println!("{line} -> {answer}");
        lines.get_mut().write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

/// A thread of its own: reading a terminal blocks. It ends with the input or the program.
fn obey_keyboard(health: Shared) {
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            println!("{}", switch(&health, line.trim()));
        }
    });
}

fn switch(health: &Shared, to: &str) -> String {
    match Health::from_str(to, true) {
        Ok(state) => {
            *health.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = state;
            format!("OK {state:?}")
        }
        Err(_) => format!("ERR `{to}` is not one of ok, down, silent, closed"),
    }
}

fn current(health: &Shared) -> Health {
    *health.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

//! Secrets that are typed: the terminal does not show them.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Of a line that is read, in bytes.
const LONGEST_LINE: u64 = 4096;

/// The terminal shows nothing of what is typed, until this is dropped.
pub struct Quiet(Termios);

impl Quiet {
    /// Nothing where there is no terminal.
    pub fn begin() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that went away shows nothing anyway.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// A new password: typed twice at a terminal, else the first line of standard input.
pub async fn new_password() -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        return line().await;
    }
    let first = typed("Password").await?;
    anyhow::ensure!(first == typed("The same again").await?, "the two are not the same; nothing was changed");
    Ok(first)
}

async fn typed(question: &str) -> anyhow::Result<String> {
    let _quiet = Quiet::begin();
    write!(io::stderr(), "{question}: ")?;
    let read = tokio::select! {
        read = line() => read,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("nothing was changed")),
    };
    // The line break was not shown either.
    writeln!(io::stderr())?;
    read
}

async fn line() -> anyhow::Result<String> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().take(LONGEST_LINE).read_line(&mut line).map(|_| line)
    });
    let line = read.await?.context("the password cannot be read")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

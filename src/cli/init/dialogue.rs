//! Questions and their answers: on a terminal, from a pipe, or none at all with `--yes`.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use super::super::quiet::Quiet;
use crate::settings::Secret;

/// Nobody types a longer line.
const LONGEST_LINE: u64 = 4096;

/// Whoever answers went away, or wants no more.
#[derive(Debug, thiserror::Error)]
#[error("ended; nothing was written")]
pub struct Ended;

pub struct Dialogue {
    /// Every proposal is taken without asking.
    silent: bool,
}

impl Dialogue {
    pub fn new(silent: bool) -> Self {
        Self { silent }
    }

    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// One line for the person.
    pub fn say(&self, text: &str) -> Result<(), Ended> {
        writeln!(anstream::stdout(), "{text}").map_err(|_| Ended)
    }

    /// The answer, or what is proposed when there is none.
    pub async fn ask(&self, question: &str, proposed: &str) -> Result<String, Ended> {
        if self.silent {
            return Ok(proposed.to_owned());
        }
        let shown = if proposed.is_empty() { String::new() } else { format!(" [{proposed}]") };
        prompt(&format!("{question}{shown}: "))?;
        let answer = line(false).await?;
        Ok(if answer.is_empty() { proposed.to_owned() } else { answer })
    }

    /// Asks again until the answer can be read.
    pub async fn ask_until<T>(&self, question: &str, proposed: &str, read: impl Fn(&str) -> Result<T, String>) -> anyhow::Result<T> {
        loop {
            match read(&self.ask(question, proposed).await?) {
                Ok(answer) => return Ok(answer),
                Err(trouble) if self.silent => anyhow::bail!(trouble),
                Err(trouble) => self.say(&format!("  {trouble}"))?,
            }
        }
    }

    pub async fn agree(&self, question: &str) -> anyhow::Result<bool> {
        self.ask_until(question, "y", |answer| match answer.to_ascii_lowercase().as_str() {
            "y" | "yes" | "д" | "да" => Ok(true),
            "n" | "no" | "н" | "нет" => Ok(false),
            _ => Err("write y or n".to_owned()),
        })
        .await
    }

    /// An answer that a terminal does not show; empty when there is none.
    pub async fn ask_secret(&self, question: &str) -> Result<Secret, Ended> {
        prompt(&format!("{question}: "))?;
        let answer = line(true).await.map(Secret::new);
        if io::stdin().is_terminal() {
            // The line break was not shown either.
            self.say("")?;
        }
        answer
    }
}

fn prompt(text: &str) -> Result<(), Ended> {
    let mut out = anstream::stdout();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(|_| Ended)
}

/// The next line without its end. The end of the input ends the dialogue.
async fn line(hidden: bool) -> Result<String, Ended> {
    let _quiet = hidden.then(Quiet::begin).flatten();
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let read = io::stdin().lock().take(LONGEST_LINE).read_line(&mut line);
        read.ok().filter(|length| *length > 0).map(|_| line.trim().to_owned())
    });
    read.await.ok().flatten().ok_or(Ended)
}

//! A mail server that misbehaves by a plan, and keeps a receipt of every letter it took.
//!
//! It speaks ESMTP with STARTTLS and AUTH PLAIN. Recipients called `nobody@…` are refused; `grey@…` is put off the first time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// What goes wrong in one conversation: where, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    at: Stage,
    does: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nowhere: all goes well.
    Nowhere,
    Greeting,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the letter's last dot.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Manner {
    Answers(String),
    Hangs,
    Closes,
    /// The letter is taken, and no answer ever comes.
    TakesAndHangs,
    /// The letter is taken, and the connection is closed without an answer.
    TakesAndCloses,
}

impl FromStr for Step {
    type Err = String;

    /// `ok`, or a stage and a manner: `greeting=421 busy`, `rcpt=450 greylisted`, `end=take-and-hang`, `data=hang`, `mail=close`
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no step of a plan");
        if text == "ok" {
            return Ok(Self { at: Stage::Nowhere, does: Manner::Closes });
        }
        let (stage, manner) = text.split_once('=').ok_or_else(wrong)?;
        let at = match stage {
            "greeting" => Stage::Greeting,
            "starttls" => Stage::StartTls,
            "auth" => Stage::Auth,
            "mail" => Stage::Mail,
            "rcpt" => Stage::Rcpt,
            "data" => Stage::Data,
            "end" => Stage::End,
            _ => return Err(wrong()),
        };
        let does = match manner {
            "hang" => Manner::Hangs,
            "close" => Manner::Closes,
            "take-and-hang" => Manner::TakesAndHangs,
            "take-and-close" => Manner::TakesAndCloses,
            answer => Manner::Answers(answer.to_owned()),
        };
        Ok(Self { at, does })
    }
}

/// Steps separated by commas, one for each conversation.
pub fn plan(text: &str) -> Result<VecDeque<Step>, String> {
    text.split(',').map(str::trim).filter(|step| !step.is_empty()).map(Step::from_str).collect()
}

#[derive(Default)]
pub struct MailServer {
    /// What goes wrong in the conversations to come; after its end nothing does.
    pub plan: VecDeque<Step>,
    /// One object for each letter: `from`, `to`, `login`, `tls`, `letter`, when it came (`at`, in µs) and whether it was `answered`.
    pub receipts: Vec<Value>,
    pub conversations: usize,
    pub file: Option<File>,
    pub print: bool,
    /// With it, STARTTLS is offered, or TLS spoken from the start.
    pub tls: Option<Arc<ServerConfig>>,
    pub tls_from_the_start: bool,
    /// Told when an answer is due that never comes.
    pub hangs: Arc<Notify>,
    /// Who was put off already.
    pub seen: Vec<String>,
}

/// The state of the mock, shared with who looks at it.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<MailServer>>);

impl Shared {
    pub fn new(server: MailServer) -> Self {
        Self(Arc::new(Mutex::new(server)))
    }

    pub fn lock(&self) -> MutexGuard<'_, MailServer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, server: Shared) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let server = server.clone();
        tokio::spawn(async move {
            // A client that leaves in the midst of it is the client's business.
            let _ = converse(stream, server).await;
        });
    }
}

async fn converse(stream: TcpStream, server: Shared) -> io::Result<()> {
    let (step, tls, from_the_start) = {
        let mut server = server.lock();
        server.conversations += 1;
        let step = server.plan.pop_front().unwrap_or(Step { at: Stage::Nowhere, does: Manner::Closes });
        (step, server.tls.clone().map(TlsAcceptor::from), server.tls_from_the_start)
    };
    let mut talk = Talk { server, step, login: None, from: String::new(), to: Vec::new(), secure: false };
    match tls {
        Some(tls) if from_the_start => {
            talk.secure = true;
            talk.over(&mut BufReader::new(tls.accept(stream).await?), true, false).await.map(|_| ())
        }
        Some(tls) => {
            let mut plain = BufReader::new(stream);
            if talk.over(&mut plain, true, true).await? == Ended::ForTls {
                talk.secure = true;
                talk.over(&mut BufReader::new(tls.accept(plain.into_inner()).await?), false, false).await?;
            }
            Ok(())
        }
        None => talk.over(&mut BufReader::new(stream), true, false).await.map(|_| ()),
    }
}

#[derive(PartialEq)]
enum Ended {
    ForTls,
    ForGood,
}

struct Talk {
    server: Shared,
    step: Step,
    login: Option<String>,
    from: String,
    to: Vec<String>,
    secure: bool,
}

impl Talk {
    async fn over<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut BufReader<S>,
        greet: bool,
        starttls: bool,
    ) -> io::Result<Ended> {
        if greet && !self.answer(stream, Stage::Greeting, "220 mock ESMTP").await? {
            return Ok(Ended::ForGood);
        }
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(Ended::ForGood);
            }
            let command = line.trim_end();
            let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
            let going_on = match word.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    let offer = if starttls { "250-mock\r\n250-STARTTLS\r\n250 AUTH PLAIN" } else { "250-mock\r\n250 AUTH PLAIN" };
                    self.answer(stream, Stage::Nowhere, offer).await?
                }
                "STARTTLS" if starttls => {
                    if self.answer(stream, Stage::StartTls, "220 go on").await? {
                        return Ok(Ended::ForTls);
                    }
                    false
                }
                "AUTH" => {
                    self.login = rest.split_whitespace().nth(1).map(str::to_owned);
                    self.answer(stream, Stage::Auth, "235 welcome").await?
                }
                "MAIL" => {
                    self.from = address(rest);
                    self.answer(stream, Stage::Mail, "250 ok").await?
                }
                "RCPT" => self.recipient(stream, address(rest)).await?,
                "DATA" => self.answer(stream, Stage::Data, "354 go on").await? && self.letter(stream).await?,
                "QUIT" => {
                    self.answer(stream, Stage::Nowhere, "221 bye").await?;
                    false
                }
                _ => self.answer(stream, Stage::Nowhere, "500 what?").await?,
            };
            if !going_on {
                return Ok(Ended::ForGood);
            }
        }
    }

    async fn recipient<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>, to: String) -> io::Result<bool> {
        let first_time = !self.server.lock().seen.contains(&to);
        if to.starts_with("nobody@") {
            return self.answer(stream, Stage::Nowhere, "550 5.1.1 no such user").await;
        }
        if to.starts_with("grey@") && first_time {
            self.server.lock().seen.push(to);
            return self.answer(stream, Stage::Nowhere, "450 4.2.0 greylisted").await;
        }
        let planned = self.step.at == Stage::Rcpt;
        let going_on = self.answer(stream, Stage::Rcpt, "250 ok").await?;
        if !planned {
            self.to.push(to);
        }
        Ok(going_on)
    }

    async fn letter<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>) -> io::Result<bool> {
        let (mut letter, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(false);
            }
            if line == ".\r\n" {
                break;
            }
            letter.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
        let refused = self.step.at == Stage::End && !matches!(self.step.does, Manner::TakesAndHangs | Manner::TakesAndCloses);
        if !refused {
            let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
            let receipt = json!({
                "at": at, "answered": self.step.at != Stage::End,
                "from": self.from, "to": self.to, "login": self.login, "tls": self.secure, "letter": letter,
            });
            self.server.lock().note(receipt);
        }
        self.answer(stream, Stage::End, "250 taken").await
    }

    /// The usual answer, unless the plan has another one for here. False: the conversation is over.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufReader<S>, at: Stage, usual: &str) -> io::Result<bool> {
        let planned = self.step.at == at && at != Stage::Nowhere;
        let text = match &self.step.does {
            Manner::Answers(text) if planned => text,
            Manner::Hangs | Manner::TakesAndHangs if planned => {
                self.server.lock().hangs.notify_one();
                std::future::pending().await
            }
            Manner::Closes | Manner::TakesAndCloses if planned => return Ok(false),
            _ => usual,
        };
        stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        stream.flush().await?;
        Ok(!text.starts_with("421"))
    }
}

fn address(argument: &str) -> String {
    let inside = argument.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(argument, |(address, _)| address).to_owned()
}

impl MailServer {
    /// Notes the letter, in the file before the answer leaves.
    fn note(&mut self, receipt: Value) {
        if self.print {
            println!("to {}\n{}", receipt["to"], receipt["letter"].as_str().unwrap_or_default());
        }
        if let Some(file) = &mut self.file {
            let written = file.write_all(format!("{receipt}\n").as_bytes()).and_then(|()| file.sync_data());
            if let Err(error) = written {
                eprintln!("the receipt is not written: {error}");
            }
        }
        self.receipts.push(receipt);
    }
}

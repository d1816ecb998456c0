//! One conversation with a mail server (RFC 5321), and what every answer in it means.

use std::sync::Arc;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::time::timeout;

use crate::net::{Fault, Net, http, tls, words};
use crate::notify::SendError;
use crate::settings::Secret;

/// For everything before the letter itself.
const BEFORE: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(10);
/// For the answer to the letter. RFC 5321 §4.5.3.2.6 would have ten minutes; nobody is told meanwhile.
const AFTER: Duration = Duration::from_secs(60);
const GOODBYE: Duration = Duration::from_secs(1);
/// Greylisting wants minutes: coming back sooner begins the wait anew.
pub const GREYLIST: Duration = Duration::from_secs(300);

pub struct Server {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// The password once more, to be blotted out of what the server says.
    pub login: Option<(Credentials, Secret)>,
    pub net: Arc<Net>,
}

pub enum Encryption {
    FromTheStart(TlsParameters),
    Required(TlsParameters),
    Opportunistic(TlsParameters),
    None,
}

/// What became of each recipient.
#[derive(Debug, Default)]
pub struct Verdicts {
    pub taken: Vec<Address>,
    /// For good, with the server's words.
    pub refused: Vec<(Address, String)>,
    /// For now.
    pub later: Vec<(Address, String)>,
}

impl Server {
    /// Delivers a letter to those who may get it. An error is about all of them.
    pub async fn deliver(&self, from: &Address, to: &[Address], letter: &[u8]) -> Result<Verdicts, SendError> {
        let before = timeout(BEFORE, self.hand_in(from, to)).await;
        let too_late = || SendError::Later { after: None, cause: format!("{} did not go on in {}", self.host, words::span(BEFORE)) };
        let (mut connection, verdicts) = before.map_err(|_| too_late())??;
        if verdicts.taken.is_empty() {
            self.goodbye(connection).await;
            return Ok(verdicts);
        }
        match timeout(AFTER, connection.message(letter)).await {
            Ok(Ok(_)) => {
                self.goodbye(connection).await;
                Ok(verdicts)
            }
            // Said about the letter, it is about this letter only.
            Ok(Err(error)) if error.is_permanent() => Err(SendError::Never { cause: self.words(&error) }),
            Ok(Err(error)) if error.is_transient() => Err(self.later(&error)),
            Ok(Err(error)) => Err(SendError::Unsure { cause: format!("lost before the letter was confirmed: {}", self.words(&error)) }),
            Err(_) => Err(SendError::Unsure { cause: format!("the letter was not confirmed in {}", words::span(AFTER)) }),
        }
    }

    /// Everything up to the point where the letter itself may follow.
    async fn hand_in(&self, from: &Address, to: &[Address]) -> Result<(AsyncSmtpConnection, Verdicts), SendError> {
        let mut connection = self.connect().await?;
        self.log_in(&mut connection).await?;
        connection.command(Mail::new(Some(from.clone()), vec![])).await.map_err(|error| self.about_us(&error))?;
        let mut verdicts = Verdicts::default();
        for address in to {
            match connection.command(Rcpt::new(address.clone(), vec![])).await {
                Ok(_) => verdicts.taken.push(address.clone()),
                Err(error) if error.is_permanent() => verdicts.refused.push((address.clone(), self.words(&error))),
                Err(error) if error.is_transient() && !closes(&error) => verdicts.later.push((address.clone(), self.words(&error))),
                Err(error) => return Err(self.later(&error)),
            }
        }
        if !verdicts.taken.is_empty() {
            connection.command(Data).await.map_err(|error| match error.is_permanent() {
                true => SendError::Never { cause: self.words(&error) },
                false => self.later(&error),
            })?;
        }
        Ok((connection, verdicts))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let later = |cause: String| SendError::Later { after: None, cause: words::clean(&cause) };
        let addresses = self.net.resolve(&self.host, CONNECT).await.map_err(|error| later(error.to_string()))?;
        let places: Vec<_> = addresses.into_iter().map(|address| (address, self.port).into()).collect();
        let from_the_start = match &self.encryption {
            Encryption::FromTheStart(tls) => Some(tls.clone()),
            _ => None,
        };
        let name = our_name();
        let connection = AsyncSmtpConnection::connect_tokio1(&places[..], Some(CONNECT), &name, from_the_start, None);
        let mut connection = connection.await.map_err(|error| self.about_us(&error))?;
        match &self.encryption {
            Encryption::Required(_) if !connection.can_starttls() => {
                let cause = format!("{} offers no STARTTLS: mend the server, or write `starttls: none`", self.host);
                return Err(SendError::Broken { cause });
            }
            Encryption::Required(tls) | Encryption::Opportunistic(tls) if connection.can_starttls() => {
                connection.starttls(tls.clone(), &name).await.map_err(|error| self.later(&error))?;
            }
            _ => {}
        }
        Ok(connection)
    }

    async fn log_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), SendError> {
        let Some((credentials, _)) = &self.login else { return Ok(()) };
        if matches!(self.encryption, Encryption::Opportunistic(_)) && !connection.is_encrypted() {
            let cause = format!("{} offers no STARTTLS, and no password goes out in clear", self.host);
            return Err(SendError::Broken { cause });
        }
        connection.auth(DEFAULT_MECHANISMS, credentials).await.map(|_| ()).map_err(|error| match error.is_client() {
            true => SendError::Broken { cause: format!("{} takes no login of ours (PLAIN, LOGIN)", self.host) },
            false => self.about_us(&error),
        })
    }

    /// A refusal of greeting, login or sender is about us, and stays until someone mends it.
    fn about_us(&self, error: &Error) -> SendError {
        match error.is_permanent() {
            true => SendError::Broken { cause: self.words(error) },
            false => self.later(error),
        }
    }

    fn later(&self, error: &Error) -> SendError {
        let after = (error.is_transient() && !closes(error)).then_some(GREYLIST);
        SendError::Later { after, cause: self.words(error) }
    }

    /// What went wrong, without the password, on one short line.
    fn words(&self, error: &Error) -> String {
        let said = match (error.status(), std::error::Error::source(error)) {
            (Some(status), Some(said)) => format!("{} says: {status} {said}", self.host),
            _ => format!("{}: {}", self.host, cause_in_words(error)),
        };
        let said = self.login.as_ref().map_or(said.clone(), |(_, password)| password.scrub(&said));
        words::clean(said.trim())
    }

    async fn goodbye(&self, mut connection: AsyncSmtpConnection) {
        // The letter is on its way, whatever the server says now.
        let _ = timeout(GOODBYE, connection.quit()).await;
    }
}

/// 421: the server closes the connection, and says nothing of the letter.
fn closes(error: &Error) -> bool {
    error.status().is_some_and(|status| status.to_string() == "421")
}

fn cause_in_words(error: &Error) -> String {
    for cause in http::chain(error) {
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return tls::in_words(error, None);
        }
        if let Some(error) = cause.downcast_ref::<std::io::Error>().filter(|error| error.get_ref().is_none()) {
            let (Fault::Theirs(cause) | Fault::Ours(cause)) = Fault::from(error);
            return cause;
        }
    }
    let deepest = http::chain(error).last().map(ToString::to_string).unwrap_or_default();
    match error.is_response() {
        // The library's word for the end of a connection.
        true if deepest == "incomplete response" => "the connection was closed early".into(),
        true => "not the answer of a mail server".into(),
        false => deepest,
    }
}

/// How we greet: the machine's name, where it is one.
fn our_name() -> ClientId {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    if !name.is_empty() && good { ClientId::Domain(name) } else { ClientId::default() }
}

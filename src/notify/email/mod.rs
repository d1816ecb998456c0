//! `email`: sends messages by SMTP.
//!
//! Source of codes and steps: RFC 5321; of TLS on the way: RFC 3207, RFC 8314.

mod letter;
mod session;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use letter::Letterhead;
use lettre::Address;
use session::{GREYLIST, Server, Verdicts};
pub use settings::EmailSettings;

use super::{Limits, Measure, Message, Notifier, Receipt, SendError};
use crate::settings::template::Escape;

/// Built from [`EmailSettings`].
struct Email {
    server: Server,
    letterhead: Letterhead,
    progress: Mutex<Progress>,
}

/// How far the last message has come: of several recipients some may be put off, and the others get no second copy.
#[derive(Debug, Clone, Default)]
struct Progress {
    key: String,
    done: Vec<Address>,
    remarks: Vec<String>,
}

#[async_trait]
impl Notifier for Email {
    fn limits(&self) -> Limits {
        Limits { length: 64 * 1024, measure: Measure::Bytes, escape: Escape::None }
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let letter = self.letterhead.write(message).map_err(|cause| SendError::Never { cause })?;
        let mut progress = self.progress_of(&message.key);
        let open = self.letterhead.to.iter().map(|to| &to.email).filter(|to| !progress.done.contains(to));
        let to: Vec<Address> = open.cloned().collect();
        let verdicts = self.server.deliver(&self.letterhead.from.email, &to, &letter).await?;
        let outcome = progress.note(verdicts);
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        outcome
    }
}

impl Email {
    fn progress_of(&self, key: &str) -> Progress {
        let last = self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if last.key == key { last } else { Progress { key: key.to_owned(), ..Progress::default() } }
    }
}

impl Progress {
    fn note(&mut self, verdicts: Verdicts) -> Result<Receipt, SendError> {
        let told = |list: &[(Address, String)]| list.iter().map(|(to, said)| format!("not to {to}: {said}")).collect::<Vec<_>>();
        self.remarks.extend(told(&verdicts.refused));
        let somebody = !self.done.is_empty() || !verdicts.taken.is_empty();
        if !verdicts.later.is_empty() {
            // Those who are refused for good are asked again with the others: their remark is renewed.
            self.remarks.clear();
            self.done.extend(verdicts.taken);
            return Err(SendError::Later { after: Some(GREYLIST), cause: told(&verdicts.later).join("; ") });
        }
        let remark = Some(self.remarks.join("; ")).filter(|remark| !remark.is_empty());
        *self = Self::default();
        match (somebody, remark) {
            (true, remark) => Ok(Receipt { id: None, remark }),
            (false, remark) => Err(SendError::Never { cause: remark.unwrap_or_default() }),
        }
    }
}

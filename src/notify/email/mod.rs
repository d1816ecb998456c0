//! `email`: sends messages by SMTP.
//!
//! Source of codes and steps: RFC 5321; of TLS on the way: RFC 3207, RFC 8314.

mod letter;
mod session;
mod settings;
#[cfg(test)]
mod tests;

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
}

#[async_trait]
impl Notifier for Email {
    fn limits(&self) -> Limits {
        Limits { length: 64 * 1024, measure: Measure::Bytes, escape: Escape::None }
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let letter = self.letterhead.write(message).map_err(|cause| SendError::Never { cause })?;
        let to: Vec<Address> = self.letterhead.to.iter().map(|to| to.email.clone()).collect();
        judge(&self.server.deliver(&self.letterhead.from.email, &to, &letter).await?)
    }
}

/// Waiting for one recipient would keep every later message from the others, and so only a letter that nobody got is tried again.
fn judge(verdicts: &Verdicts) -> Result<Receipt, SendError> {
    let missed = verdicts.refused.iter().chain(&verdicts.later).map(|(to, said)| format!("not to {to}: {said}"));
    let missed = missed.collect::<Vec<_>>().join("; ");
    match (verdicts.taken.is_empty(), verdicts.later.is_empty()) {
        (false, _) => Ok(Receipt { id: None, remark: Some(missed).filter(|missed| !missed.is_empty()) }),
        (true, false) => Err(SendError::Later { after: Some(GREYLIST), cause: missed }),
        (true, true) => Err(SendError::Never { cause: missed }),
    }
}

//! The way to the channels: words are found and messages given over off the loop, after what they rest on is safe.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use crate::config::{Config, ConfiguredChannel, ConfiguredCheck, Texts};
use crate::control::Tested;
use crate::domain::engine::{Delivery, Dispatch};
use crate::notify::text::{Words, sample};
use crate::notify::{Receipt, SendError};
use crate::store::Commit;

/// A message waits at most so long for its state to be safe: losing it would be worse than telling it twice.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a channel answered to one dispatch.
pub struct Answer {
    pub dispatch: u64,
    pub delivery: Delivery,
}

/// Puts a dispatch into words and gives it to its channel, off the loop.
pub struct Sender {
    words: Arc<Words>,
    channels: Vec<ConfiguredChannel>,
    checks: HashMap<Arc<str>, Texts>,
    answers: mpsc::Sender<Answer>,
}

impl Sender {
    /// What the configuration says of channels and texts.
    pub fn new(config: &Config, answers: mpsc::Sender<Answer>) -> anyhow::Result<Self> {
        let page = config.web.as_ref().and_then(|(settings, _)| settings.url.clone());
        let words = Arc::new(Words::new(config.language).map_err(anyhow::Error::msg)?.linked(page));
        Ok(Self { words, channels: config.channels.clone(), checks: check_texts(&config.checks), answers })
    }

    /// Takes up an edited configuration; what is on its way goes on.
    pub fn reload(&mut self, config: &Config) -> anyhow::Result<()> {
        *self = Self::new(config, self.answers.clone())?;
        Ok(())
    }

    /// The kind of each channel.
    pub fn kinds(&self) -> impl Iterator<Item = (&Arc<str>, &'static str)> {
        self.channels.iter().map(|channel| (&channel.name, channel.kind))
    }

    /// Sends a test message, if there is such a channel; nobody owes it, so that no ledger has it.
    pub fn test(&self, channel: &str, host: &str, now: DateTime<Utc>) -> Option<impl Future<Output = Tested> + Send + 'static> {
        let channel = self.channels.iter().find(|known| *known.name == *channel)?;
        let message = sample::test_message(host, None, channel.notifier.limits().escape, now);
        let notifier = channel.notifier.clone();
        Some(async move {
            match notifier.send(&message).await {
                Ok(receipt) => Tested { taken: true, words: receipt.remark.unwrap_or_default() },
                Err(error) => Tested { taken: false, words: format!("{}: {error}", error.verb()) },
            }
        })
    }

    /// Sends as soon as the commit is settled.
    pub fn send(&self, dispatch: Dispatch, commit: Commit) {
        let Some(channel) = self.channels.iter().find(|channel| channel.name == dispatch.channel) else { return };
        let (notifier, channel_texts) = (channel.notifier.clone(), channel.texts.clone());
        let check_texts = match &dispatch.notice.checks[..] {
            [check] => self.checks.get(check).cloned().unwrap_or_default(),
            _ => Texts::default(),
        };
        let (words, answers) = (self.words.clone(), self.answers.clone());
        tokio::spawn(async move {
            commit.settled(PATIENCE).await;
            let (message, trouble) = words.message(&dispatch.notice, &[&check_texts, &channel_texts], notifier.limits());
            if let Some(trouble) = trouble {
                tracing::warn!(message = %dispatch.notice.key(), channel = %dispatch.channel, %trouble, "a template did not work here, the built-in text went out");
            }
            // A notifier that breaks down must not leave its channel waiting for ever.
            let sent = tokio::spawn(async move { notifier.send(&message).await }).await;
            let outcome = sent.unwrap_or_else(|_| Err(SendError::Unsure { cause: "the channel's code broke down (see the log)".into() }));
            let delivery = delivery(&dispatch, outcome);
            // A send fails only when the watch has ended.
            let _ = answers.send(Answer { dispatch: dispatch.id, delivery }).await;
        });
    }
}

fn delivery(dispatch: &Dispatch, outcome: Result<Receipt, SendError>) -> Delivery {
    match outcome {
        Ok(receipt) => {
            if let Some(remark) = receipt.remark {
                tracing::warn!(channel = %dispatch.channel, "{remark}");
            }
            Delivery::Taken
        }
        Err(SendError::Later { after, cause }) => Delivery::Later { after, cause: cause.into() },
        Err(SendError::Never { cause }) => Delivery::Never { cause: cause.into() },
        Err(SendError::Broken { cause }) => Delivery::Broken { cause: cause.into() },
        Err(SendError::Unsure { cause }) => Delivery::Unsure { cause: cause.into() },
    }
}

fn check_texts(checks: &[ConfiguredCheck]) -> HashMap<Arc<str>, Texts> {
    let own = checks.iter().filter(|check| check.texts != Texts::default());
    own.map(|check| (check.name.clone(), check.texts.clone())).collect()
}

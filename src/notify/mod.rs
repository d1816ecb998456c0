//! The channels: each delivers a finished message and says honestly how that went.
//!
//! A notifier knows no incidents and writes no text. A new kind is one file here and one line in [`channels`].

pub mod console;
pub mod email;
pub mod telegram;
pub mod text;
pub mod webhook;

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::watch::Storm;
use crate::settings::template::Escape;
use crate::settings::{Build, Settings};

#[async_trait]
pub trait Notifier: Send + Sync {
    /// How long a text may be and how it is escaped.
    fn limits(&self) -> Limits;

    /// Hands over one message and waits for the answer.
    async fn send(&self, message: &Message) -> Result<Receipt, SendError>;
}

/// What a channel takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, in units of `measure`, counted after the markup is taken out.
    pub length: usize,
    pub measure: Measure,
    pub escape: Escape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// What Telegram counts.
    Utf16,
    Bytes,
}

/// A message, rendered and cut to the channel's limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Escaped as the channel asked.
    pub text: String,
    /// The same without markup: for a channel that refuses the other.
    pub plain: String,
    /// A recovery or a reminder: may arrive without a sound.
    pub quiet: bool,
    /// The same for every copy of this message: `1042-failed`.
    pub key: String,
    /// The template's names and values, for channels with a body of their own.
    pub facts: serde_json::Value,
}

/// The channel took the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The channel's own number of the message, if it gave one.
    pub id: Option<String>,
    /// What the operator should mend though the message went out (a chat that has moved, markup that was refused).
    pub remark: Option<String>,
}

/// The channel did not take the message, or we do not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It was not taken and may be tried again, not before `after`.
    #[error("{cause}")]
    Later { after: Option<Duration>, cause: String },
    /// This message will never be taken; the next one may.
    #[error("{cause}")]
    Never { cause: String },
    /// The channel takes nothing until someone mends it: a bad token, a bot that was thrown out.
    #[error("{cause}")]
    Broken { cause: String },
    /// Bytes may have left, no answer came: it may have been taken.
    #[error("{cause}")]
    Unsure { cause: String },
}

impl SendError {
    /// `did not take the message now`
    pub fn verb(&self) -> &'static str {
        match self {
            SendError::Later { .. } => "did not take the message now",
            SendError::Never { .. } => "refused the message",
            SendError::Broken { .. } => "takes no messages",
            SendError::Unsure { .. } => "may or may not have taken the message",
        }
    }
}

/// A channel as the configuration sees it.
pub struct ChannelEntry {
    pub name: &'static str,
    /// When its messages are too many to be sent one by one.
    pub storm: Option<Storm>,
    pub build: Build<dyn Notifier>,
    pub schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
}

/// Every kind of channel there is.
pub fn channels() -> Vec<ChannelEntry> {
    vec![
        ChannelEntry::of::<console::ConsoleSettings>("console"),
        ChannelEntry::of::<telegram::TelegramSettings>("telegram").read_by_people(),
        ChannelEntry::of::<webhook::WebhookSettings>("webhook"),
        ChannelEntry::of::<email::EmailSettings>("email").read_by_people(),
    ]
}

impl ChannelEntry {
    /// A flood of messages would hide what they say.
    fn read_by_people(self) -> Self {
        Self { storm: Some(Storm { messages: 3, per: Duration::from_secs(60) }), ..self }
    }

    fn of<S: Settings<Plugin = dyn Notifier>>(name: &'static str) -> Self {
        Self {
            name,
            storm: None,
            build: |section, at| crate::settings::read::<S>(section)?.build(at),
            schema: |generator| generator.subschema_for::<S>(),
        }
    }
}

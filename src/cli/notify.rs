//! `vakhta notify CHANNEL`: does the channel work?

use std::path::Path;

use anyhow::Context;

use super::{COULD_NOT, FAILING, GOOD};
use crate::clock::Clock;
use crate::notify::text::sample;
use crate::notify::{Message, SendError};
use crate::settings::template::{Escape, escape_html};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The channel's name in checks.yaml
    channel: String,
    /// What to say [default: a line that names this machine]
    #[arg(short, long)]
    message: Option<String>,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let Some(config) = super::load(file)? else { return Ok(COULD_NOT) };
    let names: Vec<&str> = config.channels.iter().map(|channel| channel.name.as_ref()).collect();
    let channel = config
        .channels
        .iter()
        .find(|channel| *channel.name == *arguments.channel)
        .with_context(|| format!("there is no channel `{}`; the channels are {}", arguments.channel, names.join(", ")))?;
    let plain = match &arguments.message {
        Some(text) => text.clone(),
        None => format!("👋 {}: a test message from vakhta {}. This channel works.", config.watch.host, env!("CARGO_PKG_VERSION")),
    };
    let text = match channel.notifier.limits().escape {
        Escape::Html => escape_html(&plain),
        Escape::None | Escape::Json => plain.clone(),
    };
    let now = Clock::system().now().wall;
    let facts = sample::test_facts(&config.watch.host, now);
    let message = Message { text, plain, quiet: false, key: format!("test-{}", now.timestamp()), facts };
    let runtime = super::runtime()?;
    let sent = runtime.block_on(channel.notifier.send(&message));
    runtime.shutdown_background();
    match sent {
        Ok(receipt) => {
            if let Some(remark) = receipt.remark {
                super::complain(&remark);
            }
            super::say(&format!("{} ({}) took the message", channel.name, channel.kind));
            Ok(GOOD)
        }
        Err(error) => {
            let word = match &error {
                SendError::Later { .. } => "did not take the message now",
                SendError::Never { .. } => "refused the message",
                SendError::Broken { .. } => "takes no messages",
                SendError::Unsure { .. } => "may or may not have taken the message",
            };
            super::complain(&format!("{} ({}) {word}: {error}", channel.name, channel.kind));
            Ok(FAILING)
        }
    }
}

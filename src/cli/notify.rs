//! `vakhta notify CHANNEL`: does the channel work?

use std::path::Path;

use anyhow::Context;

use super::{COULD_NOT, FAILING, GOOD};
use crate::clock::Clock;
use crate::notify::text::sample;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The channel's name in checks.yaml
    channel: String,
    /// What to say [default: a line that names this machine]
    #[arg(short, long)]
    message: Option<String>,
}

impl Arguments {
    /// The usual test message to this channel.
    pub fn test_of(channel: &str) -> Self {
        Self { channel: channel.to_owned(), message: None }
    }
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let Some(config) = super::load(file)? else { return Ok(COULD_NOT) };
    let names: Vec<&str> = config.channels.iter().map(|channel| channel.name.as_ref()).collect();
    let channel = config
        .channels
        .iter()
        .find(|channel| *channel.name == *arguments.channel)
        .with_context(|| format!("there is no channel `{}`; the channels are {}", arguments.channel, names.join(", ")))?;
    let message = sample::test_message(
        &config.watch.host,
        arguments.message.as_deref(),
        channel.notifier.limits().escape,
        Clock::system().now().wall,
    );
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
            super::complain(&format!("{} ({}) {}: {error}", channel.name, channel.kind, error.verb()));
            Ok(FAILING)
        }
    }
}

//! Kinds and channels small enough to see through, and a machine that is the same everywhere.

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::{Environment, Registry};
use crate::checks::{Check, KindEntry, Run};
use crate::domain::reading::{Reading, Target};
use crate::notify::{ChannelEntry, Limits, Measure, Message, Notifier, Receipt, SendError};
use crate::settings::template::Escape;
use crate::settings::{BuildContext, Period, Problem, Secret, Settings};

pub struct Fake;

impl Environment for Fake {
    fn variable(&self, name: &str) -> Option<String> {
        let value = match name {
            "WORD" => "hello",
            "EMPTY" => "",
            "FIVE" => "5",
            "TRUE" => "true",
            "YAML" => "a: b # ${WORD}",
            "CANARY" => "CANARY-9f3a",
            "TELEGRAM_TOKEN" => "123:abc",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn host_name(&self) -> String {
        "fake-host".to_owned()
    }

    fn time_zone(&self) -> Option<String> {
        Some("Asia/Yekaterinburg".to_owned())
    }
}

pub fn registry() -> Registry {
    Registry {
        kinds: vec![kind("tcp", true), kind("http", true), kind("ping", true), kind("host", false)],
        channels: vec![channel::<Console>("console"), channel::<Chat>("telegram"), channel::<Chat>("fake")],
    }
}

fn kind(name: &'static str, network: bool) -> KindEntry {
    KindEntry {
        name,
        network,
        at_once: 1,
        targets: None,
        every: None,
        build: |section, at| crate::settings::read::<Anything>(section)?.build(at),
        schema: |generator| generator.subschema_for::<Anything>(),
    }
}

fn channel<S: Settings<Plugin = dyn Notifier>>(name: &'static str) -> ChannelEntry {
    ChannelEntry {
        storm: None,
        name,
        build: |section, at| crate::settings::read::<S>(section)?.build(at),
        schema: |generator| generator.subschema_for::<S>(),
    }
}

/// Takes what any of the real ones takes.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(dead_code)]
struct Anything {
    targets: Vec<String>,
    address: Option<String>,
    expect: Option<String>,
    send: Option<String>,
    url: Option<String>,
    status: Option<u16>,
    json: BTreeMap<String, serde_json::Value>,
    values: BTreeMap<String, String>,
    list: Option<String>,
    count: Option<u32>,
    disks: Vec<String>,
    pause: Option<Period>,
    password: Option<Secret>,
    refuse: bool,
}

impl Settings for Anything {
    type Plugin = dyn Check;

    fn build(self, _: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let address = self.address.unwrap_or_default();
        if self.refuse {
            return Err(vec![Problem::at("address", format!("`{address}` is refused")), Problem::new("nothing works")]);
        }
        Ok(Box::new(Idle))
    }
}

struct Idle;

#[async_trait]
impl Check for Idle {
    async fn run(&self, _: &Run) -> Vec<Reading> {
        vec![Reading::pass(&Target::itself())]
    }

    fn size(&self) -> usize {
        1
    }
}

/// Writes to the terminal.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Console {}

impl Settings for Console {
    type Plugin = dyn Notifier;

    fn build(self, _: &BuildContext) -> Result<Box<dyn Notifier>, Vec<Problem>> {
        Ok(Box::new(Mute))
    }
}

/// Writes to a chat.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code)]
struct Chat {
    token: Secret,
    #[serde(default)]
    chat_id: i64,
    #[serde(default)]
    topic_id: u16,
}

impl Settings for Chat {
    type Plugin = dyn Notifier;

    fn build(self, _: &BuildContext) -> Result<Box<dyn Notifier>, Vec<Problem>> {
        Ok(Box::new(Mute))
    }
}

struct Mute;

#[async_trait]
impl Notifier for Mute {
    fn limits(&self) -> Limits {
        Limits { length: 100, measure: Measure::Bytes, escape: Escape::None }
    }

    async fn send(&self, _: &Message) -> Result<Receipt, SendError> {
        Ok(Receipt::default())
    }
}

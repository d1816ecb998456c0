//! The fake Bot API on a thread of its own, for the real program to talk to.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;

#[path = "../mocks/bot_api/mod.rs"]
#[allow(dead_code)]
mod bot_api;

pub use bot_api::Receipt;
use bot_api::{Bot, Shared};

use crate::program::until;

pub struct FakeBot {
    pub url: String,
    shared: Shared,
}

impl FakeBot {
    pub fn start(plan: &str) -> Self {
        Self::serve(plan, None)
    }

    /// One that writes each receipt to this file and syncs it before it answers.
    pub fn with_receipts(plan: &str, path: &Path) -> Self {
        Self::serve(plan, Some(File::options().create(true).append(true).open(path).unwrap()))
    }

    fn serve(plan: &str, file: Option<File>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared::new(Bot { plan: bot_api::plan(plan).unwrap(), file, ..Bot::default() });
        let bot = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { bot_api::serve(tokio::net::TcpListener::from_std(listener).unwrap(), bot).await })
        });
        Self { url, shared }
    }

    /// The section of a channel that talks to this bot, however much it says.
    pub fn section(&self) -> String {
        format!("{{ storm: off, {} }}", self.kind())
    }

    /// The kind of a channel that talks to this bot, with its settings.
    pub fn kind(&self) -> String {
        format!(r#"telegram: {{ token: "4200:CANARY-canary", chat_id: -100123, api_url: "{}" }}"#, self.url)
    }

    /// From now on only this token is right.
    pub fn knows_only(&self, token: &str) {
        self.shared.lock().token = Some(token.to_owned());
    }

    /// Somebody writes to the bot in this chat.
    pub fn hears_from(&self, chat: &serde_json::Value) {
        self.shared.lock().wrote(chat);
    }

    /// How the next questions for messages are answered.
    pub fn answers_polls(&self, plan: &str) {
        self.shared.lock().polls.extend(bot_api::plan(plan).unwrap());
    }

    /// How many of these are still to come.
    pub fn polls_left(&self) -> usize {
        self.shared.lock().polls.len()
    }

    /// From now on it takes everything.
    pub fn mend(&self) {
        self.shared.lock().plan.clear();
    }

    pub fn receipts(&self) -> Vec<Receipt> {
        self.shared.lock().receipts.clone()
    }

    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }

    /// The texts once there are so many.
    #[track_caller]
    pub fn texts(&self, count: usize) -> Vec<String> {
        until(&format!("{count} messages arrive"), || (self.receipts().len() >= count).then_some(()));
        self.receipts().iter().map(|receipt| receipt.text().to_owned()).collect()
    }
}

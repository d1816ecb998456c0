//! A Telegram Bot API for trying and testing: prints each message, keeps receipts, misbehaves by a plan.
//!
//! ```text
//! cargo run --example telegram -- --port 9400 --receipts receipts.jsonl --plan "429:3,html:502,take-and-hang"
//! ```
//!
//! In checks.yaml: `ops: { telegram: { token: "1:mock", chat_id: 1, api_url: "http://127.0.0.1:9400" } }`.
//! While it runs, `curl -d "429:5,ok" http://127.0.0.1:9400/plan` adds to the plan, and
//! `curl -d '{"id":-100123,"type":"supergroup","title":"Ops"}' http://127.0.0.1:9400/updates` has that chat write to the bot.

mod bot_api;
mod support;

use std::fs::OpenOptions;
use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
#[command(about = "A Telegram Bot API for trying and testing: prints each message, keeps receipts, misbehaves by a plan")]
struct Options {
    /// Where to listen on 127.0.0.1; 0 takes any free port.
    #[arg(long, default_value_t = 9400)]
    port: u16,
    /// The file that gets one JSON object a line for each message that was taken, synced to the disk.
    #[arg(long)]
    receipts: Option<PathBuf>,
    /// Answers in turn, then always `ok`: ok, 429:SECONDS, flood, CODE=DESCRIPTION, moved:CHAT, html:CODE, empty, truncated, take-and-hang, hang, close.
    #[arg(long, default_value = "")]
    plan: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let plan = bot_api::plan(&options.plan).map_err(std::io::Error::other)?;
    let file = options.receipts.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
    let bot = bot_api::Shared::new(bot_api::Bot { plan, file, print: true, ..bot_api::Bot::default() });
    bot_api::serve(support::listen(options.port).await?, bot).await
}

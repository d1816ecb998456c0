//! A receiver of webhooks for trying and testing: prints each request, keeps receipts, misbehaves by a plan.
//!
//! ```text
//! cargo run --example webhook -- --port 9300 --receipts receipts.jsonl --plan "500,429:2,ok"
//! curl -d '{"message":"hello"}' http://127.0.0.1:9300/api/alert
//! ```
//!
//! In checks.yaml: `hook: { webhook: { url: "http://127.0.0.1:9300/api/alert" } }`.
//! While it runs, `curl -d "503:5,ok" http://127.0.0.1:9300/plan` adds to the plan.

mod hook;
mod support;

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
#[command(about = "A receiver of webhooks for trying and testing: prints each request, keeps receipts, misbehaves by a plan")]
struct Options {
    /// Where to listen on 127.0.0.1; 0 takes any free port.
    #[arg(long, default_value_t = 9300)]
    port: u16,
    /// The file that gets one JSON object a line for each request that was taken, synced to the disk.
    #[arg(long)]
    receipts: Option<PathBuf>,
    /// Answers in turn, then always 200: ok, CODE, CODE=WORDS, CODE:SECONDS (Retry-After), redirect:URL, take-and-hang, hang, close, flood.
    #[arg(long, default_value = "")]
    plan: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let plan = hook::plan(&options.plan).map_err(io::Error::other)?;
    let file = options.receipts.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
    let receiver = hook::Shared::new(hook::Receiver { plan, file, print: true, ..hook::Receiver::default() });
    hook::serve(support::listen(options.port).await?, receiver).await
}

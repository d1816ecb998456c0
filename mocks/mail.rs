//! A mail server for trying and testing: prints each letter, keeps receipts, misbehaves by a plan.
//!
//! ```text
//! cargo run --example smtp -- --port 9500 --receipts receipts.jsonl --plan "greeting=421 busy,rcpt=450 greylisted,end=take-and-hang"
//! ```
//!
//! In checks.yaml: `mail: { email: { smtp: "smtp://127.0.0.1:9500", starttls: none, from: vakhta@example.com, to: [ops@example.com] } }`.
//! Recipients called `nobody@…` are refused; `grey@…` is put off the first time.

mod smtp;
mod support;

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
#[command(about = "A mail server for trying and testing: prints each letter, keeps receipts, misbehaves by a plan")]
struct Options {
    /// Where to listen on 127.0.0.1; 0 takes any free port.
    #[arg(long, default_value_t = 9500)]
    port: u16,
    /// The file that gets one JSON object a line for each letter that was taken, synced to the disk.
    #[arg(long)]
    receipts: Option<PathBuf>,
    /// What goes wrong in each conversation: ok, or STAGE=ANSWER, STAGE=hang, STAGE=close, end=take-and-hang, end=take-and-close;
    /// the stages are greeting, starttls, auth, mail, rcpt, data, end.
    #[arg(long, default_value = "")]
    plan: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let plan = smtp::plan(&options.plan).map_err(io::Error::other)?;
    let file = options.receipts.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
    let server = smtp::Shared::new(smtp::MailServer { plan, file, print: true, ..smtp::MailServer::default() });
    smtp::serve(support::listen(options.port).await?, server).await
}

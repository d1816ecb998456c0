//! Machines with scripted loads behind metrics endpoints.
//!
//! ```text
//! cargo run --example farm -- --port 9600 --machines 30 --plan "7 cpu 95 @5-9, 3 gone @6-, status 500 @12"
//! curl http://127.0.0.1:9600/machines          [{"machine_ip":"10.20.0.0","cpu":20,"mem":"30%","disk":"43%","uptime":"1d 2h 37m 6s"}, …]
//! curl http://127.0.0.1:9600/machines/7        one machine, without a name
//! curl -d "7 mem 20..95" http://127.0.0.1:9600/plan
//! ```
//!
//! In checks.yaml: `metrics: { url: "http://127.0.0.1:9600/machines", machine: machine_ip }`.

mod machines;
mod support;

use clap::Parser;

#[derive(Parser)]
#[command(about = "Machines with scripted loads behind metrics endpoints")]
struct Options {
    /// Where to listen on 127.0.0.1; 0 takes any free port.
    #[arg(long, default_value_t = 9600)]
    port: u16,
    /// How many machines there are.
    #[arg(long, default_value_t = 30)]
    machines: usize,
    /// What they do, with commas between: `3 cpu 95 @4-6` (in the answers 4 to 6), `3 cpu 20..95`, `3 mem n/a`, `3 gone @5-`, `3 bad`,
    /// `3 nameless`; and the endpoint: `slow 5`, `status 500`, `truncated`, `html`, `empty`.
    #[arg(long, default_value = "")]
    plan: String,
    /// The bearer token that has to be shown.
    #[arg(long)]
    bearer: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let plan = machines::plan(&options.plan).map_err(std::io::Error::other)?;
    let farm = machines::Farm { machines: options.machines, plan, bearer: options.bearer, print: true, ..machines::Farm::default() };
    machines::serve(support::listen(options.port).await?, machines::Shared::new(farm)).await
}

//! From the text of `checks.yaml` to a configuration that works, or to all that is wrong with it.

mod additions;
mod budget;
mod defaults;
mod fill;
mod outline;
mod reference;
mod report;
mod resolve;
mod schema;
mod secrets;
mod sections;
mod source;
mod tree;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

pub use additions::{Addition, AdditionError};
pub use fill::{Environment, System};
use ipnet::IpNet;
pub use outline::Outline;
pub use report::Report;
pub use source::Source;

use crate::checks::{Check, KindEntry, kinds};
use crate::domain::watch::Watch;
use crate::heartbeat::Heartbeat;
use crate::net::Net;
use crate::net::identity::IdentityFiles;
pub use crate::notify::text::{Language, Texts};
use crate::notify::{ChannelEntry, Notifier, channels};
use crate::settings::Secret;

/// Reads the file at `path`; the report names everything that is wrong with it.
pub fn load(path: &Path, env: &dyn Environment, net: &Arc<Net>) -> Result<Config, Report> {
    Source::read(path)?.load(&Registry::default(), env, net)
}

/// The same with targets that were added beside those of the file; and those that could not be.
pub fn load_with(path: &Path, env: &dyn Environment, net: &Arc<Net>, added: &[Addition]) -> Result<(Config, LeftOut), Report> {
    Source::read(path)?.load_with(&Registry::default(), env, net, added)
}

/// What could not be added, and why.
pub type LeftOut = Vec<(Addition, AdditionError)>;

/// The JSON Schema of the file, for editors.
pub fn schema() -> serde_json::Value {
    Registry::default().schema()
}

/// Every key of the file, as Markdown.
pub fn reference() -> String {
    Registry::default().reference()
}

/// The kinds of checks and channels that a file may name.
pub struct Registry {
    pub kinds: Vec<KindEntry>,
    pub channels: Vec<ChannelEntry>,
}

impl Default for Registry {
    fn default() -> Self {
        Self { kinds: kinds(), channels: channels() }
    }
}

/// A configuration without a fault: everything in it is ready to run.
pub struct Config {
    /// What the engine sees of it.
    pub watch: Watch,
    pub checks: Vec<ConfiguredCheck>,
    /// Looks at the own network, with rules that only the engine knows.
    pub uplink: Option<ConfiguredCheck>,
    pub channels: Vec<ConfiguredChannel>,
    pub texts: Texts,
    pub language: Language,
    pub log: LogSettings,
    pub state_dir: PathBuf,
    /// Where it is served over HTTP, and the look at this machine that other watches ask for.
    pub web: Option<(WebSettings, Arc<dyn Check>)>,
    /// Who is told that this watch lives.
    pub heartbeats: Vec<Heartbeat>,
    /// Whether the file is taken up when it was edited, without being asked.
    pub reload_on_change: bool,
    /// To compare it with another.
    pub outline: Outline,
    /// The text of the file, with every secret blotted out.
    pub shown: Arc<str>,
    /// Nothing: no history is kept.
    pub history: Option<HistorySettings>,
}

/// A check as the runner sees it; its rules are in [`Watch::checks`], at the same index.
pub struct ConfiguredCheck {
    pub name: Arc<str>,
    pub kind: &'static str,
    pub every: Duration,
    pub timeout: Duration,
    pub look: Arc<dyn Check>,
    pub texts: Texts,
}

/// A channel as the sender sees it; at the same index as in [`Watch::channels`].
#[derive(Clone)]
pub struct ConfiguredChannel {
    pub name: Arc<str>,
    pub kind: &'static str,
    pub notifier: Arc<dyn Notifier>,
    pub texts: Texts,
}

/// `web:` of the file.
#[derive(Debug, Clone)]
pub struct WebSettings {
    pub listen: SocketAddr,
    /// Where people reach it.
    pub url: Option<Url>,
    /// Reads everything.
    pub token: Option<Secret>,
    /// By which it is served over TLS alone.
    pub tls: Option<IdentityFiles>,
    /// Who is believed when they say for whom they ask.
    pub proxies: Vec<IpNet>,
    /// Whether everybody may see which checks are True.
    pub public: bool,
    /// Sessions may cross the network in the clear.
    pub plain_http: bool,
    /// Where the events are, of which the page tells.
    pub log_dir: PathBuf,
}

/// `log:` of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    pub dir: PathBuf,
    pub level: tracing::Level,
    /// How many days of files are kept.
    pub keep: usize,
    pub status_every: Duration,
    /// Whether readings are recorded.
    pub readings: bool,
    /// Whether the daemon's own log goes to a file in `dir` instead of stderr.
    pub to_file: bool,
}

/// `history:` of the file.
#[derive(Debug, Clone)]
pub struct HistorySettings {
    /// A server; nothing is the file in the state folder.
    pub url: Option<Secret>,
    pub raw: Duration,
    pub minute: Duration,
    pub quarter: Duration,
    pub incidents: Duration,
    /// Bytes.
    pub max_size: u64,
    pub max_spool: u64,
}

#[cfg(test)]
mod tests;

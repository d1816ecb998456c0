//! From the text of `checks.yaml` to a configuration that works, or to all that is wrong with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::checks::Check;
use crate::domain::watch::Watch;
use crate::notify::Notifier;
pub use crate::notify::text::{Language, Texts};

/// A configuration without a fault: everything in it is ready to run.
pub struct Config {
    /// What the engine sees of it.
    pub watch: Watch,
    pub checks: Vec<ConfiguredCheck>,
    pub channels: Vec<ConfiguredChannel>,
    pub texts: Texts,
    pub language: Language,
    pub log: LogSettings,
    pub state_dir: PathBuf,
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
pub struct ConfiguredChannel {
    pub name: Arc<str>,
    pub kind: &'static str,
    pub notifier: Arc<dyn Notifier>,
    pub texts: Texts,
}

/// `log:` of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    pub dir: PathBuf,
    pub level: tracing::Level,
    /// How many days of files are kept.
    pub keep: usize,
    pub status_every: Duration,
    /// Whether the daemon's own log goes to a file in `dir` instead of stderr.
    pub to_file: bool,
}

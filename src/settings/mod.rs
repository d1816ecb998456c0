//! What the section of every plugin needs: how it becomes a plugin, how it says what is wrong,
//! durations, secrets, target lists, templates.

mod one_or_many;
mod period;
mod problem;
mod read;
mod secret;
mod size;
pub mod targets;
pub mod template;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use one_or_many::{Listed, one_or_many};
pub use period::Period;
pub use problem::{PathStep, Problem, Problems};
pub use read::{advice, closest, parse_number, read, read_partly};
use schemars::JsonSchema;
pub use secret::Secret;
use serde::de::DeserializeOwned;
pub use size::Size;

use crate::net::Net;

/// A section of `checks.yaml` that builds its plugin: the settings struct is the factory.
///
/// The struct carries `#[serde(deny_unknown_fields)]`; its doc comments become the schema and the reference.
pub trait Settings: DeserializeOwned + JsonSchema {
    /// `dyn Check` or `dyn Notifier`.
    type Plugin: ?Sized;

    /// Turns the section into a working plugin, or says everything that is wrong with it.
    fn build(self, at: &BuildContext) -> Result<Box<Self::Plugin>, Vec<Problem>>;
}

/// How a section of the file becomes its plugin, whatever its settings struct.
pub type Build<P> = fn(serde_yaml::Value, &BuildContext) -> Result<Box<P>, Vec<Problem>>;

/// Where a section stands: what a plugin may know of the file around it.
#[derive(Debug, Clone)]
pub struct BuildContext {
    /// The name of the check or channel.
    pub name: Arc<str>,
    /// The folder of `checks.yaml`; relative paths in it start there.
    pub folder: PathBuf,
    /// How often the check looks.
    pub every: Duration,
    /// How long one look at one target may take.
    pub timeout: Duration,
    /// Name look-ups and trusted authorities, shared by all plugins.
    pub net: Arc<Net>,
}

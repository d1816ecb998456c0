//! Where the running watch is asked, for every command that does.

use std::path::{Path, PathBuf};

use crate::control::{self, Body, Request};

/// The watch is of another version.
pub const FOREIGN: &str = "the running watch answers something else; restart it, or ask with the program that it runs";

#[derive(Debug, clap::Args)]
pub struct Watch {
    /// The watch's state folder, where its checks.yaml cannot be read here [default: `state_dir` of checks.yaml]
    #[arg(long, value_name = "FOLDER", global = true)]
    state_dir: Option<PathBuf>,
}

impl Watch {
    pub fn ask(&self, file: Option<&Path>, request: &Request) -> anyhow::Result<Body> {
        Ok(control::ask(&self.folder(file)?, request)?)
    }

    pub fn folder(&self, file: Option<&Path>) -> anyhow::Result<PathBuf> {
        match &self.state_dir {
            Some(folder) => Ok(folder.clone()),
            None => super::load(file)?.map(|config| config.state_dir).ok_or_else(|| super::Reported.into()),
        }
    }
}

//! The file as it stands now, with the targets that were added beside it.

use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::app::{Changed, Reload, Wish};
use crate::config::{self, Addition, Config, LeftOut, Report};
use crate::net::Net;
use crate::store::machines::{Change, Machine, Machines};

/// Reads the file for whoever wishes it; the watch makes of it what is right.
pub struct Reader {
    path: PathBuf,
    machines: Machines,
    /// As of the last time that they could be read.
    known: Vec<Machine>,
}

impl Reader {
    pub async fn new(path: PathBuf, config: &Config) -> Self {
        let mut reader = Self { path, machines: Machines::of(&config.state_dir), known: Vec::new() };
        reader.look().await;
        reader
    }

    /// The same configuration with what was added; what cannot be is left out, as if nothing had been added.
    pub fn with_added(&self, config: Config) -> Config {
        if self.known.is_empty() {
            return config;
        }
        match load(&self.path, &self.known) {
            Ok((config, _)) => config,
            Err(report) => {
                tracing::error!("the watch begins without the machines that were added, because with them the file is wrong:\n{report}");
                config
            }
        }
    }

    pub async fn read_as_wished(mut self, mut wishes: mpsc::Receiver<Wish>, edits: mpsc::Sender<Reload>) {
        while let Some(wish) = wishes.recv().await {
            self.look().await;
            let wanted = match &wish.change {
                Some(changed) => changed_list(&self.known, changed),
                None => Ok(self.known.clone()),
            };
            let wanted = match wanted {
                Ok(wanted) => wanted,
                Err(why) => {
                    wish.refuse(why);
                    continue;
                }
            };
            let (path, list) = (self.path.clone(), wanted.clone());
            let read = match tokio::task::spawn_blocking(move || load(&path, &list)).await {
                Ok(read) => read,
                Err(broken) => {
                    tracing::error!(%broken, "the file could not be read");
                    wish.refuse("the file could not be read (see the log)".to_owned());
                    continue;
                }
            };
            let config = match (read, &wish.change) {
                (Ok((_, left_out)), Some(changed)) if left_out.iter().any(|(addition, _)| is_about(addition, changed)) => {
                    let why = left_out.into_iter().find(|(addition, _)| is_about(addition, changed)).map(|(_, why)| why.to_string());
                    wish.refuse(why.unwrap_or_default());
                    continue;
                }
                // The file was right without it: nothing changes, and only whoever asked hears of it.
                (Err(report), Some(_)) => {
                    wish.refuse(format!("it cannot be watched:\n{report}"));
                    continue;
                }
                (read, None) => read.map(|(config, _)| config),
                (Ok((config, _)), Some(changed)) => {
                    let Changed { change, check, target, by } = changed;
                    if let Err(error) = self.machines.change(*change, check, target, by, chrono::Utc::now()).await {
                        wish.refuse(format!("the state cannot be written: {error}"));
                        continue;
                    }
                    self.known = wanted;
                    Ok(config)
                }
            };
            if edits.send(Reload { config: Box::new(config), wish }).await.is_err() {
                return;
            }
        }
    }

    /// While they cannot be read, those that are known hold.
    async fn look(&mut self) {
        match self.machines.all().await {
            Ok(all) => self.known = all,
            Err(error) => tracing::warn!(%error, "the machines that were added cannot be read"),
        }
    }
}

fn load(path: &std::path::Path, machines: &[Machine]) -> Result<(Config, LeftOut), Report> {
    let watched = machines.iter().filter(|machine| !machine.paused);
    let added: Vec<Addition> = watched.map(|machine| Addition { check: machine.check.clone(), target: machine.target.clone() }).collect();
    let (config, left_out) = config::load_with(path, &config::System, &Net::new(), &added)?;
    for (addition, why) in &left_out {
        tracing::warn!(target = addition.target, "a machine that was added is not watched: {why}");
    }
    Ok((config, left_out))
}

fn is_about(addition: &Addition, changed: &Changed) -> bool {
    addition.check == changed.check && addition.target == changed.target
}

/// The list as it would be; the error says why it cannot.
fn changed_list(known: &[Machine], changed: &Changed) -> Result<Vec<Machine>, String> {
    let Changed { change, check, target, by } = changed;
    let mut list = known.to_vec();
    let at = list.iter().position(|machine| machine.check == *check && machine.target == *target);
    match (change, at) {
        (Change::Add, Some(_)) => return Err(format!("`{target}` was added to `{check}` before")),
        (Change::Add, None) if target.trim().is_empty() => return Err("a machine has an address".to_owned()),
        (Change::Add, None) => {
            list.push(Machine { check: check.clone(), target: target.clone(), paused: false, added: chrono::Utc::now(), by: by.clone() })
        }
        (_, None) => {
            return Err(format!("`{target}` is not among the machines that were added to `{check}`; those of the file are changed there"));
        }
        (Change::Pause, Some(at)) => list[at].paused = true,
        (Change::Resume, Some(at)) => list[at].paused = false,
        (Change::Remove, Some(at)) => {
            list.remove(at);
        }
    }
    Ok(list)
}

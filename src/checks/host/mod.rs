//! The `host` kind: this machine's processors, memory, disks and network interfaces.

mod disks;
mod interfaces;
mod system;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use disks::Disks;
use interfaces::Interfaces;
use schemars::JsonSchema;
use serde::Deserialize;
use system::System;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::{Check, Kind, Run};
use crate::domain::reading::Reading;
use crate::settings::{BuildContext, Problem, Settings};

/// Reads this machine's own numbers: one target for the machine, one for each disk, one for each interface.
///
/// | target | metric | unit | |
/// |---|---|---|---|
/// | the machine | `cpu` | percent | time the processors were busy since the last reading, waiting for disks not included |
/// | | `iowait` `steal` | percent | time they waited for disks; time the hypervisor gave to others |
/// | | `mem` | percent | memory that new programs could not get: total less available |
/// | | `mem_used` `mem_available` | bytes | |
/// | | `swap` `swap_used` | percent, bytes | 0 where there is no swap |
/// | | `load1` `load5` `load15` | count | mean length of the run queue over so many minutes |
/// | | `load1_per_core` `load5_per_core` `load15_per_core` | count | the same for each processor |
/// | | `uptime` | seconds | |
/// | | `procs` | count | processes and their threads |
/// | | `psi_cpu` `psi_mem` `psi_io` | percent | time in the last 10 s in which something waited for it, where the kernel measures that |
/// | a disk, by its mount point | `disk` | percent | used space as `df` computes it: used / (used + available to users) |
/// | | `disk_left` | bytes | available to users |
/// | | `inodes` | percent | used, where the file system counts them |
/// | an interface, by its name | `rx` `tx` | bytes per second | since the last reading |
/// | | `rx_errors` `tx_errors` | packets per second | since the last reading |
///
/// A mount point that does not exist fails. A file system that does not answer (NFS without its server) is unknown
/// and delays nothing else.
///
/// ```yaml
/// host: { disks: ["/", "/var"] }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Mount points, or any folders, whose file systems are measured. Default: `/` and every writable local disk that
    /// is mounted, each once. `[]`: none.
    disks: Option<Vec<String>>,
    /// Names of network interfaces. Default: all but `lo`. `[]`: none.
    interfaces: Option<Vec<String>>,
    /// Where the root folder of the machine stands: `/host` in a container that has it mounted there, with its `/proc`.
    #[serde(default = "top")]
    root: PathBuf,
}

/// The mount points that are measured where a section names none; `root` is `/` but in tests.
pub fn local_disks(root: &Path) -> Vec<String> {
    Disks::new(None).paths(&Root(root.to_owned()))
}

fn top() -> PathBuf {
    "/".into()
}

impl Kind for Host {
    const NETWORK: bool = false;
    const AT_ONCE: usize = 16;
}

impl Settings for Host {
    type Plugin = dyn Check;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let mut problems = Vec::new();
        let root = Root(at.folder.join(self.root));
        for (index, path) in self.disks.iter().flatten().enumerate() {
            if !path.starts_with('/') {
                problems.push(
                    Problem::new(format!("`{path}` is not a full path"))
                        .help("a mount point begins with a slash")
                        .below_index(index)
                        .below_key("disks"),
                );
            }
        }
        // The first run needs something to compare with.
        let system = System::new(&root).map_err(|cause| problems.push(Problem::at("root", cause)));
        let (Ok(system), []) = (system, &problems[..]) else {
            return Err(problems);
        };
        let interfaces = Interfaces::new(&root, self.interfaces);
        let disks = Disks::new(self.disks);
        Ok(Box::new(HostCheck { state: Mutex::new(State { built: Some(Instant::now()), system, disks, interfaces }), root }))
    }
}

/// The folder that stands for `/`.
#[derive(Debug, Clone)]
struct Root(PathBuf);

impl Root {
    /// `path`, which begins with a slash, below this root.
    fn below(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// A file of `/proc` that each process sees in its own way. Below another root it is that of the machine's first
    /// process, where we may read it: ours would be that of our container.
    fn seen_by_machine<T: procfs::FromRead>(&self, name: &str) -> procfs::ProcResult<T> {
        if self.0 != *"/"
            && let Ok(of_first) = T::from_file(self.below(&format!("/proc/1/{name}")))
        {
            return Ok(of_first);
        }
        T::from_file(self.below(&format!("/proc/{name}")))
    }
}

struct HostCheck {
    root: Root,
    state: Mutex<State>,
}

/// What one run leaves for the next.
struct State {
    /// Until the first run.
    built: Option<Instant>,
    system: System,
    disks: Disks,
    interfaces: Interfaces,
}

/// The kernel counts processor time in hundredths of a second: over less than this, percentages are noise.
const SHORTEST: Duration = Duration::from_millis(200);

#[async_trait]
impl Check for HostCheck {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        let mut state = self.state.lock().await;
        if let Some(built) = state.built.take() {
            sleep_until(built + SHORTEST).await;
        }
        let mut readings = vec![state.system.read(&self.root)];
        readings.extend(state.disks.read(&self.root, run.timeout).await);
        readings.extend(state.interfaces.read(&self.root));
        readings.iter().for_each(|_| run.done());
        readings
    }

    fn size(&self) -> usize {
        // While a run holds the state, nobody asks.
        self.state.try_lock().map_or(1, |state| 1 + state.disks.count(&self.root) + state.interfaces.count())
    }

    fn longest(&self, run: &Run) -> Duration {
        run.timeout + SHORTEST
    }
}

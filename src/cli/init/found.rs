//! What runs on this machine: its disks, who listens, and the services that systemd starts.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use procfs::FromReadSI;
use procfs::net::{TcpNetEntries, TcpState};
use tokio::process::Command;
use tokio::time::timeout;

use crate::checks::host::local_disks;

/// All that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Mount points of local disks.
    pub disks: Vec<String>,
    pub sockets: Vec<Listening>,
    /// Services that are enabled and run.
    pub units: Vec<String>,
    /// The ports that the kernel gives to who asks for none.
    pub ephemeral: RangeInclusive<u16>,
    /// Whether `::1` is there.
    pub has_ipv6: bool,
}

/// A socket that waits for connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    pub address: SocketAddr,
    /// Whose it is, where we may see that.
    pub program: Option<String>,
}

/// systemd answers in milliseconds, or is in trouble.
const PATIENCE: Duration = Duration::from_secs(5);
const USUAL_EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

/// Looks below `root`, which is `/` but in tests. What cannot be read is not there.
pub async fn find(root: &Path) -> Found {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    Found {
        disks: local_disks(root),
        sockets: sockets(root),
        units: if root == Path::new("/") { units(root).await } else { Vec::new() },
        ephemeral: ephemeral(&read("proc/sys/net/ipv4/ip_local_port_range")).unwrap_or(USUAL_EPHEMERAL),
        has_ipv6: read("proc/net/if_inet6").lines().any(|line| line.starts_with("00000000000000000000000000000001")),
    }
}

fn ephemeral(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some(numbers.next()?.ok()?..=numbers.next()?.ok()?)
}

fn sockets(root: &Path) -> Vec<Listening> {
    let mut found = Vec::new();
    for name in ["tcp", "tcp6"] {
        let table = TcpNetEntries::from_file(root.join("proc/net").join(name), procfs::current_system_info());
        let entries = table.map(|table| table.0).unwrap_or_default();
        found.extend(entries.into_iter().filter(|entry| entry.state == TcpState::Listen).map(|entry| (entry.local_address, entry.inode)));
    }
    let programs = programs(root, &found.iter().map(|(_, inode)| *inode).collect());
    found.into_iter().map(|(address, inode)| Listening { address, program: programs.get(&inode).cloned() }).collect()
}

/// Which program holds which socket. Those of others can be seen by root alone.
fn programs(root: &Path, wanted: &HashSet<u64>) -> HashMap<u64, String> {
    let mut programs = HashMap::new();
    let processes = fs::read_dir(root.join("proc")).into_iter().flatten().flatten();
    for process in processes.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())) {
        let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let links = files.filter_map(|file| fs::read_link(file.path()).ok());
        let sockets = links.filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok());
        let held: Vec<u64> = sockets.filter(|socket| wanted.contains(socket)).collect();
        if let (false, Ok(name)) = (held.is_empty(), fs::read_to_string(process.path().join("comm"))) {
            let name = name.trim().trim_end_matches(':').to_owned();
            programs.extend(held.into_iter().map(|socket| (socket, name.clone())));
        }
    }
    programs
}

/// What systemd says, where it runs.
async fn units(root: &Path) -> Vec<String> {
    if !root.join("run/systemd/system").is_dir() {
        return Vec::new();
    }
    let (enabled, running) =
        tokio::join!(list(&["list-unit-files", "--state=enabled,enabled-runtime"]), list(&["list-units", "--state=running"]));
    enabled_and_running(&enabled, &running)
}

async fn list(what: &[&str]) -> String {
    let mut command = Command::new("systemctl");
    command.args(what).args(["--type=service", "--no-legend", "--no-pager", "--plain"]).env("LANG", "C").env("LC_ALL", "C");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    match timeout(PATIENCE, output).await {
        Ok(Ok(output)) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => String::new(),
    }
}

/// Services of the machine's owner: those of systemd itself and of people who log in come and go.
pub fn enabled_and_running(enabled: &str, running: &str) -> Vec<String> {
    let names = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.split_whitespace().find(|word| word.ends_with(".service"))).map(str::to_owned).collect()
    };
    let enabled: HashSet<String> = names(enabled).into_iter().collect();
    let template = |name: &str| name.split_once('@').map(|(name, _)| format!("{name}@.service"));
    let own = ["systemd-", "getty@", "serial-getty@", "user@", "vakhta.", "dbus."];
    let running = names(running).into_iter();
    running
        .filter(|name| enabled.contains(name) || template(name).is_some_and(|template| enabled.contains(&template)))
        .filter(|name| !own.iter().any(|own| name.starts_with(own)))
        .collect()
}

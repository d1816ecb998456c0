//! What `/proc` says of the processes that are looked for.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use procfs::process::{Process, Stat, all_processes};
use procfs::{Current, ProcError, Uptime};

use super::Wanted;

/// The kernel keeps so much of a name.
const KEPT_OF_NAME: usize = 15;
/// So much of a command line is searched.
const SEARCHED: u64 = 64 * 1024;
/// So much of a file with a number is read.
const NUMBER: u64 = 64;

/// What was seen of one target.
#[derive(Debug)]
pub enum Look {
    /// At least one.
    Found(Vec<Found>),
    /// None, in words.
    None(String),
    /// We may not look, in words.
    Unseen(String),
}

/// One process that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub id: i32,
    /// In ticks since the boot: with the number it tells one process from all others.
    pub started: u64,
    /// Processor time, in ticks.
    pub worked: u64,
    /// Bytes.
    pub memory: u64,
    pub threads: u64,
    /// In seconds.
    pub age: f64,
    /// Unless they may not be counted.
    pub files: Option<usize>,
}

/// One look at all processes, for all targets.
pub fn look(wanted: &[Wanted]) -> Vec<Look> {
    let up = Uptime::current().map_or(0.0, |uptime| uptime.uptime);
    let mut found: Vec<Vec<Found>> = wanted.iter().map(|_| Vec::new()).collect();
    let mut dead = vec![false; wanted.len()];
    if wanted.iter().any(|wanted| !matches!(wanted, Wanted::PidFile { .. })) {
        let processes = match all_processes() {
            Ok(processes) => processes,
            Err(error) => return wanted.iter().map(|_| Look::Unseen(format!("cannot read /proc: {error}"))).collect(),
        };
        // One that ends while it is looked at is no longer there.
        for (process, stat) in processes.flatten().filter_map(|process| process.stat().ok().map(|stat| (process, stat))) {
            for (index, _) in wanted.iter().enumerate().filter(|(_, wanted)| matches(wanted, &stat)) {
                if is_dead(&stat) {
                    dead[index] = true;
                } else {
                    found[index].push(Found::of(&process, &stat, up));
                }
            }
        }
    }
    let looks = wanted.iter().zip(found).zip(dead).map(|((wanted, found), dead)| match wanted {
        Wanted::PidFile { file, name } => by_number(file, name.as_deref(), up),
        _ if !found.is_empty() => Look::Found(found),
        _ if others_are_hidden() => Look::Unseen("this user may not see the processes of others (hidepid, ProtectProc)".into()),
        Wanted::Name(name) if dead => Look::None(format!("`{name}` is dead, and its parent has not collected it")),
        Wanted::Name(name) => Look::None(format!("no process `{name}` is running")),
        Wanted::Pattern(pattern) => Look::None(format!("no process matches `{pattern}`")),
    });
    looks.collect()
}

/// Percent of one processor between two looks. A process that came since counts from its beginning.
pub fn cpu(before: &Look, now: &[Found], elapsed: Duration) -> Option<f64> {
    let known: &[Found] = if let Look::Found(found) = before { found } else { &[] };
    let seconds = elapsed.as_secs_f64();
    if seconds <= 0.0 {
        return None;
    }
    let of = |one: &Found| match known.iter().find(|other| (other.id, other.started) == (one.id, one.started)) {
        Some(other) => one.worked.saturating_sub(other.worked),
        // It was there, but did not match (it had another name): what it did before is not known.
        None if one.age > seconds + 1.0 => 0,
        None => one.worked,
    };
    let ticks: u64 = now.iter().map(of).sum();
    Some(100.0 * ticks as f64 / procfs::ticks_per_second() as f64 / seconds)
}

impl Found {
    fn of(process: &Process, stat: &Stat, up: f64) -> Self {
        Self {
            id: stat.pid,
            started: stat.starttime,
            worked: stat.utime + stat.stime,
            memory: stat.rss * procfs::page_size(),
            threads: u64::try_from(stat.num_threads).unwrap_or(0),
            age: (up - stat.starttime as f64 / procfs::ticks_per_second() as f64).max(0.0),
            files: process.fd_count().ok(),
        }
    }
}

fn is_dead(stat: &Stat) -> bool {
    matches!(stat.state, 'Z' | 'X' | 'x')
}

fn matches(wanted: &Wanted, stat: &Stat) -> bool {
    match wanted {
        Wanted::Name(name) => has_name(name, stat),
        // Our own command line has the name of a file in it that may match.
        Wanted::Pattern(_) if u32::try_from(stat.pid) == Ok(std::process::id()) => false,
        Wanted::Pattern(pattern) => {
            let line = command_line(stat.pid);
            !line.is_empty() && pattern.is_match(&line)
        }
        Wanted::PidFile { .. } => false,
    }
}

/// The kernel cuts a name; then the first word of the command line has the rest.
fn has_name(name: &str, stat: &Stat) -> bool {
    if name.len() <= KEPT_OF_NAME {
        return stat.comm == name;
    }
    if !name.as_bytes().starts_with(stat.comm.as_bytes()) || stat.comm.len() < KEPT_OF_NAME {
        return false;
    }
    let line = command_line(stat.pid);
    let first = line.split(|byte| matches!(byte, b' ' | b':')).next().unwrap_or_default();
    let file = first.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    file.is_empty() || file == name.as_bytes()
}

/// With spaces between the arguments; empty for the kernel's own threads and for what may not be read.
fn command_line(id: i32) -> Vec<u8> {
    let mut line = Vec::new();
    let read = File::open(format!("/proc/{id}/cmdline")).and_then(|file| file.take(SEARCHED).read_to_end(&mut line));
    if read.is_err() {
        return Vec::new();
    }
    while line.last() == Some(&0) {
        line.pop();
    }
    line.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    line
}

fn by_number(file: &Path, name: Option<&str>, up: f64) -> Look {
    let shown = file.display();
    let id = match number_in(file) {
        Ok(Some(id)) => id,
        Ok(None) => return Look::None(format!("there is no number of a process in {shown}")),
        Err(error) if error.kind() == ErrorKind::NotFound => return Look::None(format!("there is no {shown}")),
        Err(error) => return Look::Unseen(format!("cannot read {shown}: {error}")),
    };
    let gone = || match others_are_hidden() {
        true => Look::Unseen("this user may not see the processes of others (hidepid, ProtectProc)".into()),
        false => Look::None(format!("process {id} of {shown} is not there")),
    };
    let process = match Process::new(id) {
        Ok(process) => process,
        Err(ProcError::PermissionDenied(_)) => return Look::Unseen(format!("this user may not look at process {id}")),
        Err(_) => return gone(),
    };
    match process.stat() {
        Err(ProcError::PermissionDenied(_)) => Look::Unseen(format!("this user may not look at process {id}")),
        Err(_) => gone(),
        Ok(stat) if is_dead(&stat) => Look::None(format!("process {id} of {shown} is dead, and its parent has not collected it")),
        Ok(stat) => match name.filter(|name| !has_name(name, &stat)) {
            Some(name) => Look::None(format!("process {id} of {shown} is `{}`, not `{name}`", stat.comm)),
            None => Look::Found(vec![Found::of(&process, &stat, up)]),
        },
    }
}

/// A pipe in its place would never end: only a file is read.
fn number_in(file: &Path) -> std::io::Result<Option<i32>> {
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut text = Vec::new();
    File::open(file)?.take(NUMBER).read_to_end(&mut text)?;
    let first = String::from_utf8_lossy(&text).split_whitespace().next().and_then(|word| word.parse().ok());
    Ok(first.filter(|id| *id > 0))
}

/// The first process is always there; who cannot see it does not see others either.
fn others_are_hidden() -> bool {
    File::open("/proc/1/stat").is_err()
}

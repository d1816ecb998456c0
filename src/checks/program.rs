//! One run of a program: in a group of its own, within its time, with bounded output, and nothing of it left behind.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::settings::Secret;

pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// So much is read: whoever writes more waits until its time is over, which costs nothing.
const READ: usize = 1 << 20;
/// For what is in the pipe when the program has ended; a child of its own may keep the pipe open for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// All that one run started bears this variable, and is known by it when it has left the group.
pub const COOKIE: &str = "VAKHTA_RUN";
/// A straggler may start another while it is looked for.
const SWEEPS: usize = 5;

pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, Secret)>,
    pub folder: PathBuf,
    /// So many bytes of its output are kept, at most.
    pub kept: usize,
}

/// What became of one run.
#[derive(Debug)]
pub struct Ran {
    pub end: End,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
    TooLate,
}

impl Program {
    /// Runs it to its end, or to the end of its time. An error: it could not be started.
    pub async fn run(&self, within: Duration, grace: Duration) -> io::Result<Ran> {
        let cookie = cookie();
        let mut child = self.start(&cookie)?;
        let mut group = Group { leader: child.id().and_then(|id| Pid::from_raw(id.cast_signed())), cookie };
        let (stdout, stderr) = (Mutex::default(), Mutex::default());
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let reading = async { tokio::join!(read(out, &stdout, self.kept), read(err, &stderr, self.kept)) };
        tokio::pin!(reading);
        let mut all_read = false;
        let mut ending = async |child: &mut Child, within: Duration| {
            let end = async {
                loop {
                    tokio::select! {
                        status = child.wait() => break status,
                        _ = &mut reading, if !all_read => all_read = true,
                    }
                }
            };
            let status = timeout(within, end).await.ok()?;
            all_read = all_read || timeout(LAST_WORDS, &mut reading).await.is_ok();
            Some((status, all_read))
        };
        let ended = ending(&mut child, within).await;
        let (end, nobody_left) = match ended {
            Some((status, all_read)) => (end_of(status?), all_read),
            None => {
                group.signal(Signal::TERM);
                if ending(&mut child, grace).await.is_none() {
                    group.signal(Signal::KILL);
                    // Only one that the kernel holds in a system call outlasts this.
                    let _ = ending(&mut child, grace).await;
                }
                (End::TooLate, false)
            }
        };
        group.end(nobody_left).await;
        let taken = |kept: &Mutex<Vec<u8>>| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Ran { end, stdout: taken(&stdout), stderr: taken(&stderr) })
    }

    fn start(&self, cookie: &str) -> io::Result<Child> {
        Command::new(&self.path)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs([("PATH", PATH), ("LANG", "C"), (COOKIE, cookie)])
            .envs(self.environment.iter().map(|(name, value)| (name, value.expose())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

fn end_of(status: std::process::ExitStatus) -> End {
    use std::os::unix::process::ExitStatusExt;
    match status.code() {
        Some(code) => End::Exit(code),
        None => End::Signal(status.signal().unwrap_or_default()),
    }
}

/// Reads to the end, keeps the beginning.
async fn read(stream: Option<impl AsyncRead + Unpin>, kept: &Mutex<Vec<u8>>, most: usize) {
    let Some(mut stream) = stream else { return };
    let (mut buffer, mut total) = (vec![0; 8192], 0);
    while total < READ {
        let length = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        total += length;
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = most - kept.len();
        kept.extend_from_slice(&buffer[..length.min(room)]);
    }
    // The pipe stays open and full.
    std::future::pending().await
}

/// The program and what it started. Dropped before its end (the watch stops, the run was given up), it is killed.
struct Group {
    leader: Option<Pid>,
    cookie: String,
}

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // It may be over already.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Ends what outlived the program, unless there can be nobody: the output was read to its end.
    async fn end(&mut self, nobody_left: bool) {
        self.signal(Signal::KILL);
        self.leader = None;
        if !nobody_left {
            let cookie = format!("{COOKIE}={}", self.cookie);
            // Reading /proc takes milliseconds.
            let _ = tokio::task::spawn_blocking(move || sweep(&cookie)).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Kills everyone who bears the cookie, whatever session or group they have moved to.
fn sweep(cookie: &str) {
    for _ in 0..SWEEPS {
        let found: Vec<Pid> = bearers(cookie);
        if found.is_empty() {
            return;
        }
        for straggler in found {
            // It may have ended meanwhile.
            let _ = kill_process(straggler, Signal::KILL);
        }
    }
}

fn bearers(cookie: &str) -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let bears = |id: &i32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == cookie.as_bytes())
    };
    ids.filter(bears).filter_map(Pid::from_raw).collect()
}

/// Unlike that of any other run on this machine.
fn cookie() -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed))
}

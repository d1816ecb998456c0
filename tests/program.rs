//! The real program as tests start it: in a folder of its own, its output kept, ended with the test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long something may take that waits for nobody, on a machine that has other things to do. Whoever is not to be waited
/// for takes longer.
pub const SOON: Duration = Duration::from_secs(15);

/// A folder with a checks.yaml in it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new(checks: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write("checks.yaml", checks);
        place
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `vakhta` with these arguments, in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vakhta"));
        command.args(arguments).current_dir(self.folder.path()).env_remove("JOURNAL_STREAM");
        command
    }

    /// Runs it to its end: exit code, standard output, standard error.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Runs it with something on its standard input; what it says of a success.
    #[track_caller]
    pub fn said(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn start(&self) -> Program {
        Program::start(self.command(&["run"]))
    }

    /// The lines of the newest status file.
    pub fn statuses(&self) -> Vec<serde_json::Value> {
        written_lines(&self.path("logs/status.jsonl"))
    }
}

/// A program that runs until the test ends it.
pub struct Program {
    pub child: Child,
    out: Lines,
    err: Lines,
    /// Ends when all that it wrote to standard error is in `err`.
    reader: JoinHandle<()>,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Program {
    pub fn start(mut command: Command) -> Self {
        // A group of its own, so that what it starts ends with it.
        command.process_group(0);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let ((out, _), (err, reader)) = (collect(out), collect(err));
        Self { child, out, err, reader }
    }

    pub fn stdout(&self) -> Vec<String> {
        self.out.lock().unwrap().clone()
    }

    pub fn stderr(&self) -> Vec<String> {
        self.err.lock().unwrap().clone()
    }

    /// Processor time it has spent, in user and system mode.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // proc_pid_stat(5): utime and stime are the 14th and 15th; the name before may have spaces in it. In hundredths.
        let ticks: u64 =
            stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// The most memory it has had, in bytes.
    pub fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; how long it took and how it ended.
    pub fn ended(&mut self) -> (Duration, ExitStatus) {
        let started = Instant::now();
        let status = until("the program ends", || self.child.try_wait().unwrap());
        (started.elapsed(), status)
    }

    /// A clean stop; what it wrote to standard error.
    pub fn stop(mut self) -> String {
        self.signal(rustix::process::Signal::TERM);
        let (took, status) = self.ended();
        assert!(status.success(), "{status}");
        assert!(took < SOON, "the end took {took:?}");
        // Whoever it shared standard error with may still hold it.
        let last = Instant::now() + Duration::from_secs(1);
        while !self.reader.is_finished() && Instant::now() < last {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        self.stderr().join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What a failing test shows beside its own words.
            eprintln!("the program said:\n{}", [self.stdout(), self.stderr()].concat().join("\n"));
        }
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

fn collect(stream: impl std::io::Read + Send + 'static) -> (Lines, JoinHandle<()>) {
    let lines = Lines::default();
    let sink = lines.clone();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            sink.lock().unwrap().push(line);
        }
    });
    (lines, reader)
}

/// The JSON lines of a file, if there is one. Somebody may be writing it: what has no line end yet is no line.
pub fn written_lines(file: &Path) -> Vec<serde_json::Value> {
    let bytes = fs::read(file).unwrap_or_default();
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &bytes[..end]);
    let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let told = |line: &[u8]| format!("{}: {}", file.display(), String::from_utf8_lossy(line));
    lines.map(|line| serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", told(line)))).collect()
}

#[test]
fn a_line_that_is_being_written_is_no_line_yet() {
    let place = Place::new("");
    let file = place.path("receipts.jsonl");
    assert!(written_lines(&file).is_empty());
    for (written, lines) in [("{", 0), ("{\"text\":\"\u{1f534}\"}", 0), ("{\"a\":1}\n{\"a\":2", 1), ("{\"a\":1}\n{\"a\":2}\n", 2)] {
        place.write("receipts.jsonl", written);
        assert_eq!(written_lines(&file).len(), lines, "{written}");
    }
    // In the middle of a letter.
    fs::write(&file, b"{\"a\":1}\n{\"a\":\"\xf0\x9f").unwrap();
    assert_eq!(written_lines(&file).len(), 1);
}

/// Waits until there is a value; looks every few milliseconds.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Says which test was left out and why, past the harness, which shows only what failing tests print.
pub fn left_out(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "LEFT OUT {test}: {why}");
}

/// Whether network namespaces can be made here.
pub fn may_make_namespaces() -> bool {
    rustix::process::geteuid().is_root() && Path::new("/usr/sbin/ip").exists()
        || Path::new("/sbin/ip").exists() && rustix::process::geteuid().is_root()
}

/// The library that sets a program's clock, where it is installed.
pub fn faketime() -> Option<PathBuf> {
    let folders =
        ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime"];
    folders.iter().map(|folder| Path::new(folder).join("libfaketime.so.1")).find(|path| path.exists())
}

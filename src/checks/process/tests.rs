//! Real processes, under names of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::checks::namespace::inside;
use crate::checks::testing::{block_on, build_kind, documented_example, problems_are, told};

const WITHIN: Duration = Duration::from_secs(5);

/// A shell under another name that waits for a line, or works; it ends with the test.
struct Running(Child);

impl Running {
    fn start(folder: &Path, name: &str, script: &str) -> Self {
        let path = folder.join(name);
        if !path.exists() {
            std::os::unix::fs::symlink("/bin/sh", &path).unwrap();
        }
        let mut command = Command::new(path);
        command.args(["-c", script]).stdin(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn end(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const WAIT: &str = "read line";

/// A folder, and a name that nothing else on this machine has.
fn room(word: &str) -> (TempDir, String) {
    (tempfile::tempdir().unwrap(), format!("{word}{}", std::process::id()))
}

fn check(section: &str) -> Box<dyn Check> {
    build_kind::<ProcessSettings>(section).map_err(|problems| problems[0].message.clone()).unwrap()
}

async fn look(check: &dyn Check) -> Reading {
    check.run(&Run::alone(WITHIN, 1)).await.remove(0)
}

#[tokio::test]
async fn as_many_as_there_are() {
    let (folder, name) = room("v-many");
    let check = check(&format!("{{ name: {name} }}"));
    assert_eq!(told(&look(&*check).await), format!("fail: no process `{name}` is running"));
    let first = Running::start(folder.path(), &name, WAIT);
    let second = Running::start(folder.path(), &name, WAIT);
    let reading = look(&*check).await;
    assert_eq!((told(&reading).as_str(), &*reading.target.key), ("pass", name.as_str()));
    assert_eq!((reading.value("count"), reading.value("threads")), (Some(2.0), Some(2.0)));
    assert!(reading.value("mem").is_some_and(|bytes| bytes > 100_000.0), "{reading:?}");
    assert!(reading.value("age").is_some_and(|seconds| seconds < 60.0), "{reading:?}");
    assert!(reading.value("fds").is_some_and(|files| files >= 3.0), "{reading:?}");
    first.end();
    assert_eq!(look(&*check).await.value("count"), Some(1.0));
    second.end();
    let reading = look(&*check).await;
    assert_eq!((told(&reading), reading.value("count")), (format!("fail: no process `{name}` is running"), Some(0.0)));
}

#[tokio::test]
async fn each_name_is_a_target() {
    let (folder, name) = room("v-each");
    let check = check(&format!("{{ names: [{name}, {name}x] }}"));
    let _running = Running::start(folder.path(), &name, WAIT);
    let readings = check.run(&Run::alone(WITHIN, 1)).await;
    assert_eq!(readings.iter().map(told).collect::<Vec<_>>(), ["pass".to_owned(), format!("fail: no process `{name}x` is running")]);
}

#[tokio::test]
async fn one_that_nobody_collected_is_dead() {
    let (folder, name) = room("v-dead");
    let mut running = Running::start(folder.path(), &name, WAIT);
    running.0.kill().unwrap();
    let check = check(&format!("{{ name: {name} }}"));
    // A kill takes its moment.
    let end = Instant::now() + WITHIN;
    while look(&*check).await.value("count") != Some(0.0) {
        assert!(Instant::now() < end);
    }
    assert_eq!(told(&look(&*check).await), format!("fail: `{name}` is dead, and its parent has not collected it"));
}

#[tokio::test]
async fn work_is_percent_of_one_processor_since_the_last_look() {
    let (folder, name) = room("v-busy");
    let _running = Running::start(folder.path(), &name, "while :; do :; done");
    let check = check(&format!("{{ name: {name} }}"));
    assert_eq!(look(&*check).await.value("cpu"), None, "nothing to compare with");
    let end = Instant::now() + WITHIN;
    loop {
        let reading = look(&*check).await;
        if reading.value("cpu").is_some_and(|percent| percent > 1.0) {
            break;
        }
        assert!(Instant::now() < end, "{reading:?}");
    }
}

#[test]
fn work_is_counted_by_process() {
    let one = |id, started, worked, age| Found { id, started, worked, memory: 0, threads: 1, age, files: None };
    let second = procfs::ticks_per_second();
    let before = Look::Found(vec![one(7, 1, 5 * second, 100.0), one(8, 1, 9 * second, 100.0)]);
    let of = |now: &[Found]| seen::cpu(&before, now, Duration::from_secs(10));
    assert_eq!(of(&[one(7, 1, 10 * second, 110.0)]), Some(50.0), "one is gone, one worked for 5 of 10 seconds");
    assert_eq!(of(&[one(7, 99, 2 * second, 4.0)]), Some(20.0), "its number belongs to another now");
    assert_eq!(of(&[one(9, 1, 99 * second, 500.0)]), Some(0.0), "an old one under a new name");
    assert_eq!(seen::cpu(&before, &[], Duration::ZERO), None);
}

#[tokio::test]
async fn names_that_the_kernel_cuts() {
    let (folder, name) = room("v-exporter-of-numbers");
    let check = check(&format!("{{ names: [{name}, v-exporter-of-nothing] }}"));
    let _running = Running::start(folder.path(), &name, WAIT);
    let readings = check.run(&Run::alone(WITHIN, 1)).await;
    assert_eq!(readings.iter().map(told).collect::<Vec<_>>(), ["pass", "fail: no process `v-exporter-of-nothing` is running"]);
}

#[tokio::test]
async fn a_pattern_matches_the_command_line() {
    let (folder, name) = room("v-line");
    let check = check(&format!("{{ pattern: 'v-line.* read line.* {name}$' }}"));
    assert_eq!(told(&look(&*check).await), format!("fail: no process matches `v-line.* read line.* {name}$`"));
    let _running = Running::start(folder.path(), &name, &format!("read line # {name}"));
    assert_eq!(told(&look(&*check).await), "pass");
}

#[tokio::test]
async fn a_file_with_its_number() {
    let (folder, name) = room("v-file");
    let file = folder.path().join("pid");
    let shown = file.display();
    let check = check(&format!("{{ pid_file: {shown}, name: {name} }}"));
    let look = async || told(&look(&*check).await);
    assert_eq!(look().await, format!("fail: there is no {shown}"));
    std::fs::write(&file, "soon\n").unwrap();
    assert_eq!(look().await, format!("fail: there is no number of a process in {shown}"));
    let running = Running::start(folder.path(), &name, WAIT);
    let id = running.0.id();
    std::fs::write(&file, format!("{id}\n")).unwrap();
    assert_eq!(look().await, "pass");
    running.end();
    assert_eq!(look().await, format!("fail: process {id} of {shown} is not there"));
    let other = Running::start(folder.path(), "v-other", WAIT);
    std::fs::write(&file, other.0.id().to_string()).unwrap();
    assert_eq!(look().await, format!("fail: process {} of {shown} is `v-other`, not `{name}`", other.0.id()));
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert_eq!(look().await, format!("fail: there is no number of a process in {shown}"));
}

#[test]
fn where_others_are_hidden_nothing_is_said_of_them() {
    let test = "checks::process::tests::where_others_are_hidden_nothing_is_said_of_them";
    inside(test, "mount -t tmpfs none /proc", || {
        let said = |section: &str| told(&block_on(look(&*check(section))));
        let hidden = "unknown: this user may not see the processes of others (hidepid, ProtectProc)";
        assert_eq!(said("{ name: nginx }"), hidden);
        assert_eq!(said("{ pattern: nginx }"), hidden);
        let file: PathBuf = std::env::temp_dir().join(format!("v-hidden{}", std::process::id()));
        std::fs::write(&file, "1\n").unwrap();
        assert_eq!(said(&format!("{{ pid_file: {} }}", file.display())), hidden);
        std::fs::remove_file(file).unwrap();
    });
}

#[test]
fn bad_settings() {
    let are = |section: &str, expect: &[&str]| problems_are::<ProcessSettings>(section, expect);
    are("{}", &[": `name` is missing"]);
    are("{ names: [] }", &["names: `names` is empty"]);
    are("{ names: [a, /usr/sbin/nginx] }", &["names/1: `/usr/sbin/nginx` is not a name"]);
    are("{ name: a, pattern: b }", &["name: `name` and `pattern` are both given"]);
    are("{ pid_file: a, pattern: b }", &["pattern: `pattern` and `pid_file` are both given"]);
    are("{ pattern: '(' }", &["pattern: `(` is not a regular expression: unclosed group"]);
}

#[test]
fn the_example_is_good() {
    check(&documented_example::<ProcessSettings>("process"));
}

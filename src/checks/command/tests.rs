use std::os::fd::AsRawFd;
use std::path::Path;

use super::*;
use crate::checks::namespace::left_out;
use crate::checks::testing::told;
use crate::domain::reading::{Outcome, Report};
use crate::net::Net;
use crate::settings::{BuildContext, Problem, Settings, read};

fn build(section: &str, folder: &Path) -> Result<Box<dyn Check>, Vec<Problem>> {
    let at = BuildContext {
        name: "a check".into(),
        folder: folder.into(),
        every: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        net: Net::new(),
    };
    read::<CommandSettings>(serde_yaml::from_str(section).unwrap())?.build(&at)
}

async fn run(section: &str, within: Duration) -> Reading {
    let folder = tempfile::tempdir().unwrap();
    let check = build(section, folder.path()).map_err(|problems| problems[0].message.clone()).unwrap();
    check.run(&Run::alone(within, 1)).await.remove(0)
}

/// Runs a line of shell.
async fn shell(line: &str) -> Reading {
    run(&format!("{{ run: [sh, -c, {}] }}", serde_json::to_string(line).unwrap()), Duration::from_secs(5)).await
}

/// The same with little time; how it was told and how long it took.
async fn late(line: &str) -> (String, Duration) {
    let started = std::time::Instant::now();
    let section = format!("{{ run: [sh, -c, {}] }}", serde_json::to_string(line).unwrap());
    let reading = run(&section, Duration::from_secs(1)).await;
    (told(&reading), started.elapsed())
}

async fn check(line: &str, expect: &str) {
    assert_eq!(told(&shell(line).await), expect, "{line}");
}

/// Waits until the process whose number a script left in a file is gone: a kill takes its moment.
async fn is_gone(file: &Path) {
    let id: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    // A zombie counts as gone: whoever adopted it has yet to look.
    let lives = || std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while lives() {
        assert!(Instant::now() < deadline, "{id} is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn exit_codes_and_words() {
    check("echo all well; exit 0", "pass").await;
    check("echo 'WARNING: hot|t=50'; exit 1", "fail: WARNING: hot").await;
    check("echo CRITICAL; echo more; exit 2", "fail: CRITICAL").await;
    check("echo who knows; exit 3", "unknown: who knows").await;
    check("exit 2", "fail: sh gave no reason").await;
    check("echo on stderr >&2; exit 2", "fail: on stderr").await;
    check("echo odd; exit 42", "unknown: exit code 42: odd").await;
    check("nonsense_that_is_nowhere 2>/dev/null", "unknown: exit code 127").await;
    check("kill -9 $$", "unknown: ended by signal 9").await;
}

#[tokio::test]
async fn warnings_can_pass() {
    let reading = run("{ run: [sh, -c, 'echo hot; exit 1'], warning: pass }", Duration::from_secs(5)).await;
    assert_eq!((told(&reading).as_str(), reading.value("exit")), ("pass", Some(1.0)), "a rule has its severity");
}

#[tokio::test]
async fn hostile_output_is_a_short_clean_line() {
    check(r"printf 'a\377b\000c\033[31m\342\200\256|x=1\n'; exit 2", "fail: a\u{fffd}b\\u{0}c\\u{1b}[31m\\u{202e}").await;
    let reading = shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 2").await;
    assert_eq!(told(&reading), format!("fail: {}…", "x".repeat(200)));
    check("printf 'no newline'; exit 2", "fail: no newline").await;
}

#[tokio::test]
async fn numbers_are_metrics() {
    let reading = shell("echo 'OK|load1=7.3;5;10;0; rta=12ms /var=1KiB'").await;
    let values: Vec<_> =
        reading.values.iter().filter(|(name, _)| name != "latency").map(|(name, value)| format!("{name} {value}")).collect();
    assert_eq!(values, ["exit 0", "load1 7.3", "load1.state 1", "rta 0.012", "_var 1024"]);
}

#[tokio::test]
async fn one_that_ignores_term_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let (said, took) = late(&format!("trap '' TERM; echo $$ > {}; echo soon; while :; do sleep 100; done", file.display())).await;
    assert_eq!(said, "unknown: no result in 1 s: soon");
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(20), "TERM, a second, KILL: {took:?}");
    is_gone(&file).await;
}

#[tokio::test]
async fn one_that_obeys_term_is_not_waited_for() {
    let (said, took) = late("sleep 100").await;
    assert_eq!(said, "unknown: no result in 1 s");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn nobody_survives() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    // In a session of its own, with our output in its hands.
    let straggler = format!("setsid sh -c 'echo $$ > {0}; exec sleep 100' & until [ -s {0} ]; do :; done", file.display());
    let started = std::time::Instant::now();
    check(&format!("{straggler}; echo done; exit 2"), "fail: done").await;
    assert!(started.elapsed() < Duration::from_secs(20), "the result does not wait for it");
    is_gone(&file).await;
    std::fs::remove_file(&file).unwrap();
    let (said, _) = late(&format!("{straggler}; sleep 100")).await;
    assert_eq!(said, "unknown: no result in 1 s");
    is_gone(&file).await;
}

#[tokio::test]
async fn a_run_that_is_given_up_leaves_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let line = format!("echo $$ > {}; sleep 100", file.display());
    let section = format!("{{ run: [sh, -c, '{line}'] }}");
    let looking = tokio::spawn(async move { run(&section, Duration::from_secs(60)).await });
    while std::fs::read_to_string(&file).unwrap_or_default().is_empty() {
        tokio::task::yield_now().await;
    }
    looking.abort();
    let _ = looking.await;
    is_gone(&file).await;
}

#[tokio::test]
async fn a_flood_costs_neither_memory_nor_time() {
    let (said, took) = late("yes").await;
    assert_eq!(said, "unknown: no result in 1 s: y");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let (said, _) = late("yes >&2").await;
    assert_eq!(said, "unknown: no result in 1 s: y");
}

#[tokio::test]
async fn the_child_gets_a_clean_room() {
    let environment =
        run("{ run: [sh, -c, 'env | sed s/=.*// | sort | tr \"\\n\" \" \"; exit 2'], env: { HOOK: CANARY-42 } }", Duration::from_secs(5))
            .await;
    assert_eq!(told(&environment), "fail: HOOK LANG PATH PWD VAKHTA_RUN");
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("ours")).unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for ours in [file.as_raw_fd(), socket.as_raw_fd()] {
        let shown = std::fs::read_link(format!("/proc/self/fd/{ours}")).unwrap();
        check(&format!("ls -l /proc/self/fd | grep -cF '{}'; exit 2", shown.display()), "fail: 0").await;
    }
    check("readlink /proc/self/fd/0; exit 2", "fail: /dev/null").await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_is_not_being_late() {
    let folder = tempfile::tempdir().unwrap();
    let check = build("{ run: [sh, -c, 'exit 0'] }", folder.path()).map_err(|problems| problems[0].message.clone()).unwrap();
    let run = Run::alone(Duration::from_secs(5), 0);
    let slots = run.slots.clone();
    let looking = tokio::spawn(crate::runner::look_once(Arc::from(check), run));
    // Hundreds of slow programs are before it.
    tokio::time::sleep(Duration::from_secs(200)).await;
    tokio::time::resume();
    slots.add_permits(1);
    let Report::Readings(readings) = looking.await.unwrap() else { panic!("given up") };
    assert_eq!(told(&readings[0]), "pass");
}

#[tokio::test]
async fn no_secret_comes_back() {
    let section = "{ run: [sh, -c, 'echo \"login with $PASSWORD failed\"; exit 2'], env: { PASSWORD: CANARY-42 } }";
    assert_eq!(told(&run(section, Duration::from_secs(5)).await), "fail: login with *** failed");
}

#[tokio::test]
async fn no_zombie_is_left() {
    for _ in 0..10 {
        check("exit 0", "pass").await;
    }
    let own = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let parent = format!(" Z {} ", std::process::id());
    let zombies: Vec<_> = own.filter(|stat| stat.contains(&parent) && stat.contains("(sh)")).collect();
    // Other tests of this process may be between a death and its news.
    assert!(zombies.len() < 5, "{zombies:?}");
}

#[tokio::test]
async fn what_cannot_be_run_any_more_is_our_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin");
    // By another process: a file that this one has open to write, and so perhaps a child of another test, cannot be run.
    let write = |text: &str, mode: &str| {
        let script = r#"printf '%s' "$1" > "$0" && chmod "$2" "$0""#;
        assert!(std::process::Command::new("sh").args(["-c", script]).arg(&file).args([text, mode]).status().unwrap().success());
    };
    write("#!/nowhere/python\n", "755");
    let check = build("{ run: [./plugin] }", folder.path()).map_err(|problems| problems[0].message.clone()).unwrap();
    let look = async || told(&check.run(&Run::alone(Duration::from_secs(5), 1)).await[0]);
    assert_eq!(look().await, "unknown: cannot run ./plugin: No such file or directory (os error 2)", "its interpreter");
    write("#!/bin/sh\necho here; exit 2\n", "755");
    assert_eq!(look().await, "fail: here");
    write("#!/bin/sh\n", "644");
    assert_eq!(look().await, "unknown: cannot run ./plugin: Permission denied (os error 13)");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(look().await, "unknown: cannot run ./plugin: No such file or directory (os error 2)");
}

#[test]
fn says_what_is_wrong_with_the_section() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain"), "").unwrap();
    let said = |section: &str| {
        build(section, folder.path()).err().unwrap_or_default().into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(said("{ run: [] }"), ["there is no program to run"]);
    assert_eq!(said("{ run: [check_nothing_at_all] }"), ["there is no program `check_nothing_at_all`"]);
    assert_eq!(said("{ run: [./plain] }"), ["`./plain` is not executable"]);
    assert_eq!(said("{ run: [./] }"), ["`./` is a folder"]);
    assert_eq!(said("{ run: [./none] }"), ["cannot find `./none`: No such file or directory (os error 2)"]);
    assert_eq!(
        said(r#"{ run: [sh, "\0"], env: { "a=b": c, VAKHTA_RUN: x, d: "\0" } }"#),
        [
            r#""\0" has a NUL in it"#,
            r#""a=b" cannot name a variable"#,
            "`VAKHTA_RUN` is set by each run",
            "the value of `d` has a NUL in it"
        ]
    );
}

/// Real plugins of Debian, as an administrator calls them.
#[tokio::test]
async fn monitoring_plugins_run_unchanged() {
    let real = async |line: &str, passes: bool, metrics: &[&str]| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let section = format!("{{ run: {} }}", serde_json::to_string(&words).unwrap());
        let Ok(check) = build(&section, Path::new("/")) else {
            return left_out("monitoring_plugins_run_unchanged", &format!("no {}", words[0]));
        };
        let reading = check.run(&Run::alone(Duration::from_secs(10), 1)).await.remove(0);
        assert_eq!(reading.outcome == Outcome::Pass, passes, "{line}: {reading:?}");
        for metric in metrics {
            assert!(reading.value(metric).is_some(), "{line} has {metric}: {reading:?}");
        }
    };
    real("check_load -w 9999,9999,9999 -c 9999,9999,9999", true, &["load1", "load5", "load15", "load1.state"]).await;
    real("check_load -w 0,0,0 -c 0,0,0", false, &["load1"]).await;
    real("check_procs -w 1:99999 -c 1:99999", true, &["procs", "procs.state"]).await;
    real("check_disk -w 0% -c 0% -p /", true, &["_"]).await;
    real("check_ping -H 127.0.0.1 -w 1000,100% -c 2000,100% -p 1", true, &["rta", "pl"]).await;
    real("check_dummy 2 a|b", false, &["exit"]).await;
}

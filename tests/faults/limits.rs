//! F07, F09, F10, F67: no inode left, no longer files, no more descriptors, and signals that mean nothing here.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::lives::Lives;
use super::receipts::Said;
use crate::program::{Place, Program, left_out, until};

/// The program under a limit of its shell.
fn under(place: &Place, limit: &str) -> Program {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit {limit}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_vakhta"), "run"]);
    command.current_dir(place.path("")).env_remove("JOURNAL_STREAM");
    Program::start(command)
}

#[test]
fn signals_that_mean_nothing_here_end_nothing() {
    let mut lives = Lives::new(1, "");
    let mut program = lives.place.start();
    lives.services[0].asked_again(2);
    for signal in [Signal::USR1, Signal::USR2, Signal::PIPE, Signal::XFSZ, Signal::ALARM, Signal::WINCH] {
        program.signal(signal);
        lives.services[0].asked_again(2);
        assert!(program.child.try_wait().unwrap().is_none(), "{signal:?} ended it");
    }
    lives.kill(program);
    lives.end();
}

/// Neither state nor logs may grow beyond a few blocks.
#[test]
fn a_limit_on_files_stops_no_message() {
    let mut lives = Lives::new(1, "");
    // Blocks of 512 bytes.
    let program = under(&lives.place, "-f 60");
    for well in [false, true, false, true, false, true] {
        lives.services[0].asked_again(3);
        lives.turn(0, well);
        lives.told(&program);
    }
    let told = lives.receipts().iter().filter(|receipt| receipt.check == "a").count();
    assert_eq!(told, 6, "{:#?}", lives.receipts());
    assert!(lives.receipts().iter().any(|receipt| receipt.check == "(vakhta)" && receipt.said == Said::Failed), "{:#?}", program.stderr());
}

#[test]
fn a_disk_without_inodes_stops_no_message() {
    let mut lives = Lives::new(1, "");
    let state = lives.place.path("state");
    std::fs::create_dir(&state).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "nr_inodes=2", "tmpfs"]).arg(&state).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return left_out("a_disk_without_inodes_stops_no_message", "it needs root, for a file system of its own");
    }
    let program = lives.place.start();
    for well in [false, true] {
        lives.services[0].asked_again(3);
        lives.turn(0, well);
        lives.told(&program);
    }
    let of_state = || lives.receipts().into_iter().find(|receipt| receipt.check == "(vakhta)");
    let said = until("the state is told of", of_state).said;
    drop(program);
    assert!(Command::new("umount").arg(&state).status().unwrap().success());
    assert_eq!(said, Said::Failed);
}

/// Thirty looks at once and descriptors for twenty: whoever could not be looked at did not fail.
#[test]
fn too_few_descriptors_are_no_failure_of_a_target() {
    let lives = Lives::with(20, "", "every: 200ms, timeout: 1s, fail_after: 2, unknown_after: 1000", "");
    lives.services.iter().for_each(|service| service.takes(Duration::from_millis(150)));
    let program = under(&lives.place, "-n 24");
    let unseen = |line: &serde_json::Value| line["counting"].as_array().unwrap().iter().any(|counting| counting["rule"] == "seen");
    until("the limit is one", || (lives.place.statuses().iter().filter(|line| unseen(line)).count() >= 3).then_some(()));
    let log = program.stderr().join("\n");
    assert!(lives.receipts().iter().all(|receipt| receipt.check == "(vakhta)"), "{:#?}\n{log}", lives.receipts());
    program.stop();
}

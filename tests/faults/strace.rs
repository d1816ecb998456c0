//! F01: `kill -9` at every N-th call of each kind that writes, syncs, connects or sends. `strace` does it from outside.

use std::process::Command;

use super::lives::Lives;
use super::{figure, long};
use crate::program::{Program, left_out, until};

/// Each kind of call, and where the short form takes its samples.
const CALLS: [(&str, &[usize]); 6] = [
    ("pwrite64", &[3, 11, 14, 18]),
    ("fdatasync,fsync", &[2, 4, 5]),
    ("connect", &[4, 6]),
    ("sendto,sendmsg,writev", &[3, 4]),
    ("write", &[12]),
    ("openat,unlink,rename,ftruncate", &[30]),
];
/// No short life makes more calls of a kind.
const MOST: usize = 400;

#[test]
fn a_kill_at_any_call_loses_nothing() {
    if Command::new("strace").arg("-V").output().is_err() {
        return left_out("a_kill_at_any_call_loses_nothing", "strace is not installed");
    }
    for (calls, sample) in CALLS {
        let all: Vec<usize> = (1..=MOST).collect();
        let numbers = if long() { &all[..] } else { sample };
        let copies: Vec<usize> = numbers.iter().map_while(|number| life_cut_at(calls, *number)).collect();
        assert!(!copies.is_empty() && copies.len() < MOST, "{} lives were cut at {calls}", copies.len());
        figure(
            &format!("kill at every {calls}"),
            &format!("{} lives cut, {} copies, each marked", copies.len(), copies.iter().sum::<usize>()),
        );
    }
}

/// A story that is told twice, its first life cut at this call; nothing if it never got so far. How many copies were sent.
fn life_cut_at(calls: &str, number: usize) -> Option<usize> {
    let mut lives = Lives::new(1, "");
    let program = lives.place.command(&["run"]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={number}")]);
    command.arg(program.get_program()).args(program.get_args()).current_dir(lives.place.path(""));
    let mut program = Program::start(command);
    let ended = |program: &mut Program| program.child.try_wait().unwrap().is_some();
    // It fails, it is well again, and once more: as far as this life gets.
    let mut cut = false;
    for well in [false, true, false, true] {
        lives.turn(0, well);
        until("people know or the watch is dead", || {
            cut = ended(&mut program);
            (cut || lives.is_known(0)).then_some(())
        });
        if cut {
            break;
        }
        lives.is_due(0);
    }
    if !cut {
        lives.kill(program);
        lives.end();
        return None;
    }
    lives.is_dead();
    let program = lives.place.start();
    lives.told(&program);
    lives.kill(program);
    Some(lives.end().figures.copies)
}

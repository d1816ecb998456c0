//! F01: `kill -9` at every N-th call of each kind that writes, syncs, connects or sends. `strace` does it from outside.

use std::process::Command;

use super::lives::Lives;
use super::{figure, long};
use crate::program::{Program, left_out, until};

/// Each kind of call, and where the short form takes its samples.
const CALLS: [(&str, &[usize]); 6] = [
    ("pwrite64", &[3, 11, 18]),
    ("fdatasync,fsync", &[2, 4, 5]),
    ("connect", &[5]),
    ("sendto,sendmsg,writev", &[3, 4]),
    ("write", &[12]),
    ("openat,unlink,rename,ftruncate", &[8]),
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
        let (mut copies, mut missed) = (Vec::new(), 0);
        for number in numbers {
            match life_cut_at(calls, *number) {
                Some(count) => copies.push(count),
                None => missed += 1,
            }
            // Threads count for themselves: one that never gets so far says nothing of the others.
            if missed == 3 {
                break;
            }
        }
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
    let mut program = killed_at(&lives, calls, number);
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

/// The program, which dies at this call of this kind.
fn killed_at(lives: &Lives, calls: &str, number: usize) -> Program {
    let program = lives.place.command(&["run"]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={number}")]);
    command.arg(program.get_program()).args(program.get_args()).current_dir(lives.place.path(""));
    Program::start(command)
}

/// F17, F70: a newer program takes over in the middle of an incident, and dies while it brings the tables to their new form.
#[test]
fn a_kill_while_the_tables_change_forgets_nothing() {
    if Command::new("strace").arg("-V").output().is_err() {
        return left_out("a_kill_while_the_tables_change_forgets_nothing", "strace is not installed");
    }
    let all: Vec<usize> = (1..=40).collect();
    for number in if long() { &all[..] } else { &[4, 7] } {
        let mut lives = Lives::new(1, "");
        lives.turn(0, false);
        let program = lives.place.start();
        lives.told(&program);
        program.stop();
        as_the_first_version_had_it(&lives);
        let mut program = killed_at(&lives, "pwrite64", *number);
        let cut = until("it dies or keeps watch", || {
            let ended = program.child.try_wait().unwrap().is_some();
            let at_work = program.stderr().iter().any(|line| line.contains("keeps watch"));
            (ended || at_work).then_some(ended)
        });
        if cut {
            lives.is_dead();
        } else {
            lives.kill(program);
        }
        let program = lives.place.start();
        lives.services[0].asked_again(3);
        lives.turn(0, true);
        lives.told(&program);
        assert_eq!(lives.receipts().len(), 2, "after a kill at {number}: {:#?}", lives.receipts());
        lives.kill(program);
        lives.end();
    }
}

/// The same state in the tables of version 1.
fn as_the_first_version_had_it(lives: &Lives) {
    use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
    let (path, newer) = (lives.place.path("state/state.db"), lives.place.path("newer.db"));
    std::fs::rename(&path, &newer).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut old = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
        sqlx::raw_sql(include_str!("../../src/store/tables/1.sql")).execute(&mut old).await.unwrap();
        let mut script = format!("PRAGMA user_version = 1; ATTACH '{}' AS newer;", newer.display());
        for table in ["meta", "trackers", "incidents", "ledger", "refusals"] {
            let columns = format!("SELECT group_concat(name) FROM pragma_table_info('{table}')");
            let columns: String = sqlx::query_scalar(AssertSqlSafe(columns)).fetch_one(&mut old).await.unwrap();
            script.push_str(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table};"));
        }
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut old).await.unwrap();
        old.close().await.unwrap();
    });
}

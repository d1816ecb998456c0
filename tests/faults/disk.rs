//! F05, F06, F19: a disk that answers with errors, and a file that somebody else keeps to himself.

use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection};

use super::lives::{CHANNEL, Lives};
use super::receipts::Said;
use super::{long, wait};
use crate::program::{PATIENCE, Program, left_out, until};

/// Whether this was told of the state file itself.
fn own(lives: &Lives, said: Said) -> Option<()> {
    lives.receipts().iter().any(|receipt| receipt.check == "(vakhta)" && receipt.said == said).then_some(())
}

/// Tells of a failure and its end as if nothing were wrong with the disk, and of the disk.
fn tells_all_the_same(lives: &mut Lives, program: &Program) {
    for well in [false, true] {
        lives.turn(0, well);
        let begun = Instant::now();
        lives.told(program);
        assert!(begun.elapsed() < PATIENCE, "it took {:?}", begun.elapsed());
    }
    until("the state is told of", || own(lives, Said::Failed));
    lives.services[0].asked_again(5);
}

fn each_once(lives: &Lives) {
    let told = lives.receipts();
    assert_eq!(told.len(), 4, "the service and the state, beginning and end, each once: {told:#?}");
}

#[test]
fn a_disk_that_answers_with_errors_stops_no_message() {
    if Command::new("strace").arg("-V").output().is_err() {
        return left_out("a_disk_that_answers_with_errors_stops_no_message", "strace is not installed");
    }
    let errors: &[&str] = if long() { &["EIO", "ENOSPC", "EROFS"] } else { &["EIO"] };
    for error in errors {
        let mut lives = Lives::new(1, "");
        let program = lives.place.start();
        lives.services[0].asked_again(3);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-e", "trace=pwrite64,fdatasync,fsync"]);
        strace.args(["-e", &format!("inject=pwrite64,fdatasync,fsync:error={error}"), "-p", &program.child.id().to_string()]);
        let mut strace = Program::start(strace);
        until("strace is there", || strace.stderr().iter().any(|line| line.contains("attached")).then_some(()));
        tells_all_the_same(&mut lives, &program);
        strace.signal(rustix::process::Signal::TERM);
        strace.ended();
        until(&format!("the state is well again after {error}"), || own(&lives, Said::Recovered));
        each_once(&lives);
        lives.kill(program);
        lives.end();
    }
}

#[test]
fn a_file_that_another_program_keeps_to_itself_stops_no_message() {
    let mut lives = Lives::new(1, "");
    let program = lives.place.start();
    lives.services[0].asked_again(3);
    let path = lives.place.path("state/state.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    let mut other = runtime.block_on(async {
        let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        other
    });
    tells_all_the_same(&mut lives, &program);
    if long() {
        wait(Duration::from_secs(30).saturating_sub(begun.elapsed()));
    }
    runtime.block_on(async {
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
    });
    until("the state is well again", || own(&lives, Said::Recovered));
    each_once(&lives);
    assert!(lives.receipts().iter().all(|receipt| receipt.channel == CHANNEL && !receipt.repeat));
    lives.kill(program);
    lives.end();
}

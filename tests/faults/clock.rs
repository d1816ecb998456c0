//! F13, F16, F22: a wall clock that jumps, a program that is stopped for a while, and copies that start together.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::lives::Lives;
use super::{long, wait};
use crate::program::{Program, faketime, left_out, until};

#[test]
fn jumps_of_the_wall_clock_tell_nothing_twice_and_delay_nothing() {
    let Some(library) = faketime() else {
        return left_out("jumps_of_the_wall_clock_tell_nothing_twice_and_delay_nothing", "libfaketime is not installed");
    };
    // Telegram asks to wait a second of the steady clock, whatever the other one says.
    let mut lives = Lives::new(1, "ok,ok,429:1");
    let clock = lives.place.path("clock");
    let start = |lives: &Lives| {
        let mut command = lives.place.command(&["run"]);
        command.env("LD_PRELOAD", &library).env("FAKETIME_TIMESTAMP_FILE", &clock);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("TZ", "UTC");
        Program::start(command)
    };
    let jump = |lives: &Lives, by: &str| {
        lives.place.write("clock.new", by);
        std::fs::rename(lives.place.path("clock.new"), &clock).unwrap();
    };
    const JUMPS: [&str; 6] = ["+10d", "+0d", "-1h", "-400d", "+400d", "+1d"];
    jump(&lives, "+0d");
    let program = start(&lives);
    lives.services[0].asked_again(2);
    for well in [false, true, false, true] {
        for by in JUMPS {
            jump(&lives, by);
            lives.services[0].asked_again(1);
        }
        let (told, asked, begun) = (lives.receipts().len(), lives.services[0].asked.load(Ordering::SeqCst), Instant::now());
        lives.turn(0, well);
        for second in 0..10 {
            jump(&lives, &format!("+{second}s"));
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let asked = lives.services[0].asked.load(Ordering::SeqCst) - asked;
        let most = begun.elapsed().as_millis() / 100 + 4;
        assert!(u128::try_from(asked).unwrap() <= most, "ten looks a second, not {asked} in {:?}", begun.elapsed());
        lives.services[0].asked_again(2);
        lives.told(&program);
        assert_eq!(lives.receipts().len(), told + 1, "once: {:#?}", lives.receipts());
    }
    lives.turn(0, false);
    lives.told(&program);
    // It dies in the future and lives again in the past.
    jump(&lives, "+400d");
    lives.services[0].asked_again(3);
    lives.kill(program);
    jump(&lives, "-1h");
    let program = start(&lives);
    lives.services[0].asked_again(5);
    lives.turn(0, true);
    lives.told(&program);
    lives.kill(program);
    assert_eq!(lives.receipts().len(), 6, "{:#?}", lives.receipts());
    lives.end();
}

#[test]
fn what_stands_still_for_a_while_blames_nobody_and_catches_nothing_up() {
    let mut lives = Lives::with(4, "", "every: 100ms, timeout: 500ms, fail_after: 1", "");
    // Most stops fall into a look.
    lives.services.iter().for_each(|service| service.takes(Duration::from_millis(70)));
    let program = lives.place.start();
    lives.services[0].asked_again(3);
    let stops = if long() { 60 } else { 3 };
    for stop in 0..stops {
        // Each time at another point of the looks.
        std::thread::park_timeout(Duration::from_millis(100 + 7 * stop));
        program.signal(Signal::STOP);
        wait(Duration::from_millis(if long() && stop % 20 == 0 { 60_000 } else { 1_100 }));
        let (asked, begun) = (lives.services[0].asked.load(Ordering::SeqCst), Instant::now());
        program.signal(Signal::CONT);
        lives.services[0].asked_again(5);
        let took = begun.elapsed();
        let asked = lives.services[0].asked.load(Ordering::SeqCst) - asked;
        assert!(took > Duration::from_millis(250), "{asked} looks in {took:?} are no cadence");
    }
    assert!(lives.receipts().is_empty(), "nobody failed but we: {:#?}", lives.receipts());
    lives.kill(program);
    lives.end();
}

#[test]
fn of_copies_that_start_together_one_keeps_watch() {
    let mut lives = Lives::new(1, "");
    lives.turn(0, false);
    for _ in 0..3 {
        let mut copies: Vec<Program> = (0..4).map(|_| lives.place.start()).collect();
        until("all but one are refused", || {
            copies.retain_mut(|copy| match copy.child.try_wait().unwrap() {
                Some(status) => {
                    assert_eq!(status.code(), Some(2), "{:?}", copy.stderr());
                    false
                }
                None => true,
            });
            (copies.len() == 1).then_some(())
        });
        let last = copies.remove(0);
        lives.told(&last);
        lives.services[0].asked_again(5);
        lives.kill(last);
    }
    assert_eq!(lives.receipts().len(), 1, "{:#?}", lives.receipts());
    lives.end();
}

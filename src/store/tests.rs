use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::*;
use crate::domain::engine::{Delivery, Effect, Engine, Input};
use crate::domain::reading::{Reading, Report, Target};
use crate::domain::rule::{Aggregate, Hold, Judge, Op, Quantity, Rule, Span, Threshold, Unit};
use crate::domain::silence::{Scope, Silence};
use crate::domain::watch::{ChannelPlan, CheckPlan, Route, Severity, Storm, Watch};

const PATIENCE: Duration = Duration::from_secs(10);

fn at(millis: u64) -> Now {
    let wall: DateTime<Utc> = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
    Now { wall: wall + Duration::from_millis(millis), steady: Steady(Duration::from_millis(millis)) }
}

fn rule(identity: &str, judge: Judge, fail_after: Hold, recover_after: Hold) -> Rule {
    Rule { identity: identity.into(), judge, fail_after, recover_after, comment: None, severity: None, notify: None }
}

/// Two checks with rules of every sort, two channels.
fn watch() -> Watch {
    let average = |span| {
        let over = Some((Aggregate::Average, span));
        Judge::Threshold(Threshold {
            metric: "cpu".into(),
            over,
            op: Op::Greater,
            limit: Quantity { base: 50.0, unit: Unit::Percent },
            until: None,
        })
    };
    let rules = vec![
        rule("up", Judge::Up, Hold::Count(2), Hold::Count(2)),
        rule("seen", Judge::Seen, Hold::Count(2), Hold::Count(1)),
        rule("mean", average(Span::Readings(3)), Hold::Count(1), Hold::Count(1)),
        rule("long", average(Span::Lasting(Duration::from_secs(5))), Hold::Lasting(Duration::from_secs(3)), Hold::Count(1)),
    ];
    let route = |channel: &str| Route { channel: channel.into(), window: None, min_severity: Severity::Warning };
    let check = |name: &str| CheckPlan {
        name: name.into(),
        rules: rules.clone(),
        notify: vec![route("ops"), route("mail")],
        window: None,
        comment: Some("call the shop".into()),
        severity: Severity::Critical,
        remind: Some(Duration::from_secs(20)),
        group_wait: Duration::ZERO,
        needs: Vec::new(),
        crosses_network: false,
        labels: BTreeMap::new(),
    };
    let channel = |name: &str, recoveries| ChannelPlan {
        name: name.into(),
        window: None,
        recoveries,
        digest: false,
        storm: recoveries.then_some(Storm { messages: 3, per: Duration::from_secs(10) }),
        max_age: Duration::from_secs(30),
        fallback: recoveries.then(|| "mail".into()),
    };
    Watch {
        host: "srv-01".into(),
        zone: chrono_tz::Tz::UTC,
        checks: vec![check("a"), check("b")],
        channels: vec![channel("ops", true), channel("mail", false)],
        cut_off_after: None,
    }
}

/// What happens, and how long after the last thing.
#[derive(Debug, Clone)]
struct Happening {
    after: u64,
    what: u8,
    targets: Vec<(u8, u8)>,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let targets = prop::collection::vec((0..6u8, 0..100u8), 0..4);
    let happening = (0..4000u64, 0..14u8, targets).prop_map(|(after, what, targets)| Happening { after, what, targets });
    prop::collection::vec(happening, 1..60)
}

fn report(targets: &[(u8, u8)]) -> Report {
    let readings = targets.iter().enumerate().map(|(index, (outcome, value))| {
        let target = Target::named(format!("10.0.0.{index}"), format!("till {index}"));
        match outcome {
            0..2 => Reading::pass(&target).with("cpu", f64::from(*value)),
            2..5 => Reading::fail(&target, format!("no reply {value}")).with("cpu", f64::from(*value)),
            _ => Reading::unknown(&target, "no permission"),
        }
    });
    Report::Readings(readings.collect())
}

/// Lives through it; the engine, all it wanted saved, and when it ended.
fn live(happenings: &[Happening]) -> (Engine, Vec<Vec<Change>>, Now) {
    let (mut engine, mut saved, mut now) = (Engine::new(watch()), Vec::new(), 0);
    let mut sent: Vec<u64> = Vec::new();
    for Happening { after, what, targets } in happenings {
        now += after;
        let cause: Arc<str> = "told to".into();
        let input = match what {
            0..6 => {
                Input::Report { check: if what % 2 == 0 { "a".into() } else { "b".into() }, report: report(targets), took: Duration::ZERO }
            }
            6 => Input::Report { check: "a".into(), report: Report::Lost("it broke down".into()), took: Duration::ZERO },
            7 => Input::Tick,
            10 => {
                let scope = if targets.is_empty() { Scope::Everything } else { engine.scope("a").unwrap() };
                let until = at(now + 5_000).wall;
                Input::Silence(Silence { id: 0, scope, since: until, until, by: "ann".into(), comment: "move".into() })
            }
            11 => Input::Unsilence(targets.len() as u64),
            12 => Input::Acknowledge { incidents: (1..=targets.len() as u64).collect(), by: "ann".into(), note: "on it".into() },
            13 => Input::Unacknowledge { incidents: (1..=targets.len() as u64).collect(), by: "ann".into() },
            what => match sent.pop() {
                Some(dispatch) if *what == 8 => Input::Delivered { dispatch, outcome: Delivery::Taken },
                Some(dispatch) => Input::Delivered { dispatch, outcome: Delivery::Later { after: None, cause } },
                None => Input::Tick,
            },
        };
        let mut changes = Vec::new();
        for effect in engine.step(at(now), input) {
            match effect {
                Effect::Save(change) => {
                    assert!(!matches!(&change, Change::Tracker { tracker: Some(tracker), .. } if tracker.is_at_rest()));
                    changes.push(change);
                }
                Effect::Send(dispatch) => sent.push(dispatch.id),
                Effect::Log(_) | Effect::StatusTurned => {}
            }
        }
        saved.push(changes);
    }
    saved.push(engine.linger());
    (engine, saved, at(now))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_saved_is_all_that_there_is(happenings in happenings()) {
        let (engine, saved, now) = live(&happenings);
        let mut copy = State::default();
        saved.iter().flatten().cloned().for_each(|change| copy.apply(change));
        prop_assert_eq!(&copy, &engine.state());

        // The next life knows the same, but for the answers that nobody heard.
        let (next, effects) = Engine::restore(watch(), copy.clone(), now);
        prop_assert!(effects.is_empty(), "{:?}", effects);
        copy.ledger.values_mut().for_each(|entry| entry.forget_answers());
        prop_assert_eq!(copy, next.state());
    }
}

proptest! {
    // Each of them waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_file_brings_back_what_was_saved(happenings in happenings(), restart in 0..60usize) {
        let (engine, saved, now) = live(&happenings);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let mut store = Store::open(folder.path(), now).await.unwrap().store;
            for (index, changes) in saved.into_iter().enumerate() {
                if index == restart {
                    store.close(PATIENCE).await;
                    store = Store::open(folder.path(), now).await.unwrap().store;
                }
                store.save(changes, now);
            }
            store.close(PATIENCE).await;
            let opened = Store::open(folder.path(), now).await.unwrap();
            assert_eq!(opened.state, engine.state());
            assert!(opened.steady >= now.steady || opened.steady == Steady::default());
            opened.store.close(PATIENCE).await;
        });
    }
}

#[test]
fn healthy_runs_and_what_goes_on_failing_save_nothing() {
    let mut plain = watch();
    plain.checks.iter_mut().for_each(|check| check.rules.truncate(2));
    let mut engine = Engine::new(plain);
    let target = Target::new("10.0.0.1");
    let mut run = |second: u64, reading: Reading| {
        let effects = engine
            .step(at(second * 1000), Input::Report { check: "a".into(), report: Report::Readings(vec![reading]), took: Duration::ZERO });
        effects.iter().filter(|effect| matches!(effect, Effect::Save(_))).count()
    };
    assert_eq!((0..5).map(|second| run(second, Reading::pass(&target))).sum::<usize>(), 0);
    assert_eq!(run(5, Reading::fail(&target, "no reply")), 1, "one of two");
    assert_eq!(run(6, Reading::fail(&target, "no reply")), 4, "the counter, the incident, and two channels that are told");
    assert_eq!((7..12).map(|second| run(second, Reading::fail(&target, "no reply"))).sum::<usize>(), 0);
}

#[tokio::test]
async fn the_steady_clock_goes_on_with_the_wall_clock_and_never_back() {
    let folder = tempfile::tempdir().unwrap();
    let save = async |now: Now| {
        let opened = Store::open(folder.path(), now).await.unwrap();
        let entry = crate::domain::ledger::Entry::default();
        let at = Now { wall: now.wall, steady: opened.steady };
        opened.store.save(vec![Change::Ledger { incident: 1, channel: "ops".into(), entry }], at);
        opened.store.close(PATIENCE).await;
        opened.steady
    };
    assert_eq!(save(at(50_000)).await, Steady::default());
    assert_eq!(save(at(60_000)).await, Steady(Duration::from_secs(10)));
    // The wall clock was set back in between.
    assert_eq!(save(at(20_000)).await, Steady(Duration::from_secs(10)));
}

#[tokio::test]
async fn a_commit_is_settled_when_it_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), at(0)).await.unwrap().store;
    let (engine, saved, _) = live(&[2, 2, 2].map(|outcome| Happening { after: 1000, what: 0, targets: vec![(outcome, 99)] }));
    for changes in saved {
        store.save(changes, at(0)).settled(PATIENCE).await;
    }
    assert!(!engine.state().incidents.is_empty());
    let mut reader = SqliteConnectOptions::new().filename(folder.path().join(FILE)).connect().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM incidents").fetch_one(&mut reader).await.unwrap();
    assert_eq!(count as usize, engine.state().incidents.len());
}

#[tokio::test]
async fn while_another_program_holds_the_file_everything_waits_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), at(0)).await.unwrap().store;
    let mut other = SqliteConnectOptions::new().filename(folder.path().join(FILE)).connect().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let change = |id| Change::Ledger { incident: id, channel: "ops".into(), entry: crate::domain::ledger::Entry::default() };
    let mut trouble = store.trouble();
    let commit = store.save(vec![change(1)], at(0));
    let mut waits = tokio::time::interval(Duration::from_millis(1));
    let mut id = 1;
    while trouble.borrow_and_update().is_none() {
        id += 1;
        store.save(vec![change(id % 7)], at(0));
        waits.tick().await;
    }
    assert!(trouble.borrow().as_ref().is_some_and(|reason| reason.contains("database is locked")), "{:?}", trouble.borrow());
    assert!(store.shared.pending().ledger.len() <= 8, "the last change about each thing");
    commit.settled(PATIENCE).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    trouble.wait_for(Option::is_none).await.unwrap();
    store.close(PATIENCE).await;
    let opened = Store::open(folder.path(), at(0)).await.unwrap();
    assert!(opened.state.ledger.contains_key(&(1, "ops".into())), "{:?}", opened.state.ledger);
}

#[tokio::test]
async fn ten_thousand_failures_are_one_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), at(0)).await.unwrap().store;
    let (mut engine, mut numbers) = (Engine::new(watch()), Vec::new());
    let targets: Vec<_> = (0..10_000).map(|n| Target::new(format!("10.0.{}.{}", n / 256, n % 256))).collect();
    for run in 0..2 {
        let report = Report::Readings(targets.iter().map(|target| Reading::fail(target, "no reply to 3 echoes")).collect());
        let effects = engine.step(at(run * 1000), Input::Report { check: "a".into(), report, took: Duration::ZERO });
        let changes = effects.into_iter().filter_map(|effect| if let Effect::Save(change) = effect { Some(change) } else { None });
        let commit = store.save(changes.collect(), at(run * 1000));
        numbers.push(commit.number);
        commit.settled(PATIENCE).await;
    }
    assert_eq!(numbers, [1, 2]);
    store.close(PATIENCE).await;
    let opened = Store::open(folder.path(), at(0)).await.unwrap();
    assert_eq!(opened.state, engine.state());
    assert_eq!(opened.state.incidents.len(), 10_000);
}

#[tokio::test]
async fn a_second_watch_is_told_who_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path(), at(0)).await.unwrap().store;
    let error = Store::open(folder.path(), at(0)).await.err().unwrap().to_string();
    let holder = format!("another watch (process {}) keeps its state in {}", std::process::id(), folder.path().display());
    assert!(error.starts_with(&holder), "{error}");
    first.close(PATIENCE).await;
    assert!(Store::open(folder.path(), at(0)).await.is_ok());
}

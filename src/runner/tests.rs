use super::*;
use crate::domain::reading::{Reading, Target};
use async_trait::async_trait;

/// Takes so long, then does what it is told.
struct Fake {
    takes: Duration,
    panics: bool,
}

#[async_trait]
impl Check for Fake {
    async fn run(&self, run: &Run) -> Vec<Reading> {
        let _slot = run.slot().await;
        tokio::time::sleep(self.takes).await;
        assert!(!self.panics, "told to");
        vec![Reading::pass(&Target::itself())]
    }
    fn size(&self) -> usize {
        1
    }
}

fn schedule(name: &str, kind: &'static str, every: u64, takes: u64, panics: bool) -> Schedule {
    let look = Arc::new(Fake { takes: Duration::from_millis(takes), panics });
    Schedule { name: name.into(), kind, at_once: 2, every: Duration::from_millis(every), timeout: Duration::from_secs(5), look }
}

/// Runs for so long in virtual time; when each check was heard of, in milliseconds.
async fn heard(schedules: Vec<Schedule>, for_ms: u64) -> Vec<(String, u128, Report)> {
    heard_with(schedules, Vec::new(), for_ms).await
}

/// Likewise, with lists that are taken up so many milliseconds after the start.
async fn heard_with(schedules: Vec<Schedule>, edits: Vec<(u64, Vec<Schedule>)>, for_ms: u64) -> Vec<(String, u128, Report)> {
    let (sender, mut reports) = mpsc::channel(1000);
    let stop = CancellationToken::new();
    let start = Instant::now();
    let (edits_to, edited) = mpsc::channel(1);
    tokio::spawn(async move {
        for (at, schedules) in edits {
            sleep_until(start + Duration::from_millis(at)).await;
            edits_to.send(Order::TakeUp(schedules)).await.unwrap();
        }
        // Its end is the end of the watch.
        std::future::pending::<()>().await;
    });
    let runner = tokio::spawn(run(schedules, edited, sender, stop.clone()));
    let mut heard = Vec::new();
    let end = start + Duration::from_millis(for_ms);
    while let Ok(Some(finished)) = tokio::time::timeout_at(end, reports.recv()).await {
        heard.push((finished.check.to_string(), start.elapsed().as_millis(), finished.report));
    }
    stop.cancel();
    runner.await.unwrap();
    heard
}

#[tokio::test(start_paused = true)]
async fn keeps_its_interval_and_its_phase() {
    let times = |heard: Vec<(String, u128, Report)>| heard.into_iter().map(|(_, at, _)| at).collect::<Vec<_>>();
    let first = times(heard(vec![schedule("a", "x", 1000, 0, false)], 10_000).await);
    let again = times(heard(vec![schedule("a", "x", 1000, 0, false)], 10_000).await);
    assert_eq!(first, again, "a restart keeps the phase");
    assert!(first[0] < 1000);
    assert!(first.windows(2).skip(1).all(|pair| pair[1] - pair[0] == 1000), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn spreads_checks_over_the_interval() {
    let many = (0..200).map(|n| schedule(&format!("check {n}"), "x", 10_000, 0, false)).collect();
    let heard = heard(many, 20_000).await;
    let second: Vec<u128> = heard.iter().map(|(_, at, _)| *at).filter(|at| *at >= 10_000).collect();
    for tenth in 0..10 {
        let from = 10_000 + tenth * 1000;
        let here = second.iter().filter(|at| (from..from + 1000).contains(*at)).count();
        assert!((5..=40).contains(&here), "{here} of 200 in second {tenth}");
    }
    assert_eq!(heard.iter().filter(|(_, at, _)| *at < 2000).count(), 200, "a first picture in two seconds");
}

/// F47.
#[tokio::test(start_paused = true)]
async fn a_slow_check_skips_what_it_overlaps_and_keeps_its_phase() {
    let times = |heard: Vec<(String, u128, Report)>| heard.into_iter().map(|(_, at, _)| at).collect::<Vec<_>>();
    let quick = times(heard(vec![schedule("slow", "x", 1000, 0, false)], 20_000).await);
    let slow = times(heard(vec![schedule("slow", "x", 1000, 2500, false)], 20_000).await);
    assert!(slow.windows(2).skip(1).all(|pair| pair[1] - pair[0] == 3000), "two of three runs are skipped: {slow:?}");
    assert!(slow.iter().all(|at| quick.contains(&(at - 2500))), "{slow:?}");
}

/// F46.
#[tokio::test(start_paused = true)]
async fn a_panic_is_unknown_for_that_check_alone() {
    let heard = heard(vec![schedule("bad", "x", 1000, 0, true), schedule("good", "x", 1000, 0, false)], 5_000).await;
    let of = |name: &str| heard.iter().filter(|(check, ..)| check == name).map(|(_, _, report)| report.clone()).collect::<Vec<_>>();
    assert!(of("bad").iter().all(|report| *report == Report::Lost("the check itself broke down (see the log)".into())));
    assert!(of("bad").len() >= 4 && of("good").len() >= 4);
}

#[tokio::test(start_paused = true)]
async fn gives_up_what_never_returns() {
    let heard = heard(vec![schedule("hangs", "x", 1000, 3_600_000, false)], 20_000).await;
    assert_eq!(heard[0].2, Report::Lost("no result in 15 s".into()));
}

#[tokio::test(start_paused = true)]
async fn a_slow_kind_delays_no_other() {
    let mut checks: Vec<_> = (0..50).map(|n| schedule(&format!("http {n}"), "http", 1000, 4000, false)).collect();
    checks.push(schedule("ping", "ping", 1000, 0, false));
    let pings: Vec<u128> = heard(checks, 10_000).await.into_iter().filter(|(name, ..)| name == "ping").map(|(_, at, _)| at).collect();
    assert!(pings.windows(2).skip(1).all(|pair| pair[1] - pair[0] == 1000), "{pings:?}");
}

/// F48: ten thousand checks start in two seconds and keep their times, though at most 200 of them run at once.
#[tokio::test(start_paused = true)]
async fn ten_thousand_checks_are_never_late_by_half_an_interval() {
    const EVERY: u128 = 10_000;
    let check = |n| Schedule { at_once: 200, ..schedule(&format!("check {n}"), "x", EVERY as u64, 50, false) };
    let heard = heard((0..10_000).map(check).collect(), 40_000).await;
    let mut times: HashMap<String, Vec<u128>> = HashMap::new();
    for (name, at, _) in heard {
        times.entry(name).or_default().push(at);
    }
    assert_eq!(times.len(), 10_000);
    assert!(times.values().all(|times| times[0] < EVERY / 2), "all have looked soon after the start");
    // The first gap leads from the start's spread to the check's own phase.
    let late = times.values().flat_map(|times| times.windows(2).skip(1).map(|pair| pair[1].abs_diff(pair[0] + EVERY)));
    let mut late: Vec<u128> = late.collect();
    late.sort_unstable();
    assert!(late.len() >= 10_000 && late[late.len() * 99 / 100] < EVERY / 20, "p99 {} ms", late[late.len() * 99 / 100]);
    assert!(late.last().is_some_and(|latest| *latest < EVERY / 2), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn edited_lists_make_no_check_late() {
    const EVERY: u128 = 10_000;
    let list = || {
        (0..5_000).map(|n| Schedule { at_once: 200, ..schedule(&format!("check {n}"), "x", EVERY as u64, 20, false) }).collect::<Vec<_>>()
    };
    let edits = (1..30).map(|n| (n * 1100, list())).collect();
    let heard = heard_with(list(), edits, 40_000).await;
    let mut times: HashMap<String, Vec<u128>> = HashMap::new();
    for (name, at, _) in heard {
        times.entry(name).or_default().push(at);
    }
    assert_eq!(times.len(), 5_000);
    let late = times.values().flat_map(|times| times.windows(2).skip(1).map(|pair| pair[1].abs_diff(pair[0] + EVERY)));
    assert!(late.max().is_some_and(|latest| latest < EVERY / 10));
}

#[tokio::test(start_paused = true)]
async fn an_edited_list_adds_drops_and_doubles_nothing() {
    let (stays, slow) = (|| schedule("stays", "x", 1000, 0, false), || schedule("slow", "y", 1000, 2500, false));
    let edits = vec![(3000, vec![stays(), slow(), schedule("new", "x", 1000, 0, false)])];
    let heard = heard_with(vec![stays(), slow(), schedule("goes", "x", 1000, 0, false)], edits, 9_000).await;
    let times = |name: &str| heard.iter().filter(|(check, ..)| check == name).map(|(_, at, _)| *at).collect::<Vec<_>>();
    assert!(times("stays").windows(2).skip(1).all(|pair| pair[1] - pair[0] == 1000), "{:?}", times("stays"));
    assert!(times("goes").iter().all(|at| *at <= 3000) && times("goes").len() >= 2);
    assert!((3000..5000).contains(&times("new")[0]) && times("new").len() >= 4);
    assert!(times("slow").windows(2).all(|pair| pair[1] - pair[0] >= 2500), "a run under way is not doubled: {:?}", times("slow"));
}

#[tokio::test(start_paused = true)]
async fn a_check_looks_when_it_is_asked_to_and_keeps_its_times() {
    let (orders_to, orders) = mpsc::channel(1);
    let (sender, mut reports) = mpsc::channel::<Finished>(1000);
    let start = Instant::now();
    let heard = tokio::spawn(async move {
        let mut looks = Vec::new();
        while let Some(finished) = reports.recv().await {
            if &*finished.check == "a" {
                looks.push((start.elapsed().as_millis(), (finished.next - start).as_millis()));
            }
        }
        looks
    });
    let runner = tokio::spawn(run(
        vec![schedule("a", "x", 60_000, 0, false), schedule("slow", "y", 60_000, 1500, false)],
        orders,
        sender,
        CancellationToken::new(),
    ));
    let order = |check: &'static str, at: u64| {
        let orders_to = orders_to.clone();
        async move {
            sleep_until(start + Duration::from_millis(at)).await;
            let (answer, answered) = oneshot::channel();
            orders_to.send(Order::LookNow { check: check.into(), answer }).await.unwrap();
            answered.await.unwrap()
        }
    };
    assert_eq!(order("a", 30_000).await, Woken::Looks);
    assert_eq!(order("a", 30_900).await, Woken::JustLooked);
    assert_eq!(order("slow", 31_000).await, Woken::Looks);
    assert_eq!(order("slow", 32_400).await, Woken::LooksAlready);
    assert_eq!(order("slow", 33_000).await, Woken::Looks, "it is over, and began long enough ago");
    assert_eq!(order("nobody", 33_000).await, Woken::Unknown);
    sleep_until(start + Duration::from_secs(300)).await;
    runner.abort();
    let looks = heard.await.unwrap();
    let asked = looks.iter().position(|(at, _)| *at == 30_000).unwrap();
    assert!(asked > 0 && looks.len() > 5);
    let next = looks[asked - 1].1;
    assert_eq!(looks[asked].1, next, "its next time stays: {looks:?}");
    assert!(looks[asked + 1].0 == next && looks[asked + 2].0 == next + 60_000, "{looks:?}");
}

//! When each check runs: its phase, no overlap, a bound per kind, a hard deadline, and panics kept inside.

use std::cmp::Reverse;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::checks::{Check, Run};
use crate::domain::reading::{Reading, Report};

/// Timers fall on multiples of this, so that checks due together cost one wake-up.
const TICK: Duration = Duration::from_millis(50);
/// The first looks are spread over so much, for a first picture soon after the start.
const FIRST_PICTURE: Duration = Duration::from_secs(2);
/// A run is given up after twice its own reckoning and this: the deadline is for what hangs, not for a busy machine.
const GRACE: Duration = Duration::from_secs(5);

/// A check and when it is to run.
#[derive(Clone)]
pub struct Schedule {
    pub name: Arc<str>,
    pub kind: &'static str,
    /// How many looks of this kind may be under way at once, over all checks.
    pub at_once: usize,
    pub every: Duration,
    pub timeout: Duration,
    pub look: Arc<dyn Check>,
}

/// What one run brought.
#[derive(Debug)]
pub struct Finished {
    pub check: Arc<str>,
    pub report: Report,
    pub took: Duration,
}

/// Runs every check at its times until told to stop; what they see goes to `reports`.
pub async fn run(schedules: Vec<Schedule>, reports: mpsc::Sender<Finished>, stop: CancellationToken) {
    let start = Instant::now();
    let slots = slots(&schedules);
    let mut seats: Vec<Seat> = schedules.into_iter().map(|schedule| Seat::new(schedule, &slots)).collect();
    let mut due: BinaryHeap<Reverse<(Instant, usize)>> =
        seats.iter().enumerate().map(|(index, seat)| Reverse((start + first_offset(&seat.schedule), index))).collect();
    while let Some(Reverse((at, index))) = due.pop() {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = sleep_until(at) => {}
        }
        let seat = &mut seats[index];
        seat.start(&reports);
        due.push(Reverse((next_time(start, at, Instant::now(), &seat.schedule), index)));
    }
    stop.cancelled().await;
}

/// One check's place in the schedule.
struct Seat {
    schedule: Schedule,
    run: Run,
    running: Arc<AtomicBool>,
    skipped: AtomicU64,
}

impl Seat {
    fn new(schedule: Schedule, slots: &HashMap<&'static str, Arc<Semaphore>>) -> Self {
        let run = Run { timeout: schedule.timeout, slots: slots[schedule.kind].clone(), progress: None };
        Self { schedule, run, running: Arc::default(), skipped: AtomicU64::new(0) }
    }

    /// Starts a run, unless the last one is still under way.
    fn start(&self, reports: &mpsc::Sender<Finished>) {
        let Schedule { name, look, .. } = &self.schedule;
        if self.running.swap(true, Ordering::AcqRel) {
            let skipped = self.skipped.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(check = %name, skipped, "the last run is still under way, this one is skipped");
            return;
        }
        let (name, look, run) = (name.clone(), look.clone(), self.run.clone());
        let (running, reports) = (self.running.clone(), reports.clone());
        tokio::spawn(async move {
            let started = Instant::now();
            let report = look_once(look, run).await;
            // A send fails only when the watch is ending.
            let _ = reports.send(Finished { check: name, report, took: started.elapsed() }).await;
            running.store(false, Ordering::Release);
        });
    }
}

/// One run within its deadline; a panic in it is its own.
pub async fn look_once(look: Arc<dyn Check>, run: Run) -> Report {
    let longest = look.longest(&run) * 2 + GRACE;
    let mut task = tokio::spawn(async move { look.run(&run).await });
    match timeout(longest, &mut task).await {
        Ok(Ok(readings)) => Report::Readings(readings),
        Ok(Err(broken)) if broken.is_panic() => Report::Lost("the check itself broke down (see the log)".into()),
        Ok(Err(_)) => Report::Lost("the run was ended".into()),
        Err(_) => {
            task.abort();
            Report::Lost(format!("no result in {} s", longest.as_secs()).into())
        }
    }
}

/// The bound of each kind.
fn slots(schedules: &[Schedule]) -> HashMap<&'static str, Arc<Semaphore>> {
    schedules.iter().map(|schedule| (schedule.kind, Arc::new(Semaphore::new(schedule.at_once)))).collect()
}

/// Where in its interval a check runs: by its name, so that a restart keeps the spread.
fn phase(name: &str, within: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let ticks = (within.as_millis() / TICK.as_millis()).max(1) as u64;
    TICK * (hasher.finish() % ticks) as u32
}

fn first_offset(schedule: &Schedule) -> Duration {
    phase(&schedule.name, schedule.every.min(FIRST_PICTURE))
}

/// The next time on the check's own grid, `start + phase + k * every`: after `now`, since what was missed is
/// not made up for, and not within half an interval of the last.
fn next_time(start: Instant, last: Instant, now: Instant, schedule: &Schedule) -> Instant {
    let every = schedule.every;
    let grid = start + phase(&schedule.name, every);
    let earliest = (last + every / 2).max(now);
    let passed = earliest.saturating_duration_since(grid);
    let intervals = u32::try_from(passed.as_nanos().div_ceil(every.as_nanos().max(1))).unwrap_or(u32::MAX);
    grid + every * intervals
}

/// How many readings of a report are good, bad and unknown: for the log.
pub fn tally(readings: &[Reading]) -> (usize, usize, usize) {
    use crate::domain::reading::Outcome;
    readings.iter().fold((0, 0, 0), |(pass, fail, unknown), reading| match reading.outcome {
        Outcome::Pass => (pass + 1, fail, unknown),
        Outcome::Fail(_) => (pass, fail + 1, unknown),
        Outcome::Unknown(_) => (pass, fail, unknown + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reading::Target;
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
        let (sender, mut reports) = mpsc::channel(1000);
        let stop = CancellationToken::new();
        let start = Instant::now();
        let runner = tokio::spawn(run(schedules, sender, stop.clone()));
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
}

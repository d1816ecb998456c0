//! When each check runs: its phase, no overlap, a bound per kind, a hard deadline, and panics kept inside.

use std::cmp::Reverse;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::checks::{Check, Run};
use crate::domain::reading::Report;
use crate::net::in_time;

/// Timers fall on multiples of this, so that checks due together cost one wake-up.
const TICK: Duration = Duration::from_millis(50);
/// The first looks are spread over so much, for a first picture soon after the start.
const FIRST_PICTURE: Duration = Duration::from_secs(2);
/// A run is given up after twice its own reckoning and this: the deadline is for what hangs, not for a busy machine.
const GRACE: Duration = Duration::from_secs(5);

/// A check that began to look so lately is not asked to look again.
const JUST_NOW: Duration = Duration::from_secs(1);

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
    /// When the check is due again.
    pub next: Instant,
}

/// What the runner is asked for while it runs.
pub enum Order {
    /// This list takes the place of the last one; what is in both goes on as it was.
    TakeUp(Vec<Schedule>),
    /// A check is to look at once; its own times stay as they are.
    LookNow { check: Arc<str>, answer: oneshot::Sender<Woken> },
}

/// What became of a check that was to look at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// It has begun.
    Looks,
    /// It had begun before, and is not done yet.
    LooksAlready,
    /// It began less than a second ago.
    JustLooked,
    /// There is no such check.
    Unknown,
}

/// Runs every check at its times until told to stop; what they see goes to `reports`.
pub async fn run(schedules: Vec<Schedule>, mut orders: mpsc::Receiver<Order>, reports: mpsc::Sender<Finished>, stop: CancellationToken) {
    let start = Instant::now();
    let mut slots = HashMap::new();
    let mut seats: Vec<Seat> = schedules.into_iter().map(|schedule| Seat::new(schedule, &mut slots, start)).collect();
    let mut due = queue(&seats);
    loop {
        let next = due.peek().map(|Reverse((at, _))| *at);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(order) = orders.recv() => match order {
                Order::TakeUp(schedules) => {
                    seats = take_up(seats, schedules, &mut slots);
                    due = queue(&seats);
                }
                Order::LookNow { check, answer } => {
                    let seat = seats.iter_mut().find(|seat| seat.schedule.name == check);
                    // Whoever asked may have left.
                    let _ = answer.send(seat.map_or(Woken::Unknown, |seat| seat.look_now(&reports)));
                }
            },
            () = until(next) => {
                let Some(Reverse((at, index))) = due.pop() else { continue };
                let seat = &mut seats[index];
                seat.due = next_time(start, at, Instant::now(), &seat.schedule);
                seat.start(&reports);
                due.push(Reverse((seat.due, index)));
            }
        }
    }
}

/// The seats of an edited list; a check that keeps its name and interval keeps its next time and its run under way.
fn take_up(seats: Vec<Seat>, schedules: Vec<Schedule>, slots: &mut Slots) -> Vec<Seat> {
    let mut old: HashMap<Arc<str>, Seat> = seats.into_iter().map(|seat| (seat.schedule.name.clone(), seat)).collect();
    let now = Instant::now();
    let seat = |schedule: Schedule| {
        let before = old.remove(&schedule.name);
        let mut seat = Seat::new(schedule, slots, now);
        if let Some(before) = before {
            if before.schedule.every == seat.schedule.every {
                seat.due = before.due;
            }
            (seat.running, seat.skipped, seat.begun) = (before.running, before.skipped, before.begun);
        }
        seat
    };
    schedules.into_iter().map(seat).collect()
}

fn queue(seats: &[Seat]) -> BinaryHeap<Reverse<(Instant, usize)>> {
    seats.iter().enumerate().map(|(index, seat)| Reverse((seat.due, index))).collect()
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// The bound of each kind.
type Slots = HashMap<&'static str, Arc<Semaphore>>;

/// One check's place in the schedule.
struct Seat {
    schedule: Schedule,
    run: Run,
    running: Arc<AtomicBool>,
    skipped: AtomicU64,
    due: Instant,
    /// When the last run began.
    begun: Option<Instant>,
}

impl Seat {
    fn new(schedule: Schedule, slots: &mut Slots, now: Instant) -> Self {
        let slots = slots.entry(schedule.kind).or_insert_with(|| Arc::new(Semaphore::new(schedule.at_once)));
        let run = Run { timeout: schedule.timeout, slots: slots.clone(), progress: None };
        let due = now + first_offset(&schedule);
        Self { schedule, run, running: Arc::default(), skipped: AtomicU64::new(0), due, begun: None }
    }

    /// Starts a run, unless the last one is still under way.
    fn start(&mut self, reports: &mpsc::Sender<Finished>) {
        let Schedule { name, .. } = &self.schedule;
        if self.running.load(Ordering::Acquire) {
            let skipped = self.skipped.fetch_add(1, Ordering::Relaxed) + 1;
            // A check that is always late says so less and less often.
            if skipped.is_power_of_two() {
                tracing::warn!(check = %name, skipped, "the last run is still under way, this one is skipped");
            }
            return;
        }
        self.begin(reports);
    }

    /// Starts a run out of its time, unless there is one as fresh.
    fn look_now(&mut self, reports: &mpsc::Sender<Finished>) -> Woken {
        if self.running.load(Ordering::Acquire) {
            return Woken::LooksAlready;
        }
        if self.begun.is_some_and(|begun| begun.elapsed() < JUST_NOW) {
            return Woken::JustLooked;
        }
        self.begin(reports);
        Woken::Looks
    }

    fn begin(&mut self, reports: &mpsc::Sender<Finished>) {
        self.running.store(true, Ordering::Release);
        self.begun = Some(Instant::now());
        let (name, look, run) = (self.schedule.name.clone(), self.schedule.look.clone(), self.run.clone());
        let (running, reports, next) = (self.running.clone(), reports.clone(), self.due);
        tokio::spawn(async move {
            let started = Instant::now();
            let report = look_once(look, run).await;
            // A send fails only when the watch is ending.
            let _ = reports.send(Finished { check: name, report, took: started.elapsed(), next }).await;
            running.store(false, Ordering::Release);
        });
    }
}

/// One run within its deadline; a panic in it is its own.
pub async fn look_once(look: Arc<dyn Check>, run: Run) -> Report {
    let longest = look.longest(&run) * 2 + GRACE;
    let mut task = tokio::spawn(async move { look.report(&run).await });
    match in_time(longest, &mut task).await {
        Ok(Ok(report)) => report,
        Ok(Err(broken)) if broken.is_panic() => Report::Lost("the check itself broke down (see the log)".into()),
        Ok(Err(_)) => Report::Lost("the run was ended".into()),
        Err(_) => {
            task.abort();
            Report::Lost(format!("no result in {} s", longest.as_secs()).into())
        }
    }
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

#[cfg(test)]
mod tests;

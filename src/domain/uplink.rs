//! The own-network guard: while nothing of the uplink answers, it is the watch that is cut off, and what checks say of
//! things across the network counts for nothing.
//!
//! All targets dead for so many looks is the same as so many looks at which all were dead, so that one tracker is
//! enough: that of the target [`UPLINK`] of the watch's own check. It is kept, told and restored as any other.

use std::time::Duration;

use super::board::Taken;
use super::engine::{Effect, Engine};
use super::reading::{Outcome, Reading, Reason, Report, Target};
use super::rule::Hold;
use super::time::Now;

/// The name under which looks at the uplink are reported.
pub const UPLINK_CHECK: &str = "(uplink)";

/// The target of the watch's own check that fails while the watch is cut off.
pub const UPLINK: &str = "uplink";

/// More names than these are counted.
const MOST_NAMED: usize = 4;

/// What one look at the uplink says of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    /// Someone answers.
    Someone,
    /// Nobody does, and why that is so.
    Nobody(Reason),
    /// It was not possible to look at all of them, and none of the others answers.
    Unclear,
}

impl Engine {
    /// Whether it was cut off at any time of a look across the network that ends now: what such a look saw counts for nothing.
    pub(super) fn was_cut_off(&self, took: Duration, now: Now) -> bool {
        self.is_cut_off() || self.back_since.is_some_and(|back| now.steady.since(back) < took)
    }

    fn is_cut_off(&self) -> bool {
        let uplink = self.board[self.own].targets.get(UPLINK);
        uplink.is_some_and(|state| state.trackers.iter().any(|tracker| !tracker.up))
    }

    /// Counts a look at the uplink.
    pub(super) fn take_uplink(&mut self, fail_after: Hold, report: &Report, now: Now, effects: &mut Vec<Effect>) {
        match reach(report) {
            Reach::Someone => {
                if self.is_cut_off() {
                    self.back_since = Some(now.steady);
                }
                self.note_own(UPLINK, None, now, effects);
            }
            Reach::Nobody(reason) => {
                let mut plan = self.watch.checks[self.own].clone();
                plan.rules.iter_mut().for_each(|rule| rule.fail_after = fail_after);
                let (reading, mut taken) = (Reading::fail(&Target::new(UPLINK), reason), Taken::default());
                self.board[self.own].look(&plan, &reading, now, false, &mut self.next_incident, &mut taken);
                self.note(self.own, taken, effects);
            }
            Reach::Unclear => {}
        }
    }
}

fn reach(report: &Report) -> Reach {
    let Report::Readings(readings) = report else { return Reach::Unclear };
    if readings.iter().any(|reading| reading.outcome == Outcome::Pass) {
        return Reach::Someone;
    }
    let dead = |reading: &Reading| reading.no_way || matches!(reading.outcome, Outcome::Fail(_));
    if readings.is_empty() || !readings.iter().all(dead) {
        return Reach::Unclear;
    }
    Reach::Nobody(nobody(readings).into())
}

/// `cut off: none of 192.0.2.1, 192.0.2.2 answers`
fn nobody(readings: &[Reading]) -> String {
    let names: Vec<&str> = readings.iter().take(MOST_NAMED).map(|reading| &*reading.target.key).collect();
    match readings {
        [only] => format!("cut off: {} does not answer", only.target.key),
        _ if readings.len() > MOST_NAMED => {
            format!("cut off: none of {} and {} more answers", names.join(", "), readings.len() - MOST_NAMED)
        }
        _ => format!("cut off: none of {} answers", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` answers, `x` does not, `/` has no way to it, `?` could not be looked at.
    fn look(readings: &str) -> Reach {
        let reading = |(index, mark): (usize, char)| {
            let target = Target::new(format!("t{index}"));
            match mark {
                '.' => Reading::pass(&target),
                'x' => Reading::fail(&target, "no reply"),
                '/' => Reading::unknown(&target, "no route").without_a_way(),
                _ => Reading::unknown(&target, "not allowed"),
            }
        };
        reach(&Report::Readings(readings.chars().enumerate().map(reading).collect()))
    }

    #[test]
    fn cut_off_is_when_all_are_dead() {
        let nobody = |reason: &str| Reach::Nobody(reason.into());
        assert_eq!(look("x"), nobody("cut off: t0 does not answer"));
        assert_eq!(look("xx"), nobody("cut off: none of t0, t1 answers"));
        assert_eq!(look("x/"), nobody("cut off: none of t0, t1 answers"));
        assert_eq!(look("xxxxxx"), nobody("cut off: none of t0, t1, t2, t3 and 2 more answers"));
        for someone in [".", "x.", "?.", "/."] {
            assert_eq!(look(someone), Reach::Someone, "{someone}");
        }
        for unclear in ["", "?", "x?", "/?"] {
            assert_eq!(look(unclear), Reach::Unclear, "{unclear}");
        }
        assert_eq!(reach(&Report::Lost("it broke down".into())), Reach::Unclear);
    }
}

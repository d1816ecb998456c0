//! The checker: receipts, ledger and the scripted truth side by side, and every breach of the promise in words.

use std::collections::{BTreeMap, BTreeSet};

use super::receipts::{Receipt, Said};

/// By this moment people must know that the check is well, or that it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Microseconds since 1970, as everywhere here.
    pub at: u64,
    pub check: String,
    pub well: bool,
}

/// What the state file held when the watch had died.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Death {
    pub at: u64,
    pub next_incident: u64,
    pub incidents: BTreeSet<u64>,
    /// The ledger's words on the beginning and the end, by incident and channel.
    pub ledger: BTreeMap<(u64, String), [String; 2]>,
}

impl Death {
    fn word(&self, receipt: &Receipt) -> &str {
        let key = (receipt.incident, receipt.channel.clone());
        self.ledger.get(&key).map_or("no", |words| words[usize::from(receipt.said.is_end())].as_str())
    }

    /// Whether it fell between the channel's taking it and our writing that down.
    fn left_open(&self, receipt: &Receipt) -> bool {
        ["sending", "unsure"].contains(&self.word(receipt))
    }
}

#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub channels: Vec<String>,
    /// In the order of their arrival.
    pub receipts: Vec<Receipt>,
    pub dues: Vec<Due>,
    pub deaths: Vec<Death>,
}

/// What was counted, for the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub messages: usize,
    pub deaths: usize,
    /// Deaths with a message under way.
    pub deaths_in_flight: usize,
    pub copies: usize,
    pub lost_failed: usize,
    pub lost_recovered: usize,
}

#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub breaches: Vec<String>,
    pub figures: Figures,
}

pub fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict { figures: Figures { deaths: evidence.deaths.len(), ..Figures::default() }, ..Verdict::default() };
    verdict.figures.messages = evidence.receipts.len();
    verdict.figures.deaths_in_flight =
        evidence.deaths.iter().filter(|death| death.ledger.values().flatten().any(|word| word == "sending")).count();
    judge_dues(evidence, &mut verdict);
    for (index, receipt) in evidence.receipts.iter().enumerate() {
        judge_receipt(evidence, receipt, &evidence.receipts[..index], &mut verdict);
    }
    for death in &evidence.deaths {
        judge_death(evidence, death, &mut verdict);
    }
    verdict
}

/// What people believe is what is so, at each moment by which they must know.
fn judge_dues(evidence: &Evidence, verdict: &mut Verdict) {
    for due in &evidence.dues {
        for channel in &evidence.channels {
            let told = told_open(&evidence.receipts, channel, &due.check, due.at);
            match (due.well, told.first()) {
                (false, None) => {
                    verdict.figures.lost_failed += 1;
                    verdict.breaches.push(format!("lost: {} failed and {channel} was not told by {}", due.check, due.at));
                }
                (true, Some(incident)) => {
                    verdict.figures.lost_recovered += 1;
                    verdict.breaches.push(format!("lost: {} is well and {channel} still believes #{incident} by {}", due.check, due.at));
                }
                _ => {}
            }
        }
    }
}

/// The incidents of a check that a channel believes to be open.
pub fn told_open(receipts: &[Receipt], channel: &str, check: &str, at: u64) -> BTreeSet<u64> {
    let mut open = BTreeSet::new();
    for receipt in receipts.iter().filter(|receipt| receipt.channel == channel && receipt.check == check && receipt.at <= at) {
        if receipt.said.is_end() {
            open.remove(&receipt.incident)
        } else {
            open.insert(receipt.incident)
        };
    }
    open
}

fn judge_receipt(evidence: &Evidence, receipt: &Receipt, before: &[Receipt], verdict: &mut Verdict) {
    let Receipt { incident, channel, said, .. } = receipt;
    let mut breach = |what: &str| verdict.breaches.push(format!("{what}: {said:?} #{incident} on {channel} at {}", receipt.at));
    let same = |other: &&Receipt| other.incident == *incident && other.channel == *channel;
    if before.iter().any(|other| other.incident == *incident && other.check != receipt.check) {
        breach("one number for two checks");
    }
    if *said != Said::Reminder {
        let copy_of = before.iter().filter(same).rfind(|other| other.said != Said::Reminder && other.said.is_end() == said.is_end());
        if let Some(first) = copy_of {
            if !receipt.repeat {
                breach("told twice and not marked");
            }
            let died = evidence.deaths.iter().any(|death| death.at < receipt.at && death.left_open(first));
            if first.answered && !died {
                breach("told twice without a cause");
            }
        }
        if copy_of.is_some() {
            verdict.figures.copies += 1;
        }
    }
    let mut breach = |what: &str| verdict.breaches.push(format!("{what}: {said:?} #{incident} on {channel} at {}", receipt.at));
    if !said.is_end() && before.iter().filter(same).any(|other| other.said.is_end()) {
        breach("failed after its recovery");
    }
    if *said == Said::Recovered && !before.iter().filter(same).any(|other| !other.said.is_end()) {
        // The beginning may have arrived for all the watch knows.
        let begun = Receipt { said: Said::Failed, ..receipt.clone() };
        if !evidence.deaths.iter().any(|death| death.at < receipt.at && death.left_open(&begun)) {
            breach("recovered without failed");
        }
    }
}

/// What is told is written down before, and what is written down was told.
fn judge_death(evidence: &Evidence, death: &Death, verdict: &mut Verdict) {
    let mut breach = |what: String| verdict.breaches.push(format!("{what} (a death at {})", death.at));
    for receipt in evidence.receipts.iter().filter(|receipt| receipt.at < death.at && receipt.said != Said::Reminder) {
        let Receipt { incident, channel, said, .. } = receipt;
        if *incident >= death.next_incident {
            breach(format!("#{incident} was told on {channel} and its number is free again"));
        }
        if death.incidents.contains(incident) && ["no", "missed"].contains(&death.word(receipt)) {
            breach(format!("{said:?} #{incident} was told on {channel} and nothing is written down"));
        }
    }
    for ((incident, channel), words) in &death.ledger {
        for (end, word) in words.iter().enumerate() {
            let heard = |receipt: &&Receipt| receipt.incident == *incident && receipt.channel == *channel;
            let arrived = evidence.receipts.iter().filter(heard).any(|receipt| usize::from(receipt.said.is_end()) == end);
            if word == "yes" && !arrived {
                let half = ["failed", "recovered"][end];
                breach(format!("the ledger says that {half} #{incident} was told on {channel}, and nothing arrived"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `F1 R1`: failed and recovered of incident 1 of the check `a`, at 10, 20, …; `!` is a mark, `?` no answer, `O` over, `M` reminder.
    fn receipts(text: &str) -> Vec<Receipt> {
        let read = |(place, word): (usize, &str)| Receipt {
            at: (place as u64 + 1) * 10,
            channel: "ops".into(),
            check: "a".into(),
            incident: word[1..].trim_end_matches(['!', '?']).parse().unwrap(),
            said: [('F', Said::Failed), ('M', Said::Reminder), ('R', Said::Recovered), ('O', Said::Over)]
                .into_iter()
                .find(|(letter, _)| word.starts_with(*letter))
                .unwrap()
                .1,
            repeat: word.contains('!'),
            answered: !word.contains('?'),
        };
        text.split_whitespace().enumerate().map(read).collect()
    }

    fn due(at: u64, well: bool) -> Due {
        Due { at, check: "a".into(), well }
    }

    fn death(at: u64, words: [&str; 2]) -> Death {
        let ledger = BTreeMap::from([((1, "ops".to_owned()), words.map(str::to_owned))]);
        Death { at, next_incident: 9, incidents: BTreeSet::from([1]), ledger }
    }

    #[track_caller]
    fn check(text: &str, dues: &[Due], deaths: &[Death], expect: &[&str]) {
        let verdict =
            judge(&Evidence { channels: vec!["ops".into()], receipts: receipts(text), dues: dues.to_vec(), deaths: deaths.to_vec() });
        let starts: Vec<&str> = verdict.breaches.iter().map(|breach| breach.split(':').next().unwrap()).collect();
        assert_eq!(starts, expect, "{:?}", verdict.breaches);
    }

    #[test]
    fn what_is_as_it_should_be_is_no_breach() {
        check("F1 M1 M1 R1 F2 R2 O3", &[due(11, false), due(45, true), due(55, false), due(99, true)], &[], &[]);
    }

    #[test]
    fn a_lost_message_is_found() {
        check("", &[due(11, false)], &[], &["lost"]);
        check("F1 R1", &[due(11, false), due(15, true), due(30, false)], &[], &["lost", "lost"]);
    }

    #[test]
    fn a_double_must_be_marked_and_have_a_cause() {
        check("F1 F1", &[], &[], &["told twice and not marked", "told twice without a cause"]);
        check("F1? F1", &[], &[], &["told twice and not marked"]);
        check("F1 F1!", &[], &[], &["told twice without a cause"]);
        check("F1? F1!", &[], &[], &[]);
        check("F1 F1!", &[], &[death(15, ["sending", "no"])], &[]);
        check("F1 F1!", &[], &[death(15, ["yes", "no"])], &["told twice without a cause"]);
        check("F1 R1 R1!", &[], &[death(25, ["yes", "sending"])], &[]);
    }

    #[test]
    fn an_end_needs_its_beginning() {
        check("R1", &[], &[], &["recovered without failed"]);
        check("R1", &[], &[death(5, ["sending", "no"])], &[]);
        check("R1 F1", &[], &[], &["recovered without failed", "failed after its recovery"]);
        check(
            "F1 R1 F1!",
            &[],
            &[death(25, ["sending", "no"])],
            &["failed after its recovery", "Recovered #1 was told on ops and nothing is written down (a death at 25)"],
        );
    }

    #[test]
    fn the_ledger_says_what_was_told() {
        check("", &[], &[death(5, ["yes", "no"])], &["the ledger says that failed #1 was told on ops, and nothing arrived (a death at 5)"]);
        check("F1", &[], &[death(15, ["no", "no"])], &["Failed #1 was told on ops and nothing is written down (a death at 15)"]);
        let forgot = Death { at: 15, next_incident: 1, ..Death::default() };
        check("F1", &[], &[forgot], &["#1 was told on ops and its number is free again (a death at 15)"]);
    }
}

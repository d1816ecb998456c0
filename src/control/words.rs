//! Why something was not told yet, as a person reads it.

use chrono::{DateTime, FixedOffset};

use super::Why;

impl Why {
    /// `held until 09:00 by window working_hours`; another day than today's stands before the hour.
    pub fn words(&self, now: DateTime<FixedOffset>) -> String {
        match self {
            Why::Sending => "sending".to_owned(),
            Why::Window { window, until: Some(until) } => format!("held until {} by window {window}", clock(*until, now)),
            Why::Window { window, until: None } => format!("held by window {window}, which is never open together with the other one"),
            Why::Silence { number, until } => format!("held until {} by silence {number}", clock(*until, now)),
            Why::Storm { seconds } => format!("waits {}: many messages, what follows goes in one", lasting(*seconds)),
            Why::Grouping { seconds } => format!("waits {} for more to tell together", lasting(*seconds)),
            Why::Retry { attempt, seconds, cause } => format!("retry {attempt} in {}: {cause}", lasting(*seconds)),
            Why::Busy => "waits for the message before it".to_owned(),
        }
    }
}

/// `09:00`, or with its date when that is not today's.
fn clock(at: DateTime<FixedOffset>, now: DateTime<FixedOffset>) -> String {
    let form = if at.date_naive() == now.date_naive() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    at.format(form).to_string()
}

/// `35 s`, `5 min`, `1 h`: a person waits for it, roughly.
pub fn lasting(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_sentences() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap();
        let now = at("2026-11-20T19:00:00+03:00");
        let window = |until| Why::Window { window: "working_hours".into(), until };
        let table = [
            (Why::Sending, "sending"),
            (window(Some(at("2026-11-20T21:00:00+03:00"))), "held until 21:00 by window working_hours"),
            (window(Some(at("2026-11-21T09:00:00+03:00"))), "held until 2026-11-21 09:00 by window working_hours"),
            (window(None), "held by window working_hours, which is never open together with the other one"),
            (Why::Silence { number: 3, until: at("2026-11-20T21:00:00+03:00") }, "held until 21:00 by silence 3"),
            (Why::Storm { seconds: 48 }, "waits 48 s: many messages, what follows goes in one"),
            (Why::Grouping { seconds: 12 }, "waits 12 s for more to tell together"),
            (Why::Retry { attempt: 4, seconds: 35, cause: "502".into() }, "retry 4 in 35 s: 502"),
            (Why::Retry { attempt: 9, seconds: 3599, cause: "kicked".into() }, "retry 9 in 59 min: kicked"),
            (Why::Busy, "waits for the message before it"),
        ];
        for (why, words) in table {
            assert_eq!(why.words(now), words);
        }
    }
}

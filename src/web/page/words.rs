//! What the page says, in the reader's language.

use axum::http::{HeaderMap, header};
use chrono::{DateTime, FixedOffset};

use crate::control::Why;
use crate::journal::EventLine;

/// The language of one reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    English,
    Russian,
}

impl Tongue {
    /// The first of the two that the browser asks for; English if it asks for neither.
    pub fn of(headers: &HeaderMap) -> Self {
        let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let wanted = asked.split(',').map(|part| part.trim().to_ascii_lowercase());
        let known = wanted.filter_map(|part| match part.get(..2) {
            Some("ru") => Some(Self::Russian),
            Some("en") => Some(Self::English),
            _ => None,
        });
        known.into_iter().next().unwrap_or(Self::English)
    }

    pub fn code(self) -> &'static str {
        self.say("en", "ru")
    }

    pub fn say(self, english: &'static str, russian: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Russian => russian,
        }
    }

    pub fn no_check(self, name: &str) -> String {
        format!("{}: {name}", self.say("There is no such check", "Такой проверки нет"))
    }

    pub fn no_incident(self, number: u64) -> String {
        let words =
            self.say("No incident of this number in the events that are kept", "В сохранённых событиях нет инцидента с таким номером");
        format!("{words}: #{number}")
    }

    /// What stands behind the `?` of an address makes no sense, and why not.
    pub fn no_such_query(self, field: Option<&str>, why: &str) -> String {
        let words = self.say("This address makes no sense here", "Такой адрес здесь не понять");
        field.map_or_else(|| format!("{words}: {why}."), |field| format!("{words}: `{field}`, {why}."))
    }

    pub fn silent(self) -> &'static str {
        self.say("The watch does not answer. Reload the page in a moment.", "Вахта не отвечает. Обновите страницу чуть позже.")
    }

    pub fn session_over(self) -> &'static str {
        self.say("Your session is over. Log in again.", "Сеанс окончен. Войдите снова.")
    }

    /// What is asked for does not bring the token of who is logged in now.
    pub fn stale(self) -> &'static str {
        self.say(
            "Nothing was done: the page that sent this is of an earlier login. Reload that page and try again.",
            "Ничего не сделано: страница, с которой это отправлено, осталась от прежнего входа. Обновите её и повторите.",
        )
    }

    /// `3 of 500 fail`
    pub fn failing(self, failing: usize, targets: usize) -> String {
        let (count, of) = (self.count(failing), self.count(targets));
        match (self, failing, targets) {
            (Self::English, _, 0) => "not looked at yet".to_owned(),
            (Self::Russian, _, 0) => "ещё не смотрели".to_owned(),
            (_, 0, _) => of,
            (Self::English, ..) => format!("{count} of {of} fail"),
            (Self::Russian, ..) => format!("сбой у {count} из {of}"),
        }
    }

    /// `10,000`
    pub fn count(self, count: usize) -> String {
        let (digits, comma) = (count.to_string(), self.say(",", "\u{a0}"));
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push_str(comma);
            }
            text.push(digit);
        }
        text
    }

    /// `35 s`, `5 min`, `1 h`, `3 d`: roughly.
    pub fn lasting(self, seconds: u64) -> String {
        let (count, unit) = match seconds {
            0..120 => (seconds, self.say("s", "с")),
            120..7200 => (seconds / 60, self.say("min", "мин")),
            7200..172_800 => (seconds / 3600, self.say("h", "ч")),
            _ => (seconds / 86_400, self.say("d", "д")),
        };
        format!("{count}\u{a0}{unit}")
    }

    /// `in 5 s`, until a check looks again.
    pub fn next_look(self, seconds: Option<u64>) -> String {
        match seconds {
            None => "–".to_owned(),
            Some(0) => self.say("now", "сейчас").to_owned(),
            Some(seconds) => format!("{} {}", self.say("in", "через"), self.lasting(seconds)),
        }
    }

    /// The time of today, or the day and the time.
    pub fn moment(self, at: DateTime<FixedOffset>, now: DateTime<FixedOffset>) -> String {
        let form = if at.date_naive() == now.date_naive() { "%H:%M:%S" } else { self.say("%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M") };
        at.format(form).to_string()
    }

    /// Why something was not told yet.
    pub fn why(self, why: &Why, now: DateTime<FixedOffset>) -> String {
        match self {
            Self::English => why.words(now),
            Self::Russian => super::russian::why(why, now),
        }
    }

    /// What happened, as a sentence.
    pub fn sentence(self, line: &EventLine) -> String {
        match self {
            Self::English => line.sentence(),
            Self::Russian => super::russian::sentence(line),
        }
    }

    pub fn first_bad(self) -> &'static str {
        self.say("the first bad look of those that count", "первый плохой взгляд из тех, что считаются")
    }

    pub fn severity(self, severity: &str) -> String {
        match (self, severity) {
            (Self::Russian, "warning") => "предупреждение".to_owned(),
            (Self::Russian, "critical") => "критично".to_owned(),
            (_, severity) => severity.to_owned(),
        }
    }

    /// `7 failed`
    pub fn owed(self, count: usize, kind: &str) -> String {
        match self {
            Self::English => format!("{} {kind}", self.count(count)),
            Self::Russian => format!("{}: {}", self.kind(kind), self.count(count)),
        }
    }

    /// What is owed: `failed`, `recovered`, `reminder`, `digest`.
    pub fn kind(self, kind: &str) -> String {
        match (self, kind) {
            (Self::Russian, "failed") => "о сбое".to_owned(),
            (Self::Russian, "recovered") => "о восстановлении".to_owned(),
            (Self::Russian, "reminder") => "напоминание".to_owned(),
            (Self::Russian, "digest") => "сводка".to_owned(),
            (_, kind) => kind.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_chooses() {
        let tongue = |asked: &str| Tongue::of(&HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, asked.parse().unwrap())]));
        assert_eq!(tongue("ru-RU,ru;q=0.9,en;q=0.8"), Tongue::Russian);
        assert_eq!(tongue("de, en-GB;q=0.7, ru;q=0.3"), Tongue::English);
        assert_eq!(tongue("€"), Tongue::English);
        assert_eq!(Tongue::of(&HeaderMap::new()), Tongue::English);
    }

    #[test]
    fn numbers_are_written_as_people_do() {
        assert_eq!([0, 999, 1000, 1_234_567].map(|count| Tongue::English.count(count)), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(Tongue::Russian.failing(1, 10_000), "сбой у 1 из 10\u{a0}000");
        assert_eq!(
            [90, 7199, 7200, 172_800].map(|seconds| Tongue::English.lasting(seconds).replace('\u{a0}', " ")),
            ["90 s", "119 min", "2 h", "2 d"]
        );
    }
}

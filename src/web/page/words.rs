//! What the page says, in the reader's language.

use axum::http::{HeaderMap, header};

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

    pub fn no_events(self) -> &'static str {
        self.say("The events cannot be read; the log says why.", "События не читаются; причина — в журнале.")
    }

    pub fn silent(self) -> &'static str {
        self.say("The watch does not answer. Reload the page in a moment.", "Вахта не отвечает. Обновите страницу чуть позже.")
    }

    /// `3 of 500 fail`
    pub fn failing(self, failing: usize, targets: usize) -> String {
        match (self, failing, targets) {
            (Self::English, _, 0) => "not looked at yet".to_owned(),
            (Self::Russian, _, 0) => "ещё не смотрели".to_owned(),
            (_, 0, targets) => targets.to_string(),
            (Self::English, failing, targets) => format!("{failing} of {targets} fail"),
            (Self::Russian, failing, targets) => format!("сбой у {failing} из {targets}"),
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
}

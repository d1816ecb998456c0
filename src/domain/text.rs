//! Text from targets, chats and files is hostile: made safe to show on one line.

use std::borrow::Cow;

/// The text with control characters shown as `·` (a tab or line break as a space) and without
/// marks that turn the direction of writing.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| character.is_control() || is_direction_mark(character)) {
        return Cow::Borrowed(text);
    }
    let shown = |character: char| match character {
        '\n' | '\r' | '\t' => Some(' '),
        other if other.is_control() => Some('·'),
        other if is_direction_mark(other) => None,
        other => Some(other),
    };
    Cow::Owned(text.chars().filter_map(shown).collect())
}

/// At most so many characters, with `…` for what was cut off.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let end = text.char_indices().nth(most.saturating_sub(1)).map_or(0, |(at, _)| at);
            Cow::Owned(format!("{}…", &text[..end]))
        }
    }
}

/// Unicode's bidirectional controls (UAX #9) and the line separators that JSON and terminals disagree on.
fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_hostile_text_harmlessly() {
        assert_eq!(visible("plain ещё 😀"), "plain ещё 😀");
        assert_eq!(visible("a\r\n{\"level\":\"fake\"}\x1b]0;x\u{202E}!\0"), "a  {\"level\":\"fake\"}·]0;x!·");
    }

    #[test]
    fn shortens_between_characters() {
        assert_eq!(shortened("длинно", 6), "длинно");
        assert_eq!(shortened("длинно", 4), "дли…");
        assert_eq!(shortened("x", 0), "…");
    }
}

//! Words for a person out of hostile text: nothing that moves a cursor, turns the line around or never ends.

use std::time::Duration;

/// The longest reason, in characters.
pub const LONGEST: usize = 200;

/// Text of one line that is safe to show anywhere: control and invisible characters are escaped, the end is cut.
pub fn clean(text: &str) -> String {
    clip(text, LONGEST)
}

/// The beginning of what a server sent, safe to show, with secrets that it echoed blotted out.
pub fn excerpt<'a>(bytes: &[u8], hidden: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 60;
    // More than is shown, so that no secret is cut in two and half of it seen.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let text = hidden.into_iter().fold(text.into_owned(), scrub);
    clip(text.trim(), SHOWN)
}

/// A length of time as a person says it: `50 ms`, `2.5 s`, `10 min`.
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs_f64();
    if length < Duration::from_secs(1) {
        format!("{} ms", length.as_millis())
    } else if length < Duration::from_secs(120) {
        format!("{} s", (seconds * 10.0).round() / 10.0)
    } else if length < Duration::from_secs(2 * 3600) {
        format!("{} min", length.as_secs() / 60)
    } else if length < Duration::from_secs(48 * 3600) {
        format!("{} h", length.as_secs() / 3600)
    } else {
        format!("{} days", length.as_secs() / 86_400)
    }
}

/// A number of bytes as a person says it: `100 bytes`, `64 KiB`.
pub fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match bytes {
        _ if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ if bytes >= KIB && bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        _ => format!("{bytes} bytes"),
    }
}

fn clip(text: &str, longest: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(longest + 8));
    let mut left = longest;
    for c in text.chars() {
        let escaped: String = if is_unsafe(c) { c.escape_default().collect() } else { c.into() };
        let length = escaped.chars().count();
        if length > left {
            shown.push('…');
            break;
        }
        left -= length;
        shown.push_str(&escaped);
    }
    shown
}

/// Controls, marks of writing direction, invisible characters and line separators.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Short texts (`PING`, `GET`) are no secrets: blotting them out would hide what a person wants to read.
fn scrub(text: String, secret: &str) -> String {
    let secret = secret.trim();
    if secret.len() < 6 { text } else { text.replace(secret, "***") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text() {
        let check = |text: &str, expect: &str| assert_eq!(clean(text), expect);
        check("всё хорошо 🙂", "всё хорошо 🙂");
        check("a\r\nb\0\x1b[2J\u{7f}", r"a\r\nb\u{0}\u{1b}[2J\u{7f}");
        check("user\u{202e}txt.exe\u{2069}\u{feff}", r"user\u{202e}txt.exe\u{2069}\u{feff}");
        check(&"й".repeat(201), &("й".repeat(200) + "…"));
        check(&"\0".repeat(99), &(r"\u{0}".repeat(40) + "…"));
    }

    #[test]
    fn excerpts_hide_secrets() {
        let check = |bytes: &[u8], expect: &str| assert_eq!(excerpt(bytes, ["CANARY-42\n", "PING"]), expect);
        check(b"  PING CANARY-42 \xff\n", "PING *** \u{fffd}");
        check(&[b"x".repeat(55), b"CANARY-42".to_vec()].concat(), &("x".repeat(55) + "***"));
        check(b"", "");
    }

    #[test]
    fn spans_and_sizes() {
        let check = |millis: u64, expect: &str| assert_eq!(span(Duration::from_millis(millis)), expect);
        check(50, "50 ms");
        check(5_000, "5 s");
        check(2_500, "2.5 s");
        check(600_000, "10 min");
        check(5 * 3_600_000, "5 h");
        check(72 * 3_600_000, "3 days");
        assert_eq!([size(100), size(1024), size(1 << 20), size(1025)], ["100 bytes", "1 KiB", "1 MiB", "1025 bytes"]);
    }
}

//! The watch's own sentences in Russian; what targets and channels said stays as they said it.

use chrono::{DateTime, FixedOffset};

use super::words::Tongue;
use crate::control::Why;
use crate::journal::{EventLine, Happened};

const RUSSIAN: Tongue = Tongue::Russian;

pub fn why(why: &Why, now: DateTime<FixedOffset>) -> String {
    match why {
        Why::Sending => "отправляется".to_owned(),
        Why::Window { window, until: Some(until) } => format!("до {}: закрыто окно {window}", clock(*until, now)),
        Why::Window { window, until: None } => format!("окно {window} никогда не открыто вместе с другим"),
        Why::Silence { number, until } => format!("до {}: тишина {number}", clock(*until, now)),
        Why::Storm { seconds } => format!("ждёт {}: сообщений много, остальное уйдёт одним", RUSSIAN.lasting(*seconds)),
        Why::Grouping { seconds } => format!("ждёт {}, чтобы сказать всё сразу", RUSSIAN.lasting(*seconds)),
        Why::Retry { attempt, seconds, cause } => format!("попытка {attempt} через {}: {cause}", RUSSIAN.lasting(*seconds)),
        Why::Busy => "ждёт предыдущего сообщения".to_owned(),
    }
}

fn clock(at: DateTime<FixedOffset>, now: DateTime<FixedOffset>) -> String {
    let form = if at.date_naive() == now.date_naive() { "%H:%M" } else { "%d.%m.%Y %H:%M" };
    at.format(form).to_string()
}

pub fn sentence(line: &EventLine) -> String {
    match &line.what {
        Happened::Failed { reason, failures, .. } => format!("сбой, плохих взглядов подряд: {failures}: {reason}"),
        Happened::Recovered { by, .. } if by == "removal" => "закрыт: за этим больше не следят".to_owned(),
        Happened::Recovered { since, .. } => {
            let lasted = (line.time - since).num_seconds().max(0);
            format!("восстановлено через {}", RUSSIAN.lasting(lasted as u64))
        }
        Happened::Held { channel, why: reason, .. } => format!("{channel}: {}", why(reason, line.time)),
        Happened::Sending { channel, kind, incidents, attempt, .. } => {
            let with = match incidents.0.len() {
                0 | 1 => String::new(),
                more => format!(" (и ещё о других: {})", more - 1),
            };
            let attempt = if *attempt > 1 { format!(", попытка {attempt}") } else { String::new() };
            format!("{channel}: сообщаем {}{with}{attempt}", about(kind))
        }
        Happened::Told { channel, kind, .. } => format!("{channel}: сообщено {}", about(kind)),
        Happened::NotTold { channel, answer, cause, again_in, .. } => {
            let word = match answer.as_str() {
                "never" => "отказано навсегда",
                "broken" => "не принимает ничего, пока не починят",
                "unsure" => "неизвестно, принято ли",
                _ => "не принято",
            };
            let again = again_in.map(|seconds| format!("; снова через {}", RUSSIAN.lasting(seconds))).unwrap_or_default();
            format!("{channel}: {word}: {cause}{again}")
        }
        Happened::NotOwed { channel, why_not, .. } => format!("{channel}: не сообщено: {}", not_owed(why_not)),
        Happened::NotOpened { parent, count, .. } => format!("{count} не считаются сбоем, пока `{parent}` — False"),
        Happened::NeverTold { channel, .. } => format!("{channel}: прошло раньше, чем можно было сообщить; не сообщено"),
        Happened::Silenced { silence, until, by, comment, .. } => {
            let by = if by.is_empty() { String::new() } else { format!(" ({by})") };
            let comment = if comment.is_empty() { String::new() } else { format!(": {comment}") };
            format!("тишина {silence}{by} до {}{comment}", until.format("%d.%m.%Y %H:%M:%S"))
        }
        Happened::SilenceOver { silence, .. } => format!("тишина {silence} окончена"),
        Happened::Acknowledged { by, note, .. } => {
            let note = if note.is_empty() { String::new() } else { format!(": {note}") };
            format!("принял {by}, напоминаний не будет{note}")
        }
        Happened::Unacknowledged { by, .. } => format!("больше не принят ({by})"),
    }
}

fn about(kind: &str) -> &str {
    match kind {
        "failed" => "о сбое",
        "recovered" => "о восстановлении",
        "reminder" => "что сбой ещё длится",
        _ => "о сбоях, о которых раньше сказать было нельзя",
    }
}

fn not_owed(why: &str) -> &str {
    match why {
        "not among those to be told" => "канал не в списке этой проверки",
        "not severe enough for this channel" => "недостаточно важно для этого канала",
        "told" => "уже сообщено",
        "over before it could be told" => "прошло раньше, чем можно было сообщить",
        "this channel wants no recoveries" => "канал не просил о восстановлениях",
        "refused for good" => "отказано навсегда",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_sentences() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap();
        let now = at("2026-11-20T19:00:00+03:00");
        let window = Why::Window { window: "working_hours".into(), until: Some(at("2026-11-21T09:00:00+03:00")) };
        assert_eq!(why(&window, now), "до 21.11.2026 09:00: закрыто окно working_hours");
        let retry = Why::Retry { attempt: 4, seconds: 35, cause: "502".into() };
        assert_eq!(why(&retry, now), "попытка 4 через 35\u{a0}с: 502");
    }
}

//! Windows as lists of instants inside and outside, and against a count minute by minute.

use proptest::prelude::*;

use super::*;

fn window(zone: &str, spans: &[(&str, &str)]) -> Window {
    let spans = spans.iter().map(|(days, hours)| Span::parse(Some(days), hours).unwrap()).collect();
    Window { name: "test".into(), zone: zone.parse().unwrap(), spans }
}

fn utc(text: &str) -> DateTime<Utc> {
    let text = if text.len() == 16 { format!("{text}:00Z") } else { format!("{text}Z") };
    text.replace(' ', "T").parse().unwrap()
}

/// Instants are UTC.
#[track_caller]
fn check(window: &Window, inside: &[&str], outside: &[&str]) {
    for at in inside {
        assert!(window.is_open(utc(at)), "{at} should be inside");
    }
    for at in outside {
        assert!(!window.is_open(utc(at)), "{at} should be outside");
    }
}

const EVERY_DAY: &str = "mon-sun";

#[test]
fn working_hours() {
    let hours = window("Europe/Moscow", &[("mon-fri", "09:00-18:00"), ("sat", "10:00-14:00")]);
    check(
        &hours,
        &["2026-11-20 06:00", "2026-11-20 14:59:59", "2026-11-21 07:00", "2026-11-21 10:59"],
        &["2026-11-20 05:59:59", "2026-11-20 15:00", "2026-11-21 11:00", "2026-11-22 09:00"],
    );
}

#[test]
fn a_night_belongs_to_the_day_it_starts() {
    let night = window("UTC", &[("fri", "22:00-06:00")]);
    check(
        &night,
        &["2026-11-20 22:00", "2026-11-20 23:59", "2026-11-21 00:00", "2026-11-21 05:59"],
        &["2026-11-20 00:00", "2026-11-20 05:00", "2026-11-20 21:59", "2026-11-21 06:00", "2026-11-21 22:00"],
    );
    let over_the_week = window("UTC", &[("sat-mon", "23:00-00:00")]);
    check(&over_the_week, &["2026-11-22 23:30", "2026-11-23 23:59"], &["2026-11-24 00:00", "2026-11-24 23:30"]);
}

#[test]
fn the_whole_day_has_no_hole() {
    let always = window("Europe/Berlin", &[(EVERY_DAY, "00:00-24:00")]);
    check(&always, &["2028-02-29 12:00", "2026-12-31 23:00", "2026-03-29 01:00", "2026-10-25 00:30"], &[]);
}

#[test]
fn a_skipped_hour_is_not_there_and_a_doubled_one_is_open_twice() {
    let early = window("Europe/Berlin", &[(EVERY_DAY, "02:00-03:00")]);
    check(&early, &["2026-10-25 00:30", "2026-10-25 01:30"], &["2026-03-29 00:59", "2026-03-29 01:00", "2026-10-25 02:00"]);
    assert_eq!(early.next_opening(utc("2026-03-28 12:00")), Some(utc("2026-03-30 00:00")));
    assert_eq!(early.next_opening(utc("2026-10-24 12:00")), Some(utc("2026-10-25 00:00")));
    let half = window("Europe/Berlin", &[(EVERY_DAY, "02:30-04:00")]);
    assert_eq!(half.next_opening(utc("2026-03-29 00:30")), Some(utc("2026-03-29 01:00")));
    let sunday = window("Europe/Berlin", &[("sun", "02:00-03:00")]);
    assert_eq!(sunday.next_opening(utc("2026-03-28 12:00")), Some(utc("2026-04-05 00:00")));
}

#[test]
fn a_skipped_day_is_not_there() {
    let friday = window("Pacific/Apia", &[("fri", "12:00-13:00")]);
    assert_eq!(friday.next_opening(utc("2011-12-30 09:00")), Some(utc("2012-01-05 22:00")));
}

#[test]
fn the_next_opening_is_exact() {
    let hours = window("Europe/Moscow", &[("mon-fri", "09:00-18:00")]);
    assert_eq!(hours.next_opening(utc("2026-11-20 08:00:01")), Some(utc("2026-11-20 08:00:01")));
    assert_eq!(hours.next_opening(utc("2026-11-20 15:00")), Some(utc("2026-11-23 06:00")));
    assert_eq!(hours.next_opening(utc("2026-11-23 05:59:59.750")), Some(utc("2026-11-23 06:00")));
    assert_eq!(Window { spans: vec![], ..hours }.next_opening(utc("2026-11-20 15:00")), None);
    assert_eq!(window("UTC", &[]).next_opening(utc("2026-11-20 15:00")), None);
}

#[test]
fn days_are_lists_of_names_and_ranges() {
    let days = |text| parse_days(text).map(|days| days.map(u8::from));
    assert_eq!(days("mon-fri"), Ok([1, 1, 1, 1, 1, 0, 0]));
    assert_eq!(days("sat-mon"), Ok([1, 0, 0, 0, 0, 1, 1]));
    assert_eq!(days("Mon, wed ,FRIDAY"), Ok([1, 0, 1, 0, 1, 0, 0]));
    assert_eq!(days("mon-mon"), Ok([1, 0, 0, 0, 0, 0, 0]));
    for text in ["", "mo", "mon-", "mon,", "fryday", "пн", "mon-fri-sun"] {
        assert!(days(text).is_err(), "{text}");
    }
}

#[test]
fn hours_are_two_times() {
    assert_eq!(parse_hours("09:00-18:00"), Ok((540, 1080)));
    assert_eq!(parse_hours("9:05 - 18:30"), Ok((545, 1110)));
    assert_eq!(parse_hours("22:00-06:00"), Ok((1320, 360)));
    assert_eq!(parse_hours("00:00-24:00"), Ok((0, 1440)));
    assert_eq!(parse_hours("22:00-00:00"), Ok((1320, 1440)));
    for text in ["", "09:00", "9-18", "09:00-25:00", "24:00-06:00", "09:60-10:00", "09:00-09:00", "-1:00-02:00", "09:5-10:00", "24:01-1:00"]
    {
        assert!(parse_hours(text).is_err(), "{text}");
    }
}

/// Around every one of these the clocks change: an hour, half an hour, at midnight, a whole day, for good.
const CHANGES: [(&str, &str); 12] = [
    ("Europe/Berlin", "2026-03-29 01:00"),
    ("Europe/Berlin", "2026-10-25 01:00"),
    ("Australia/Lord_Howe", "2026-04-04 15:00"),
    ("Australia/Lord_Howe", "2026-10-03 15:30"),
    ("America/Sao_Paulo", "2018-11-04 03:00"),
    ("America/Sao_Paulo", "2019-02-17 02:00"),
    ("Pacific/Apia", "2011-12-30 10:00"),
    ("Asia/Yekaterinburg", "2014-10-25 20:00"),
    ("Africa/Casablanca", "2026-02-15 02:00"),
    ("Asia/Kathmandu", "1985-12-31 18:30"),
    ("America/St_Johns", "2026-03-08 05:30"),
    ("Antarctica/Troll", "2026-03-29 01:00"),
];

/// The minutes of a week, Monday 00:00 first: an independent reading of the spans.
fn open_week(window: &Window) -> Vec<bool> {
    let mut week = vec![false; 7 * 1440];
    for span in &window.spans {
        let length = if span.from < span.to { span.to - span.from } else { span.to + DAY - span.from };
        for day in (0..7).filter(|day| span.days[*day]) {
            for minute in 0..usize::from(length) {
                week[(day * 1440 + usize::from(span.from) + minute) % (7 * 1440)] = true;
            }
        }
    }
    week
}

fn arb_span() -> impl Strategy<Value = Span> {
    // Quarter hours near night make clock changes meet the edges of spans often.
    let edge = prop_oneof![(0u16..20).prop_map(|quarter| quarter * 15), 0u16..1440];
    (any::<[bool; 7]>(), edge.clone(), edge).prop_map(|(days, from, to)| Span { days, from, to: if to == 0 { DAY } else { to } })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn agrees_with_a_count_minute_by_minute(
        change in proptest::sample::select(CHANGES.to_vec()),
        other in proptest::option::of(proptest::sample::select(chrono_tz::TZ_VARIANTS.to_vec())),
        spans in proptest::collection::vec(arb_span(), 1..3),
        start in 0i64..120,
    ) {
        let zone = other.unwrap_or(change.0.parse().unwrap());
        let window = Window { name: "test".into(), zone, spans };
        let week = open_week(&window);
        let open = |at: DateTime<Utc>| {
            let wall = at.with_timezone(&zone);
            week[wall.weekday().num_days_from_monday() as usize * 1440 + wall.hour() as usize * 60 + wall.minute() as usize]
        };
        let first = utc(change.1) - TimeDelta::hours(24) + TimeDelta::minutes(start);
        let minutes: Vec<_> = (0..2 * 1440).map(|minute| first + TimeDelta::minutes(minute)).collect();
        for at in &minutes {
            prop_assert_eq!(window.is_open(*at), open(*at), "{}", at);
        }
        for at in minutes.iter().step_by(97) {
            let counted = minutes.iter().find(|minute| *minute >= at && open(**minute)).copied();
            let found = window.next_opening(*at).filter(|found| found <= minutes.last().unwrap());
            prop_assert_eq!(found, counted, "from {}", at);
        }
    }
}

/// Every change of every zone's clock between these years, to the minute after it.
fn changes(zone: Tz) -> Vec<DateTime<Utc>> {
    let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    let mut changes = Vec::new();
    // No zone changes its clock and changes it back within so short a time.
    let (mut at, end, step) = (utc("2024-01-01 00:00"), utc("2031-01-01 00:00"), TimeDelta::days(7));
    while at < end {
        let (mut before, mut after) = (at, at + step);
        at = after;
        if offset(before) == offset(after) {
            continue;
        }
        while after - before > TimeDelta::minutes(1) {
            let middle = before + TimeDelta::minutes((after - before).num_minutes() / 2);
            if offset(middle) == offset(before) { before = middle } else { after = middle }
        }
        changes.push(after);
    }
    changes
}

/// The minutes at which a simulated watch finds it open, going from one instant that it asks for to the next.
fn open_minutes(window: &Window, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let mut minutes = Vec::new();
    let mut at = from;
    while let Some(opening) = window.next_opening(at).filter(|opening| *opening < to) {
        at = opening;
        while at < to && window.is_open(at) {
            minutes.push(at);
            at += TimeDelta::minutes(1);
        }
    }
    minutes
}

/// Every change of 2024–2030 in every zone of the database: the simulated open minutes are those that a clock on the wall counts.
#[test]
fn every_change_of_every_zone_agrees_with_a_count_minute_by_minute() {
    let hours = [
        &[(EVERY_DAY, "02:00-03:00")][..],
        &[(EVERY_DAY, "02:30-04:00"), (EVERY_DAY, "00:00-00:30")],
        &[("sat-mon", "23:30-01:15")],
        &[("mon-fri", "09:00-18:00"), ("sun", "01:00-05:00")],
    ];
    let (mut zones, mut count) = (0, 0);
    for zone in chrono_tz::TZ_VARIANTS {
        let changes = changes(zone);
        zones += usize::from(!changes.is_empty());
        for change in changes {
            count += 1;
            let (from, to) = (change - TimeDelta::hours(26), change + TimeDelta::hours(26));
            let wall: Vec<_> = (0..52 * 60)
                .map(|minute| {
                    let at = from + TimeDelta::minutes(minute);
                    let wall = at.with_timezone(&zone);
                    (at, wall.weekday().num_days_from_monday() as usize * 1440 + wall.hour() as usize * 60 + wall.minute() as usize)
                })
                .collect();
            for spans in hours {
                let window = window(zone.name(), spans);
                let week = open_week(&window);
                let counted: Vec<_> = wall.iter().filter(|(_, minute)| week[*minute]).map(|(at, _)| *at).collect();
                assert_eq!(open_minutes(&window, from, to), counted, "{zone} around {change}, {spans:?}");
            }
        }
    }
    assert!(zones > 150 && count > 2000, "{count} changes of {zones} zones");
}

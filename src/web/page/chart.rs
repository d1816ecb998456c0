//! How a number went, drawn by the server, so that it is there without a script; the script adds a read-out.
//!
//! Drawn here and not by a library in the browser: the picture must be there without one anyway, one drawing is enough,
//! and it is a tenth of the bytes. The picture stretches with the page; words stand beside it as text, so that they do not.

use chrono::{DateTime, FixedOffset};
use maud::{Markup, html};

use super::words::Tongue;
use crate::control::shown;
use crate::store::history::{Point, Series};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;
/// Lengths between the lines of the grid.
const STEPS: usize = 4;
/// A line is broken where nothing came for so many usual pauses.
const GAP: i64 = 4;
const BYTES: [&str; 9] = ["mem_used", "mem_available", "swap_used", "disk_left", "size", "rx", "tx", "rss", "unread"];

/// One number and its time.
pub struct Chart<'a> {
    pub metric: &'a str,
    pub series: &'a Series,
    /// Milliseconds since 1970.
    pub from: i64,
    pub to: i64,
    /// Of a rule, in base units.
    pub limit: Option<f64>,
    /// When the target failed.
    pub failures: &'a [(i64, i64)],
    /// Where the script finds the numbers themselves.
    pub numbers: &'a str,
}

/// What the upright axis shows, in base units.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    low: f64,
    step: f64,
}

impl Chart<'_> {
    pub fn draw(&self, tongue: Tongue, local: &dyn Fn(i64) -> DateTime<FixedOffset>) -> Markup {
        let points = &self.series.points;
        let (low, high) = extremes(points);
        let limit = self.limit.filter(|limit| limit.abs() <= 2.5 * high.abs().max(low.abs()) || is_percent(self.metric));
        let scale = Scale::of(self.metric, limit.map_or(low, |limit| low.min(limit)), limit.map_or(high, |limit| high.max(limit)));
        let y = |value: f64| round(HEIGHT * (1.0 - (value - scale.low) / (scale.step * STEPS as f64)));
        let x = |time: i64| round(WIDTH * (time - self.from) as f64 / (self.to - self.from).max(1) as f64);
        let words = |value: f64| shown(self.metric, value);
        let last = points.last().map(|point| point.mean);
        html! {
            figure.chart data-numbers=(self.numbers) {
                figcaption {
                    strong { (super::views::clean(self.metric)) }
                    @if let Some(last) = last {
                        " "
                        span.now { (words(last)) }
                    }
                    span.faint { (tongue.say("lowest", "от")) " " (words(low)) " · " (tongue.say("highest", "до")) " " (words(high)) }
                    @if let Some(limit) = self.limit {
                        span.limit { (tongue.say("limit", "порог")) " " (words(limit)) }
                    }
                    output.read aria-live="polite" {}
                }
                div.plot {
                    div.scale aria-hidden="true" {
                        @for step in (0..=STEPS).rev().step_by(2) {
                            span { (words(scale.low + scale.step * step as f64)) }
                        }
                    }
                    svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) }
                        preserveAspectRatio="none"
                        role="img"
                        tabindex="0"
                        aria-label={
                            (super::views::clean(self.metric))
                            ": "
                            (tongue.say("lowest", "от"))
                            " "
                            (words(low))
                            ", "
                            (tongue.say("highest", "до"))
                            " "
                            (words(high))
                        }
                    {
                        @for (begun, over) in self.failures {
                            rect
                                .out
                                x=(x((*begun).max(self.from)))
                                y="0"
                                width=(round((x((*over).min(self.to)) - x((*begun).max(self.from))).max(1.0)))
                                height=(HEIGHT) {}
                        }
                        @for step in 0..=STEPS {
                            line
                                .grid
                                x1="0"
                                x2=(WIDTH)
                                y1=(round(HEIGHT / STEPS as f64 * step as f64))
                                y2=(round(HEIGHT / STEPS as f64 * step as f64)) {}
                        }
                        @for run in self.runs() {
                            @if run.iter().any(|point| point.high > point.low) {
                                path.band d=(band(run, &x, &y)) {}
                            }
                            path.line d=(line(run, &x, &y)) {}
                        }
                        @if let Some(limit) = limit {
                            line.limit x1="0" x2=(WIDTH) y1=(y(limit)) y2=(y(limit)) {}
                        }
                        line.at visibility="hidden" x1="0" x2="0" y1="0" y2=(HEIGHT) {}
                    }
                }
                div.times aria-hidden="true" {
                    @for part in 0..=4 {
                        span { (clock(local(self.from + (self.to - self.from) / 4 * part), self.to - self.from, tongue)) }
                    }
                }
            }
        }
    }

    /// Points that follow each other without a gap.
    fn runs(&self) -> Vec<&[Point]> {
        let points = &self.series.points;
        let mut pauses: Vec<i64> = points.windows(2).map(|pair| pair[1].time - pair[0].time).collect();
        pauses.sort_unstable();
        let usual = pauses.get(pauses.len() / 2).copied().unwrap_or(0).max(self.series.step);
        points.chunk_by(|a, b| b.time - a.time <= usual * GAP).collect()
    }
}

impl Scale {
    fn of(metric: &str, low: f64, high: f64) -> Self {
        if is_percent(metric) && low >= 0.0 && high <= 100.0 && high > 20.0 {
            return Self { low: 0.0, step: 25.0 };
        }
        // What is never below zero and near to it begins there.
        let low = if low >= 0.0 && low < 0.7 * high { 0.0 } else { low };
        // What hardly changes is a line, not a mountain range.
        let least = match metric {
            _ if is_percent(metric) => 1.0,
            _ if BYTES.contains(&metric) => 4096.0,
            _ if high == 0.0 => 1.0,
            _ => 1e-9,
        };
        let span = (high - low).max(0.1 * high.abs()).max(least);
        let below = (span - (high - low)) / 2.0;
        let low = if low >= 0.0 { (low - below).max(0.0) } else { low - below };
        let unit = match BYTES.contains(&metric) {
            true => 1024f64.powf((2.0 * span / STEPS as f64).max(1.0).log(1024.0).floor()),
            false => 1.0,
        };
        let rough = span / STEPS as f64 / unit;
        let decade = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 25.0, 50.0].map(|nice| nice * decade * unit);
        let high = low + span;
        let fits = |step: &f64| (low / step).floor() * step + step * STEPS as f64 >= high;
        let step = steps.into_iter().find(fits).unwrap_or(span);
        Self { low: (low / step).floor() * step, step }
    }
}

fn is_percent(metric: &str) -> bool {
    shown(metric, 1.0).ends_with('%')
}

fn extremes(points: &[Point]) -> (f64, f64) {
    let low = points.iter().map(|point| point.low).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.high).fold(f64::NEG_INFINITY, f64::max);
    if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) }
}

fn line(points: &[Point], x: &dyn Fn(i64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let mut path = String::new();
    for (index, point) in points.iter().enumerate() {
        path.push_str(&format!("{}{} {}", if index == 0 { "M" } else { "L" }, x(point.time), y(point.mean)));
    }
    // One point alone is a dot.
    if points.len() == 1 {
        path.push_str("h.01");
    }
    path
}

fn band(points: &[Point], x: &dyn Fn(i64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let upper = points.iter().map(|point| format!("{} {}", x(point.time), y(point.high)));
    let lower = points.iter().rev().map(|point| format!("{} {}", x(point.time), y(point.low)));
    format!("M{}Z", upper.chain(lower).collect::<Vec<_>>().join("L"))
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// As exact as the span asks for.
pub fn clock(at: DateTime<FixedOffset>, span: i64, tongue: Tongue) -> String {
    let form = match span / 3_600_000 {
        0..=24 => "%H:%M",
        25..=200 => tongue.say("%a %H:%M", "%d.%m %H:%M"),
        _ => tongue.say("%b %d", "%d.%m"),
    };
    at.format(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(time: i64, mean: f64) -> Point {
        Point { time, count: 2, mean, low: mean - 1.0, high: mean + 1.0 }
    }

    #[test]
    fn the_scale_has_round_numbers_and_holds_everything() {
        let table = [
            ("cpu", (3.0, 60.0), (0.0, 25.0)),
            ("cpu", (0.1, 1.8), (0.0, 0.5)),
            ("rtt", (0.020, 0.055), (0.0, 0.02)),
            ("load1", (7.0, 8.0), (7.0, 0.25)),
            ("load1", (4.0, 4.01), (3.8, 0.2)),
            ("swap", (0.0, 0.0), (0.0, 0.25)),
            ("swap_used", (0.0, 0.0), (0.0, 1024.0)),
            ("disk_left", (1e9, 3.1e9), (0.0, 1024f64.powi(3))),
            ("queue", (0.0, 0.0), (0.0, 0.25)),
            ("ttl", (-3.0, 5.0), (-4.0, 2.5)),
        ];
        for (metric, (low, high), (bottom, step)) in table {
            let scale = Scale::of(metric, low, high);
            assert!(scale.low <= low && scale.low + 4.0 * scale.step >= high, "{metric}: {scale:?}");
            if metric != "ttl" {
                assert!((scale.low - bottom).abs() < 1e-9 && (scale.step / step - 1.0).abs() < 1e-9, "{metric}: {scale:?}");
            }
        }
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let points = [0, 10, 20, 30, 200, 210].map(|time| point(time, 5.0)).to_vec();
        let series = Series { step: 0, points };
        let chart =
            Chart { metric: "load1", series: &series, from: 0, to: 600, limit: Some(9.0), failures: &[(150, 205)], numbers: "/chart.json" };
        assert_eq!(chart.runs().iter().map(|run| run.len()).collect::<Vec<_>>(), [4, 2]);
        let html = chart.draw(Tongue::English, &|millis| DateTime::from_timestamp_millis(millis).unwrap().fixed_offset()).into_string();
        assert!(html.contains(r#"<path class="line" d="M0 60L10 60L20 60L30 60">"#), "{html}");
        assert!(
            html.contains(r#"<rect class="out" x="150" y="0" width="55" height="120">"#) && html.contains(r#"class="limit" x1="0""#),
            "{html}"
        );
    }

    #[test]
    fn no_points_are_an_empty_picture() {
        let series = Series { step: 0, points: Vec::new() };
        let chart = Chart { metric: "cpu", series: &series, from: 0, to: 0, limit: None, failures: &[], numbers: "" };
        chart.draw(Tongue::Russian, &|millis| DateTime::from_timestamp_millis(millis).unwrap().fixed_offset());
    }
}

//! `vakhta history`: how the numbers of a check went.

use std::path::Path;

use anyhow::ensure;
use chrono::Utc;
use serde::Serialize;

use super::table::{Cell, Table};
use super::{COULD_NOT, GOOD, print_line, when};
use crate::config::Config;
use crate::control::shown;
use crate::settings::Period;
use crate::store::history::{Latest, Point, Reader, Series, SeriesQuery};

/// Columns of a drawn line.
const WIDTH: usize = 48;
/// Points of a number in JSON.
const MOST_POINTS: usize = 2000;
/// Numbers in one answer.
const MOST_NUMBERS: usize = 100;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The name of the check
    check: String,
    /// One of its targets [default: all]
    target: Option<String>,
    /// One of their numbers, such as `up` or `rtt` [default: all]
    metric: Option<String>,
    /// How long back
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = Period::parse)]
    since: Period,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One number over time.
#[derive(Debug, Serialize)]
struct Kept {
    #[serde(flatten)]
    number: Latest,
    #[serde(flatten)]
    series: Series,
}

pub fn run(file: Option<&Path>, arguments: &Arguments) -> anyhow::Result<u8> {
    let Some(config) = super::load(file)? else { return Ok(COULD_NOT) };
    let now = Utc::now();
    let (from, to) = ((now - arguments.since.0).timestamp_millis(), now.timestamp_millis());
    let (kept, more) = super::runtime()?.block_on(async {
        let mut history = super::open_history(&config).await?;
        let mut numbers = history.latest(None, &arguments.check, arguments.target.as_deref()).await?;
        if let Some(metric) = &arguments.metric {
            numbers.retain(|number| number.metric == *metric);
        }
        ensure!(!numbers.is_empty(), "history has nothing of this; `vakhta history CHECK` lists what it has of a check");
        let more = numbers.len().saturating_sub(MOST_NUMBERS);
        let mut kept = Vec::new();
        for number in numbers.into_iter().take(MOST_NUMBERS) {
            kept.push(read(&mut history, number, (from, to), if arguments.json { MOST_POINTS } else { WIDTH }).await?);
        }
        anyhow::Ok((kept, more))
    })?;
    if arguments.json {
        print_line(&serde_json::to_string_pretty(&kept)?)?;
    } else {
        print(&kept, (from, to), &config)?;
        if more > 0 {
            print_line(&format!("and {more} more numbers; name a target"))?;
        }
    }
    Ok(GOOD)
}

async fn read(history: &mut Reader, number: Latest, (from, to): (i64, i64), max_points: usize) -> anyhow::Result<Kept> {
    let query = SeriesQuery {
        host: Some(&number.host),
        check: &number.check,
        target: &number.target,
        metric: &number.metric,
        from,
        to,
        max_points,
    };
    let series = history.series(&query, to).await?;
    Ok(Kept { number, series })
}

fn print(kept: &[Kept], (from, to): (i64, i64), config: &Config) -> anyhow::Result<()> {
    let mut table = Table::new(["HOST", "TARGET", "NUMBER", "LOWEST", "MEAN", "HIGHEST", "LAST", "FROM LOWEST TO HIGHEST, OVER TIME"]);
    for Kept { number, series } in kept {
        let points = &series.points;
        let low = points.iter().map(|point| point.low).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(|point| point.high).fold(f64::NEG_INFINITY, f64::max);
        let count: i64 = points.iter().map(|point| point.count).sum();
        let mean = points.iter().map(|point| point.mean * point.count as f64).sum::<f64>() / count as f64;
        let last = points.last().map(|point| point.mean);
        let [low, mean, high, last] = [Some(low), Some(mean), Some(high), last].map(|value| {
            let known = value.filter(|value| value.is_finite());
            Cell::right(known.map_or_else(|| "-".to_owned(), |value| shown(&number.metric, value)))
        });
        table.row([
            Cell::plain(&number.host),
            Cell::plain(&number.target),
            Cell::plain(&number.metric),
            low,
            mean,
            high,
            last,
            Cell::plain(line(points, from, to)),
        ]);
    }
    table.print()?;
    print_line(&format!("{} to {}", when(from, config), when(to, config)))
}

/// The means as bars; a blank is a time without any.
fn line(points: &[Point], from: i64, to: i64) -> String {
    let mut sums = [(0.0, 0.0); WIDTH];
    for point in points {
        let place = (point.time - from).max(0) as f64 / (to - from).max(1) as f64 * WIDTH as f64;
        let (sum, weight) = &mut sums[(place as usize).min(WIDTH - 1)];
        *sum += point.mean * point.count as f64;
        *weight += point.count as f64;
    }
    let means = sums.map(|(sum, weight)| (weight > 0.0).then_some(sum / weight));
    let lowest = means.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let highest = means.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |mean: f64| {
        // What never changed is a line in the middle.
        let part = if highest > lowest { (mean - lowest) / (highest - lowest) } else { 0.5 };
        BARS[((part * 7.0).round() as usize).min(7)]
    };
    means.iter().map(|mean| mean.map_or(' ', bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_highs_lows_and_gaps() {
        let point = |time, mean| Point { time, count: 1, mean, low: mean, high: mean };
        let drawn = line(&[point(0, 0.0), point(24, 1.0), point(47, 7.0)], 0, 48);
        assert_eq!(drawn.chars().count(), WIDTH);
        assert_eq!(drawn.trim_end().replace(' ', ""), "▁▂█");
        assert_eq!(drawn.chars().nth(24), Some('▂'));
        assert_eq!(line(&[point(0, 3.0)], 0, 48).trim_end(), "▅");
        assert_eq!(line(&[], 0, 0).trim_end(), "");
    }
}

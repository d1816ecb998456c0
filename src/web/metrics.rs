//! `/metrics`: the watch in numbers, in the text format of Prometheus
//! (<https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md>).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::{House, silent};
use crate::control::{Body, Numbers, Request};

/// Of the text that the library writes, for whoever asks for it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The older form, for everybody else.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

pub async fn metrics(State(house): State<Arc<House>>, headers: HeaderMap) -> Response {
    let Some(Body::Numbers(numbers)) = house.ask(Request::Numbers).await else { return silent() };
    let mut registry = Registry::with_prefix("vakhta");
    registry.register_collector(Box::new(Watch(*numbers)));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) if wants_open_metrics(&headers) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Ok(()) => ([(header::CONTENT_TYPE, PLAIN)], plain(&text)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn wants_open_metrics(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.into_iter().any(|accept| accept.contains("application/openmetrics-text"))
}

/// The same in the older form: it names counters with their ending, and has neither units nor an end.
fn plain(open_metrics: &str) -> String {
    let type_of = |name: &str| format!("# TYPE {name} counter");
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if open_metrics.contains(&type_of(name)) => {
                text.push_str(&format!("# {what} {name}_total {rest}"));
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Written anew each time, so that what is not watched any more is gone.
#[derive(Debug)]
struct Watch(Numbers);

type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Watch {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let Numbers { checks, channels, own, .. } = &self.0;
        let out = &mut encoder;
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        gauges(out, "build_info", "The program", None, [(version, 1.0)])?;
        let each = |value: fn(&crate::control::CheckNumbers) -> f64| {
            checks.iter().map(move |check| (vec![("check", check.name.as_str())], value(check)))
        };
        gauges(out, "check_status", "1: True, 0: a rule on a target is False", None, each(|check| f64::from(u8::from(check.status))))?;
        gauges(out, "check_targets", "Targets of the check", None, each(|check| check.targets as f64))?;
        gauges(out, "check_targets_failing", "Targets with a rule that is False", None, each(|check| check.failing as f64))?;
        gauges(out, "check_look", "How long the last look took", Some(Unit::Seconds), each(|check| check.took))?;
        gauges(out, "check_late", "How long the check is overdue", Some(Unit::Seconds), each(|check| check.late))?;
        counters(out, "check_looks", "Looks since the watch began", each(|check| check.looks as f64))?;
        let outcomes = channels.iter().flat_map(|channel| {
            let label = |outcome| vec![("channel", channel.name.as_str()), ("outcome", outcome)];
            [(label("taken"), channel.taken as f64), (label("not_taken"), channel.not_taken as f64)]
        });
        counters(out, "messages", "Messages by what the channel answered, since the watch began", outcomes)?;
        let waiting = channels.iter().map(|channel| (vec![("channel", channel.name.as_str())], channel.waiting as f64));
        gauges(out, "owed", "Incidents that a channel has still to hear of", None, waiting)?;
        gauges(out, "incidents_open", "Rules on targets that are False", None, [(Vec::new(), own.incidents as f64)])?;
        gauges(out, "trouble", "What the watch itself is in trouble with", None, [(Vec::new(), own.trouble as f64)])?;
        gauges(out, "silences", "Silences that are not over", None, [(Vec::new(), own.silences as f64)])?;
        let switch = |good: bool| [(Vec::new(), f64::from(u8::from(good)))];
        gauges(out, "state_up", "1: what must not be forgotten can be written", None, switch(own.state))?;
        if let Some(history) = &own.history {
            gauges(out, "history_up", "1: history can be written", None, switch(history.good))?;
            gauges(out, "history_waiting", "Numbers that wait for history in memory", None, [(Vec::new(), history.waiting as f64)])?;
            gauges(out, "history_spool", "What waits for history on the disk", Some(Unit::Bytes), [(Vec::new(), history.spooled as f64)])?;
        }
        gauges(out, "resident_memory", "Memory of the process", Some(Unit::Bytes), [(Vec::new(), own.memory as f64)])?;
        gauges(out, "start_time", "When the watch began, since 1970", Some(Unit::Seconds), [(Vec::new(), own.since as f64)])
    }
}

fn gauges<'a>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    values: impl IntoIterator<Item = (Labels<'a>, f64)>,
) -> std::fmt::Result {
    family(out, (name, help, unit), values.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value))))
}

fn counters<'a>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels<'a>, f64)>,
) -> std::fmt::Result {
    family(out, (name, help, None), values.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value))))
}

/// One name with its values; none of them, no name.
fn family<'a, M: EncodeMetric>(
    out: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<Unit>),
    values: impl Iterator<Item = (Labels<'a>, M)>,
) -> std::fmt::Result {
    let mut values = values.peekable();
    let Some((labels, first)) = values.peek() else { return Ok(()) };
    let mut family = out.encode_descriptor(name, help, unit.as_ref(), first.metric_type())?;
    if labels.is_empty() {
        return first.encode(family);
    }
    for (labels, metric) in values {
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

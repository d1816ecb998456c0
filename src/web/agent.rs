//! `/status`: this machine as another Vakhta reads it, in the form that the kind `metrics` takes.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::House;
use crate::checks::{Check, Run};
use crate::domain::reading::{Outcome, Reading};

/// For one look at this machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// Many who ask at once are one look.
const FRESH: Duration = Duration::from_secs(1);

/// A look at this machine, remembered for a moment.
pub struct Agent {
    look: Arc<dyn Check>,
    last: Mutex<Option<(Instant, Vec<Reading>)>>,
}

impl Agent {
    pub fn new(look: Arc<dyn Check>) -> Self {
        Self { look, last: Mutex::default() }
    }

    async fn readings(&self) -> Vec<Reading> {
        let mut last = self.last.lock().await;
        if let Some((at, readings)) = &*last
            && at.elapsed() < FRESH
        {
            return readings.clone();
        }
        let readings = self.look.run(&Run::alone(PATIENCE, 1)).await;
        *last = Some((Instant::now(), readings.clone()));
        readings
    }
}

/// `{"cpu":60,"mem":"30%","disk":"43%","uptime":"1d 2h 37m 6s"}`, with the disk that is fullest.
pub async fn status(State(house): State<Arc<House>>) -> Response {
    Json(as_metrics(&house.agent.readings().await)).into_response()
}

/// What could not be read is absent; never a 0.
fn as_metrics(readings: &[Reading]) -> Value {
    let value = |metric: &str| {
        let seen = readings.iter().filter(|reading| reading.outcome == Outcome::Pass).filter_map(|reading| reading.value(metric));
        seen.max_by(f64::total_cmp)
    };
    let mut machine = Map::new();
    if let Some(cpu) = value("cpu") {
        machine.insert("cpu".into(), json!((cpu * 10.0).round() / 10.0));
    }
    for metric in ["mem", "disk"] {
        if let Some(percent) = value(metric) {
            machine.insert(metric.into(), json!(format!("{}%", (percent * 10.0).round() / 10.0)));
        }
    }
    if let Some(uptime) = value("uptime") {
        machine.insert("uptime".into(), json!(lasting(uptime)));
    }
    Value::Object(machine)
}

/// `1d 2h 37m 6s`
fn lasting(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    parts[first..].iter().map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reading::Target;

    #[test]
    fn a_machine_is_told_in_four_numbers() {
        let readings = [
            Reading::pass(&Target::itself()).with("cpu", 60.04).with("mem", 30.0).with("uptime", 95_826.9),
            Reading::pass(&Target::new("/")).with("disk", 43.21),
            Reading::pass(&Target::new("/var")).with("disk", 12.0),
            Reading::unknown(&Target::new("/nfs"), "it hangs"),
        ];
        assert_eq!(as_metrics(&readings).to_string(), r#"{"cpu":60.0,"disk":"43.2%","mem":"30%","uptime":"1d 2h 37m 6s"}"#);
        assert_eq!(as_metrics(&[]).to_string(), "{}");
        assert_eq!([lasting(0.0), lasting(59.9), lasting(3600.0)], ["0s", "59s", "1h 0m 0s"]);
    }
}

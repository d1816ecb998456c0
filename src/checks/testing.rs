//! What the tests of every kind need: a section built, a reading and problems told in a line.

use std::time::Duration;

use crate::checks::Check;
use crate::domain::reading::{Outcome, Reading};
use crate::net::Net;
use crate::settings::{BuildContext, PathStep, Problem, Settings, read};

pub fn build_kind<S: Settings<Plugin = dyn Check>>(section: &str) -> Result<Box<dyn Check>, Vec<Problem>> {
    let at = BuildContext {
        name: "a check".into(),
        folder: "/nowhere".into(),
        every: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        net: Net::new(),
    };
    read::<S>(serde_yaml::from_str(section).unwrap())?.build(&at)
}

pub fn told(reading: &Reading) -> String {
    match &reading.outcome {
        Outcome::Pass => "pass".into(),
        Outcome::Fail(reason) => format!("fail: {reason}"),
        Outcome::Unknown(reason) => format!("unknown: {reason}"),
    }
}

/// Each problem as `path/to/key: message`.
pub fn told_problems(built: Result<Box<dyn Check>, Vec<Problem>>) -> Vec<String> {
    let step = |step: &PathStep| match step {
        PathStep::Key(key) => key.clone(),
        PathStep::Index(index) => index.to_string(),
    };
    let told = |problem: &Problem| format!("{}: {}", problem.path.iter().map(step).collect::<Vec<_>>().join("/"), problem.message);
    built.err().unwrap_or_default().iter().map(told).collect()
}

/// The section in the YAML example of the settings' doc comment.
pub fn documented_example<S: schemars::JsonSchema>(kind: &str) -> String {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<S>();
    let description = schema.get("description").and_then(|text| text.as_str()).unwrap();
    let example = description.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let check: serde_yaml::Value = serde_yaml::from_str(example).unwrap();
    serde_yaml::to_string(&check[kind]).unwrap()
}

//! What the tests of every kind need: a section built, a reading and problems told in a line.

use std::time::Duration;

use crate::checks::{Check, Run};
use crate::domain::reading::{Outcome, Reading};
use crate::net::Net;
use crate::net::testing::use_up_files;
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

/// For a test that is started again in a namespace and so has no runtime around it.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// One look of a check of one target in a process that may open no more files.
pub async fn has_no_files(check: Box<dyn Check>) {
    let files = use_up_files();
    let readings = check.run(&Run::alone(Duration::from_secs(5), 1)).await;
    drop(files);
    assert_eq!(told(&readings[0]), "unknown: too many open files on this machine");
}

/// The section's problems, each as `path/to/key: message`.
#[track_caller]
pub fn problems_are<S: Settings<Plugin = dyn Check>>(section: &str, expect: &[&str]) {
    let step = |step: &PathStep| match step {
        PathStep::Key(key) => key.clone(),
        PathStep::Index(index) => index.to_string(),
    };
    let told = |problem: &Problem| format!("{}: {}", problem.path.iter().map(step).collect::<Vec<_>>().join("/"), problem.message);
    let problems = build_kind::<S>(section).err().unwrap_or_default();
    assert_eq!(problems.iter().map(told).collect::<Vec<_>>(), expect);
}

pub fn told(reading: &Reading) -> String {
    match &reading.outcome {
        Outcome::Pass => "pass".into(),
        Outcome::Fail(reason) => format!("fail: {reason}"),
        Outcome::Unknown(reason) => format!("unknown: {reason}"),
    }
}

/// The section in the YAML example of the settings' doc comment.
pub fn documented_example<S: schemars::JsonSchema>(kind: &str) -> String {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<S>();
    let description = schema.get("description").and_then(|text| text.as_str()).unwrap();
    let example = description.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let check: serde_yaml::Value = serde_yaml::from_str(example).unwrap();
    serde_yaml::to_string(&check[kind]).unwrap()
}

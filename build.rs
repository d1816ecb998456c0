//! Says in `vakhta --version` of which commit and day the program is.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo:rerun-if-env-changed=VAKHTA_COMMIT");
    let version = env("CARGO_PKG_VERSION").unwrap_or_default();
    // While one works on it, a new commit must not mean a new build.
    let built = if env("PROFILE").as_deref() == Some("release") { released() } else { "development".to_owned() };
    println!("cargo:rustc-env=VAKHTA_VERSION={version} ({built})");
}

/// `dad1efc 2026-11-21`: the commit, where it is known, and the day.
fn released() -> String {
    if let Some(log) = say("git", &["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| std::path::Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
    // A build from an archive has no history to ask.
    let commit = env("VAKHTA_COMMIT").or_else(|| say("git", &["rev-parse", "--short", "HEAD"]));
    // So that the same sources give the same program (reproducible-builds.org).
    let at = env("SOURCE_DATE_EPOCH").map(|seconds| format!("@{seconds}"));
    let day = say("date", &["-u", "-d", at.as_deref().unwrap_or("now"), "+%F"]);
    [commit, day].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a program prints, if there is such a program and it goes well.
fn say(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

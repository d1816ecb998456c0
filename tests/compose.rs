//! compose.yaml: whole in itself, and what it sets up works without Docker.

use std::fs;
use std::path::Path;

use serde_yaml::Value;

use crate::history::servers::{Make, Server};
use crate::program::{Place, until};

fn text() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("compose.yaml")).unwrap()
}

fn file() -> Value {
    serde_yaml::from_str(&text()).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_mapping().map(|mapping| mapping.keys().filter_map(Value::as_str).collect()).unwrap_or_default()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_sequence().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

#[test]
fn what_it_names_is_there() {
    // Of the Compose Specification, what is used here.
    const KEYS: [&str; 12] = [
        "build",
        "image",
        "restart",
        "read_only",
        "cap_drop",
        "security_opt",
        "sysctls",
        "volumes",
        "secrets",
        "depends_on",
        "environment",
        "healthcheck",
    ];
    let file = file();
    assert_eq!(keys(&file), ["services", "secrets", "volumes"]);
    let names = keys(&file["services"]);
    for name in &names {
        let service = &file["services"][*name];
        for key in keys(service) {
            assert!(KEYS.contains(&key), "{name} has {key}");
        }
        assert!(service["image"].is_string() != service["build"].is_string(), "{name} is built or pulled");
        for secret in texts(&service["secrets"]) {
            assert!(file["secrets"][secret]["file"].is_string(), "{name} names the secret {secret}");
        }
        for volume in texts(&service["volumes"]) {
            let (from, to) = volume.split_once(':').unwrap();
            assert!(to.starts_with('/'), "{volume}");
            assert!(from.starts_with("./") || keys(&file["volumes"]).contains(&from), "{name} names the volume {from}");
        }
        for other in keys(&service["depends_on"]) {
            assert!(names.contains(&other), "{name} waits for {other}");
            assert_eq!(service["depends_on"][other]["condition"], "service_healthy");
            assert!(file["services"][other]["healthcheck"]["test"].is_sequence(), "{other} can be healthy");
        }
    }
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file["services"]["vakhta"]["build"].as_str().unwrap()).join("Dockerfile").exists());
}

/// Whatever the image of MariaDB makes of its environment, and the head of the file as checks.yaml.
#[tokio::test]
async fn its_watch_keeps_its_history_in_its_database() {
    let Some(server) = Server::start(Make::MariaDb, "its_watch_keeps_its_history_in_its_database") else { return };
    let file = file();
    let environment = &file["services"]["history"]["environment"];
    let of = |name: &str| environment[name].as_str().unwrap();
    let (database, user, secret) = (of("MARIADB_DATABASE"), of("MARIADB_USER"), of("MARIADB_PASSWORD_FILE"));
    assert_eq!(secret, "/run/secrets/history_password", "where Compose puts the secret of this name");
    let password = "CANARY-pass word'";
    let quoted = password.replace('\'', "''");
    server
        .execute(&format!(
            "CREATE DATABASE `{database}`; CREATE USER '{user}'@'%' IDENTIFIED BY '{quoted}'; GRANT ALL ON `{database}`.* TO '{user}'@'%'"
        ))
        .await;

    let place = Place::new("");
    place.write("history_password", &format!("{password}\n"));
    let folder = place.path("");
    let head: String = text().lines().filter_map(|line| line.strip_prefix("#   ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(head.lines().count(), 3, "{head}");
    // Here the names of Compose lead elsewhere.
    let here = head
        .replace("/run/secrets/", &format!("{}", folder.display()))
        .replace("@history/", &format!("@127.0.0.1:{}/", server.port))
        .replace("/var/lib/", &format!("{}", folder.display()))
        .replace("/var/log/", &format!("{}logs-", folder.display()));
    place.write(
        "checks.yaml",
        &format!("{here}checks:\n  - {{ name: this machine, host: {{ disks: [], interfaces: [] }}, every: 100ms, notify: [] }}\n"),
    );
    let program = place.start();
    let rows = until("history has it", || {
        let (code, out, _) = place.run(&["history", "this machine", "--json"]);
        (code == 0).then_some(out).filter(|out| out.contains("\"mean\""))
    });
    assert!(rows.contains("\"cpu\""), "{rows}");
    let said = program.stop();
    assert!(!said.contains("CANARY"), "{said}");
    assert!(place.path("vakhta/state.db").exists() && place.path("logs-vakhta/status.jsonl").exists());
}

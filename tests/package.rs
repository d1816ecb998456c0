//! The package for Debian, as Cargo.toml describes it: whole, without building it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where cargo-deb looks for what is built, and the script puts what the program prints.
const BUILT: &str = "target/release/";
const PRINTED: &str = "printed-by-scripts-package";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `[package.metadata.deb]`.
fn described() -> Value {
    let manifest = root().join("Cargo.toml");
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let mut told: Value = serde_json::from_slice(&told.stdout).unwrap();
    told["packages"][0]["metadata"]["deb"].take()
}

/// What is packed: from where, to where, with which mode.
fn assets() -> Vec<[String; 3]> {
    serde_json::from_value(described()["assets"].take()).unwrap()
}

#[test]
fn every_file_that_the_package_names_is_there() {
    let deb = described();
    let script = read("scripts/package");
    for [from, ..] in assets() {
        match from.strip_prefix(BUILT).map(|built| built.strip_prefix(PRINTED).unwrap_or(built)) {
            None => assert!(root().join(&from).is_file(), "{from}"),
            Some("vakhta" | "/man/*.1.gz") => {}
            Some(printed) => {
                let shell = printed.strip_prefix("/completions/").unwrap_or_else(|| panic!("nobody makes {from}"));
                assert!(script.lines().any(|line| line.starts_with("for shell in ") && line.contains(shell)), "nobody prints {from}");
            }
        }
    }
    assert!(script.contains(PRINTED), "the script and Cargo.toml mean one folder");
    assert!(root().join(deb["license-file"].as_str().unwrap()).is_file());
    let scripts = root().join(deb["maintainer-scripts"].as_str().unwrap());
    for name in ["postinst", "prerm", "postrm"] {
        assert!(scripts.join(name).is_file(), "{name}");
    }
}

#[test]
fn what_the_package_calls_for_is_in_it() {
    let assets = assets();
    let packed = |path: &str| assets.iter().any(|[_, to, _]| format!("/{to}") == path);
    // What a first install runs, and what systemd looks for by itself.
    let texts = ["postinst", "prerm", "postrm"].map(|name| read(format!("packaging/debian/{name}"))).into_iter();
    let called: Vec<String> = texts
        .chain([read("systemd/vakhta.service")])
        .flat_map(|text| text.split([' ', '=', '\n']).filter(|word| word.starts_with("/usr/")).map(str::to_owned).collect::<Vec<_>>())
        .chain(["/usr/lib/systemd/system/vakhta.service".to_owned()])
        .collect();
    assert!(called.len() >= 5, "{called:?}");
    for path in &called {
        assert!(packed(path), "{path} is not in the package");
    }
    // cargo-deb packs no empty folders.
    let folders = read("systemd/tmpfiles.conf");
    for folder in ["/etc/vakhta", "/var/lib/vakhta", "/var/log/vakhta"] {
        assert!(folders.lines().any(|line| line.starts_with(&format!("d {folder} "))), "nobody makes {folder}");
    }
}

#[test]
fn only_the_program_of_the_package_can_be_run_and_only_root_can_write() {
    for [from, to, mode] in assets() {
        assert_eq!(mode, if to == "usr/bin/vakhta" { "755" } else { "644" }, "{from}");
    }
}

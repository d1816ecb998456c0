//! `tests/bad/*.yaml`: each file with its full report beside it. `UPDATE_EXPECT=1` writes the reports anew.

use std::path::{Path, PathBuf};

use expect_test::expect_file;

use super::*;

#[test]
fn every_bad_file_has_its_exact_report() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() > 30);
    for path in files {
        let name = PathBuf::from(path.file_name().unwrap());
        let report = match Source::read(&path) {
            Ok(source) => Source { path: name.clone(), ..source }.load(&registry(), &Fake, &Net::new()).map(|_| ()),
            Err(report) => Err(report),
        };
        let report = report.expect_err("has no problem").to_string();
        assert!(report.contains(": "), "{name:?} has an empty report");
        let report = report.replace(&format!("{}/", folder.display()), "");
        expect_file![path.with_extension("expect")].assert_eq(&report);
    }
}

#[test]
fn what_is_no_file_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let says = |path: &Path| Source::read(path).map(|_| ()).unwrap_err().to_string().replace(&folder.path().display().to_string(), "DIR");
    assert_eq!(says(folder.path()), "DIR: is a directory\n  help: name the file in it: checks.yaml\n");
    assert_eq!(
        says(&folder.path().join("none.yaml")),
        "DIR/none.yaml: there is no such file\n  help: give the path of the file, or go to its folder\n"
    );
    let large = folder.path().join("large.yaml");
    std::fs::File::create(&large).unwrap().set_len(4 * 1024 * 1024 + 1).unwrap();
    assert!(says(&large).contains("is larger than 4 MiB"));
}

//! Every story in `tests/scenarios` ends as it is written; `UPDATE=1 cargo test scenarios` writes them anew.

use std::fs;
use std::path::Path;

use vakhta::config::System;
use vakhta::story::{Difference, Story};

#[test]
fn stories_end_as_they_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut different = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let written = fs::read_to_string(&path).unwrap();
        let story = Story::read(&written, &path, &System).unwrap_or_else(|error| panic!("{error}"));
        let played = story.play();
        assert_eq!(played, story.play(), "the same story has the same end");
        count += 1;
        let Some(difference) = Difference::between(&written, &played) else { continue };
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, played).unwrap();
        } else {
            different.push(format!("{}:{}\n{difference}", path.display(), difference.line));
        }
    }
    assert!(count > 10, "the stories are there");
    assert!(different.is_empty(), "{}\nUPDATE=1 writes them anew", different.join("\n"));
}

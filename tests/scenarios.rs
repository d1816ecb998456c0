//! Every story in `tests/scenarios` ends as it is written; `UPDATE=1 cargo test scenarios` writes them anew.

use std::fs;
use std::path::Path;

use vakhta::config::System;
use vakhta::story::Story;

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
        if played == written {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, played).unwrap();
        } else {
            different.push(format!("{}\n{}", path.display(), difference(&written, &played)));
        }
    }
    assert!(count > 10, "the stories are there");
    assert!(different.is_empty(), "{}\nUPDATE=1 writes them anew", different.join("\n"));
}

fn difference(written: &str, played: &str) -> String {
    let written: Vec<&str> = written.lines().collect();
    let played: Vec<&str> = played.lines().collect();
    let first = written.iter().zip(&played).take_while(|(written, played)| written == played).count();
    format!("line {}\n  written: {}\n  played:  {}", first + 1, written.get(first).unwrap_or(&"-"), played.get(first).unwrap_or(&"-"))
}

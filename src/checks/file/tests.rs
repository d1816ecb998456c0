//! Real files that are written, rotated and cut, and things that are no files.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use tempfile::TempDir;

use super::*;
use crate::checks::namespace::inside;
use crate::checks::testing::{block_on, build_kind, documented_example, problems_are, told};

const WITHIN: Duration = Duration::from_secs(5);

fn check(section: &str) -> Box<dyn Check> {
    build_kind::<FileSettings>(section).map_err(|problems| problems[0].message.clone()).unwrap()
}

async fn look(check: &dyn Check) -> Reading {
    check.run(&Run::alone(WITHIN, 1)).await.remove(0)
}

/// A log, and a check of it that has looked once.
struct Log {
    folder: TempDir,
    check: Box<dyn Check>,
}

impl Log {
    async fn with(patterns: &str, before: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log"), before).unwrap();
        let check = check(&format!("{{ path: {}/log, {patterns} }}", folder.path().display()));
        let log = Self { folder, check };
        log.says("pass").await;
        log
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        OpenOptions::new().append(true).create(true).open(self.path()).unwrap().write_all(text.as_ref()).unwrap();
    }

    async fn says(&self, expect: &str) -> Reading {
        let reading = look(&*self.check).await;
        assert_eq!(told(&reading), expect);
        reading
    }
}

fn written_ago(path: &Path, age: Duration) {
    File::options().append(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

#[tokio::test]
async fn age_and_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let check = check(&format!("{{ path: {} }}", path.display()));
    assert_eq!(told(&look(&*check).await), format!("fail: there is no {}", path.display()));
    fs::write(&path, "12345").unwrap();
    written_ago(&path, Duration::from_secs(3600));
    let reading = look(&*check).await;
    assert_eq!((told(&reading).as_str(), reading.value("size")), ("pass", Some(5.0)));
    assert!(reading.value("age").is_some_and(|age| (3600.0..3660.0).contains(&age)), "{reading:?}");
    File::options().append(true).open(&path).unwrap().set_modified(SystemTime::now() + Duration::from_secs(600)).unwrap();
    assert!(look(&*check).await.value("age").is_some_and(|age| age < -500.0), "a clock is wrong");
}

#[tokio::test]
async fn what_should_not_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reboot-required");
    let check = check(&format!("{{ path: {}, exists: false }}", path.display()));
    assert_eq!(told(&look(&*check).await), "pass");
    fs::write(&path, "").unwrap();
    assert_eq!(told(&look(&*check).await), "fail: it is there, and should not be");
}

#[tokio::test]
async fn links_folders_and_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "1").unwrap();
    fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink("file", at("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("broken")).unwrap();
    std::os::unix::fs::symlink("ring", at("ring")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    let said = async |name: &str, more: &str| {
        let reading = look(&*check(&format!("{{ path: {}{more} }}", at(name).display()))).await;
        told(&reading).replace(folder.path().to_str().unwrap(), "")
    };
    for name in ["folder", "link", "pipe"] {
        assert_eq!(said(name, "").await, "pass", "{name}");
    }
    assert_eq!(said("broken", "").await, "fail: /broken is a link to nothing");
    assert_eq!(said("file/below", "").await, "fail: there is no /file/below");
    assert!(said("ring", "").await.starts_with("unknown: cannot look at /ring: "));
    assert_eq!(said("folder", ", errors: x").await, "fail: /folder is a folder, not a file");
    assert_eq!(said("pipe", ", errors: x").await, "fail: /pipe is a pipe, not a file");
    assert_eq!(said("link", ", errors: x").await, "pass");
}

#[tokio::test]
async fn the_newest_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let check = check(&format!("{{ newest: '{}/*.gz' }}", folder.path().display()));
    assert_eq!(told(&look(&*check).await), format!("fail: no file matches {}/*.gz", folder.path().display()));
    for (name, size, age) in [("b.gz", 7, 90), ("a.gz", 3, 30), ("c.gz", 5, 60), ("newer.txt", 1, 1)] {
        fs::write(at(name), vec![0; size]).unwrap();
        written_ago(&at(name), Duration::from_secs(age * 60));
    }
    fs::create_dir(at("folder.gz")).unwrap();
    let reading = look(&*check).await;
    assert_eq!((told(&reading).as_str(), &*reading.target.key), ("pass", ""));
    assert_eq!((reading.value("size"), reading.value("count")), (Some(3.0), Some(3.0)));
    assert!(reading.value("age").is_some_and(|age| (1800.0..1860.0).contains(&age)), "{reading:?}");
}

#[tokio::test]
async fn new_lines_that_match_fail_once() {
    let log = Log::with("errors: 'ERROR|panic', matches: login, ignore: 'ERROR 404'", b"ERROR of yesterday\n").await;
    log.write("all well\nlogin of a\nERROR 404 nothing\nlogin of b\n");
    let reading = log.says("pass").await;
    assert_eq!((reading.value("errors"), reading.value("matches"), reading.value("unread")), (Some(0.0), Some(2.0), Some(0.0)));
    log.write("ERROR one\n");
    log.says("fail: 1 new line matches: ERROR one").await;
    log.says("pass").await;
    log.write("ERROR \x1b[31mtwo\r\nfine\npanic: three\n");
    let reading = log.says(r"fail: 2 new lines match: ERROR \u{1b}[31mtwo").await;
    assert_eq!((reading.value("errors"), reading.value("matches")), (Some(2.0), Some(0.0)));
    assert!(reading.value("size").is_some());
}

#[tokio::test]
async fn a_line_is_read_when_it_is_finished_or_grows_no_more() {
    let log = Log::with("errors: ERROR", b"half of a li").await;
    log.write("ne\nERR");
    log.says("pass").await;
    log.write("OR of two wri");
    log.says("pass").await;
    log.write("tes\n");
    log.says("fail: 1 new line matches: ERROR of two writes").await;
    log.write("last words: ERROR");
    log.says("pass").await;
    log.says("fail: 1 new line matches: last words: ERROR").await;
    log.says("pass").await;
}

#[tokio::test]
async fn nothing_is_lost_when_a_log_is_rotated() {
    let log = Log::with("errors: ERROR", b"").await;
    log.write("ERROR before\n");
    fs::rename(log.path(), log.folder.path().join("log.1")).unwrap();
    log.write("ERROR after\nERROR again\n");
    log.says("fail: 3 new lines match: ERROR before").await;
    log.says("pass").await;
    // Removed, and another made later, perhaps with the same inode.
    log.write("ERROR at the end");
    fs::remove_file(log.path()).unwrap();
    let reading = look(&*log.check).await;
    assert_eq!(told(&reading), "fail: 1 new line matches: ERROR at the end");
    assert_eq!(told(&look(&*log.check).await), format!("fail: there is no {}", log.path().display()));
    log.write("ERROR of the new one\n");
    log.says("fail: 1 new line matches: ERROR of the new one").await;
}

#[tokio::test]
async fn a_log_that_was_cut_is_read_from_its_beginning() {
    let log = Log::with("errors: ERROR", b"a long line of the past\n").await;
    fs::write(log.path(), "ERROR new\n").unwrap();
    log.says("fail: 1 new line matches: ERROR new").await;
    fs::write(log.path(), "").unwrap();
    log.says("pass").await;
}

#[tokio::test]
async fn a_log_that_comes_later_is_read_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let check = check(&format!("{{ path: {}, errors: ERROR }}", path.display()));
    assert!(told(&look(&*check).await).starts_with("fail: there is no "));
    fs::write(&path, "ERROR at once\n").unwrap();
    assert_eq!(told(&look(&*check).await), "fail: 1 new line matches: ERROR at once");
}

#[tokio::test]
async fn a_flood_is_read_in_parts_and_odd_bytes_do_no_harm() {
    let log = Log::with("errors: ERROR", b"").await;
    log.write(b"\xff\xfe ERROR \x00 odd\n");
    log.says("fail: 1 new line matches: \u{fffd}\u{fffd} ERROR \\u{0} odd").await;
    log.write(vec![b'x'; 20 << 20]);
    log.write("\nERROR after the flood\n");
    let reading = log.says("pass").await;
    assert!(reading.value("unread").is_some_and(|bytes| bytes > 3e6), "{reading:?}");
    assert_eq!(log.says("fail: 1 new line matches: ERROR after the flood").await.value("unread"), Some(0.0));
}

#[test]
fn what_may_not_be_read_is_unknown() {
    let test = "checks::file::tests::what_may_not_be_read_is_unknown";
    let setup =
        "d=$(mktemp -d); chmod 755 $d; mkdir $d/shut; echo 1 > $d/shut/a.gz; echo 1 > $d/closed; chmod 700 $d/shut; chmod 600 $d/closed
        export ROOM=$d; set -- setpriv --reuid 65534 --regid 65534 --clear-groups";
    inside(test, setup, || {
        let room = std::env::var("ROOM").unwrap();
        let said = |section: String| told(&block_on(look(&*check(&section)))).replace(&room, "");
        let refused = "Permission denied (os error 13)";
        assert_eq!(said(format!("{{ path: {room}/shut/a.gz }}")), format!("unknown: cannot look at /shut/a.gz: {refused}"));
        assert_eq!(said(format!("{{ path: {room}/closed }}")), "pass");
        assert_eq!(said(format!("{{ path: {room}/closed, errors: x }}")), format!("unknown: cannot read /closed: {refused}"));
        assert_eq!(said(format!("{{ newest: {room}/shut/* }}")), format!("unknown: cannot read /shut: {refused}"));
    });
}

#[test]
fn bad_settings() {
    let are = |section: &str, expect: &[&str]| problems_are::<FileSettings>(section, expect);
    are("{}", &[": `path` is missing"]);
    are("{ path: a, newest: b }", &["path: `path` and `newest` are both given"]);
    are("{ newest: '/a/***' }", &["newest: `/a/***` is not a pattern of paths: wildcards are either regular `*` or recursive `**`"]);
    are("{ newest: '/a/*', errors: x }", &["newest: lines are searched in a file of one `path`"]);
    are("{ path: a, ignore: x }", &["ignore: no lines are searched"]);
    are(
        "{ path: a, errors: '', matches: '(' }",
        &["errors: `errors` is empty", "matches: `(` is not a regular expression: unclosed group"],
    );
    are("{ path: a, errors: x, exists: false }", &["exists: lines of a file that should not be there cannot be searched"]);
    are("{ paths: [a, ''] }", &["paths/1: \"\" is not a path"]);
}

#[test]
fn the_example_is_good() {
    check(&documented_example::<FileSettings>("file"));
}

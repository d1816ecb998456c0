//! Entries as a table, files of every sort, and files that change under a running watch.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::TargetList;

/// What one entry gives: its keys (the first and the last of many) with names, or the complaint.
fn entry(text: &str) -> String {
    let mut listed = Vec::new();
    if let Err(complaint) = super::entry::read_into(&mut listed, text) {
        return format!("error: {complaint}");
    }
    let shown: Vec<String> = listed
        .iter()
        .map(|one| {
            let kind = if one.address.is_some() { "" } else { "name " };
            let name = one.target.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            format!("{kind}{}{name}", one.target.key)
        })
        .collect();
    match &shown[..] {
        [first, .., last] if shown.len() > 2 => format!("{first} … {last}: {}", shown.len()),
        _ => shown.join(", "),
    }
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(entry(text), expect, "entry {text:?}");
}

#[test]
fn addresses_and_names() {
    check("10.0.0.7", "10.0.0.7");
    check("  10.0.0.7\t till  3 ", "10.0.0.7 (till  3)");
    check("2001:DB8::0:7 router", "2001:db8::7 (router)");
    check("::ffff:10.0.0.7", "10.0.0.7");
    check("Srv-01.Example.COM.", "name srv-01.example.com");
    check("my-host_2", "name my-host_2");
    check("Касса.example вход", "name касса.example (вход)");
    check("10-0-0-7.example", "name 10-0-0-7.example");
}

#[test]
fn comments_and_blanks() {
    check("", "");
    check(" \t ", "");
    check("# 10.0.0.7", "");
    check("; 10.0.0.7", "");
    check("10.0.0.7#1", "error: `10.0.0.7#1` is neither an address nor a host name, CIDR block or range");
    check("10.0.0.7 # by the door", "10.0.0.7");
    check("10.0.0.7 till 3 ; by the door", "10.0.0.7 (till 3)");
    check("10.0.0.7 till#3", "10.0.0.7 (till#3)");
}

#[test]
fn blocks() {
    check("10.0.0.0/30", "10.0.0.1, 10.0.0.2");
    check("10.0.0.0/31", "10.0.0.0, 10.0.0.1");
    check("10.0.0.9/32 till", "10.0.0.9 (till)");
    check("10.0.0.77/24 shop", "10.0.0.1 (shop) … 10.0.0.254 (shop): 254");
    check("10.0.0.0/16", "10.0.0.1 … 10.0.255.254: 65534");
    check("2001:db8::/126", "2001:db8:: … 2001:db8::3: 4");
    check("10.0.0.0/33", "error: `10.0.0.0/33` is not a CIDR block such as 10.0.0.0/24");
    check("10.0.0.0/8", "error: `10.0.0.0/8` has more than 65536 addresses");
    check("2001:db8::/64", "error: `2001:db8::/64` has more than 65536 addresses");
    check("0.0.0.0/0", "error: `0.0.0.0/0` has more than 65536 addresses");
}

#[test]
fn ranges() {
    check("10.0.0.1-10.0.0.20", "10.0.0.1 … 10.0.0.20: 20");
    check("10.0.0.1-20 tills", "10.0.0.1 (tills) … 10.0.0.20 (tills): 20");
    check("10.0.0.5-5", "10.0.0.5");
    check("2001:db8::1-2001:db8::f", "2001:db8::1 … 2001:db8::f: 15");
    check("10.0.0.20-10.0.0.1", "error: `10.0.0.20-10.0.0.1` runs backwards");
    check("10.0.0.1-300", "error: `10.0.0.1-300` is not a range such as 10.0.0.1-10.0.0.20 or 10.0.0.1-20");
    check("10.0.0.1-::2", "error: `10.0.0.1-::2` begins in one version of IP and ends in the other");
    check("10.0.0.1-10.9.0.0", "error: `10.0.0.1-10.9.0.0` has more than 65536 addresses");
    check("::1-2fff::", "error: `::1-2fff::` has more than 65536 addresses");
}

#[test]
fn nonsense() {
    check("300.1.1.1", "error: `300.1.1.1` is not an IPv4 address");
    check("10.0.0", "error: `10.0.0` is not an IPv4 address");
    check("host.7", "error: `host.7` is neither an address nor a host name, CIDR block or range");
    check("fe80::1%eth0", "error: `fe80::1%eth0` is not an IPv6 address");
    check("-host", "error: `-host` is neither an address nor a host name, CIDR block or range");
    check("a..b", "error: `a..b` is neither an address nor a host name, CIDR block or range");
    check("http://example.com", "error: `http://example.com` is not a CIDR block such as 10.0.0.0/24");
    check("10.0.0.7\0", "error: there is a control character (U+0000) in the line");
    check("0.0.0.0", "error: `0.0.0.0`: 0.0.0.0 is the unspecified address, not the address of a host");
    check("255.255.255.255", "error: `255.255.255.255`: 255.255.255.255 is the broadcast address, not the address of a host");
    check("224.0.0.1", "error: `224.0.0.1`: 224.0.0.1 is a multicast address, not the address of a host");
    check(&"x".repeat(1 << 20), "error: the line is 1048576 bytes long, more than 1024");
}

struct Folder(TempDir);

impl Folder {
    fn with(contents: impl AsRef<[u8]>) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write(contents);
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ips.txt")
    }

    /// Replaces the list as careful programs do: a new file renamed over the old one.
    fn write(&self, contents: impl AsRef<[u8]>) {
        let new = self.0.path().join("new");
        fs::write(&new, contents).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn open(&self) -> Result<TargetList, String> {
        open(&[], &self.path())
    }
}

/// Opens a list; its problems in one text, without the folder.
fn open(inline: &[&str], path: &Path) -> Result<TargetList, String> {
    let inline: Vec<String> = inline.iter().map(|text| (*text).to_owned()).collect();
    let folder = format!("{}/", path.parent().unwrap().display());
    TargetList::open(&inline, Some(path.to_owned())).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| problem.message.replace(&folder, "")).collect();
        lines.join("\n")
    })
}

fn keys(list: &TargetList) -> String {
    list.current().iter().map(|one| &*one.target.key).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_file_from_windows_with_everything_in_it() {
    let folder = Folder::with("\u{feff}10.0.0.1\ttill 1\r\n\r\n# shop\r\n10.0.0.2 ; back room\r\n10.0.0.1\r\nсклад.example\r\n::1");
    let list = folder.open().unwrap();
    assert_eq!(keys(&list), "10.0.0.1 10.0.0.2 склад.example ::1");
    assert_eq!(list.last()[0].target.name.as_deref(), Some("till 1"));
}

#[test]
fn inline_entries_come_first_and_duplicates_are_harmless() {
    let folder = Folder::with("10.0.0.9\n10.0.0.1\n");
    assert_eq!(keys(&open(&["10.0.0.1-2", "10.0.0.2"], &folder.path()).unwrap()), "10.0.0.1 10.0.0.2 10.0.0.9");
}

#[test]
fn all_bad_lines_are_told_at_once() {
    let folder = Folder::with(b"10.0.0.1\n300.1.1.1\n\nbad\xff\n10.0.0.0/8\n");
    let expect = "ips.txt:2: `300.1.1.1` is not an IPv4 address\n\
                  ips.txt:4: the line is not UTF-8 text\n\
                  ips.txt:5: `10.0.0.0/8` has more than 65536 addresses";
    assert_eq!(folder.open().unwrap_err(), expect);
    assert_eq!(
        open(&["x y", "# z", "?"], &folder.path()).unwrap_err(),
        format!("there is no target in it\n`?` is neither an address nor a host name, CIDR block or range\n{expect}")
    );
}

#[test]
fn problems_have_their_place() {
    let problems = TargetList::open(&["10.0.0.1".into(), "300.1.1.1".into()], Some("/nowhere/ips.txt".into())).unwrap_err();
    let paths: Vec<String> = problems.iter().map(|problem| format!("{:?}", problem.path)).collect();
    assert_eq!(paths, [r#"[Key("targets"), Index(1)]"#, r#"[Key("list")]"#]);
}

#[test]
fn thousands_of_bad_lines_are_summed_up() {
    let error = Folder::with("?\n".repeat(1000)).open().unwrap_err();
    assert_eq!(error.lines().count(), 101);
    assert!(error.ends_with("ips.txt: and 900 more bad lines"), "{error}");
}

#[test]
fn files_that_are_no_lists() {
    let folder = Folder::with("# nobody yet\n");
    assert_eq!(folder.open().unwrap_err(), "ips.txt: there are no targets in it");
    folder.write("");
    assert_eq!(folder.open().unwrap_err(), "ips.txt: there are no targets in it");
    folder.write("10.0.0.0/16\n10.1.0.0/16\n");
    assert_eq!(folder.open().unwrap_err(), "131068 targets are more than a list may have (65536)");
    fs::remove_file(folder.path()).unwrap();
    assert_eq!(folder.open().unwrap_err(), "ips.txt: No such file or directory (os error 2)");
    fs::create_dir(folder.path()).unwrap();
    assert_eq!(folder.open().unwrap_err(), "ips.txt: it is a folder, not a file");
    assert_eq!(TargetList::open(&[], None).unwrap_err()[0].message, "there are no targets");
}

#[test]
fn a_good_new_list_replaces_the_old_one() {
    let folder = Folder::with("10.0.0.1\n10.0.0.2\n");
    let list = folder.open().unwrap();
    folder.write("10.0.0.3\n10.0.0.1\n");
    assert_eq!(keys(&list), "10.0.0.3 10.0.0.1");
    // Written in place, not renamed.
    fs::OpenOptions::new().append(true).open(folder.path()).unwrap().write_all(b"10.0.0.4\n").unwrap();
    assert_eq!(keys(&list), "10.0.0.3 10.0.0.1 10.0.0.4");
}

/// Counts the warnings of this thread.
fn warnings(of: impl FnOnce()) -> usize {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    struct Count(Arc<AtomicUsize>);
    impl tracing::Subscriber for Count {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    let count = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::with_default(Count(count.clone()), of);
    count.load(Ordering::Relaxed)
}

#[test]
fn a_bad_list_is_told_once_and_the_last_good_one_stays() {
    let folder = Folder::with("10.0.0.1\n");
    let list = folder.open().unwrap();
    let breaks: [(&str, &dyn Fn()); 4] = [
        ("empty", &|| folder.write("")),
        ("bad", &|| folder.write("300.1.1.1\n")),
        ("missing", &|| fs::remove_file(folder.path()).unwrap()),
        ("a folder", &|| fs::create_dir(folder.path()).unwrap()),
    ];
    for (how, breaks) in breaks {
        breaks();
        let told = warnings(|| (0..3).for_each(|_| assert_eq!(keys(&list), "10.0.0.1", "{how}")));
        assert_eq!(told, 1, "{how}");
    }
    fs::remove_dir(folder.path()).unwrap();
    folder.write("10.0.0.2\n");
    assert_eq!(keys(&list), "10.0.0.2");
}

#[test]
fn a_list_replaced_while_it_is_read_is_never_half_a_list() {
    let lists = ["10.0.0.0/28\n".repeat(50) + "10.0.1.0/28\n", "10.0.1.0/28\n".repeat(50) + "10.0.2.0/28\n"];
    let folder = Folder::with(&lists[0]);
    let list = folder.open().unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..300).for_each(|turn| folder.write(&lists[turn % 2])));
        while !writer.is_finished() {
            assert_eq!(list.current().len(), 28);
        }
    });
    assert_eq!(list.current()[0].target.key.as_ref(), "10.0.1.1");
}

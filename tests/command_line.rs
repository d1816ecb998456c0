//! What a person types and reads: help, exit codes, tables, the words of mistakes.

use std::net::TcpListener;

use crate::bot::FakeBot;
use crate::program::Place;

fn tcp(port: u16) -> String {
    format!("checks:\n  - {{ name: socket, tcp: {{ address: \"127.0.0.1:{port}\" }} }}\n")
}

/// The same in lines of its own, so that keys can follow.
fn tcp_block(port: u16) -> String {
    format!("checks:\n  - name: socket\n    tcp: {{ address: \"127.0.0.1:{port}\" }}\n")
}

#[test]
fn the_living_example_is_good() {
    let root = env!("CARGO_MANIFEST_DIR");
    let place = Place::new("");
    let (code, out, err) = place.run(&["validate", "-c", &format!("{root}/checks.yaml")]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("this machine  host"), "{out}");
}

#[test]
fn validate_lists_the_uplink_too() {
    let place = Place::new("uplink: { targets: [192.0.2.1, 192.0.2.2] }\nchecks: [ { name: this machine, host: {}, notify: [] } ]\n");
    let (code, out, _) = place.run(&["validate"]);
    let rows: Vec<Vec<&str>> = out.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((code, &rows[1][..]), (0, &["(uplink)", "ping", "2", "10s", "-", "console"][..]), "{out}");
}

#[test]
fn six_mistakes_are_six_problems_with_their_places() {
    let place = Place::new(
        "channels: { ops: { telegram: { token: x, chat_id: 1 } } }\nchecks:\n  - name: a\n    tcp: { adress: \"127.0.0.1:1\" }\n    intervall: 5s\n    \
         rules: [ \"latency => 5ms\" ]\n  - name: a\n    ping: { targets: [300.1.1.1] }\n    window: never\n",
    );
    let (code, out, err) = place.run(&["validate"]);
    assert_eq!((code, out.as_str()), (1, ""));
    let places: Vec<&str> = err.lines().filter(|line| line.starts_with("checks.yaml:")).collect();
    let starts = [
        "checks.yaml:1:",
        "checks.yaml:4:12: unknown key `adress`",
        "checks.yaml:5:5: unknown key `intervall`",
        "checks.yaml:6:23: `=>`",
        "checks.yaml:7:11: two checks",
        "checks.yaml:8:23: `300.1.1.1`",
        "checks.yaml:9:13: there is no window `never`",
    ];
    assert_eq!(places.len(), starts.len(), "{err}");
    for (place, start) in places.iter().zip(starts) {
        assert!(place.starts_with(start), "{place} | {start}");
    }
    assert!(err.contains("help: did you mean `every`?"), "{err}");
    assert!(err.ends_with("7 problems\n"), "{err}");
    assert_eq!(place.run(&["run"]).0, 2, "a bad file is not run");
}

#[test]
fn exit_codes_say_what_a_script_must_know() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Place::new(&tcp(port));
    let (code, out, _) = place.run(&["check"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("ok  socket  127.0.0.1:"), "{out}");
    drop(listener);
    let (code, out, _) = place.run(&["check", "socket"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("FAIL  socket") && out.contains("connection refused"), "{out}");
    let (code, out, _) = place.run(&["check", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &rows[0]["outcome"], &rows[0]["check"]), (1, &"fail".into(), &"socket".into()));
    let (code, _, err) = place.run(&["check", "sokcet"]);
    assert_eq!(code, 2);
    assert!(err.contains("there is no check `sokcet`; the checks are socket"), "{err}");
    let (code, _, err) = place.run(&["check", "-c", "nowhere.yaml"]);
    assert_eq!(code, 2, "{err}");
}

#[test]
fn a_test_message_proves_a_channel() {
    let bot = FakeBot::start("ok,403=Forbidden: bot was blocked by the user");
    let place = Place::new(&format!("host: srv-01\nchannels: {{ ops: {} }}\n{}", bot.section(), tcp(1)));
    let (code, _, err) = place.run(&["notify", "ops"]);
    assert_eq!((code, err.as_str()), (0, "ops (telegram) took the message\n"));
    assert_eq!(bot.texts(1)[0], format!("👋 srv-01: a test message from vakhta {}. This channel works.", env!("CARGO_PKG_VERSION")));
    let (code, _, err) = place.run(&["notify", "ops", "-m", "<b>"]);
    assert_eq!(code, 1);
    assert_eq!(err, "error: ops (telegram) takes no messages: Telegram says: Forbidden: bot was blocked by the user\n");
    let (code, _, err) = place.run(&["notify", "opps"]);
    assert_eq!(code, 2);
    assert!(err.contains("there is no channel `opps`; the channels are ops"), "{err}");
}

#[test]
fn stories_say_what_would_be_told() {
    let place = Place::new(&format!("timezone: UTC\nchannels: {{ ops: {{ console: {{}} }} }}\n{}    notify: [ops]\n", tcp_block(1)));
    let story = "config: ../checks.yaml\n---\n# down\n12:00:00 x3 30s socket 127.0.0.1:1:fail(gone)\n12:05:00 socket 127.0.0.1:1:pass\n";
    std::fs::create_dir(place.path("stories")).unwrap();
    place.write("stories/down.txt", story);
    let (code, out, err) = place.run(&["test", "stories/down.txt"]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert_eq!(
        out,
        "stories/down.txt:5: does not end as written\n  written: 12:05:00 socket 127.0.0.1:1:pass\n  played:  > 12:01:00 ops failed 127.0.0.1:1 #1: gone\n"
    );

    let (code, out, _) = place.run(&["test", "--update", "stories/down.txt"]);
    assert_eq!((code, out.as_str()), (0, "stories/down.txt: written anew, from line 5 on\n"));
    let told = "config: ../checks.yaml\n---\n# down\n12:00:00 x3 30s socket 127.0.0.1:1:fail(gone)\n> 12:01:00 ops failed 127.0.0.1:1 #1: gone\n\
                12:05:00 socket 127.0.0.1:1:pass\n> 12:05:00 ops recovered 127.0.0.1:1 #1: gone after 5m\n";
    assert_eq!(std::fs::read_to_string(place.path("stories/down.txt")).unwrap(), told);
    let (code, out, _) = place.run(&["test", "stories/down.txt"]);
    assert_eq!((code, out.as_str()), (0, "stories/down.txt: ends as written\n"));

    // The user's own file is what is tested: with another limit the same story ends otherwise.
    let edited = std::fs::read_to_string(place.path("checks.yaml")).unwrap() + "    fail_after: 2\n";
    place.write("checks.yaml", &edited);
    let (code, out, _) = place.run(&["test", "stories/down.txt"]);
    assert_eq!(code, 1);
    assert!(out.contains("down.txt:5:") && out.contains("played:  > 12:00:30 ops failed"), "{out}");
}

#[test]
fn stories_that_cannot_be_read_say_where() {
    let place = Place::new(&tcp(1));
    place.write("time.txt", "config: checks.yaml\n---\n12:00:00 .\n12-00 .\n");
    place.write("plain.txt", "12:00:00 .\n");
    place.write("lost.txt", "config: nowhere.yaml\n---\n12:00:00 .\n");
    place.write("many.txt", "config: checks.yaml\n---\n12:00:00 x4000000000 1d socket :fail\n");
    place.write("good.txt", "config: checks.yaml\n---\n12:00:00 .\n");
    let (code, out, err) = place.run(&["test", "time.txt", "plain.txt", "lost.txt", "many.txt", "none.txt", "good.txt"]);
    assert_eq!((code, out.as_str()), (2, "good.txt: ends as written\n"), "{err}");
    for word in [
        "time.txt:4: ",
        "plain.txt: a story has a line `---`",
        "nowhere.yaml",
        "many.txt:3: a line stands for at most",
        "none.txt cannot be read",
    ] {
        assert!(err.contains(word), "{word}: {err}");
    }
    assert_eq!(place.run(&["test"]).0, 2, "without a file there is nothing to play");
}

#[test]
fn help_has_examples_and_every_command() {
    let place = Place::new("");
    let (code, out, _) = place.run(&["--help"]);
    assert_eq!(code, 0);
    for word in ["run", "check", "validate", "status", "test", "notify", "schema", "completions", "Examples:", "Exit codes: 0 good"] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let (code, out, _) = place.run(&["completions", "bash"]);
    assert!(code == 0 && out.contains("complete -F"), "{out}");
    let (code, out, _) = place.run(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && schema["properties"]["checks"].is_object());
}

#[test]
fn colours_are_for_terminals_only() {
    let place = Place::new(&tcp(1));
    let (_, out, err) = place.run(&["check"]);
    assert!(!out.contains('\x1b') && !err.contains('\x1b'), "{out}{err}");
    let (_, _, err) = place.run(&["validate", "-c", "nowhere.yaml"]);
    assert!(!err.contains('\x1b'), "{err}");
}

#[test]
fn without_a_file_it_says_what_to_do() {
    let place = Place::new("");
    std::fs::remove_file(place.path("checks.yaml")).unwrap();
    let (code, _, err) = place.run(&["run"]);
    assert_eq!(code, 2);
    assert!(err.contains("there is no checks.yaml"), "{err}");
}

#[test]
fn the_version_says_of_what_it_was_built() {
    let (code, out, _) = Place::new("").run(&["--version"]);
    assert_eq!((code, out), (0, format!("vakhta {}\n", env!("VAKHTA_VERSION"))));
    assert!(env!("VAKHTA_VERSION").starts_with(concat!(env!("CARGO_PKG_VERSION"), " (")));
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new("");
    let (code, _, err) = place.run(&["man", "."]);
    assert_eq!(code, 0, "{err}");
    for page in ["vakhta.1", "vakhta-run.1", "vakhta-status.1"] {
        let text = std::fs::read_to_string(place.path(page)).unwrap();
        assert!(text.contains(".TH vakhta"), "{page}: {text}");
    }
    let (code, _, err) = place.run(&["man", "nowhere"]);
    assert_eq!(code, 2);
    assert!(err.contains("cannot write to nowhere"), "{err}");
}

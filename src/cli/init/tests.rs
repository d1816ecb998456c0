use std::fs;
use std::os::unix::fs::symlink;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::found::{Found, Listening, find};
use super::proposals::{Proposal, proposals};
use super::starter::{Hours, Starter, TelegramChannel};
use super::*;

fn listening(address: &str, program: Option<&str>) -> Listening {
    Listening { address: address.parse().unwrap(), program: program.map(str::to_owned) }
}

fn found(sockets: Vec<Listening>) -> Found {
    Found { disks: vec!["/".into()], sockets, units: Vec::new(), ephemeral: 32768..=60999, has_ipv6: true }
}

fn starter(checks: Vec<Proposal>) -> Starter {
    Starter {
        machine: "srv-01".into(),
        language: "en",
        timezone: "Europe/Moscow".into(),
        state_dir: "state".into(),
        log_dir: "logs".into(),
        telegram: None,
        hours: None,
        checks,
    }
}

fn telegram() -> TelegramChannel {
    TelegramChannel {
        token: "${TELEGRAM_TOKEN}".into(),
        chat: "-1001234567890".into(),
        topic: Some(7),
        name: Some("the group Ops".into()),
        api_url: None,
        proxy: None,
    }
}

/// The file is as good as `vakhta validate` would say.
#[track_caller]
fn load(starter: &Starter) -> crate::config::Config {
    let source = Source { path: "checks.yaml".into(), text: starter.text() };
    let token = Secret::new("1:a".into());
    match source.load(&Registry::default(), &WithToken(Some(&token)), &Net::new()) {
        Ok(config) => config,
        Err(report) => panic!("{report}\n{}", source.text),
    }
}

/// The sockets that are proposed: `name address`.
#[track_caller]
fn check_sockets(sockets: &[(&str, Option<&str>)], expect: &[&str]) {
    let sockets = sockets.iter().map(|(address, program)| listening(address, *program)).collect();
    let (proposed, _) = proposals(&found(sockets));
    let said = proposed.iter().filter_map(|proposal| match proposal {
        Proposal::Socket(socket) => Some(format!("{} {}", socket.name, socket.address)),
        _ => None,
    });
    assert_eq!(said.collect::<Vec<_>>(), expect);
    load(&starter(proposed));
}

#[test]
fn sockets_that_are_proposed() {
    // Everywhere is reached on the loopback, IPv4 first; one address is reached there.
    check_sockets(&[("[::]:22", Some("sshd")), ("0.0.0.0:22", Some("sshd"))], &["sshd 127.0.0.1:22"]);
    check_sockets(&[("[::]:9100", Some("node_exporter"))], &["node_exporter [::1]:9100"]);
    check_sockets(&[("10.0.0.7:5432", None)], &["postgresql 10.0.0.7:5432"]);
    check_sockets(&[("[::ffff:10.0.0.7]:7000", None)], &["port 7000 10.0.0.7:7000"]);
    // Those that a program opens as it goes, and the watch itself, are not.
    check_sockets(&[("127.0.0.1:40123", Some("java")), ("127.0.0.1:8080", Some("vakhta"))], &[]);
    check_sockets(&[("127.0.0.1:40123", Some("java")), ("127.0.0.1:61000", Some("java"))], &["java 127.0.0.1:61000"]);
    // Names that would come twice have the port in them.
    check_sockets(&[("0.0.0.0:443", Some("nginx")), ("0.0.0.0:80", Some("nginx"))], &["nginx 80 127.0.0.1:80", "nginx 443 127.0.0.1:443"]);
    check_sockets(&[("0.0.0.0:80", Some("services"))], &["services 80 127.0.0.1:80"]);
    check_sockets(
        &[("127.0.0.1:53", Some("a 53")), ("10.0.0.7:53", Some("a")), ("0.0.0.0:54", Some("a"))],
        &["a 53 127.0.0.1:53", "a 53 at 10.0.0.7:53 10.0.0.7:53", "a 54 127.0.0.1:54"],
    );
    // A program may call itself what it likes.
    check_sockets(&[("0.0.0.0:81", Some("a\"b: ${HOME}\u{1b}"))], &["a\"b: ${HOME}· 127.0.0.1:81"]);
    check_sockets(&[("0.0.0.0:81", Some("yes"))], &["yes 127.0.0.1:81"]);
    check_sockets(&[("0.0.0.0:81", Some("#"))], &["# 127.0.0.1:81"]);
}

#[test]
fn a_machine_with_very_many_sockets() {
    let sockets = (1000..1100).map(|port| listening(&format!("0.0.0.0:{port}"), None)).collect();
    let (proposed, too_many) = proposals(&found(sockets));
    assert_eq!((proposed.len(), too_many), (31, 70));
}

#[test]
fn a_machine_without_the_second_loopback() {
    let found = Found { has_ipv6: false, ..found(vec![listening("[::]:80", None)]) };
    let (proposed, _) = proposals(&found);
    assert_eq!(proposed[1].to_string(), "something listens on port 80 (http)");
    assert!(starter(proposed).text().contains("http://127.0.0.1:80/"));
}

#[track_caller]
fn check_text(starter: &Starter, expect: &Expect) {
    load(starter);
    // The end is the same for all.
    let text = starter.text();
    let (own, more) = text.split_once("\n  # What else people look at").unwrap();
    assert!(more.lines().skip(1).all(|line| line.starts_with("  # - ")), "{more}");
    assert!(own.lines().all(|line| line == line.trim_end() && line.chars().count() <= 140), "{own}");
    expect.assert_eq(own);
}

#[test]
fn a_whole_file() {
    let mut found =
        found(vec![listening("0.0.0.0:22", Some("sshd")), listening("127.0.0.1:80", Some("nginx")), listening("10.0.0.7:5432", None)]);
    found.disks.push("/srv/my data".into());
    found.units = vec!["nginx.service".into(), "app@one.service".into()];
    let (checks, _) = proposals(&found);
    let starter = Starter {
        telegram: Some(telegram()),
        hours: Some(Hours { days: Some("mon-fri".into()), hours: "09:00-18:00".into() }),
        ..starter(checks)
    };
    let config = load(&starter);
    assert_eq!(config.watch.channels.len(), 2);
    assert!(config.watch.channels[1].window.is_some());
    check_text(
        &starter,
        &expect![[r##"
            # What Vakhta watches on srv-01. Written by `vakhta init`; now it is yours.
            # `vakhta validate` says what is wrong with it, `vakhta check` looks at everything once, `vakhta reload` has the
            # running watch take it up. Every key is in REFERENCE.md.

            timezone: Europe/Moscow            # of hours in this file and in messages
            language: en                       # of messages: en or ru
            state_dir: state                   # what must outlive a restart: counts, incidents, who was told
            log: { dir: logs }                 # status.jsonl is there: `tail -F` follows it
            # web: { listen: 127.0.0.1:8080 }  # a page for people, /metrics for Prometheus

            # Where messages go. `vakhta notify NAME` sends a test message.
            channels:
              console: { console: {} }         # where `vakhta run` was started, or the journal
              # To the group Ops. The token stands outside this file.
              ops: { telegram: { token: "${TELEGRAM_TOKEN}", chat_id: -1001234567890, topic_id: 7 }, window: working_hours }

            # When a channel may be used. Looking never stops; what still fails when the window opens is told then.
            windows:
              working_hours: { days: mon-fri, hours: "09:00-18:00" }

            # What holds for every check that says nothing else.
            defaults: { every: 30s, timeout: 5s, notify: [console, ops] }

            checks:
              # Every 5 s; a rule that is broken opens an incident, and each channel is told of it once.
              - name: this machine
                host: { disks: ["/", "/srv/my data"] }
                every: 5s
                rules:
                  - cpu > 95% for 5m             # every reading of five minutes
                  - mem > 95% for 5m until < 90% # and good again only below 90 %
                  - disk > 95%

              # sshd listens on port 22.
              - name: sshd
                tcp: { address: "127.0.0.1:22" }
                fail_after: 3                  # False at the third failure in a row

              # nginx listens on port 80: any page but an error of the server is good.
              - name: nginx
                http: { url: "http://127.0.0.1:80/", status: 200-499 }

              # something listens on port 5432 of 10.0.0.7.
              - name: postgresql
                tcp: { address: "10.0.0.7:5432" }

              # Services that systemd starts with the machine: told when one fails or is stopped.
              - name: services
                unit:
                  units:
                    - nginx.service
                    - "app@one.service"
        "##]],
    );
}

#[test]
fn the_least_file() {
    check_text(
        &starter(Vec::new()),
        &expect![[r##"
        # What Vakhta watches on srv-01. Written by `vakhta init`; now it is yours.
        # `vakhta validate` says what is wrong with it, `vakhta check` looks at everything once, `vakhta reload` has the
        # running watch take it up. Every key is in REFERENCE.md.

        timezone: Europe/Moscow            # of hours in this file and in messages
        language: en                       # of messages: en or ru
        state_dir: state                   # what must outlive a restart: counts, incidents, who was told
        log: { dir: logs }                 # status.jsonl is there: `tail -F` follows it
        # web: { listen: 127.0.0.1:8080 }  # a page for people, /metrics for Prometheus

        # Where messages go. `vakhta notify NAME` sends a test message.
        channels:
          console: { console: {} }         # where `vakhta run` was started, or the journal
          # Make a bot with @BotFather, put it into your group, then: export TELEGRAM_TOKEN=…
          # ops: { telegram: { token: "${TELEGRAM_TOKEN}", chat_id: -1001234567890 } }

        # When a channel may be used. Looking never stops; what still fails when the window opens is told then.
        # windows:
        #   working_hours: { days: mon-fri, hours: "09:00-18:00" }      # and `window: working_hours` beside a channel's kind

        # What holds for every check that says nothing else.
        defaults: { every: 30s, timeout: 5s, notify: [console] }

        checks:
          # Every 5 s; a rule that is broken opens an incident, and each channel is told of it once.
          - name: this machine
            host: { disks: [] }
            every: 5s
            rules:
              - cpu > 95% for 5m             # every reading of five minutes
              - mem > 95% for 5m until < 90% # and good again only below 90 %
              - disk > 95%
    "##]],
    );
}

#[test]
fn channels_in_other_words() {
    let text = |telegram: TelegramChannel| {
        let starter = Starter { telegram: Some(telegram), ..starter(Vec::new()) };
        load(&starter);
        starter.text().lines().find(|line| line.starts_with("  ops:")).unwrap().to_owned()
    };
    let plain = TelegramChannel { topic: None, name: None, ..telegram() };
    assert_eq!(text(plain.clone()), r#"  ops: { telegram: { token: "${TELEGRAM_TOKEN}", chat_id: -1001234567890 } }"#);
    let named = TelegramChannel { chat: "@ops_channel".into(), ..plain.clone() };
    assert_eq!(text(named), r#"  ops: { telegram: { token: "${TELEGRAM_TOKEN}", chat_id: "@ops_channel" } }"#);
    let far = TelegramChannel { api_url: Some("http://127.0.0.1:1/".into()), proxy: Some("socks5h://127.0.0.1:2".into()), ..plain };
    assert_eq!(
        text(far),
        r#"  ops: { telegram: { token: "${TELEGRAM_TOKEN}", chat_id: -1001234567890, api_url: "http://127.0.0.1:1/", proxy: "socks5h://127.0.0.1:2" } }"#
    );
    // A group may be called what its owner likes.
    let hostile = TelegramChannel { name: Some("x\nchecks: []\u{2028}".into()), ..telegram() };
    assert!(text(hostile).starts_with("  ops:"));
}

#[test]
fn what_is_left_out() {
    let of = |text: &str| numbers(text, 9);
    assert_eq!(of(""), Ok(vec![]));
    assert_eq!(of("2 5-7"), Ok(vec![2, 5, 6, 7]));
    assert_eq!(of("2, 3"), Ok(vec![2, 3]));
    for wrong in ["0", "10", "5-", "a", "1-99999999999999999999"] {
        assert_eq!(of(wrong), Err("write numbers from 1 to 9, such as 2 5-7".to_owned()), "{wrong}");
    }
}

#[test]
fn where_the_watch_keeps_things() {
    let of = |path: &str| written::folders(Path::new(path));
    assert_eq!(of("checks.yaml"), ("state".to_owned(), "logs".to_owned()));
    assert_eq!(of("/srv/watch/checks.yaml"), ("state".to_owned(), "logs".to_owned()));
    assert_eq!(of("/etc/vakhta/checks.yaml"), ("/var/lib/vakhta".to_owned(), "/var/log/vakhta".to_owned()), "as the unit has them");
}

/// A machine in a folder: what its kernel would say.
fn machine() -> TempDir {
    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    let folder = TempDir::new().unwrap();
    let write = |path: &str, text: String| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let row = |number: usize, address: &str, state: &str, inode: u64| {
        let zeros = "0".repeat(address.len() - 5);
        format!(
            " {number}: {address} {zeros}:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
        )
    };
    // Port 22 everywhere, 5432 here, and a connection of port 22 that is no listener.
    write(
        "proc/net/tcp",
        [HEAD.to_owned(), row(0, "00000000:0016", "0A", 100), row(1, "0100007F:1538", "0A", 200), row(2, "0100007F:0016", "01", 300)]
            .concat(),
    );
    write("proc/net/tcp6", [HEAD.to_owned(), row(0, "00000000000000000000000000000000:0050", "0A", 400)].concat());
    write("proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n".to_owned());
    write("proc/sys/net/ipv4/ip_local_port_range", "20000\t30000\n".to_owned());
    write("proc/mounts", "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /data xfs rw 0 0\nfiles:/x /mnt/nfs nfs4 rw 0 0\n".to_owned());
    for (id, name, inode) in [(10, "sshd", 100), (11, "nginx:", 400)] {
        write(&format!("proc/{id}/comm"), format!("{name}\n"));
        fs::create_dir_all(folder.path().join(format!("proc/{id}/fd"))).unwrap();
        symlink("/dev/null", folder.path().join(format!("proc/{id}/fd/0"))).unwrap();
        symlink(format!("socket:[{inode}]"), folder.path().join(format!("proc/{id}/fd/3"))).unwrap();
    }
    fs::create_dir_all(folder.path().join("data")).unwrap();
    folder
}

#[tokio::test]
async fn what_is_found_on_a_machine() {
    let machine = machine();
    let found = find(machine.path()).await;
    assert_eq!(found.disks, ["/", "/data"]);
    assert_eq!(
        found.sockets,
        [listening("0.0.0.0:22", Some("sshd")), listening("127.0.0.1:5432", None), listening("[::]:80", Some("nginx"))]
    );
    assert_eq!((found.ephemeral, found.has_ipv6), (20000..=30000, true));
    // A machine of which nothing can be read.
    let bare = find(TempDir::new().unwrap().path()).await;
    assert_eq!((bare.disks, bare.sockets, bare.ephemeral), (vec!["/".to_owned()], vec![], 32768..=60999));
}

#[test]
fn services_that_are_the_owners() {
    let enabled = "cron.service enabled enabled\napp@.service enabled enabled\nold.service enabled enabled\n\
                   systemd-timesyncd.service enabled enabled\ngetty@.service enabled enabled\nvakhta.service enabled enabled\n";
    let running = "cron.service loaded active running Regular jobs\n  app@one.service loaded active running App\n\
                   by-hand.service loaded active running Started by hand\nsystemd-timesyncd.service loaded active running Time\n\
                   getty@tty1.service loaded active running Getty\nvakhta.service loaded active running Vakhta\n";
    assert_eq!(found::enabled_and_running(enabled, running), ["cron.service", "app@one.service"]);
    assert!(found::enabled_and_running("", running).is_empty());
}

//! Settings as a table, real echoes on loopback, and network namespaces for what loopback cannot show.

use std::time::Instant;

use super::*;
use crate::checks::namespace::{BLACK_HOLE, ROUTER, inside as in_namespace, left_out};
use crate::checks::testing::block_on;
use crate::domain::reading::Outcome;
use crate::net::LookupError;
use crate::net::icmp::Sockets;
use crate::settings;

const TIMEOUT: Duration = Duration::from_millis(400);

fn context() -> BuildContext {
    BuildContext { name: "ping".into(), folder: "/nowhere".into(), every: TIMEOUT, timeout: TIMEOUT, net: Net::new() }
}

fn build(yaml: &str, context: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
    settings::read::<Ping>(serde_yaml::from_str(yaml).unwrap())?.build(context)
}

/// Runs a section once; timeouts are real, so they are short.
fn readings(yaml: &str) -> Vec<Reading> {
    block_on(async {
        let check = build(yaml, &context()).unwrap();
        check.run(&Run::alone(TIMEOUT, Ping::AT_ONCE)).await
    })
}

/// The reading of the only target as one line: outcome, reason, names of the metrics.
fn shown(reading: &Reading) -> String {
    let metrics: Vec<&str> = reading.values.iter().map(|(name, _)| &**name).collect();
    let outcome = match &reading.outcome {
        Outcome::Pass => "pass".to_owned(),
        Outcome::Fail(reason) => format!("fail: {reason};"),
        Outcome::Unknown(reason) => format!("unknown: {reason};"),
    };
    format!("{} {outcome} {}", reading.target.key, metrics.join(" ")).trim().to_owned()
}

#[track_caller]
fn refuses(yaml: &str, expect: &str) {
    let problems = build(yaml, &context()).err().expect("no problem was found");
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            let path: Vec<String> = problem.path.iter().map(|step| format!("{step:?}")).collect();
            format!("{}: {}", path.join("."), problem.message)
        })
        .collect();
    assert_eq!(lines.join("\n"), expect, "{yaml}");
}

#[test]
fn bad_settings() {
    refuses("{}", ": there are no targets");
    refuses("{ targets: [] }", ": there are no targets");
    refuses("{ targets: [300.1.1.1] }", r#"Key("targets").Index(0): `300.1.1.1` is not an IPv4 address"#);
    refuses("{ targets: [127.0.0.1], count: 0 }", r#"Key("count"): 0 echoes are not between 1 and 100"#);
    refuses("{ targets: [127.0.0.1], size: 65508 }", r#"Key("size"): 65508 bytes do not fit into a packet; 65507 do"#);
    refuses("{ targets: [127.0.0.1], interval: 1s }", r#"Key("interval"): 3 echoes 1s apart take more than half of the timeout of 400ms"#);
    refuses(
        "{ list: ips.txt, count: 101 , interval: 1ms }",
        "Key(\"count\"): 101 echoes are not between 1 and 100\nKey(\"list\"): /nowhere/ips.txt: No such file or directory (os error 2)",
    );
    let unknown = build("{ target: 127.0.0.1 }", &context()).err().unwrap();
    assert!(unknown[0].message.starts_with("unknown key `target`"), "{unknown:?}");
}

#[test]
fn the_longest_run_counts_pacing() {
    let check = build("{ targets: [10.0.0.0/16], count: 2, interval: 1ms }", &context()).unwrap();
    let echoes = 2 * 65_534;
    assert_eq!(check.longest(&Run::alone(TIMEOUT, 1)), TIMEOUT + TIMEOUT / 20 + Duration::from_micros(10) * echoes);
    let check = build("{ targets: [10.0.0.1-100], count: 1, rate: 50 }", &context()).unwrap();
    assert_eq!(check.longest(&Run::alone(TIMEOUT, 1)), TIMEOUT + TIMEOUT / 20 + Duration::from_secs(2));
}

#[test]
fn every_target_has_one_reading_in_the_order_of_the_list() {
    if !may_ping("every_target_has_one_reading_in_the_order_of_the_list") {
        return;
    }
    let expect = [
        "127.0.0.1 pass loss rtt rtt_min rtt_max jitter",
        "127.0.0.2 pass loss rtt rtt_min rtt_max jitter",
        "::1 pass loss rtt rtt_min rtt_max jitter",
    ];
    let readings = readings("{ targets: [127.0.0.1-2, '::1', 127.0.0.2], interval: 1ms }");
    assert_eq!(readings.iter().map(shown).collect::<Vec<_>>(), expect);
    assert_eq!(readings[0].value("loss"), Some(0.0));
    assert!(readings[0].value("rtt_min") <= readings[0].value("rtt") && readings[0].value("rtt") <= readings[0].value("rtt_max"));
}

#[test]
fn jitter_needs_two_replies_and_a_large_echo_comes_back() {
    if !may_ping("jitter_needs_two_replies_and_a_large_echo_comes_back") {
        return;
    }
    let readings = readings("{ targets: [127.0.0.1], count: 1, size: 65507 }");
    assert_eq!(shown(&readings[0]), "127.0.0.1 pass loss rtt rtt_min rtt_max");
}

#[test]
fn many_checks_of_one_host_do_not_disturb_each_other() {
    if !may_ping("many_checks_of_one_host_do_not_disturb_each_other") {
        return;
    }
    block_on(async {
        let context = context();
        let looks = (0..200).map(|_| {
            let check = build("{ targets: [127.0.0.1], interval: 1ms }", &context).unwrap();
            async move { check.run(&Run::alone(TIMEOUT, 1)).await }
        });
        for readings in futures_util::future::join_all(looks).await {
            assert_eq!(readings[0].value("loss"), Some(0.0), "{readings:?}");
        }
    });
}

#[test]
fn five_thousand_addresses_lose_nothing() {
    if !may_ping("five_thousand_addresses_lose_nothing") {
        return;
    }
    let readings = readings("{ targets: [127.1.0.0-127.1.19.135], count: 1 }");
    let lost = readings.iter().filter(|reading| reading.value("loss") != Some(0.0)).count();
    assert_eq!((readings.len(), lost), (5000, 0));
}

#[test]
fn a_name_without_an_address_fails_and_a_mute_resolver_says_nothing_of_it() {
    let of = |fault| shown(&sweep::unresolved(&crate::domain::reading::Target::new("till"), &fault));
    assert_eq!(of(LookupError::NoAddress("till".into())), "till fail: the name till has no address;");
    assert_eq!(of(LookupError::Failed { name: "till".into(), cause: "SERVFAIL".into() }), "till fail: looking up till failed: SERVFAIL;");
    assert_eq!(
        of(LookupError::NoAnswer { name: "till".into(), within: TIMEOUT }),
        "till unknown: no answer to the look-up of till in 400 ms;"
    );
}

#[test]
fn times_make_their_metrics() {
    let of = |times: &[f64]| {
        let reading = sweep::with_times(Reading::pass(&crate::domain::reading::Target::itself()), times);
        reading.values.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(of(&[]), "");
    assert_eq!(of(&[0.5]), "rtt 0.5, rtt_min 0.5, rtt_max 0.5");
    assert_eq!(of(&[1.0, 2.0, 1.5]), "rtt 1.5, rtt_min 1, rtt_max 2, jitter 0.75");
}

#[test]
fn silence_is_said_for_people() {
    assert_eq!(&*sweep::silence(3, Duration::from_secs(2)), "no reply to 3 echoes in 2 s");
    assert_eq!(&*sweep::silence(1, Duration::from_millis(1500)), "no reply to 1 echo in 1.5 s");
    assert_eq!(&*sweep::silence(2, Duration::from_millis(400)), "no reply to 2 echoes in 400 ms");
}

/// Whether echoes may be sent here; says so where not.
fn may_ping(test: &str) -> bool {
    let answer = block_on(async { Net::new().icmp().echo(&Sockets::default(), [127, 0, 0, 1].into(), &[], TIMEOUT).await });
    if let crate::net::icmp::Echo::Unsent(reason) = &answer {
        left_out(test, reason);
    }
    !matches!(answer, crate::net::icmp::Echo::Unsent(_))
}

/// Lets any group use unprivileged sockets.
const UNPRIVILEGED: &str = "ip link set lo up; echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range";
/// The kernel's default: nobody may. Root still has its raw sockets.
const RAW: &str = "ip link set lo up; echo '1 0' > /proc/sys/net/ipv4/ping_group_range";

#[test]
fn both_sorts_of_sockets_work() {
    for (sort, setup) in [("unprivileged", UNPRIVILEGED), ("raw", RAW)] {
        in_namespace("checks::ping::tests::both_sorts_of_sockets_work", setup, || {
            println!("{sort}");
            let readings = readings("{ targets: [127.0.0.1, '::1', localhost], interval: 1ms }");
            assert!(readings.iter().all(|reading| reading.outcome == Outcome::Pass), "{readings:?}");
        });
    }
}

#[test]
fn a_raw_socket_loses_nothing_of_five_thousand() {
    in_namespace("checks::ping::tests::a_raw_socket_loses_nothing_of_five_thousand", RAW, five_thousand_addresses_lose_nothing);
}

#[test]
fn a_slow_pace_does_not_look_like_loss() {
    if !may_ping("a_slow_pace_does_not_look_like_loss") {
        return;
    }
    // 60 echoes at this rate take longer than the timeout of any of them.
    let readings = readings("{ targets: [127.0.0.1-20], interval: 1ms, rate: 100 }");
    assert!(readings.iter().all(|reading| reading.value("loss") == Some(0.0)), "{readings:?}");
}

#[test]
fn no_file_descriptor_left_is_our_trouble_and_passes() {
    let setup = format!("{UNPRIVILEGED}; ulimit -n 64");
    in_namespace("checks::ping::tests::no_file_descriptor_left_is_our_trouble_and_passes", &setup, || {
        block_on(async {
            let check = build("{ targets: [127.0.0.1], count: 1 }", &context()).unwrap();
            let run = Run::alone(TIMEOUT, Ping::AT_ONCE);
            let all: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
            let reason = "127.0.0.1 unknown: cannot open an ICMP socket: Too many open files (os error 24);";
            assert_eq!(shown(&check.run(&run).await[0]), reason);
            drop(all);
            assert_eq!(check.run(&run).await[0].outcome, Outcome::Pass);
        });
    });
}

#[test]
fn without_permission_all_targets_share_one_reason() {
    let setup = format!("{RAW}; set -- setpriv --bounding-set -net_raw --inh-caps -net_raw");
    in_namespace("checks::ping::tests::without_permission_all_targets_share_one_reason", &setup, || {
        let readings = readings("{ targets: [127.0.0.1-9] }");
        let reasons: Vec<_> = readings
            .iter()
            .map(|reading| if let Outcome::Unknown(reason) = &reading.outcome { reason } else { panic!("{reading:?}") })
            .collect();
        assert!(reasons[0].contains("ping_group_range") && reasons[0].contains("CAP_NET_RAW"), "{}", reasons[0]);
        assert!(reasons.iter().all(|reason| Arc::ptr_eq(reason, reasons[0])), "each target has a reason of its own");
    });
}

#[test]
fn silent_hosts_are_waited_for_together() {
    in_namespace("checks::ping::tests::silent_hosts_are_waited_for_together", &format!("{UNPRIVILEGED}; {BLACK_HOLE}"), || {
        let start = Instant::now();
        let readings = readings("{ targets: [10.9.4.0-10.9.7.231], count: 2, interval: 1ms }");
        assert_eq!(shown(&readings[999]), "10.9.7.231 fail: no reply to 2 echoes in 400 ms; loss");
        assert_eq!(readings.iter().filter(|reading| reading.value("loss") == Some(100.0)).count(), 1000);
        // One after the other would take a thousand times as long.
        assert!(start.elapsed() < TIMEOUT * 20, "{:?}", start.elapsed());
    });
}

#[test]
fn no_route_of_our_own_says_nothing_of_the_target() {
    in_namespace("checks::ping::tests::no_route_of_our_own_says_nothing_of_the_target", UNPRIVILEGED, || {
        let readings = readings("{ targets: [10.0.0.1, '2001:db8::1'] }");
        let reason = "cannot send the echo: Network is unreachable (os error 101)";
        assert_eq!(
            readings.iter().map(shown).collect::<Vec<_>>(),
            ["10.0.0.1", "2001:db8::1"].map(|key| format!("{key} unknown: {reason};"))
        );
        assert!(readings.iter().all(|reading| reading.no_way), "an uplink has to know that it is the network");
    });
}

#[test]
fn a_router_that_knows_no_way_is_no_reply() {
    in_namespace("checks::ping::tests::a_router_that_knows_no_way_is_no_reply", ROUTER, || {
        let readings = readings("{ targets: [10.0.0.1, 10.5.0.1, 10.6.0.1, 10.7.0.1, 'fd05::1'], count: 1 }");
        let expect = [
            "10.0.0.1 pass loss rtt rtt_min rtt_max",
            "10.5.0.1 fail: host unreachable, says 10.0.0.1; loss",
            "10.6.0.1 fail: forbidden by a firewall, says 10.0.0.1; loss",
            "10.7.0.1 fail: network unreachable, says 10.0.0.1; loss",
            "fd05::1 fail: network unreachable, says fd00::1; loss",
        ];
        assert_eq!(readings.iter().map(shown).collect::<Vec<_>>(), expect);
    });
}

/// F39: that an address is a network's broadcast is known to the kernel only.
#[test]
fn the_broadcast_address_of_a_network_is_not_looked_at() {
    for setup in [UNPRIVILEGED, RAW] {
        in_namespace("checks::ping::tests::the_broadcast_address_of_a_network_is_not_looked_at", setup, || {
            let shown: Vec<_> = readings("{ targets: [127.255.255.255, 127.0.0.1], count: 1 }").iter().map(shown).collect();
            let reason = "cannot send the echo: io error: Permission denied (os error 13)";
            assert_eq!(shown, [&format!("127.255.255.255 unknown: {reason};"), "127.0.0.1 pass loss rtt rtt_min rtt_max"]);
        });
    }
}

/// F31: of every ten echoes three are lost in a row, but of no target all four.
#[test]
fn thirty_percent_of_loss_is_a_number_and_no_failure() {
    let setup = format!(
        "{UNPRIVILEGED}; command -v nft > /dev/null || {{ echo 'nft is not installed' >&2; exit 77; }}
        nft 'table ip lossy {{ chain in {{ type filter hook input priority 0
            icmp type echo-request numgen inc mod 10 < 3 drop; }}; }}'"
    );
    in_namespace("checks::ping::tests::thirty_percent_of_loss_is_a_number_and_no_failure", &setup, || {
        let readings = readings("{ targets: [127.0.0.1-7], count: 4, interval: 1ms }");
        assert!(readings.iter().all(|reading| reading.outcome == Outcome::Pass), "{readings:?}");
        let lost: f64 = readings.iter().filter_map(|reading| reading.value("loss")).sum();
        assert_eq!((lost * 28.0 / 700.0).round(), 9.0, "{readings:?}");
    });
}

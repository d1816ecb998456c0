//! What `systemctl show` of Debian 12 printed, and a stand-in that prints it where no systemd runs.

use super::*;
use crate::checks::namespace::inside;
use crate::checks::testing::{block_on, build_kind, documented_example, problems_are, told};

const WITHIN: Duration = Duration::from_secs(5);

const NGINX: &str = "Id=nginx.service\nNames=nginx.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\
                     StateChangeTimestampMonotonic=1\nResult=success\nNRestarts=2\nExecMainStatus=0\n";
const MARIADB: &str = "Id=mariadb.service\nNames=mysqld.service mariadb.service mysql.service\nLoadState=loaded\nActiveState=failed\n\
                       SubState=failed\nStateChangeTimestampMonotonic=7000000\nResult=exit-code\nNRestarts=5\nExecMainStatus=203\n";
const GONE: &str = "Id=gone.service\nNames=gone.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n\
                    StateChangeTimestampMonotonic=0\nResult=success\nNRestarts=0\nExecMainStatus=0\n";
const LOOPING: &str = "Id=app-1.service\nNames=app-1.service\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\n\
                       StateChangeTimestampMonotonic=9\nResult=signal\nNRestarts=71\nExecMainStatus=6\n";
const TIMER: &str = "Id=backup.timer\nNames=backup.timer\nLoadState=loaded\nActiveState=active\nSubState=waiting\n\
                     StateChangeTimestampMonotonic=9\nResult=success\n";

fn check(section: &str) -> Box<dyn Check> {
    build_kind::<UnitSettings>(section).map_err(|problems| problems[0].message.clone()).unwrap()
}

/// What is made of such an output, a line for each target.
#[track_caller]
fn said(section: &str, output: &[&str], expect: &[&str]) {
    let settings: UnitSettings = serde_yaml::from_str(section).unwrap();
    let passes = settings.inactive == Inactive::Pass;
    let listed = one_or_many(("unit", settings.unit), ("units", settings.units)).unwrap();
    let wanted: Vec<Wanted> = listed.into_iter().map(|listed| Wanted::read(listed).ok().unwrap()).collect();
    let check = Units { wanted, inactive_passes: passes };
    let units = units(output.join("\n").as_bytes());
    let readings = each_once(check.wanted.iter().flat_map(|wanted| check.readings(wanted, &units)).collect());
    let lines: Vec<_> = readings.iter().map(|reading| format!("{} {}", reading.target.key, told(reading))).collect();
    assert_eq!(lines, expect);
}

#[test]
fn units_by_name() {
    said("{ unit: nginx }", &[NGINX], &["nginx.service pass"]);
    said("{ unit: backup.timer }", &[TIMER], &["backup.timer pass"]);
    said("{ unit: mysql }", &[MARIADB], &["mysql.service fail: it failed: exit-code 203"]);
    said("{ units: [gone, nginx] }", &[GONE, NGINX], &["gone.service fail: there is no such unit", "nginx.service pass"]);
    said("{ unit: app-1.service }", &[LOOPING], &["app-1.service fail: it ended and waits to be restarted: signal 6"]);
    said("{ unit: nginx }", &[&NGINX.replace("loaded", "masked")], &["nginx.service fail: it is masked"]);
    said("{ unit: nginx }", &[&NGINX.replace("loaded", "bad-setting")], &["nginx.service fail: its file is no good (bad-setting)"]);
    let stopped = NGINX.replace("active\nSubState=running", "inactive\nSubState=dead");
    said("{ unit: nginx }", &[&stopped], &["nginx.service fail: it is inactive (dead)"]);
    said("{ unit: nginx, inactive: pass }", &[&stopped], &["nginx.service pass"]);
    for passing in ["activating\nSubState=start-pre", "deactivating\nSubState=stop-sigterm", "reloading\nSubState=reload"] {
        said("{ unit: nginx }", &[&NGINX.replace("active\nSubState=running", passing)], &["nginx.service pass"]);
    }
    said("{ unit: nginx }", &["Id=nginx.service\nNa"], &["nginx.service unknown: systemd said nothing of it"]);
}

#[test]
fn units_by_pattern() {
    let all = [NGINX, MARIADB, GONE, LOOPING, TIMER];
    said("{ unit: 'app-*' }", &all, &["app-1.service fail: it ended and waits to be restarted: signal 6"]);
    said("{ unit: 'my*.service' }", &all, &["mariadb.service fail: it failed: exit-code 203"]);
    said("{ unit: 'web-*' }", &all, &["web-* fail: no unit matches it"]);
    said("{ units: [nginx, 'n*'] }", &all, &["nginx.service pass"]);
    said(
        "{ units: ['*'], inactive: pass }",
        &all,
        &[
            "nginx.service pass",
            "mariadb.service fail: it failed: exit-code 203",
            "app-1.service fail: it ended and waits to be restarted: signal 6",
            "backup.timer pass",
        ],
    );
}

#[test]
fn numbers() {
    let target = Target::new("nginx.service");
    let reading = units(NGINX.as_bytes())[0].reading(&target, false);
    assert_eq!(reading.value("restarts"), Some(2.0));
    assert!(reading.value("age").is_some_and(|seconds| seconds > 1.0), "{reading:?}");
    let reading = units(GONE.as_bytes())[0].reading(&target, false);
    assert_eq!(reading.value("age"), None, "it never was");
    assert_eq!(units(TIMER.as_bytes())[0].reading(&target, false).value("restarts"), None);
}

#[test]
fn hostile_words_are_cleaned() {
    said(
        "{ unit: nginx }",
        &[&NGINX.replace("active\nSubState=running", "odd\x1b[2J\nSubState=x")],
        &[r"nginx.service fail: it is odd\u{1b}[2J (x)"],
    );
}

#[tokio::test]
async fn this_very_machine() {
    let reading = check("{ unit: init.scope }").run(&Run::alone(WITHIN, 1)).await.remove(0);
    match Path::new("/run/systemd/system").exists() {
        true => assert_eq!(told(&reading), "pass"),
        false => assert!(told(&reading).starts_with("unknown: systemd does not run here"), "{reading:?}"),
    }
}

/// A systemctl that answers as its arguments ask.
const STAND_IN: &str = r#"mount -t tmpfs none /usr/local/sbin; cat > /usr/local/sbin/systemctl <<'END'
#!/bin/sh
[ "$1 $2 $4" = "show --no-pager --" ] || exit 64
shift 4
case "$1" in
    nginx.service) printf 'Id=nginx.service\nActiveState=active\nSubState=running\n\nId=app-1.service\nActiveState=failed\n' ;;
    hang.service) sleep 100 ;;
    container.service) echo 'Failed to connect to bus: No such file or directory' >&2; exit 1 ;;
    odd.service) echo 'Unit name is not valid.' >&2; exit 1 ;;
    *) kill -9 $$ ;;
esac
END
chmod 755 /usr/local/sbin/systemctl"#;

#[test]
fn systemctl_is_asked_and_may_fail() {
    inside("checks::unit::tests::systemctl_is_asked_and_may_fail", STAND_IN, || {
        let said = |section: &str, within: Duration| {
            let readings = block_on(check(section).run(&Run::alone(within, 1)));
            readings.iter().map(told).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(said("{ units: [nginx, 'app-*'] }", WITHIN), "pass, fail: it failed");
        assert_eq!(said("{ unit: container }", WITHIN), "unknown: systemd does not run here");
        assert_eq!(said("{ unit: odd }", WITHIN), "unknown: systemctl: Unit name is not valid.");
        assert_eq!(said("{ unit: killed }", WITHIN), "unknown: systemctl ended by signal 9");
        assert_eq!(said("{ unit: hang }", Duration::from_millis(200)), "unknown: systemd has not answered in 200 ms");
    });
}

#[test]
fn bad_settings() {
    let are = |section: &str, expect: &[&str]| problems_are::<UnitSettings>(section, expect);
    are("{}", &[": `unit` is missing"]);
    are(
        "{ units: [nginx, '--all', 'a b', /etc] }",
        &[
            "units/1: `--all` is not the name of a unit",
            "units/2: `a b` is not the name of a unit",
            "units/3: `/etc` is not the name of a unit",
        ],
    );
    are("{ unit: 'a[' }", &["unit: `a[` is not a pattern: invalid range pattern"]);
}

#[test]
fn the_example_is_good() {
    check(&documented_example::<UnitSettings>("unit"));
}

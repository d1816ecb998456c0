//! A machine made of files: what its numbers become, and what happens when some are missing.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::domain::reading::Outcome;
use crate::net::Net;
use crate::settings;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A folder with the files of `/proc` that are read.
struct Machine(TempDir);

const STAT: &str = "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 50 0 50 350 50 0 0 0 0 0\ncpu1 50 0 50 350 50 0 0 0 0 0\n\
                    ctxt 1\nbtime 1700000000\nprocesses 5\nprocs_running 1\nprocs_blocked 0\n";
const MEMORY: &str = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\nBuffers: 0 kB\nCached: 50 kB\nSwapCached: 0 kB\n\
                      Active: 0 kB\nInactive: 0 kB\nSwapTotal: 200 kB\nSwapFree: 150 kB\nDirty: 0 kB\nWriteback: 0 kB\nMapped: 0 kB\n\
                      Slab: 0 kB\nCommitted_AS: 0 kB\nVmallocTotal: 0 kB\nVmallocUsed: 0 kB\nVmallocChunk: 0 kB\n";

impl Machine {
    fn new() -> Self {
        let machine = Self(TempDir::new().unwrap());
        machine.write("stat", STAT);
        machine.write("meminfo", MEMORY);
        machine.write("loadavg", "1.50 0.30 0.10 2/345 6789\n");
        machine.write("uptime", "93600.50 180000.00\n");
        machine.write("pressure/cpu", "some avg10=12.34 avg60=0.00 avg300=0.00 total=0\n");
        machine.write("mounts", "/dev/sda1 / ext4 rw 0 0\n");
        machine.write("net/dev", &net(&[("lo", 5, 5, 0), ("eth0", 1000, 2000, 1)]));
        machine
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join("proc").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join("proc").join(name)).unwrap();
    }

    fn build(&self, section: &str) -> Result<Box<dyn Check>, Vec<Problem>> {
        let section = format!("{{ root: {}, {section} }}", self.0.path().display());
        settings::read::<Host>(serde_yaml::from_str(&section).unwrap())?.build(&BuildContext {
            name: "this machine".into(),
            folder: "/nowhere".into(),
            every: TIMEOUT,
            timeout: TIMEOUT,
            net: Net::new(),
        })
    }
}

/// `/proc/net/dev`: name, bytes in, bytes out, errors in.
fn net(interfaces: &[(&str, u64, u64, u64)]) -> String {
    let lines = interfaces.iter().map(|(name, rx, tx, errors)| format!("{name}: {rx} 0 {errors} 0 0 0 0 0 {tx} 0 0 0 0 0 0 0\n"));
    "Inter-| Receive | Transmit\n face |bytes packets …\n".to_owned() + &lines.collect::<String>()
}

async fn run(check: &dyn Check) -> Vec<Reading> {
    check.run(&Run::alone(TIMEOUT, 1)).await
}

/// Outcome and numbers of a target in one line each.
fn shown(readings: &[Reading], key: &str) -> String {
    let reading = readings.iter().find(|reading| &*reading.target.key == key).unwrap();
    let mut lines: Vec<String> = reading.values.iter().map(|(metric, value)| format!("{metric} {value}")).collect();
    lines.extend(reading.unreadable.iter().map(|(metric, reason)| format!("no {metric}: {reason}")));
    match &reading.outcome {
        Outcome::Pass => lines.join("\n"),
        outcome => format!("{outcome:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_run_has_a_cpu_number_and_all_others() {
    let machine = Machine::new();
    let check = machine.build("").unwrap();
    let start = Instant::now();
    machine
        .write("stat", &STAT.replace("cpu  100 0 100 700 100", "cpu  130 10 120 720 110").replace(" 0 0 0 0 0\ncpu0", " 0 0 10 0 0\ncpu0"));
    let readings = run(&*check).await;
    assert_eq!(start.elapsed(), SHORTEST, "too short a time to compare with");
    let expect = "cpu 70\niowait 10\nsteal 10\nmem 75\nmem_used 768000\nmem_available 256000\nswap 25\nswap_used 51200\n\
                  load1 1.5\nload1_per_core 0.75\nload5 0.3\nload5_per_core 0.15\nload15 0.1\nload15_per_core 0.05\nprocs 345\n\
                  uptime 93600.5\npsi_cpu 12.34";
    assert_eq!(shown(&readings, ""), expect);
    assert_eq!(check.size(), readings.len());
}

#[tokio::test(start_paused = true)]
async fn later_runs_do_not_wait() {
    let machine = Machine::new();
    let check = machine.build("").unwrap();
    run(&*check).await;
    let start = Instant::now();
    let readings = run(&*check).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(shown(&readings, "").contains("no cpu: no processor time has been counted"), "{readings:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_named_and_the_rest_stands() {
    let machine = Machine::new();
    let check = machine.build("").unwrap();
    machine.remove("meminfo");
    machine.write("loadavg", "nonsense\n");
    machine.write("stat", "");
    let readings = run(&*check).await;
    assert_eq!(readings[0].outcome, Outcome::Pass);
    let unreadable: Vec<&str> = readings[0].unreadable.iter().map(|(metric, _)| &**metric).collect();
    assert_eq!(unreadable, ["cpu", "mem", "load1"]);
    assert_eq!(readings[0].value("uptime"), Some(93600.5));
    assert!(readings[0].unreadable[1].1.contains("No such file") || readings[0].unreadable[1].1.contains("not found"), "{readings:?}");
}

#[tokio::test(start_paused = true)]
async fn no_swap_is_no_trouble() {
    let machine = Machine::new();
    machine.write("meminfo", &MEMORY.replace("SwapTotal: 200", "SwapTotal: 0").replace("SwapFree: 150", "SwapFree: 0"));
    let readings = run(&*machine.build("").unwrap()).await;
    assert_eq!((readings[0].value("swap"), readings[0].value("swap_used")), (Some(0.0), Some(0.0)));
}

#[tokio::test(start_paused = true)]
async fn interfaces_are_rates_over_the_time_between_two_readings() {
    let machine = Machine::new();
    let check = machine.build("").unwrap();
    run(&*check).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    machine.write("net/dev", &net(&[("lo", 9, 9, 0), ("eth0", 6000, 2000, 21), ("wg0", 7, 7, 0)]));
    let readings = run(&*check).await;
    assert_eq!(shown(&readings, "eth0"), "rx 500\ntx 0\nrx_errors 2\ntx_errors 0");
    assert_eq!(shown(&readings, "wg0"), "", "new: nothing to compare with");
    assert!(!readings.iter().any(|reading| &*reading.target.key == "lo"));

    tokio::time::advance(Duration::from_secs(10)).await;
    machine.write("net/dev", &net(&[("eth0", 50, 3000, 21)]));
    let readings = run(&*check).await;
    assert!(shown(&readings, "eth0").starts_with("tx 100\nrx_errors 0\ntx_errors 0\nno rx: "), "{readings:?}");
    assert!(!readings.iter().any(|reading| &*reading.target.key == "wg0"));
}

#[tokio::test(start_paused = true)]
async fn chosen_interfaces_and_disks_that_do_not_exist_fail() {
    let machine = Machine::new();
    fs::create_dir(machine.0.path().join("var")).unwrap();
    // Neither is a mount point, so a thread asks: real time.
    tokio::time::resume();
    let check = machine.build("disks: [/var/, /var, /nowhere], interfaces: [eth7, lo]").unwrap();
    let readings = run(&*check).await;
    let keys: Vec<&str> = readings.iter().map(|reading| &*reading.target.key).collect();
    assert_eq!(keys, ["", "/var", "/nowhere", "eth7", "lo"]);
    assert_eq!(shown(&readings, "/nowhere"), r#"Fail("there is no /nowhere")"#);
    assert_eq!(shown(&readings, "eth7"), r#"Fail("there is no interface eth7")"#);
    assert!(readings[1].value("disk").is_some_and(|percent| (0.0..=100.0).contains(&percent)), "{readings:?}");
    assert_eq!(check.size(), 5);
}

#[tokio::test(start_paused = true)]
async fn in_a_container_the_first_process_sees_the_machine() {
    let machine = Machine::new();
    machine.write("1/net/dev", &net(&[("eth9", 0, 0, 0)]));
    let readings = run(&*machine.build("disks: []").unwrap()).await;
    assert_eq!(readings.iter().map(|reading| &*reading.target.key).collect::<Vec<_>>(), ["", "eth9"]);
}

#[test]
fn bad_settings() {
    let machine = Machine::new();
    let problems = |section: &str| {
        let problems = machine.build(section).err().unwrap();
        problems.iter().map(|problem| format!("{:?} {}", problem.path, problem.message)).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(problems("disks: [/, var]"), r#"[Key("disks"), Index(1)] `var` is not a full path"#);
    assert!(problems("disk: [/]").contains("unknown key `disk`"));
    machine.remove("stat");
    assert!(problems("").starts_with(r#"[Key("root")] "#), "{}", problems(""));
}

#[tokio::test]
async fn this_very_machine() {
    let context = BuildContext { name: "".into(), folder: "/".into(), every: TIMEOUT, timeout: TIMEOUT, net: Net::new() };
    let check = settings::read::<Host>(serde_yaml::from_str("{}").unwrap()).unwrap().build(&context).unwrap();
    let readings = run(&*check).await;
    for metric in ["cpu", "mem", "swap", "load1", "uptime", "procs"] {
        assert!(readings[0].value(metric).is_some(), "{metric}: {readings:?}");
    }
    assert_eq!((&*readings[1].target.key, readings[1].value("disk").is_some()), ("/", true));
}

/// A file system whose server never says a word: FUSE without one.
const HUNG: &str = "mount -t tmpfs none /mnt; mkdir /mnt/hung; exec 3<>/dev/fuse
    mount -i -n -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung /mnt/hung";

#[test]
fn a_hung_mount_is_unknown_and_delays_no_other() {
    crate::checks::namespace::inside("checks::host::tests::a_hung_mount_is_unknown_and_delays_no_other", HUNG, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let machine = Machine::new();
            let root = machine.0.path();
            std::os::unix::fs::symlink("/mnt/hung", root.join("nfs")).unwrap();
            let check = machine.build("disks: [/nfs, /], interfaces: []").unwrap();
            for _ in 0..3 {
                let readings = check.run(&Run::alone(Duration::from_millis(50), 1)).await;
                assert!(
                    shown(&readings, "/nfs").starts_with(r#"Unknown("the file system at /nfs has not answered for 0."#),
                    "{readings:?}"
                );
                assert!(readings[2].value("disk").is_some(), "{readings:?}");
            }
            let stuck = fs::read_dir("/proc/self/task")
                .unwrap()
                .filter(|task| fs::read_to_string(task.as_ref().unwrap().path().join("comm")).is_ok_and(|name| name == "patient\n"));
            assert_eq!(stuck.count(), 1, "one thread, however often it is asked");
        });
        // The thread would keep the process from ending: the kernel waits for the answer too.
        println!("test result: ok. 1 passed");
        std::process::exit(0);
    });
}

#[tokio::test(start_paused = true)]
async fn a_machine_of_which_nothing_can_be_read_is_unknown() {
    let machine = Machine::new();
    let check = machine.build("disks: []").unwrap();
    for file in ["stat", "meminfo", "loadavg", "uptime", "pressure/cpu", "net/dev"] {
        machine.remove(file);
    }
    let readings = run(&*check).await;
    assert!(readings.iter().all(|reading| matches!(reading.outcome, Outcome::Unknown(_))), "{readings:?}");
    assert_eq!(readings.len(), 2);
}

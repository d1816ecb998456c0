//! Machines behind a metrics endpoint, watched by the real program.

use std::net::TcpListener;

use crate::bot::FakeBot;
use crate::program::{Place, until};

#[path = "../mocks/machines/mod.rs"]
#[allow(dead_code)]
mod machines;

use machines::{Shared, plan};

pub struct Farm {
    pub url: String,
    shared: Shared,
}

impl Farm {
    pub fn start(count: usize, orders: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/machines", listener.local_addr().unwrap());
        let shared = Shared::new(machines::Farm { machines: count, plan: plan(orders).unwrap(), ..machines::Farm::default() });
        let farm = shared.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { machines::serve(tokio::net::TcpListener::from_std(listener).unwrap(), farm).await })
        });
        Self { url, shared }
    }

    pub fn answers(&self) -> usize {
        self.shared.lock().answers
    }

    /// From now on.
    pub fn order(&self, orders: &str) {
        self.shared.lock().plan.extend(plan(orders).unwrap());
    }

    /// Waits until the answer of this number was given.
    pub fn answered(&self, count: usize) {
        until(&format!("answer {count}"), || (self.answers() >= count).then_some(()));
    }
}

fn fleet(bot: &FakeBot, farm: &Farm, more: &str) -> String {
    format!(
        "host: hub\ntimezone: UTC\nchannels:\n  ops: {}\nchecks:\n  - name: fleet\n    metrics: {{ url: \"{}\", machine: machine_ip }}\n    \
         every: 100ms\n    fail_after: 1\n    {more}\n",
        bot.section(),
        farm.url
    )
}

/// Machine 4 is loaded in the answers 3 to 8 and again from 12 on; the rule is told once for each time.
#[test]
fn one_incident_for_each_time_a_machine_is_loaded() {
    let (bot, farm) = (FakeBot::start(""), Farm::start(30, "4 cpu 95 @3-8, 4 cpu 96 @12-, 9 cpu n/a @1-"));
    let place = Place::new(&fleet(&bot, &farm, "unknown_after: 1h\n    rules: [ cpu > 85 ]"));
    let program = place.start();
    farm.answered(16);
    let texts = bot.texts(3);
    assert!(texts[0].contains("1 of 31 failed") && texts[0].contains("10.20.0.4") && texts[0].contains("cpu 95 &gt; 85"), "{texts:?}");
    assert!(texts[1].contains("recovered"), "{texts:?}");
    assert!(texts[2].contains("10.20.0.4") && texts[2].contains("cpu 96 &gt; 85"), "{texts:?}");
    assert_eq!(bot.receipts().len(), 3);
    program.stop();
}

/// The mean of three readings is judged with each new record, and never before there are three.
#[test]
fn averages_are_of_the_last_records() {
    let (bot, farm) = (FakeBot::start(""), Farm::start(3, "1 mem 95% @1-2, 1 mem 20% @3-3, 1 mem 90% @4-"));
    let place = Place::new(&fleet(&bot, &farm, "rules: [ \"avg(mem, 3) > 75\" ]"));
    let program = place.start();
    let texts = bot.texts(1);
    // 95 + 95 + 20 is 70 in the mean; 95 + 20 + 90 is 68.3; 20 + 90 + 90 is 66.7; three times 90 break the rule.
    assert!(texts[0].contains("avg(mem, 3) 90 &gt; 75"), "{texts:?}");
    assert!(farm.answers() >= 6);
    program.stop();
}

#[test]
fn an_endpoint_that_fails_is_one_message_and_a_machine_that_is_gone_another() {
    let (bot, farm) = (FakeBot::start(""), Farm::start(1000, "status 500 @2-4"));
    let place = Place::new(&fleet(&bot, &farm, ""));
    let program = place.start();
    let texts = bot.texts(2);
    assert!(texts[0].contains("1 of 1001 failed") && texts[0].contains(&farm.url) && texts[0].contains("status 500"), "{texts:?}");
    assert!(texts[1].contains("recovered"), "{texts:?}");
    farm.order("17 gone, 18 bad");
    let text = bot.texts(3)[2].clone();
    assert!(text.contains("3 of 1001 failed"), "{text}");
    let place_of_18 = "cannot read records: `$[17]` is &quot;out of order&quot;, not an object";
    for told in ["10.20.0.17", "10.20.0.18", "no longer listed in the answer of", place_of_18] {
        assert!(text.contains(told), "{told} in {text}");
    }
    program.stop();
}

/// One URL is one machine; another is added while the watch runs, and that leaves the first as it was.
#[test]
fn a_machine_with_an_endpoint_of_its_own_is_added() {
    let (bot, farm) = (FakeBot::start(""), Farm::start(2, "0 cpu 95, 1 cpu 90, 1 mem n/a"));
    let first = format!("url: '{}/0'", farm.url);
    let file = fleet(&bot, &farm, "rules: [ cpu > 85 ]").replace(&format!("url: \"{}\", machine: machine_ip", farm.url), &first);
    let place = Place::new(&file);
    let program = place.start();
    assert!(bot.texts(1)[0].contains("cpu 95 &gt; 85"));
    let second = format!("{}/1", farm.url);
    let (code, _, err) = place.run(&["machine", "add", "fleet", &second]);
    assert_eq!((code, err.as_str()), (0, ""));
    let text = bot.texts(2)[1].clone();
    assert!(text.contains(&second) && !text.contains(&format!("{}/0", farm.url)), "{text}");
    let both = ["cpu 90 &gt; 85", "cannot read mem: `$.mem` is &quot;n/a&quot;, not a number"];
    assert!(both.iter().any(|told| text.contains(told)), "{text}");
    program.stop();
}

/// The bar: 10,000 machines in one answer are read, validated and judged within a second of one core, also by a
/// program that is not optimized.
#[test]
fn ten_thousand_machines_in_one_answer_are_judged_each() {
    let (bot, farm) = (FakeBot::start(""), Farm::start(10_000, "4321 cpu 95 @3-"));
    let rules = "rules: [ cpu > 85, mem > 90 for 30m, disk > 95 for 2h, \"avg(cpu, 3) > 85\", \"avg(mem, 3) > 85\", \"avg(disk, 9) > 90\", \"min(cpu, 60) > 80\" ]";
    let place = Place::new(&fleet(&bot, &farm, rules).replace("every: 100ms", "every: 500ms"));
    let program = place.start();
    farm.answered(2);
    let before = (farm.answers(), program.cpu_time());
    let texts = bot.texts(1);
    assert!(texts[0].contains("1 of 10001 failed") && texts[0].contains("10.20.16.225"), "{texts:?}");
    farm.answered(4);
    let (answers, spent) = (farm.answers() - before.0, program.cpu_time() - before.1);
    let each = spent.as_secs_f64() / answers as f64;
    eprintln!("FIGURE {each:.3} s of processor time for each answer of 10,000 machines, {} MiB at most", program.most_memory() >> 20);
    program.stop();
}

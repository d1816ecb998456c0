//! Endpoints on real sockets: what becomes of their machines.

use std::collections::VecDeque;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::checks::testing::{build_kind, documented_example, problems_are, told};
use crate::net::testing::{answer, closed_port, serve};

/// An endpoint that gives these bodies one after the other, the last for ever. `!503` is a status, an empty one a lost connection.
async fn endpoint(bodies: &[&str]) -> String {
    let bodies: Arc<Mutex<VecDeque<String>>> = Arc::new(Mutex::new(bodies.iter().map(ToString::to_string).collect()));
    let address = serve(move |stream| {
        let bodies = bodies.clone();
        async move {
            let body = {
                let mut bodies = bodies.lock().unwrap();
                if bodies.len() > 1 { bodies.pop_front() } else { bodies.front().cloned() }.unwrap()
            };
            let bytes = match body.strip_prefix('!') {
                Some(status) => format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n"),
                None if body.is_empty() => String::new(),
                None => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            };
            answer(stream, bytes.as_bytes()).await;
        }
    });
    format!("http://{}/", address.await)
}

fn build(section: &str) -> Box<dyn Check> {
    build_kind::<MetricsSettings>(section).map_err(|problems| format!("{problems:?}")).unwrap()
}

/// One look, each target on a line, with what matters of it; the URLs are called `url` and a number.
async fn look(check: &dyn Check, urls: &[&str]) -> String {
    let report = check.report(&Run::alone(Duration::from_secs(5), 10)).await;
    let (readings, others) = match report {
        Report::Readings(readings) => (readings, "gone".to_owned()),
        Report::Found { readings, others: Others::Kept } => (readings, "kept".to_owned()),
        Report::Found { readings, others: Others::Missing(reason) } => (readings, reason.to_string()),
        Report::Lost(reason) => panic!("{reason}"),
    };
    const SHOWN: [&str; 7] = ["cpu", "mem", "disk", "uptime", "machines", "bad_records", "load"];
    let line = |reading: &Reading| {
        let values =
            reading.values.iter().filter(|(metric, _)| SHOWN.contains(&&**metric)).map(|(metric, value)| format!(" {metric}={value}"));
        let unreadable = reading.unreadable.iter().map(|(metric, reason)| format!(" {metric}?{reason}"));
        format!("{} {}{}\n", reading.target.key, told(reading), values.chain(unreadable).collect::<String>())
    };
    let text: String = readings.iter().map(line).collect::<String>() + "others " + &others;
    urls.iter().enumerate().fold(text, |text, (index, url)| text.replace(url, &format!("url{index}")))
}

#[tokio::test]
async fn a_url_is_one_machine() {
    let well = endpoint(&[r#"{"cpu": 60, "mem": "30%", "disk": "43%", "uptime": "1d 2h 37m 6s"}"#]).await;
    let ill = endpoint(&[r#"{"cpu": "n/a", "mem": 30, "disk": "43%"}"#]).await;
    let list = endpoint(&["[{}]"]).await;
    let down = endpoint(&["!503"]).await;
    let closed = format!("http://{}/", closed_port().await);
    let urls = [&*well, &ill, &list, &down, &closed];
    let check = build(&format!("urls: {urls:?}"));
    let expect = "url0 pass cpu=60 mem=30 disk=43 uptime=95826\n\
                  url1 pass mem=30 disk=43 cpu?`$.cpu` is \"n/a\", not a number uptime?`$.uptime` is missing\n\
                  url2 fail: the answer is a list of machines; say with `machine` which field names them\n\
                  url3 fail: status 503, expected 200-299\n\
                  url4 fail: connection refused\n\
                  others gone";
    assert_eq!(look(&*check, &urls).await, expect);
    assert_eq!(check.size(), 5);
}

const A: &str = r#"{"ip": "a", "load": [1]}"#;
const B: &str = r#"{"ip": "b", "load": [2]}"#;

fn of(urls: &[&str], more: &str) -> Box<dyn Check> {
    build(&format!("{{ urls: {urls:?}, machine: ip, fields: {{ load: '$.load[0]' }}, {more} }}"))
}

#[tokio::test]
async fn a_machine_that_is_listed_no_more() {
    let url = endpoint(&[&format!("[{A}, {B}]"), &format!("[{A}]"), "[{}, 5]", "", "[", "!500", "[]", &format!("[{A}, {B}]")]).await;
    let (urls, nobody) = ([&*url], "others no longer listed in any answer");
    let check = of(&urls, "");
    let both = format!("url0 pass machines=2 bad_records=0\na pass load=1\nb pass load=2\n{nobody}");
    assert_eq!(look(&*check, &urls).await, both);
    let one = format!("url0 pass machines=1 bad_records=0\na pass load=1\nb unknown: no longer listed in the answer of url0\n{nobody}");
    assert_eq!(look(&*check, &urls).await, one);
    assert_eq!(check.size(), 3);
    for reason in [
        "no record of 2 can be read: `$[0].ip` is missing; `$[1]` is 5, not an object",
        "the connection was closed before the answer was complete",
        "the answer is not JSON (EOF while parsing a list at line 1 column 1): `[`",
        "status 500, expected 200-299",
        "the answer lists no machine",
    ] {
        assert_eq!(look(&*check, &urls).await, format!("url0 fail: {reason}\nothers kept"));
    }
    assert_eq!(look(&*check, &urls).await, both);
}

#[tokio::test]
async fn a_machine_is_forgotten_in_the_end() {
    let url = endpoint(&[&format!("[{A}, {B}]"), &format!("[{A}]")]).await;
    let check = of(&[&url], "forget_after: 1ms");
    look(&*check, &[&url]).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(look(&*check, &[&url]).await, "url0 pass machines=1 bad_records=0\na pass load=1\nothers gone");
    assert_eq!(check.size(), 2);
}

#[tokio::test]
async fn several_urls_list_many() {
    let first = endpoint(&[&format!("[{A}]"), "!500", "!500", &format!("[{A}]")]).await;
    let second = endpoint(&[&format!("[{A}, {B}, {{}}]"), &format!("[{A}, {B}]"), &format!("[{A}]")]).await;
    let urls = [&*first, &second];
    let check = of(&urls, "");
    let twice = "url0 pass machines=1 bad_records=0\n\
                 url1 pass machines=2 bad_records=2 records?`$[2].ip` is missing; `a` is in an earlier answer too\n\
                 a pass load=1\nb pass load=2\nothers no longer listed in any answer";
    assert_eq!(look(&*check, &urls).await, twice);
    let down = "url0 fail: status 500, expected 200-299\nurl1 pass machines=2 bad_records=0\na pass load=1\nb pass load=2\nothers kept";
    assert_eq!(look(&*check, &urls).await, down);
    let gone = "url0 fail: status 500, expected 200-299\nurl1 pass machines=1 bad_records=0\na pass load=1\n\
                b unknown: no longer listed in the answer of url1\nothers kept";
    assert_eq!(look(&*check, &urls).await, gone);
}

#[tokio::test]
async fn what_http_can_do_this_can() {
    let large = endpoint(&[&format!("[{A}, {B}]")]).await;
    let failed = |reason: &str| format!("url0 fail: {reason}\nothers kept");
    assert_eq!(look(&*of(&[&large], "max_bytes: 16B"), &[&large]).await, failed("the body is larger than 16 bytes"));
    let login = serve(async |mut stream| {
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        let known = String::from_utf8_lossy(&request[..length]).contains("authorization: Bearer CANARY-1");
        let body = if known { r#"[{"ip": "a", "load": ["CANARY-1"]}]"# } else { "" };
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    })
    .await;
    let url = format!("http://{login}/?key=CANARY-2");
    let seen = look(&*of(&[&url], "bearer: CANARY-1"), &[]).await;
    assert!(seen.contains("a pass load?`$[0].load[0]` is \"***\", not a number") && !seen.contains("CANARY"), "{seen}");
    let silent = serve(async |mut stream| while stream.read(&mut [0; 64]).await.is_ok_and(|length| length > 0) {}).await;
    let url = format!("http://{silent}/");
    let check = of(&[&url], "");
    let report = check.report(&Run::alone(Duration::from_millis(50), 1)).await;
    assert!(matches!(report, Report::Found { readings, others: Others::Kept } if told(&readings[0]) == "fail: no answer in 50 ms"));
}

/// A look at 10,000 machines in one answer: read, validated, and laid to their targets.
#[tokio::test]
async fn ten_thousand_machines() {
    let record = |n: u32| {
        format!(
            r#"{{"machine_ip": "10.1.{}.{}", "cpu": {}, "mem": "30%", "disk": "43.5", "uptime": "1d 2h 37m 6s"}}"#,
            n / 256,
            n % 256,
            n % 100
        )
    };
    let body = format!("[{}]", (0..10_000).map(record).collect::<Vec<_>>().join(","));
    let url = endpoint(&[&body]).await;
    let check = build(&format!("{{ url: '{url}', machine: machine_ip }}"));
    let readings = check.run(&Run::alone(Duration::from_secs(30), 1)).await;
    assert_eq!(readings.len(), 10_001);
    assert_eq!((readings[4001].value("cpu"), readings[4001].value("uptime")), (Some(0.0), Some(95826.0)));
}

#[test]
fn the_documented_example_builds() {
    build(&documented_example::<MetricsSettings>("metrics"));
}

#[test]
fn every_problem_at_once() {
    problems_are::<MetricsSettings>(
        "{ url: 'ftp://a', machine: '$[', records: 'data[*]', fields: { latency: x, machines: y, mem: '', 1st: z, cpu: '$.[' } }",
        &[
            "url: `ftp:` is neither `http:` nor `https:`",
            "machine: `$[` is not a JSONPath: wrong from character 2 on",
            "records: `data[*]` is not the way to a list",
            "fields/1st: `1st` cannot name a metric",
            "fields/cpu: `$.[` is not a JSONPath: wrong from character 3 on",
            "fields/latency: `latency` is a metric of every http check",
            "fields/machines: `machines` is a metric of every metrics check",
            "fields/mem: `mem` is empty",
        ],
    );
    problems_are::<MetricsSettings>(
        "{ url: 'http://a', machine: '', fields: {} }",
        &["machine: `machine` is empty", "fields: `fields` is empty"],
    );
}

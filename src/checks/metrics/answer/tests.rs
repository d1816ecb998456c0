//! F38: what may stand in an answer, and what is said of it.

use super::*;

fn format(records: &[&str], fields: &[(&'static str, &str)]) -> Format {
    let place = |text: &str| match text.starts_with('$') {
        true => Place::Path(JsonPath::parse(text).unwrap()),
        false => Place::Field(text.to_owned()),
    };
    Format {
        records: records.iter().map(ToString::to_string).collect(),
        machine: None,
        fields: fields.iter().map(|(metric, field)| ((*metric).into(), place(field))).collect(),
        hidden: vec![Secret::new("CANARY-1".into())],
    }
}

fn told(numbers: &Numbers) -> String {
    let told = |number: &Result<f64, String>| number.clone().map_or_else(|reason| reason, |number| number.to_string());
    numbers.iter().map(|(metric, number)| format!("{metric}: {}", told(number))).collect::<Vec<_>>().join("; ")
}

/// One machine's `cpu`, as it stands in JSON.
#[track_caller]
fn check_number(json: &str, expect: &str) {
    let numbers = format(&[], &[("cpu", "cpu")]).one(format!("{{\"cpu\": {json}}}").as_bytes());
    assert_eq!(numbers.map_or_else(|reason| reason, |numbers| told(&numbers)), expect);
}

#[test]
fn numbers_as_people_write_them() {
    check_number("60", "cpu: 60");
    check_number("6.5e1", "cpu: 65");
    check_number("-0.0", "cpu: -0");
    check_number(r#""30""#, "cpu: 30");
    check_number(r#"" 30.5 ""#, "cpu: 30.5");
    check_number(r#""30%""#, "cpu: 30");
    check_number(r#""1d 2h 37m 6s""#, "cpu: 95826");
    check_number(r#""5m""#, "cpu: 300");
    check_number("null", "cpu: `$.cpu` is null, not a number");
    check_number("true", "cpu: `$.cpu` is true, not a number");
    check_number("[60]", "cpu: `$.cpu` is a list, not a number");
    check_number(r#""n/a""#, r#"cpu: `$.cpu` is "n/a", not a number"#);
    check_number(r#""1,5""#, r#"cpu: `$.cpu` is "1,5", not a number"#);
    check_number(r#""NaN""#, r#"cpu: `$.cpu` is "NaN", not a number"#);
    check_number(r#""inf""#, r#"cpu: `$.cpu` is "inf", not a number"#);
    check_number(r#""""#, r#"cpu: `$.cpu` is "", not a number"#);
    check_number(r#""5M""#, r#"cpu: `$.cpu` is "5M", not a number"#);
    check_number("-5", "cpu: `$.cpu` is -5, less than nothing");
    check_number("1e300", "cpu: `$.cpu` is 1e+300, too large to be true");
    check_number("1e999", "`$` cannot be read (number out of range at line 1 column 13)");
    check_number(r#""CANARY-1""#, r#"cpu: `$.cpu` is "***", not a number"#);
    let long = "9".repeat(100_000);
    check_number(&format!("\"{long}x\""), &format!("cpu: `$.cpu` is \"{}…, not a number", "9".repeat(59)));
}

#[test]
fn fields_by_their_names_and_by_paths() {
    let format = format(&[], &[("mem", "memory percent"), ("load", "$.load[0]"), ("temp", "temp"), ("swap", "$.swap[*]")]);
    let numbers = format.one(br#"{"memory percent": "30%", "load": [0.5, 1], "temp": -12, "swap": [1, 2]}"#).unwrap();
    assert_eq!(told(&numbers), "mem: 30; load: 0.5; temp: -12; swap: `$.swap[*]` leads to 2 values, not to one");
    let numbers = format.one(br#"{"memory percent": "-3%"}"#).unwrap();
    let expect = "mem: `$['memory percent']` is \"-3%\", less than nothing; load: `$.load[0]` is missing; temp: `$.temp` is missing; \
                  swap: `$.swap[*]` is missing";
    assert_eq!(told(&numbers), expect);
}

/// The machines of an answer with their `cpu`, then what is bad in it.
#[track_caller]
fn check_many(records: &[&str], body: impl AsRef<[u8]>, expect: &str) {
    let seen = match format(records, &[("cpu", "cpu")]).many(&Place::Field("ip".into()), body.as_ref()) {
        Ok(listing) => {
            let machines: Vec<_> = listing.machines.iter().map(|(name, numbers)| format!("{name} {}", told(numbers))).collect();
            let bad = if listing.bad == 0 { String::new() } else { format!(" | {}: {}", listing.bad, listing.told()) };
            machines.join(", ") + &bad
        }
        Err(reason) => format!("error: {reason}"),
    };
    assert_eq!(seen, expect);
}

#[test]
fn lists_of_machines() {
    check_many(&[], r#"[{"ip": "a", "cpu": 1}, {"ip": " b ", "cpu": "2%"}, {"ip": 7, "cpu": 3}]"#, "a cpu: 1, b cpu: 2, 7 cpu: 3");
    check_many(&[], r#"{"ip": "a", "cpu": 1}"#, "a cpu: 1");
    check_many(&["data", "all"], r#"{"data": {"n": 1, "all": [{"ip": "a", "cpu": 1}]}}"#, "a cpu: 1");
    check_many(&["data"], r#"{"data": [], "data": [{"ip": "a", "cpu": 1}]}"#, "a cpu: 1");
    check_many(&["data", "all"], r#"{"data": [1]}"#, "error: the answer has no `$.data.all`");
    check_many(&["data"], "[]", "error: the answer has no `$.data`");
    check_many(&[], "[]", "error: the answer lists no machine");
    check_many(&[], r#"{"machines": []}"#, "error: no record of 1 can be read: `$.ip` is missing");
}

#[test]
fn a_bad_record_spoils_no_other() {
    let good = r#"{"ip": "a", "cpu": 1}"#;
    let among = |bad: &str, expect: &str| check_many(&[], format!("[{bad}, {good}]"), &format!("a cpu: 1 | 1: {expect}"));
    among("3", "`$[0]` is 3, not an object");
    among("null", "`$[0]` is null, not an object");
    among("{}", "`$[0].ip` is missing");
    among(r#"{"ip": null}"#, "`$[0].ip` is null, not a name");
    among(r#"{"ip": ["x"]}"#, "`$[0].ip` is a list, not a name");
    among(r#"{"ip": ""}"#, r#"`$[0].ip` is "", which cannot name a machine"#);
    among(r#"{"ip": "b\u001b[2J\n"}"#, r#"`$[0].ip` is "b\u001b[2J", which cannot name a machine"#);
    among(r#"{"ip": "b\u202exe"}"#, r#"`$[0].ip` is "b\u{202e}xe", which cannot name a machine"#);
    among(r#"{"ip": "http://b/"}"#, r#"`$[0].ip` is "http://b/", which cannot name a machine"#);
    among(&format!(r#"{{"ip": "{}"}}"#, "я".repeat(101)), &format!("`$[0].ip` is \"{}…, which cannot name a machine", "я".repeat(59)));
    among(r#"{"ip": "b", "cpu": 1e999}"#, "`$[0]` cannot be read (number out of range at line 1 column 24)");
    among(r#"{"ip": "b", "x": "\ud800"}"#, "`$[0]` cannot be read (unexpected end of hex escape at line 1 column 25)");
    let deep = format!(r#"{{"ip": "b", "x": {}{}}}"#, "[".repeat(500), "]".repeat(500));
    among(&deep, "`$[0]` cannot be read (recursion limit exceeded at line 1 column 144)");
    let large = format!(r#"{{"ip": "b", "x": "{}"}}"#, "x".repeat(MOST_RECORD));
    among(&large, "`$[0]` is larger than 1 MiB");
    let cases = [(r#"{"ip": "b"}"#, "`$[0].cpu` is missing"), (r#"{"ip": "b", "cpu": "n/a"}"#, r#"`$[0].cpu` is "n/a", not a number"#)];
    for (bad, expect) in cases {
        check_many(&[], format!("[{bad}, {good}]"), &format!("b cpu: {expect}, a cpu: 1"));
    }
}

#[test]
fn of_two_records_of_one_machine_the_first_counts() {
    check_many(
        &["m"],
        r#"{"m": [{"ip": "a", "cpu": 1}, {"ip": "a", "cpu": 2}, {"ip": "b", "cpu": 3, "cpu": 4}]}"#,
        "a cpu: 1, b cpu: 4 | 1: `$.m[1]` is `a`, which `$.m[0]` is already",
    );
    check_many(
        &[],
        r#"[1, 2, 3, 4, 5, {"ip": "a", "cpu": 1}]"#,
        "a cpu: 1 | 5: `$[0]` is 1, not an object; `$[1]` is 2, not an object; `$[2]` is 3, not an object; and 2 more",
    );
}

#[test]
fn answers_that_are_no_list_at_all() {
    let not_json = |cause: &str, shown: &str| format!("error: the answer is not JSON ({cause}): `{shown}`");
    check_many(&[], "", &not_json("EOF while parsing a value at line 1 column 0", ""));
    check_many(&[], "<html>", &not_json("expected value at line 1 column 1", "<html>"));
    check_many(&[], b"\xef\xbb\xbf[]", &not_json("expected value at line 1 column 1", r"\u{feff}[]"));
    check_many(
        &[],
        r#"[{"ip": "a", "cpu": 1}, {"ip""#,
        &not_json("EOF while parsing an object at line 1 column 29", r#"[{"ip": "a", "cpu": 1}, {"ip""#),
    );
    check_many(&[], "[] []", &not_json("trailing characters at line 1 column 4", "[] []"));
    check_many(&[], "[1, 2]", "error: no record of 2 can be read: `$[0]` is 1, not an object; `$[1]` is 2, not an object");
    check_many(&[], "true", "error: no record of 1 can be read: `$` is true, not an object");
    let bomb = "[".repeat(1 << 20);
    assert!(format(&[], &[]).many(&Place::Field("ip".into()), bomb.as_bytes()).unwrap_err().starts_with("the answer is not JSON"));
    let crowd = format!("[{}0]", "0,".repeat(MOST_TARGETS));
    check_many(&[], crowd, "error: `$` has more than 65536 records at line 1 column 131075");
}

#[test]
fn one_machine_is_no_list() {
    let format = format(&["a"], &[("cpu", "cpu")]);
    let list = format.one(br#"{"a": [{"cpu": 1}]}"#).unwrap_err();
    assert_eq!(list, "the answer is a list of machines; say with `machine` which field names them");
    assert_eq!(format.one(br#"{"a": 5}"#).unwrap_err(), "`$.a` is 5, not an object");
    assert_eq!(told(&format.one(br#"{"a": {"cpu": 1}}"#).unwrap()), "cpu: 1");
}

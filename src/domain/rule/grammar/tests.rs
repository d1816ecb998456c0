//! What the grammar takes, what it refuses and in which words.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, normalised: &str) {
    match text.parse::<Sentence>() {
        Ok(sentence) => assert_eq!(sentence.to_string(), normalised),
        Err(error) => panic!("{text}: {error:?}"),
    }
}

/// `at` is the part of the text the error points to.
#[track_caller]
fn refuse(text: &str, at: &str, message: &str, help: &str) {
    let error = text.parse::<Sentence>().expect_err(text);
    assert_eq!((&text[error.at.clone()], error.message.as_str(), error.help.as_str()), (at, message, help));
}

#[test]
fn takes_every_form_of_the_grammar() {
    check("cpu > 85%", "cpu > 85%");
    check("  mem>90%  for 30m ", "mem > 90% for 30m");
    check("disk > 95% for 2h until < 90%", "disk > 95% for 2h until < 90%");
    check("avg( cpu ,60 ) > 80 %", "avg(cpu, 60) > 80%");
    check("min(load5, 1h) > 8", "min(load5, 1h) > 8");
    check("max(rtt, 1h30m) >= 0.5ms for 1h 30m", "max(rtt, 1h 30m) >= 0.5ms for 1h 30m");
    check("queue != 0 for 1", "queue != 0");
    check("free < 1.5GiB until > 2048 MiB", "free < 1.5GiB until > 2048MiB");
    check("temp <= -3.25", "temp <= -3.25");
    check("days == 14d", "days == 14d");
    check("_a.b-c:d > 1", "_a.b-c:d > 1");
    check("avg > 1", "avg > 1");
    check("очередь > 5 for 90s", "очередь > 5 for 1m 30s");
    check("x == 5 until != 5", "x == 5 until != 5");
    check("x > 95 until <= 95", "x > 95 until <= 95");
}

#[test]
fn numbers_are_kept_in_base_units() {
    let base = |text: &str| text.parse::<Sentence>().unwrap().threshold.limit.base;
    assert_eq!(base("a > 500ms"), 0.5);
    assert_eq!(base("a > 2m"), 120.0);
    assert_eq!(base("a > 3d"), 259_200.0);
    assert_eq!(base("a > 10MiB"), 10_485_760.0);
    assert_eq!(base("a > 90%"), 90.0);
}

#[test]
fn refuses_in_helpful_words() {
    refuse("", "", "expected the name of a value, such as `cpu`, found the end of the rule", "");
    refuse("> 5", ">", "expected the name of a value, such as `cpu`, found `>`", "");
    refuse("cpu => 5", "=>", "`=>` is not an operator", "did you mean `>=`?");
    refuse("cpu = 5", "=", "`=` is not an operator", "did you mean `==`?");
    refuse("cpu ≥ 5", "≥", "`≥` is not an operator", "did you mean `>=`?");
    refuse("cpu >=< 5", ">=<", "`>=<` is not an operator", OPERATORS);
    refuse("cpu over 5", "over", "expected an operator after `cpu`, found `over`", OPERATORS);
    refuse("cpu", "", "expected an operator after `cpu`, found the end of the rule", OPERATORS);
    refuse("cpu > high", "high", "expected a number, found `high`", "write a limit such as `90%`");
    refuse("cpu > 1.2.3", "1.2.3", "expected a number, found `1.2.3`", "write a limit such as `90%`");
    refuse("mem > 5GB", "GB", "`GB` is not a unit", "did you mean `GiB`?");
    refuse("mem > 5parsec", "parsec", "`parsec` is not a unit", UNITS);
    refuse("mean(cpu, 5) > 1", "mean", "`mean` is not a function", "write avg, min or max");
    refuse("avg(cpu) > 1", ")", "expected `,`, found `)`", "write `avg(cpu, 60)` for the last 60 readings");
    refuse("avg(cpu, 0) > 1", "0", "a span of 0 readings has no value", "write 1 or more");
    refuse("avg(cpu, 0s) > 1", "0s", "a span of no time has no value", "write a longer one, such as `10m`");
    refuse("avg(cpu, 99999) > 1", "99999", "a span of 99999 readings is too long", "at most 10000");
    refuse("avg(cpu, 5 > 1", ">", "expected `)`, found `>`", "close the function with `)`");
    refuse("cpu > 5 for 0", "0", "`for` needs at least one reading", "leave `for` out to fail at the first bad reading");
    refuse("cpu > 5 for 30min", "min", "`min` is not a unit of time", "the units are ms, s, m, h and d");
    refuse("cpu > 5 for 1h 30", "30", "this number has no unit", "the units are ms, s, m, h and d");
    refuse("cpu > 5 for 1.5h", "1.", "expected a whole number", "write `1h 30m` instead of `1.5h`");
    refuse("cpu > 5 for 900d", "900d", "this is longer than a year", "");
    refuse("cpu > 5 until < 3 for 5", "for", "did not expect `for` here", "write `for` before `until`: `disk > 95% for 2h until < 90%`");
    refuse("cpu > 5 and mem > 5", "and", "did not expect `and` here", "a rule has one condition; write two rules");
}

#[test]
fn until_must_lie_on_the_good_side() {
    let help = "`until` names a value on the good side of the limit: `> 95% until < 90%`";
    let says = |until: &str, limit: &str| format!("`until {until}` can be good again while `{limit}` is still broken");
    refuse("d > 95 until < 99", "< 99", &says("< 99", "> 95"), help);
    refuse("d > 95 until > 90", "> 90", &says("> 90", "> 95"), help);
    refuse("d >= 95 until <= 95", "<= 95", &says("<= 95", ">= 95"), help);
    refuse("d != 5 until == 6", "== 6", &says("== 6", "!= 5"), help);
    refuse("d > 95% until < 90", "< 90", "`until` is a plain number, but the limit is in percent", "give both the same unit");
    check("d > 1h until < 90s", "d > 1h until < 90s");
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        name in "[a-z_][a-z0-9_.]{0,8}",
        over in proptest::option::of(("avg|min|max", "[1-9][0-9]{0,2}(ms|s|m|h|)")),
        op in "[<>]=?|==|!=",
        limit in "-?[0-9]{1,6}(\\.[0-9]{1,6})?(%|ms|s|m|h|d|KiB|MiB|GiB|TiB|)",
        hold in proptest::option::of("[1-9][0-9]{0,2}(ms|s|m|h|)"),
    ) {
        let value = over.map_or(name.clone(), |(function, span)| format!("{function}({name}, {span})"));
        let hold = hold.map_or(String::new(), |hold| format!(" for {hold}"));
        let sentence: Sentence = format!("{value} {op} {limit}{hold}").parse().unwrap();
        prop_assert_eq!(sentence.to_string().parse::<Sentence>().unwrap(), sentence);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<Sentence>();
    }

    #[test]
    fn no_text_that_looks_like_a_rule_panics(text in "[a-z(]{0,4}[ ,()<>=!0-9.%é-]{0,12}( for | until |)[0-9a-zµ ]{0,6}") {
        if let Err(error) = text.parse::<Sentence>() {
            prop_assert!(text.get(error.at).is_some());
        }
    }
}

//! What a plugin prints: a line for people, and performance data after `|`.
//!
//! Source: Monitoring Plugins Development Guidelines, "Performance data" and "Threshold and Ranges".

/// More numbers than this are no result.
const MOST_METRICS: usize = 200;
const LONGEST_NAME: usize = 60;
/// What the check itself measures.
const OWN: [&str; 2] = ["exit", "latency"];

/// The output of a plugin, taken apart.
#[derive(Debug, Default, PartialEq)]
pub struct Output {
    /// The first line, without its performance data.
    pub text: String,
    pub metrics: Vec<Metric>,
}

#[derive(Debug, PartialEq)]
pub struct Metric {
    /// As a rule can write it.
    pub name: String,
    /// In base units.
    pub value: Result<f64, &'static str>,
    pub warning: Option<Range>,
    pub critical: Option<Range>,
}

/// `10`, `10:`, `~:10`, `10:20`, `@10:20`, in base units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    from: f64,
    to: f64,
    /// Bad inside rather than outside.
    inside: bool,
}

impl Output {
    pub fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let (said, mut data) = first.split_once('|').map_or((first, String::new()), |(said, data)| (said, data.to_owned()));
        // More text for people, then more numbers up to the end.
        let mut numbers = false;
        for line in lines {
            let rest = if numbers { Some(line) } else { line.split_once('|').map(|(_, data)| data) };
            if let Some(rest) = rest {
                numbers = true;
                data.push(' ');
                data.push_str(rest);
            }
        }
        Self { text: said.trim().to_owned(), metrics: metrics(&data) }
    }
}

/// 0, 1 (warning) or 2 (critical), where the plugin gave a range.
pub fn range_state(value: f64, warning: Option<Range>, critical: Option<Range>) -> Option<f64> {
    let bad = |range: Option<Range>| range.is_some_and(|range| range.alerts(value));
    match (warning, critical) {
        (None, None) => None,
        _ if bad(critical) => Some(2.0),
        _ if bad(warning) => Some(1.0),
        _ => Some(0.0),
    }
}

fn metrics(data: &str) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    let mut rest = data.trim_start();
    while !rest.is_empty() && metrics.len() < MOST_METRICS {
        let Some((label, after)) = label(rest) else {
            // What is no `label=` is skipped up to the next space.
            rest = rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest).trim_start();
            continue;
        };
        let (values, after) = after.split_once(char::is_whitespace).unwrap_or((after, ""));
        rest = after.trim_start();
        let taken = |name: &str| OWN.contains(&name) || metrics.iter().any(|metric| metric.name == name);
        let name = (1..=MOST_METRICS).map(|count| numbered(&safe(&label), count)).find(|name| !taken(name));
        metrics.extend(name.map(|name| Metric::read(name, values)));
    }
    metrics
}

/// `label=` or `'a ''quoted'' label'=`, and what comes after it.
fn label(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('\'') else {
        let end = text.find(|c: char| c == '=' || c.is_whitespace()).filter(|end| text[*end..].starts_with('='))?;
        return Some((text[..end].to_owned(), &text[end + 1..])).filter(|(label, _)| !label.is_empty());
    };
    let mut label = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('\'')?;
        label.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                label.push('\'');
                rest = after;
            }
            None => return rest.strip_prefix('=').map(|after| (label, after)),
        }
    }
}

/// A name that the grammar of rules takes: a letter or `_`, then letters, digits and `_ . - :`.
fn safe(label: &str) -> String {
    let good = |c: char| if c.is_alphanumeric() || "_.-:".contains(c) { c } else { '_' };
    let name: String = label.chars().map(good).take(LONGEST_NAME).collect();
    if name.starts_with(|c: char| c.is_alphabetic() || c == '_') { name } else { format!("_{name}") }
}

fn numbered(name: &str, count: usize) -> String {
    if count == 1 { name.to_owned() } else { format!("{name}_{count}") }
}

impl Metric {
    /// `75%;80;90;0;100`
    fn read(name: String, values: &str) -> Self {
        let mut fields = values.split(';');
        let first = fields.next().unwrap_or_default();
        let unit_at = first.find(|c: char| !(c.is_ascii_digit() || "+-.,eE".contains(c))).unwrap_or(first.len());
        let (number, unit) = first.split_at(unit_at);
        let factor = factor(unit);
        let value = match number.replace(',', ".").parse::<f64>() {
            Ok(value) if (value * factor).is_finite() => Ok(value * factor),
            _ if first == "U" => Err("the plugin could not tell"),
            _ => Err("not a number"),
        };
        let mut range = || fields.next().and_then(Range::read).map(|range| range.scaled(factor));
        let (warning, critical) = (range(), range());
        Self { name, value, warning, critical }
    }
}

/// From a unit to seconds, bytes or percent; other units stay as they are.
fn factor(unit: &str) -> f64 {
    match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "KB" | "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => 1.0,
    }
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let (inside, text) = text.strip_prefix('@').map_or((false, text), |text| (true, text));
        let number = |text: &str, otherwise: f64| match text {
            "" => Some(otherwise),
            "~" => Some(f64::NEG_INFINITY),
            text => text.parse().ok().filter(|number: &f64| number.is_finite()),
        };
        let (from, to) = match text.split_once(':') {
            Some((from, to)) => (number(from, 0.0)?, number(to, f64::INFINITY)?),
            None if text.is_empty() => return None,
            None => (0.0, number(text, 0.0)?),
        };
        (from <= to).then_some(Self { from, to, inside })
    }

    fn scaled(self, factor: f64) -> Self {
        Self { from: self.from * factor, to: self.to * factor, ..self }
    }

    fn alerts(self, value: f64) -> bool {
        (self.from..=self.to).contains(&value) == self.inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each metric as `name=value/state`.
    #[track_caller]
    fn check(text: &str, said: &str, metrics: &[&str]) {
        let output = Output::read(text);
        let told = |metric: &Metric| match metric.value {
            Ok(value) => match range_state(value, metric.warning, metric.critical) {
                Some(state) => format!("{}={value}/{state}", metric.name),
                None => format!("{}={value}", metric.name),
            },
            Err(reason) => format!("{}: {reason}", metric.name),
        };
        assert_eq!(
            (output.text.as_str(), output.metrics.iter().map(told).collect::<Vec<_>>()),
            (said, metrics.iter().map(ToString::to_string).collect())
        );
    }

    #[test]
    fn real_plugins() {
        check(
            "LOAD WARNING - total load average: 7.33, 6.92, 6.00|load1=7.330;5.000;10.000;0; load5=6.920;5.000;10.000;0;",
            "LOAD WARNING - total load average: 7.33, 6.92, 6.00",
            &["load1=7.33/1", "load5=6.92/1"],
        );
        check(
            "PING OK - Packet loss = 0%, RTA = 0.12 ms|rta=0.124000ms;10.0;20.0;0.0 pl=0%;10;20;0;",
            "PING OK - Packet loss = 0%, RTA = 0.12 ms",
            &["rta=0.000124/0", "pl=0/0"],
        );
        check("DISK CRITICAL|/=97MiB;80;90;0;100 /var/log=1KB;;;0;2", "DISK CRITICAL", &["_=101711872/2", "_var_log=1000"]);
    }

    #[test]
    fn several_lines() {
        check("A | a=1\nlong text\nmore | b=2\nc=3 d=4", "A", &["a=1", "b=2", "c=3", "d=4"]);
        check("A\nlong text", "A", &[]);
        check("", "", &[]);
    }

    #[test]
    fn garbage() {
        check("a|b", "a", &[]);
        check(
            "x|'q''uote d'=1;;;U =5 '=3 n=NaN i=inf u=U e= x=1,5s f=1e400",
            "x",
            &[
                "q_uote_d=1",
                "n: not a number",
                "i: not a number",
                "u: the plugin could not tell",
                "e: not a number",
                "x=1.5",
                "f: not a number",
            ],
        );
        check("x|exit=5 a=1 a=2 1st=3 é%=4 ==", "x", &["exit_2=5", "a=1", "a_2=2", "_1st=3", "é_=4"]);
        check("x|'never closed=1", "x", &["closed=1"]);
        check(
            &format!("x|{}", "a=1 ".repeat(1000)),
            "x",
            &(1..=200)
                .map(|count| if count == 1 { "a=1".to_owned() } else { format!("a_{count}=1") })
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        );
    }

    #[test]
    fn ranges() {
        #[track_caller]
        fn check(range: &str, good: &[f64], bad: &[f64]) {
            let range = Range::read(range).unwrap();
            assert!(good.iter().all(|value| !range.alerts(*value)), "{range:?}");
            assert!(bad.iter().all(|value| range.alerts(*value)), "{range:?}");
        }
        check("10", &[0.0, 10.0], &[-1.0, 10.1]);
        check("10:", &[10.0, 1e9], &[9.9]);
        check("~:10", &[-1e9, 10.0], &[10.1]);
        check("10:20", &[10.0, 20.0], &[9.0, 21.0]);
        check("@10:20", &[9.9, 20.1], &[10.0, 15.0, 20.0]);
        assert_eq!([Range::read(""), Range::read("x"), Range::read("20:10"), Range::read("@")], [None; 4]);
    }
}

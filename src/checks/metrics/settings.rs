//! The section of a `metrics` check.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::MetricsCheck;
use super::answer::{Format, Place};
use crate::checks::Check;
use crate::checks::request::{BasicSection, RequestKeys, json_path, metric_name};
use crate::settings::{BuildContext, Period, Problem, Problems, Secret, Settings, Size};

const DEFAULT_MAX_BYTES: Size = Size(16 << 20);
const DEFAULT_FORGET_AFTER: Period = Period(Duration::from_secs(24 * 3600));

/// What is read of a record when the section does not say.
const USUAL: [&str; 4] = ["cpu", "mem", "disk", "uptime"];

/// Names that the check's own numbers have.
const OWN: [&str; 3] = ["machines", "bad_records", "records"];

/// Machines that report their numbers as JSON: asks one or many URLs, every 15 minutes unless `every` says otherwise.
///
/// Without `machine` each URL is one machine and answers with one record,
/// `{ "cpu": 60, "mem": "30%", "disk": "43%", "uptime": "1d 2h 37m 6s" }`. With `machine` an answer is a list of such
/// records, or one, each with the name of its machine; then each machine is a target by its name, and each URL is one too.
///
/// Numbers may be texts: `"30"`, `"30.5"`, `"30%"`, `"1d 2h 37m 6s"` (in seconds). What is none (`"n/a"`, `"1,5"`, `null`)
/// or is missing is never 0: rules about it wait, and `seen` tells of it, with its place (`$[7].mem`).
/// A record without a name, or of a machine that is listed already, spoils no other: the URL's `seen` tells of it.
///
/// A URL that does not answer, or with something else than a list with a machine in it, fails; its machines stay as they were,
/// so that one message tells of it. A machine that a URL lists no more becomes unknown, until it is listed again or
/// `forget_after` is over.
///
/// Metrics of a machine: what `fields` names. Metrics of a URL: `machines`, `bad_records` (where `machine` is given), and those of the `http`
/// kind: `latency`, `resolve`, `connect`, `tls`, `first_byte`, `status`, `size`, `cert_days`.
///
/// ```yaml
/// metrics: { url: "http://127.0.0.1:9600/machines", machine: machine_ip }
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricsSettings {
    /// `http://` or `https://`; a password belongs in `basic`, a key in `headers`.
    url: Option<String>,
    /// Several of them, instead of `url`. Of a machine that two of them list, the first counts.
    urls: Option<Vec<String>>,
    /// Which field of a record names its machine: `machine_ip`, or a JSONPath (RFC 9535) such as `$.net.ip`. Absent: each URL
    /// is one machine.
    machine: Option<String>,
    /// Where the list stands in the answer: `data.machines`. Default: the answer itself.
    records: Option<String>,
    /// What is read of each record: a metric's name and its field or JSONPath, `mem: memory_percent` or `load: "$.load[0]"`.
    /// Default: `cpu`, `mem`, `disk` and `uptime`, each from the field of its name.
    fields: Option<BTreeMap<String, String>>,
    /// How long a machine that is listed no more is told of as unknown, before it counts as taken away; counted from when it was
    /// last listed, or from the start or reload of the watch. Default: `1d`.
    forget_after: Option<Period>,
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` or `OPTIONS`. Default: `GET`.
    method: Option<String>,
    /// Headers to send, by name. They never follow a redirect to another host.
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    /// The body to send; name its type in `headers: { Content-Type: … }`.
    body: Option<Secret>,
    /// Log in with a user and a password.
    basic: Option<BasicSection>,
    /// Log in with a bearer token.
    bearer: Option<Secret>,
    /// How much of the unpacked body is read, 1 byte to 64 MiB; more is a failure. Default: 16 MiB.
    max_bytes: Option<Size>,
    /// How many redirects are followed, 0 to 20. Default: 0.
    #[serde(default)]
    follow: usize,
    /// Go through a proxy: `http://`, `https://`, `socks5://` or `socks5h://` (the proxy looks the name up). Default: none.
    proxy: Option<Secret>,
    /// A PEM file of authorities that are trusted instead of the system's; a relative path starts at `checks.yaml`.
    ca: Option<PathBuf>,
    /// Take any certificate. Default: no.
    #[serde(default)]
    insecure: bool,
    /// Keep the connection for the next look. Default: no.
    #[serde(default)]
    keepalive: bool,
}

impl Settings for MetricsSettings {
    type Plugin = dyn Check;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let mut problems = Problems::default();
        let request = RequestKeys {
            url: self.url,
            urls: self.urls,
            method: self.method,
            headers: self.headers,
            body: self.body,
            basic: self.basic,
            bearer: self.bearer,
            max_bytes: self.max_bytes.unwrap_or(DEFAULT_MAX_BYTES),
            follow: self.follow,
            proxy: self.proxy,
            ca: self.ca,
            insecure: self.insecure,
            keepalive: self.keepalive,
        };
        let hidden = request.secrets();
        let request = problems.keep_all(request.build(at).map(Some));
        let format = Format {
            hidden,
            machine: problems.keep(self.machine.map(|text| place(&text, "machine", None)).transpose()).flatten(),
            records: problems.keep(records(self.records)).unwrap_or_default(),
            fields: match self.fields {
                None => USUAL.map(|name| (Cow::Borrowed(name), Place::Field(name.to_owned()))).into(),
                Some(fields) if fields.is_empty() => {
                    problems.0.push(Problem::at("fields", "`fields` is empty").help("Leave it out for `cpu`, `mem`, `disk` and `uptime`."));
                    Vec::new()
                }
                Some(fields) => fields.into_iter().filter_map(|(name, text)| problems.keep(field(name, &text))).collect(),
            },
        };
        let Period(forget_after) = self.forget_after.unwrap_or(DEFAULT_FORGET_AFTER);
        match request {
            Some((pages, requests)) if problems.0.is_empty() => Ok(Box::new(MetricsCheck::new(pages, requests, format, forget_after))),
            _ => Err(problems.0),
        }
    }
}

fn field(name: String, text: &str) -> Result<(Cow<'static, str>, Place), Problem> {
    metric_name("fields", &name)?;
    if OWN.contains(&name.as_str()) {
        let message = format!("`{name}` is a metric of every metrics check");
        return Err(Problem::at(&name, message).below_key("fields").help("Choose another name."));
    }
    place(text, &name, Some("fields")).map(|place| (name.into(), place))
}

/// A field's name, or a JSONPath, which begins with `$`.
fn place(text: &str, key: &str, section: Option<&str>) -> Result<Place, Problem> {
    let within = |problem: Problem| section.map_or(problem.clone(), |section| problem.below_key(section));
    match text.trim() {
        "" => Err(within(Problem::at(key, format!("`{key}` is empty")).help("Write the name of a field, such as `machine_ip`."))),
        path if path.starts_with('$') => match section {
            Some(section) => json_path(section, key, path),
            None => json_path(key, key, path).map_err(|problem| Problem { path: problem.path[1..].to_vec(), ..problem }),
        }
        .map(Place::Path),
        name => Ok(Place::Field(name.to_owned())),
    }
}

/// `data.machines` or `$.data.machines`: names of fields only, since a list is found while the answer is read.
fn records(text: Option<String>) -> Result<Vec<String>, Problem> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let path = text.trim();
    let names: Vec<String> = path.strip_prefix("$.").unwrap_or(path).split('.').map(str::to_owned).collect();
    if names.iter().any(|name| name.is_empty() || name.contains(['$', '[', ']', '*', ' '])) {
        let problem = Problem::at("records", format!("`{path}` is not the way to a list"));
        return Err(problem.help("Write names of fields with dots between them, such as `data.machines`."));
    }
    Ok(names)
}

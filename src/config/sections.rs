//! The sections of `checks.yaml` as they are written. Their doc comments are the schema and the reference.

mod forms;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_yaml::Value;

pub use forms::{HoldSection, StormSection};

use crate::domain::watch::Severity;
use crate::settings::{Period, Secret, Size};

/// The whole file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileSection {
    /// The name of this machine in messages. Empty or absent: the system's host name.
    pub host: Option<String>,
    /// The IANA name of the zone in which times are written and windows are read, such as `Europe/Moscow`.
    /// Absent: the system's, else UTC.
    pub timezone: Option<String>,
    /// The language of the built-in texts. Default: `en`.
    pub language: LanguageSection,
    /// Where state is kept. A relative path starts at the folder of this file. Default: `state`.
    pub state_dir: Option<PathBuf>,
    /// Whether a running watch takes this file up by itself when it was edited: looked at every few seconds, and taken up
    /// once it stands still and is right. Lists of targets in files of their own need `vakhta reload`. Default: false.
    pub reload_on_change: bool,
    /// Vakhta's own log and the status log.
    pub log: LogSection,
    /// Where the watch is served over HTTP: a page for people at `/`, `/status` for another Vakhta, `/metrics` for Prometheus, `/healthz`. Absent: nowhere.
    pub web: Option<WebSection>,
    /// Where people are told: a name for each, and under it one kind with its settings.
    /// Absent: one channel `console`.
    #[schemars(with = "serde_json::Value")]
    channels: IgnoredAny,
    /// When people may be told: a name for each, and under it one span or a list of them.
    pub windows: BTreeMap<String, OneOrMany>,
    /// Texts in place of the built-in ones; a channel's win over these, a check's over a channel's.
    pub templates: TextsSection,
    /// Whom to ask whether we ourselves are cut off. Absent: nobody.
    pub uplink: Option<UplinkSection>,
    /// Who is told that this watch lives, and notices when it does not. Absent: nobody.
    pub heartbeat: Option<HeartbeatsSection>,
    /// What is kept to look back on: `off`, or how and where. Default: `history.db` in `state_dir`.
    pub history: Option<HistorySection>,
    /// Common keys for all checks that do not have them themselves.
    #[schemars(with = "serde_json::Value")]
    defaults: IgnoredAny,
    /// What is looked at. At least one.
    #[schemars(with = "serde_json::Value")]
    checks: IgnoredAny,
}

/// Where the watch is served over HTTP.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSection {
    /// Address and port, such as `127.0.0.1:8080`; other machines reach `0.0.0.0:8080`.
    pub listen: String,
    /// Where people reach the page, such as `https://watch.example`: messages then end with a link to what they are about.
    pub url: Option<String>,
    /// What programs may show as `Authorization: Bearer …` to read everything, beside the tokens of `vakhta token add`.
    pub token: Option<Secret>,
    /// Whether `/public` shows everybody, without a login, which checks are True: no targets, no reasons. Default: false.
    #[serde(default)]
    pub public: bool,
    /// Passwords and sessions may cross the network in the clear: for a network where nobody listens. A browser on
    /// this machine itself needs it only if it takes no `Secure` cookie from there (Safari).
    #[serde(default)]
    pub plain_http: bool,
    /// TLS instead of plain HTTP. New files are taken up within seconds, without a restart.
    pub tls: Option<WebTlsSection>,
    /// Addresses and networks of proxies before it, such as `10.0.0.1` and `10.1.0.0/16`: their `X-Forwarded-For`, `-Proto` and
    /// `-Host` say who asks, and how. Nobody else's do. Default: none.
    #[serde(default)]
    pub proxies: Vec<String>,
}

/// PEM files; relative paths start at the folder of this file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebTlsSection {
    /// The certificate, then those that vouch for it: `fullchain.pem`.
    pub certificate: PathBuf,
    /// Its private key, without a password: `privkey.pem`.
    pub key: PathBuf,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum LanguageSection {
    #[default]
    #[serde(rename = "en")]
    English,
    #[serde(rename = "ru")]
    Russian,
}

/// Vakhta's own log and the status log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// The folder of `status.jsonl` and `events.jsonl`. A relative path starts at the folder of this file. Default: `logs`.
    pub dir: PathBuf,
    /// How much Vakhta says of itself. Default: `info`.
    pub level: LevelSection,
    /// How many days of files are kept, at least 1. Default: 14.
    pub keep: u16,
    /// How often the status is written when nothing changes, from `1s` up. Default: `1m`.
    pub status_every: Period,
    /// Whether all that the checks see is recorded in `readings.jsonl`, for `vakhta replay`. A reading takes some 50 bytes.
    /// Default: false.
    pub readings: bool,
    /// Where Vakhta's own log goes: stderr, or `vakhta.log` in `dir`. Default: `stderr`.
    pub to: LogTarget,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            dir: "logs".into(),
            level: LevelSection::Info,
            keep: 14,
            status_every: Period(Duration::from_secs(60)),
            readings: false,
            to: LogTarget::Stderr,
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LevelSection {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogTarget {
    Stderr,
    File,
}

/// One span of hours, or a list of them.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum OneOrMany {
    One(SpanSection),
    Many(Vec<SpanSection>),
}

/// Some hours of some days.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpanSection {
    /// Days and ranges of days: `mon-fri`, `sat`, `mon,wed,fri`, or a list of such. Absent: every day.
    pub days: Option<DaysSection>,
    /// From and to, such as `"09:00-18:00"`. An end before the start is on the next day: `"22:00-06:00"`.
    pub hours: String,
    /// The IANA zone of the hours. Absent: the file's.
    pub timezone: Option<String>,
}

#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum DaysSection {
    Text(String),
    List(Vec<String>),
}

/// The guard of our own network: hosts of which one always answers, such as the provider's routers. While none does, it
/// is we who are cut off: that is one incident of the watch itself, and what the kinds that cross a network see
/// neither counts nor opens nor closes anything. When one answers again they go on where they stood; what still
/// fails then takes a fresh failure to be told. Kinds that stay on this machine (`host`) are not concerned.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UplinkSection {
    /// Addresses, as the kind `ping` takes them. Better no host names: without a name server they say nothing.
    pub targets: Vec<String>,
    /// How often they are asked, from `100ms` up; they have half of it to answer, at most `5s`. Default: `10s`.
    pub every: Option<Period>,
    /// How many looks in a row, or for how long, nobody must answer. It has to turn before the checks it shields do,
    /// so keep `every` times this below theirs. Default: 2.
    pub fail_after: Option<HoldSection>,
}

/// One service, or a list of them.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum HeartbeatsSection {
    One(HeartbeatSection),
    Many(Vec<HeartbeatSection>),
}

/// A dead man's switch: a service outside that is asked for a URL as long as this watch is well (its checks look, its
/// messages are answered, its state can be written), and that tells you when the asking stops: healthchecks.io, Uptime Kuma's
/// push, or any other. While the watch is not well nothing is sent, and the log says why. Three in a row that are not taken
/// (no status from 200 to 299) are trouble of the watch itself, which the channels hear of.
///
/// ```yaml
/// heartbeat: { url: "https://hc-ping.com/${HEARTBEAT_KEY}", every: 1m }
/// ```
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatSection {
    /// What is asked for. Its path is a key: it is shown nowhere.
    pub url: Secret,
    /// How often, from `1s` up. Default: `1m`; let the service wait for three times as long.
    pub every: Option<Period>,
    /// How long an answer is waited for, at most `1m`. Default: `10s`.
    pub timeout: Option<Period>,
    /// `get` or `post`. Default: `get`.
    #[serde(default)]
    pub method: MethodSection,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MethodSection {
    #[default]
    Get,
    Post,
}

/// Whether and how history is kept.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum HistorySection {
    Word(String),
    Keys(HistoryKeys),
}

/// What is kept to look back on: the numbers of every look, incidents, and who was told of them. It decides nothing: while
/// the database is slow or away, checks and messages go on, and what is to be kept waits in `spool.db` in `state_dir`.
///
/// ```yaml
/// history:
///   url: postgres://vakhta@db.example.com/vakhta
///   password: "${DATABASE_PASSWORD}"
///   keep: { raw: 2d, minute: 14d, quarter: 400d, incidents: 3y }
///   max_size: 2GiB
/// ```
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryKeys {
    /// A database of its own on a server: `postgres://`, or `mysql://` for MySQL 8 and MariaDB from 10.6; several watches may
    /// share one. Absent: the file `history.db` in `state_dir`.
    pub url: Option<Secret>,
    /// The password, in place of one in the URL, where `@`, `/` or `%` would have to be written as `%40`, `%2F` or `%25`.
    pub password: Option<Secret>,
    /// How long what is kept.
    pub keep: KeepSection,
    /// How big the database may be, from `16MiB` up: beyond it the oldest readings go, then the oldest minutes, then
    /// quarters of an hour, never incidents. Default: `2GiB`.
    pub max_size: Size,
    /// How much may wait while the database is away, from `1MiB` up; beyond it the oldest readings go. Default: `256MiB`.
    pub max_spool: Size,
}

impl Default for HistoryKeys {
    fn default() -> Self {
        Self { url: None, password: None, keep: KeepSection::default(), max_size: Size(2 << 30), max_spool: Size(256 << 20) }
    }
}

/// How long history keeps what.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepSection {
    /// Every reading, from `1h` up. Default: `2d`.
    pub raw: Period,
    /// One row a minute: count, mean, lowest and highest. Default: `14d`.
    pub minute: Period,
    /// One row a quarter of an hour. Default: `400d`.
    pub quarter: Period,
    /// Incidents that are over, and who was told of them. Default: `3y`.
    pub incidents: Period,
}

impl Default for KeepSection {
    fn default() -> Self {
        const DAY: u64 = 24 * 3600;
        let days = |days| Period(Duration::from_secs(days * DAY));
        Self { raw: days(2), minute: days(14), quarter: days(400), incidents: days(3 * 365) }
    }
}

/// Texts of messages, with `{{ names }}` in them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TextsSection {
    /// Something has failed.
    pub failed: Option<String>,
    /// It is good again.
    pub recovered: Option<String>,
    /// It still fails.
    pub reminder: Option<String>,
    /// What happened while nobody could be told.
    pub digest: Option<String>,
}

/// The keys that every channel takes beside its kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelSection {
    /// The name of the window in which the channel may be used. Absent: always.
    pub window: Option<String>,
    /// Whether it is told when something is good again. Default: true.
    pub recoveries: Option<bool>,
    /// Whether it is told, when its window opens, what failed and was over in the meantime. Default: false.
    /// What was over because the channel itself took nothing is listed in any case.
    pub digest: Option<bool>,
    /// After so many messages in so long, such as `3 in 1m`, what follows waits and goes as one message about all checks;
    /// so does at once what would be more. `off`: each check has its own. Default: `3 in 1m` for channels that people
    /// read (`telegram`, `email`), `off` for the others.
    pub storm: Option<StormSection>,
    /// A channel that took nothing for so long is told of what is owed by then in one digest. Default: `1h`.
    pub max_age: Option<Period>,
    /// The name of another channel that is told in place of this one while this one takes nothing until it is mended (a
    /// bad token, a chat that is gone), and of what it refuses for good. Absent: none.
    pub fallback: Option<String>,
    /// Texts of this channel in place of the file's.
    pub templates: TextsSection,
}

/// The keys that every check takes beside its kind.
// Lists are kept as values here and read item by item, so that one bad item does not hide the others.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckSection {
    /// What the check is called in messages, logs and on the page; one check a name.
    pub name: Option<String>,
    /// How often it looks, from `100ms` up. Default: `30s`, of the `metrics` kind `15m`.
    pub every: Option<Period>,
    /// How long one look at one target may take, at most `10m`. Default: `5s`.
    pub timeout: Option<Period>,
    /// How many failed looks in a row, or for how long only failed ones, until it counts as failed.
    /// Default: 3 for kinds that cross a network, 1 for local ones.
    pub fail_after: Option<HoldSection>,
    /// How many good looks in a row, or for how long only good ones, until it counts as recovered; also of rules. Default: 1.
    pub recover_after: Option<HoldSection>,
    /// Like `fail_after`, for looks that were not possible at all. Default: that of `fail_after`.
    pub unknown_after: Option<HoldSection>,
    /// Whom to tell: names of channels, or `{ channel, window, min_severity }`. An empty list: nobody. Default: every channel.
    #[schemars(with = "Option<Vec<RouteSection>>")]
    pub notify: Option<Vec<Value>>,
    /// The name of the window in which people may be told; the channel's own must be open too. Absent: always.
    pub window: Option<String>,
    /// What to do when it fails; stands under the message.
    pub comment: Option<String>,
    /// How bad a failure is. Default: `critical`.
    pub severity: Option<SeveritySection>,
    /// Tell again each so long while it still fails. Absent: never.
    pub remind: Option<Period>,
    /// Wait so long for more failures of this check before telling of the first. Default: none.
    pub group_wait: Option<Period>,
    /// Names of checks this one depends on: while one of them fails, this one is not told.
    pub needs: Option<Vec<String>>,
    /// `false` leaves the check out. Default: true.
    pub enabled: Option<bool>,
    /// Free names and values, for templates and metrics.
    pub labels: BTreeMap<String, String>,
    /// Sentences about what it sees, such as `mem > 90% for 30m`.
    #[schemars(with = "Option<Vec<RuleSection>>")]
    pub rules: Option<Vec<Value>>,
    /// Texts of this check in place of the channel's and the file's.
    pub templates: TextsSection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeveritySection {
    Warning,
    Critical,
}

impl From<SeveritySection> for Severity {
    fn from(section: SeveritySection) -> Self {
        match section {
            SeveritySection::Warning => Self::Warning,
            SeveritySection::Critical => Self::Critical,
        }
    }
}

/// Whom to tell: the name of a channel, or that and more.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum RouteSection {
    Name(String),
    Route(RouteKeys),
}

/// A channel for some of what happens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteKeys {
    /// The name of the channel.
    pub channel: String,
    /// The name of a window in place of the channel's own.
    pub window: Option<String>,
    /// Only what is at least as severe. Default: `warning`, which is all.
    pub min_severity: Option<SeveritySection>,
}

/// A sentence, or that with a name and more.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum RuleSection {
    Text(String),
    Keys(RuleKeys),
}

/// A rule with more than its sentence.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleKeys {
    /// The sentence, such as `mem > 90% for 30m until < 85%`; or `up` or `seen`, for the two that every check has.
    pub rule: String,
    /// What the rule is called; needed when two rules look at the same value.
    pub name: Option<String>,
    /// In place of the check's.
    pub comment: Option<String>,
    /// In place of the check's.
    #[schemars(with = "Option<Vec<RouteSection>>")]
    pub notify: Option<Vec<Value>>,
    /// In place of the check's.
    pub severity: Option<SeveritySection>,
}

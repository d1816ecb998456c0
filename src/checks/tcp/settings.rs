//! The section of a `tcp` check.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use rustls::pki_types::ServerName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};
use tokio_rustls::TlsConnector;

use super::{Expect, Port, Tcp};
use crate::checks::{Check, pattern};
use crate::domain::reading::Target;
use crate::net::tls::TlsPolicy;
use crate::net::{Endpoint, Host};
use crate::settings::{BuildContext, Listed, Problem, Problems, Secret, Settings, Size, one_or_many};

const DEFAULT_MAX_BYTES: u64 = 64 << 10;
const MOST_BYTES: u64 = 16 << 20;

/// A TCP port: connects, speaks TLS if asked, sends a text and looks for another in the answer.
///
/// Without `expect` a connection is enough. Each address is a target of its own.
/// Metrics: `connect` (until the connection stands), `latency` (until the answer was seen), `resolve` (of a name),
/// `tls` (of the handshake), all in seconds; `cert_days` (until the certificate expires, negative when it has).
///
/// ```yaml
/// tcp: { address: "127.0.0.1:9100", send: "PING\n", expect: "PONG" }
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpSettings {
    /// `host:port`, such as `db.example:5432` or `[2001:db8::1]:22`.
    address: Option<String>,
    /// Several of them, instead of `address`.
    addresses: Option<Vec<String>>,
    /// Speak TLS: `true`, or a section of its own. Default: no.
    #[serde(default)]
    tls: TlsSetting,
    /// What to send once connected. Double quotes make `"\r\n"` a line's end.
    send: Option<Secret>,
    /// The text that the answer must have in it.
    expect: Option<String>,
    /// A regular expression that the answer must match, instead of `expect`.
    expect_regex: Option<String>,
    /// How much of the answer is read, 1 byte to 16 MiB. Default: 64 KiB.
    max_bytes: Option<Size>,
}

/// TLS or not, and how.
#[derive(Default)]
pub enum TlsSetting {
    #[default]
    Off,
    On(TlsSection),
}

/// Whom to trust.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// The name that the certificate must be for. Default: the host of the address.
    server_name: Option<String>,
    /// A PEM file of authorities that are trusted instead of the system's; a relative path starts at `checks.yaml`.
    ca: Option<PathBuf>,
    /// Take any certificate. Default: no.
    #[serde(default)]
    insecure: bool,
}

/// TLS as the section has it.
struct Secured {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

impl Settings for TcpSettings {
    type Plugin = dyn Check;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let mut problems = Problems::default();
        let tls = problems.keep_all(self.tls.build(at));
        let expect = problems.keep(expectation(self.expect, self.expect_regex)).flatten();
        if self.send.as_ref().is_some_and(|text| text.expose().is_empty()) {
            problems.0.push(Problem::at("send", "`send` is empty").help("Delete it to send nothing."));
        }
        let max_bytes = self.max_bytes.unwrap_or(Size(DEFAULT_MAX_BYTES)).0;
        if !(1..=MOST_BYTES).contains(&max_bytes) {
            problems.0.push(Problem::at("max_bytes", "`max_bytes` must be from 1 byte to 16 MiB"));
        }
        let listed = problems.keep_all(one_or_many(("address", self.address), ("addresses", self.addresses)));
        let ports: Vec<_> = listed.into_iter().filter_map(|listed| problems.keep(port(listed, tls.as_ref()))).collect();
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        let (tls, send, net) = (tls.map(|tls| tls.connector), self.send, at.net.clone());
        Ok(Box::new(Tcp { ports, tls, send, expect, max_bytes: max_bytes as usize, net }))
    }
}

fn port(listed: Listed, tls: Option<&Secured>) -> Result<Port, Problem> {
    let endpoint = Endpoint::parse(&listed.text).map_err(|message| listed.problem(message))?;
    let nameless = || listed.problem("no certificate can be for this host").help("Write `tls: { server_name: … }`.");
    let server_name = match tls {
        Some(tls) => Some(tls.name.clone().or_else(|| server_name_of(&endpoint.host)).ok_or_else(nameless)?),
        None => None,
    };
    Ok(Port { target: Target::new(listed.text), endpoint, server_name })
}

impl TlsSetting {
    fn build(self, at: &BuildContext) -> Result<Option<Secured>, Vec<Problem>> {
        let Self::On(section) = self else { return Ok(None) };
        let mut problems = Problems::default();
        let in_tls = |key: &str, message: String| Problem::at(key, message).below_key("tls");
        let not_a_name = |text: &str| in_tls("server_name", format!("`{text}` is not a host name"));
        let name = section.server_name.map(|text| ServerName::try_from(text.clone()).map_err(|_| not_a_name(&text)));
        let name = problems.keep(name.transpose()).flatten();
        let policy = TlsPolicy { ca: section.ca.map(|file| at.folder.join(file)), insecure: section.insecure };
        let client = problems.keep(at.net.tls(&policy).map_err(|error| in_tls("ca", error.to_string())));
        match client.filter(|_| problems.0.is_empty()) {
            Some(client) => {
                at.net.load_authorities();
                Ok(Some(Secured { connector: TlsConnector::from(client), name }))
            }
            None => Err(problems.0),
        }
    }
}

fn expectation(text: Option<String>, regex: Option<String>) -> Result<Option<Expect>, Problem> {
    match (text, regex) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Problem::at("expect", "`expect` and `expect_regex` are both given").help("Keep one of the two.")),
        (Some(text), None) if text.is_empty() => {
            Err(Problem::at("expect", "`expect` is empty").help("Delete it if a connection is enough."))
        }
        (Some(text), None) => Ok(Some(Expect::Text(text))),
        (None, Some(source)) => pattern("expect_regex", &source).map(Expect::Pattern).map(Some),
    }
}

fn server_name_of(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Address(address) => Some((*address).into()),
        Host::Name(name) => ServerName::try_from(name.to_string()).ok(),
    }
}

impl<'de> Deserialize<'de> for TlsSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TlsSetting;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false` or a section with `server_name`, `ca` or `insecure`")
            }
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<TlsSetting, E> {
                Ok(if on { TlsSetting::On(TlsSection::default()) } else { TlsSetting::Off })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<TlsSetting, A::Error> {
                TlsSection::deserialize(MapAccessDeserializer::new(map)).map(TlsSetting::On)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for TlsSetting {
    fn schema_name() -> Cow<'static, str> {
        "Tls".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let section = generator.subschema_for::<TlsSection>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, section] })
    }
}

//! The section of a `dns` check.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::rr::{Name, RecordType};
use schemars::JsonSchema;
use serde::Deserialize;

use super::records::Value;
use super::{Dns, Question, Server};
use crate::checks::Check;
use crate::domain::reading::Target;
use crate::settings::{BuildContext, Listed, Problem, Problems, Settings, one_or_many};

/// The records of a name, as the system's name server or one of your choice has them.
///
/// It fails when the name is not there (NXDOMAIN), has no such record, lacks one that is expected, when the name server answers
/// SERVFAIL or REFUSED, and when it does not answer; the reason says which. Neither `/etc/hosts` nor an earlier answer counts.
/// Metrics: `latency` (seconds until the answer), `answers` (how many records), `ttl` (seconds, the least of them), `serial` (of `SOA`).
///
/// ```yaml
/// dns: { name: example.com, type: MX, server: 192.0.2.53, expect: ["10 mail.example.com"] }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsSettings {
    /// The name, always from the top: search domains are not tried. For `PTR` an address will do.
    name: Option<String>,
    /// Several of them, instead of `name`. Each is a target of its own.
    names: Option<Vec<String>>,
    /// The type of the records. Default: `A`.
    #[serde(default, rename = "type")]
    record: RecordSetting,
    /// A name server by its address, with a port if it is not 53: `192.0.2.53`, `[2001:db8::53]:5353`. Default: the system's.
    server: Option<String>,
    /// What must be among the answers: addresses, `10 mail.example.com` for `MX`, texts for `TXT`.
    expect: Option<Vec<String>>,
    /// Whether nothing else may be among them. Default: no.
    #[serde(default)]
    only: bool,
}

/// A type of records.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
enum RecordSetting {
    #[default]
    A,
    #[serde(rename = "AAAA")]
    Aaaa,
    #[serde(rename = "CAA")]
    Caa,
    #[serde(rename = "CNAME")]
    Cname,
    #[serde(rename = "MX")]
    Mx,
    #[serde(rename = "NS")]
    Ns,
    #[serde(rename = "PTR")]
    Ptr,
    #[serde(rename = "SOA")]
    Soa,
    #[serde(rename = "SRV")]
    Srv,
    #[serde(rename = "TXT")]
    Txt,
}

impl From<RecordSetting> for RecordType {
    fn from(record: RecordSetting) -> Self {
        match record {
            RecordSetting::A => Self::A,
            RecordSetting::Aaaa => Self::AAAA,
            RecordSetting::Caa => Self::CAA,
            RecordSetting::Cname => Self::CNAME,
            RecordSetting::Mx => Self::MX,
            RecordSetting::Ns => Self::NS,
            RecordSetting::Ptr => Self::PTR,
            RecordSetting::Soa => Self::SOA,
            RecordSetting::Srv => Self::SRV,
            RecordSetting::Txt => Self::TXT,
        }
    }
}

impl Settings for DnsSettings {
    type Plugin = dyn Check;

    fn build(self, _: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let mut problems = Problems::default();
        let record = RecordType::from(self.record);
        let server = match self.server {
            Some(text) => problems.keep(server(&text)),
            None => Some(Server::System),
        };
        let value = |(index, text): (usize, &String)| {
            Value::expected(text, record).map_err(|message| Problem::new(message).below_index(index).below_key("expect"))
        };
        let expect = self.expect.iter().flatten().enumerate().filter_map(|one| problems.keep(value(one))).collect::<Vec<_>>();
        if self.only && self.expect.is_none() {
            problems.0.push(Problem::at("only", "nothing is expected").help("Write `expect` beside it."));
        }
        let listed = problems.keep_all(one_or_many(("name", self.name), ("names", self.names)));
        let questions: Vec<_> = listed.into_iter().filter_map(|listed| problems.keep(question(listed, record))).collect();
        match server.filter(|_| problems.0.is_empty()) {
            Some(server) => Ok(Box::new(Dns { questions, record, server, expect, only: self.only })),
            None => Err(problems.0),
        }
    }
}

fn server(text: &str) -> Result<Server, Problem> {
    let address = text.parse::<SocketAddr>().or_else(|_| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53)));
    address.map(Server::At).map_err(|_| {
        Problem::at("server", format!("`{text}` is not the address of a name server")).help("Write `192.0.2.53` or `192.0.2.53:5353`.")
    })
}

fn question(listed: Listed, record: RecordType) -> Result<Question, Problem> {
    let name = match (record, listed.text.parse::<IpAddr>()) {
        (RecordType::PTR, Ok(address)) => Name::from(address),
        (_, Ok(_)) => return Err(listed.problem(format!("`{}` is an address, which has no {record} record", listed.text))),
        (_, Err(_)) => match Name::from_str_relaxed(&listed.text) {
            Ok(name) if !listed.text.is_empty() => name,
            _ => return Err(listed.problem(format!("`{}` is not a name", listed.text))),
        },
    };
    let mut name = name;
    name.set_fqdn(true);
    Ok(Question { target: Target::new(listed.text), name })
}

//! The section of a `tls` check.

use std::path::PathBuf;

use rustls::pki_types::ServerName;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_rustls::TlsConnector;

use super::{Server, Tls};
use crate::checks::Check;
use crate::domain::reading::Target;
use crate::net::tls::TlsPolicy;
use crate::net::{Endpoint, Host};
use crate::settings::{BuildContext, Listed, Problem, Problems, Settings, one_or_many};

/// Certificates of servers, whatever they serve.
///
/// It fails when the certificate has expired, is for another host, or its authority is not trusted, when the server does not speak
/// TLS, and when it does not answer. Metrics: `cert_days` (days until the certificate expires, negative when it has; also of one that
/// is not acceptable), `version` (1.2 or 1.3), `latency` (of the handshake, in seconds). To renew in time, `rules: [ cert_days < 14 ]`: those
/// of 90 days are commonly renewed 30 days before their end, so at 14 something is stuck and there is time to mend it. By default it looks
/// every hour. The checks `http` and `tcp` have `cert_days` too.
///
/// ```yaml
/// tls: { addresses: ["example.com:443", "mail.example.com:465"], issuer: "Let's Encrypt" }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// `host:port`, such as `example.com:443` or `[2001:db8::1]:443`.
    address: Option<String>,
    /// Several of them, instead of `address`. Each is a target of its own.
    addresses: Option<Vec<String>>,
    /// The name that is asked for (SNI) and that the certificate must be for. Default: the host of the address.
    server_name: Option<String>,
    /// A text that must be in the name of the authority, in any case of letters: `Let's Encrypt`.
    issuer: Option<String>,
    /// More names that the certificate must be for: `[www.example.com]`.
    #[serde(default)]
    names: Vec<String>,
    /// The oldest TLS that will do. Default: `1.2`; older ones are never spoken.
    #[serde(default)]
    min_version: Version,
    /// A PEM file of authorities that are trusted instead of the system's; a relative path starts at `checks.yaml`.
    ca: Option<PathBuf>,
    /// Take any certificate, and only count its days. Default: no.
    #[serde(default)]
    insecure: bool,
    /// What is spoken before TLS: `smtp` for a mail server on port 25 or 587. Default: nothing.
    starttls: Option<Before>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
enum Version {
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Before {
    Smtp,
}

impl Settings for TlsSettings {
    type Plugin = dyn Check;

    fn build(self, at: &BuildContext) -> Result<Box<dyn Check>, Vec<Problem>> {
        let mut problems = Problems::default();
        let policy = TlsPolicy { ca: self.ca.map(|file| at.folder.join(file)), insecure: self.insecure };
        let client = problems.keep(at.net.tls(&policy).map_err(|error| Problem::at("ca", error.to_string())));
        let not_a_name = |text: &str| Problem::at("server_name", format!("`{text}` is not a host name"));
        let name = self.server_name.map(|text| ServerName::try_from(text.clone()).map_err(|_| not_a_name(&text)));
        let name = problems.keep(name.transpose()).flatten();
        if self.issuer.as_ref().is_some_and(|issuer| issuer.trim().is_empty()) {
            problems.0.push(Problem::at("issuer", "`issuer` is empty").help("Delete it if any trusted authority will do."));
        }
        let listed = problems.keep_all(one_or_many(("address", self.address), ("addresses", self.addresses)));
        let servers: Vec<_> = listed.into_iter().filter_map(|listed| problems.keep(server(listed, name.as_ref()))).collect();
        match client.filter(|_| problems.0.is_empty()) {
            Some(client) => {
                at.net.load_authorities();
                Ok(Box::new(Tls {
                    servers,
                    connector: TlsConnector::from(client),
                    issuer: self.issuer.map(|issuer| issuer.trim().to_lowercase()),
                    names: self.names,
                    newest_only: self.min_version == Version::Tls13,
                    starttls: self.starttls.is_some(),
                    net: at.net.clone(),
                }))
            }
            None => Err(problems.0),
        }
    }
}

fn server(listed: Listed, name: Option<&ServerName<'static>>) -> Result<Server, Problem> {
    let endpoint = Endpoint::parse(&listed.text).map_err(|message| listed.problem(message))?;
    let of_host = || match &endpoint.host {
        Host::Address(address) => Some(ServerName::from(*address)),
        Host::Name(name) => ServerName::try_from(name.to_string()).ok(),
    };
    let nameless = || listed.problem("no certificate can be for this host").help("Write `server_name: …`.");
    let name = name.cloned().or_else(of_host).ok_or_else(nameless)?;
    Ok(Server { target: Target::new(listed.text), endpoint, name })
}

//! `web:`, where the watch is served over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;
use serde_yaml::{Mapping, Value};

use super::super::WebSettings;
use super::super::sections::{WebSection, WebTlsSection};
use super::Resolver;
use crate::checks::Check;
use crate::net::identity::{IdentityError, IdentityFiles};
use crate::settings::Problem;

/// The kind that looks at this machine for others.
const KIND: &str = "host";
const TIMEOUT: Duration = Duration::from_secs(5);

impl Resolver<'_> {
    pub(super) fn web(&mut self, section: WebSection, log_dir: &Path) -> Option<(WebSettings, Arc<dyn Check>)> {
        let Ok(listen) = section.listen.parse::<SocketAddr>() else {
            let help = "write an address and a port, such as `127.0.0.1:8080`";
            self.problem(&steps!["web", "listen"], Problem::new(format!("`{}` is not where one can listen", section.listen)).help(help));
            return None;
        };
        if !listen.ip().is_loopback() && !section.plain_http && section.tls.is_none() && section.proxies.is_empty() {
            let help = "write `tls: { certificate: FILE, key: FILE }` beside it, or name the proxy with TLS that stands before it in `proxies`, \
                        or write `plain_http: true`";
            self.problem(&steps!["web", "listen"], Problem::new("passwords would cross the network in the clear").help(help));
        }
        if section.plain_http && section.tls.is_some() {
            self.problem(
                &steps!["web"],
                Problem::at("plain_http", "nothing is in the clear over TLS").help("take out `plain_http` or `tls`"),
            );
        }
        let url = section.url.and_then(|written| self.page_url(&written));
        let tls = section.tls.map(|section| self.web_tls(section));
        let proxies = self.proxies(&section.proxies);
        let kind = self.registry.kinds.iter().find(|kind| kind.name == KIND)?;
        let settings = Mapping::new();
        let look = self.look(&steps!["web"], kind, Value::Mapping(settings), (&"(web)".into(), TIMEOUT, TIMEOUT))?;
        Some((
            WebSettings {
                url,
                listen,
                token: section.token,
                public: section.public,
                tls,
                proxies,
                plain_http: section.plain_http,
                log_dir: log_dir.to_owned(),
            },
            look,
        ))
    }

    /// The files are read here to see whether they can be used, and again when the watch begins.
    fn web_tls(&mut self, section: WebTlsSection) -> IdentityFiles {
        let files = IdentityFiles { certificate: self.folder.join(section.certificate), key: self.folder.join(section.key) };
        if let Err(error) = files.load() {
            let key = if matches!(error, IdentityError::Key(_)) { "key" } else { "certificate" };
            self.problem(&steps!["web", "tls", key], Problem::new(error.to_string()));
        }
        files
    }

    fn page_url(&mut self, written: &str) -> Option<Url> {
        let url = Url::parse(written).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        let plain =
            url.filter(|url| url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none());
        if plain.is_none() {
            let help = "write what people type to reach the page, such as `https://watch.example`";
            self.problem(&steps!["web", "url"], Problem::new("this is no address of a page").help(help));
        }
        plain
    }

    fn proxies(&mut self, written: &[String]) -> Vec<IpNet> {
        let mut proxies = Vec::new();
        for (index, written) in written.iter().enumerate() {
            let network = written.parse::<IpNet>().ok().or_else(|| written.parse::<IpAddr>().ok().map(IpNet::from));
            let help = "write an address such as `10.0.0.1`, or a network such as `10.1.0.0/16`";
            let problem = match network {
                Some(network) if network.prefix_len() > 0 => {
                    proxies.push(network.trunc());
                    continue;
                }
                Some(_) => Problem::new("anybody could then say that they are somebody else").help(help),
                None => Problem::new(format!("`{written}` is neither an address nor a network")).help(help),
            };
            self.problem(&steps!["web", "proxies", index], problem);
        }
        proxies
    }
}

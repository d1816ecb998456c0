//! `web:`, where the watch is served over HTTP.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::super::WebSettings;
use super::super::sections::WebSection;
use super::Resolver;
use crate::checks::Check;
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
        if !listen.ip().is_loopback() && section.token.is_none() {
            let help = "write `token: \"${WEB_TOKEN}\"` beside it, or listen on `127.0.0.1` only";
            self.problem(&steps!["web", "listen"], Problem::new("other machines would read this without a token").help(help));
        }
        let kind = self.registry.kinds.iter().find(|kind| kind.name == KIND)?;
        let settings = Mapping::new();
        let look = self.look(&steps!["web"], kind, Value::Mapping(settings), (&"(web)".into(), TIMEOUT, TIMEOUT))?;
        Some((WebSettings { listen, token: section.token, log_dir: log_dir.to_owned() }, look))
    }
}

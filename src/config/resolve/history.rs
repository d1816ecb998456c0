//! `history:`, whether and where what was seen is kept.

use std::time::Duration;

use super::super::HistorySettings;
use super::super::sections::{HistoryKeys, HistorySection};
use super::Resolver;
use crate::settings::{Problem, Secret};

/// Roll-ups of a quarter of an hour are made of readings, some of which may come late.
const SHORTEST_RAW: Duration = Duration::from_secs(3600);
const SMALLEST: u64 = 16 << 20;
const SMALLEST_SPOOL: u64 = 1 << 20;
const SCHEMES: [&str; 4] = ["postgres", "postgresql", "mysql", "mariadb"];
const EXAMPLE: &str = "write it as `postgres://user:password@host/database` or `mysql://user:password@host/database`; \
                       for a file leave `url` out";

impl Resolver<'_> {
    /// Nothing for `off`.
    pub(super) fn history(&mut self, section: Option<HistorySection>) -> Option<HistorySettings> {
        let keys = match section {
            None => HistoryKeys::default(),
            Some(HistorySection::Keys(keys)) => keys,
            Some(HistorySection::Word(word)) => {
                if word != "off" {
                    let help = "write `off`, or keys such as `history: { max_size: 2GiB }`, or leave `history` out";
                    self.problem(&steps!["history"], Problem::new("expected `off` or keys").help(help));
                }
                return None;
            }
        };
        let mut problems = Vec::new();
        if keys.keep.raw.0 < SHORTEST_RAW {
            problems.push(Problem::at("raw", "readings are kept for `1h` at least").below_key("keep"));
        }
        if keys.max_size.0 < SMALLEST {
            problems.push(Problem::at("max_size", "the database may be `16MiB` big at least"));
        }
        if keys.max_spool.0 < SMALLEST_SPOOL {
            problems.push(Problem::at("max_spool", "`1MiB` may wait at least"));
        }
        let url = match keys.url.as_ref().map(|url| whole(url, keys.password.as_ref())).transpose() {
            Ok(url) => url,
            Err(problem) => {
                problems.push(Problem::at("url", problem).help(EXAMPLE));
                None
            }
        };
        if keys.password.is_some() && keys.url.is_none() {
            problems.push(Problem::at("password", "a password without a `url`").help("a file needs none; name the server with `url`"));
        }
        problems.into_iter().for_each(|problem| self.problem(&steps!["history"], problem));
        Some(HistorySettings {
            url,
            raw: keys.keep.raw.0,
            minute: keys.keep.minute.0,
            quarter: keys.keep.quarter.0,
            incidents: keys.keep.incidents.0,
            max_size: keys.max_size.0,
            max_spool: keys.max_spool.0,
        })
    }
}

/// The URL with its password, or what is wrong with it in words that do not show it.
fn whole(url: &Secret, password: Option<&Secret>) -> Result<Secret, &'static str> {
    let mut url = reqwest::Url::parse(url.expose()).map_err(|_| "this is not a URL")?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err("this URL is of no database that can keep history");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("this URL names no host");
    }
    if url.path().trim_matches('/').is_empty() {
        return Err("this URL names no database");
    }
    if let Some(password) = password {
        // It has a host, so it may have a password.
        let _ = url.set_password(Some(password.expose()));
    }
    Ok(Secret::new(url.into()))
}

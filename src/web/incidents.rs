//! Incidents, as the page and the API show them: what is open from the watch, what is over from history.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::House;
use super::past::NoPast;
use crate::control::{Body, OpenIncident, Request};
use crate::domain::incident::IncidentId;
use crate::journal::{self, EVENTS, Tale, Wanted};
use crate::store::history::{IncidentFilter, KeptIncident, KeptTold, Page};

/// A part of a list.
pub struct Listed {
    /// Newest first.
    pub incidents: Vec<KeptIncident>,
    /// What is open here, by number.
    open: HashMap<i64, OpenIncident>,
    host: String,
    /// Why what is over is missing.
    pub without: Option<NoPast>,
}

impl Listed {
    /// One of these as it is now, if it is open here.
    pub fn now(&self, kept: &KeptIncident) -> Option<&OpenIncident> {
        self.open.get(&kept.number).filter(|_| kept.until.is_none() && kept.host == self.host)
    }
}

impl House {
    /// Those that fit. What is over and what other machines keep there is from history, what is open here from the watch:
    /// history hears of it later, or not at all.
    pub async fn incidents(&self, filter: &IncidentFilter<'_>, page: Page, host: &str) -> Listed {
        let open = if filter.closed { Vec::new() } else { self.open_incidents(None).await };
        let over = IncidentFilter { unless_open_at: Some(host), ..filter.clone() };
        let (kept, without) = match self.past.ask(async |history| history.incidents(&over, page).await).await {
            Ok(incidents) => (incidents, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let here = open.iter().map(|open| as_kept(open, host)).filter(|kept| fits(kept, filter));
        let incidents = merged(kept, here, page);
        let open = open.into_iter().filter_map(|open| Some((i64::try_from(open.number).ok()?, open))).collect();
        Listed { incidents, open, host: host.to_owned(), without }
    }

    /// One that is open.
    pub async fn open_incident(&self, number: IncidentId) -> Option<OpenIncident> {
        self.open_incidents(Some(number)).await.pop()
    }

    /// What history has of one of this machine, and who was told of it.
    pub async fn kept_incident(&self, number: IncidentId, host: &str) -> Result<Option<(KeptIncident, Vec<KeptTold>)>, NoPast> {
        let Ok(number) = i64::try_from(number) else { return Ok(None) };
        let filter = IncidentFilter { host: Some(host), number: Some(number), ..IncidentFilter::default() };
        let asked = self.past.ask(async |history| {
            let Some(kept) = history.incidents(&filter, Page { after: None, limit: 1 }).await?.pop() else { return Ok(None) };
            Ok(Some((kept, history.told(host, number).await?)))
        });
        asked.await
    }

    /// Everything that was decided about one, as long as the files of that time are kept.
    pub async fn tale(&self, number: IncidentId) -> std::io::Result<Option<Tale>> {
        let folder = self.settings.log_dir.clone();
        let read = tokio::task::spawn_blocking(move || Tale::read(&journal::files(&folder, EVENTS)?, Wanted::Number(number)));
        read.await.map_err(std::io::Error::other)?
    }

    /// The one of this number, or all; none while the watch does not answer.
    async fn open_incidents(&self, number: Option<IncidentId>) -> Vec<OpenIncident> {
        match self.ask(Request::Open { number }).await {
            Some(Body::Incidents(open)) => open,
            _ => Vec::new(),
        }
    }
}

/// A page of both lists, newest first. What has ended since the watch was asked is in both: history knows better then.
fn merged(kept: Vec<KeptIncident>, here: impl Iterator<Item = KeptIncident>, page: Page) -> Vec<KeptIncident> {
    let begins = |kept: &KeptIncident| (kept.since, kept.number);
    let ended: HashSet<(String, i64)> = kept.iter().map(|kept| (kept.host.clone(), kept.number)).collect();
    let here = here.filter(|open| page.after.is_none_or(|after| begins(open) < after));
    let mut both = kept;
    both.extend(here.filter(|open| !ended.contains(&(open.host.clone(), open.number))));
    both.sort_unstable_by_key(|kept| Reverse(begins(kept)));
    both.truncate(page.limit as usize);
    both
}

/// What the watch itself knows, in the form of history.
pub fn as_kept(open: &OpenIncident, host: &str) -> KeptIncident {
    KeptIncident {
        host: host.to_owned(),
        number: i64::try_from(open.number).unwrap_or(i64::MAX),
        kind: String::new(),
        check: open.check.clone(),
        target: open.target.clone(),
        name: open.name.clone(),
        rule: open.rule.clone(),
        severity: open.severity.clone(),
        reason: open.reason.clone(),
        value: open.value,
        failures: open.failures.into(),
        since: open.since.timestamp_millis(),
        until: None,
        closed_by: None,
    }
}

/// The same as history would say.
fn fits(kept: &KeptIncident, filter: &IncidentFilter<'_>) -> bool {
    let is = |wanted: Option<&str>, there: &str| wanted.is_none_or(|wanted| wanted == there);
    let has = |text: &str, there: &str| there.to_lowercase().contains(&text.to_lowercase());
    !filter.closed
        && is(filter.host, &kept.host)
        && is(filter.check, &kept.check)
        && is(filter.target, &kept.target)
        && is(filter.severity, &kept.severity)
        && filter.number.is_none_or(|number| number == kept.number)
        && filter.text.is_none_or(|text| has(text, &kept.target) || kept.name.as_deref().is_some_and(|name| has(text, name)))
        && filter.since.is_none_or(|since| kept.since >= since)
        && filter.before.is_none_or(|before| kept.since < before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(number: i64, since: i64, until: Option<i64>) -> KeptIncident {
        KeptIncident {
            host: "srv-01".into(),
            number,
            kind: String::new(),
            check: "terminals".into(),
            target: "10.0.0.7".into(),
            name: Some("Till 3".into()),
            rule: "up".into(),
            severity: "critical".into(),
            reason: String::new(),
            value: None,
            failures: 3,
            since,
            until,
            closed_by: None,
        }
    }

    #[test]
    fn two_lists_are_paged_as_one() {
        let history = || vec![kept(5, 500, Some(600)), kept(2, 200, Some(300)), kept(1, 100, Some(200))];
        // The fifth ended after the watch was asked.
        let open = || [kept(3, 200, None), kept(5, 500, None), kept(4, 400, None)].into_iter();
        let page = |after, limit| {
            let page = merged(history(), open(), Page { after, limit });
            page.into_iter().map(|kept| (kept.number, kept.until.is_some())).collect::<Vec<_>>()
        };
        assert_eq!(page(None, 10), [(5, true), (4, false), (3, false), (2, true), (1, true)]);
        assert_eq!(page(None, 3), [(5, true), (4, false), (3, false)]);
        let rest = merged(history().split_off(1), open(), Page { after: Some((200, 3)), limit: 3 });
        assert_eq!(rest.iter().map(|kept| kept.number).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn what_is_open_is_filtered_as_history_is() {
        let kept = kept(7, 1000, None);
        let any = IncidentFilter::default;
        for fit in [
            any(),
            IncidentFilter { open: true, host: Some("srv-01"), check: Some("terminals"), target: Some("10.0.0.7"), ..any() },
            IncidentFilter { text: Some("0.7"), severity: Some("critical"), number: Some(7), ..any() },
            IncidentFilter { text: Some("till"), since: Some(1000), before: Some(1001), ..any() },
        ] {
            assert!(fits(&kept, &fit), "{fit:?}");
        }
        for unfit in [
            IncidentFilter { closed: true, ..any() },
            IncidentFilter { host: Some("srv-02"), ..any() },
            IncidentFilter { check: Some("term"), ..any() },
            IncidentFilter { target: Some("10.0.0"), ..any() },
            IncidentFilter { text: Some("%"), ..any() },
            IncidentFilter { severity: Some("warning"), ..any() },
            IncidentFilter { number: Some(8), ..any() },
            IncidentFilter { since: Some(1001), ..any() },
            IncidentFilter { before: Some(1000), ..any() },
        ] {
            assert!(!fits(&kept, &unfit), "{unfit:?}");
        }
    }
}

//! What everyone needs who asks by HTTP: names looked up as all of Vakhta does, and what went wrong with a request,
//! dug out of the layers of the HTTP client's errors.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::Instant;

use super::trace::{Phases, note};
use super::{Fault, LookupError, Net, tls};

const CUT_OFF: &str = "the connection was closed before the answer was complete";

/// Looks names up as all of Vakhta does, and notes when.
pub struct Lookups {
    pub net: Arc<Net>,
    pub within: Duration,
}

impl Resolve for Lookups {
    fn resolve(&self, name: Name) -> Resolving {
        let (net, within) = (self.net.clone(), self.within);
        Box::pin(async move {
            note(|phases| phases.lookup_started = Some(Instant::now()));
            let addresses = net.resolve(name.as_str(), within).await?;
            note(|phases| phases.lookup_ended = Some(Instant::now()));
            Ok(Box::new(addresses.into_iter().map(|address| (address, 0_u16).into())) as Addrs)
        })
    }
}

/// Whose fault it is and what a person reads. `proxied`: a connection goes to the proxy, which is on our side.
pub fn of(error: reqwest::Error, phases: &Phases, proxied: bool) -> Fault {
    // Its words would show the whole URL, with the key in its query.
    let error = error.without_url();
    let connecting = phases.connected.is_none();
    for cause in chain(&error) {
        if let Some(error) = cause.downcast_ref::<LookupError>() {
            return match Fault::from(error) {
                Fault::Theirs(reason) if proxied => Fault::Ours(reason),
                fault => fault,
            };
        }
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Fault::Theirs(tls::in_words(error, phases.certificate.as_ref()));
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>()
            && let Some(reason) = protocol_in_words(error)
        {
            return Fault::Theirs(reason);
        }
        // An error that holds another is told by that one; but the end of a connection is told by its kind alone.
        let told_by_kind = |error: &&io::Error| error.get_ref().is_none() || error.kind() == io::ErrorKind::UnexpectedEof;
        if let Some(error) = cause.downcast_ref::<io::Error>().filter(told_by_kind) {
            return match Fault::from(error) {
                Fault::Theirs(reason) if connecting && phases.tls_started.is_some() => {
                    Fault::Theirs(format!("{reason} in the TLS handshake"))
                }
                Fault::Theirs(reason) if connecting && proxied => Fault::Ours(format!("{reason} by the proxy")),
                Fault::Theirs(_) if error.kind() == io::ErrorKind::UnexpectedEof => Fault::Theirs(CUT_OFF.into()),
                fault => fault,
            };
        }
    }
    let deepest = chain(&error).last().map(ToString::to_string).unwrap_or_default();
    Fault::Theirs(match (connecting, proxied) {
        (true, true) => format!("the proxy could not connect: {deepest}"),
        _ if error.is_decode() || error.is_body() => format!("the body of the answer is broken: {deepest}"),
        _ => format!("the request failed: {deepest}"),
    })
}

/// The connection ended before the answer began or was complete.
pub fn is_lost(error: &reqwest::Error) -> bool {
    chain(error).any(|cause| {
        let by_us = cause.downcast_ref::<hyper::Error>().is_some_and(|error| error.is_incomplete_message() || error.is_canceled());
        let reset = cause.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted)
        });
        by_us || reset
    })
}

fn protocol_in_words(error: &hyper::Error) -> Option<String> {
    match error {
        error if error.is_parse() => Some(format!("not a valid HTTP answer: {error}")),
        error if error.is_incomplete_message() => Some(CUT_OFF.into()),
        // The library has no name for it: a mail or SSH server greets before it is asked.
        error if error.to_string().contains("unexpected message") => Some("not a valid HTTP answer: the server spoke first".into()),
        _ => None,
    }
}

/// An error and all that caused it. An `io::Error` hides the error it was made of from `source()`.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        match (*error).downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => (*error).source(),
        }
    })
}

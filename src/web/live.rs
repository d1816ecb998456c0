//! `/live`: what the watch decides, as it happens, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, interval, sleep_until};

use super::problem::Problem;
use super::{House, caller};
use crate::access::Role;
use crate::control::{Follower, Next};

/// So many may follow at once.
pub const FOLLOWERS: usize = 64;
/// A comment so often shows that the stream is alive, to both ends and to all between.
const ALIVE: Duration = Duration::from_secs(15);
/// So often it is asked anew whether who follows may: a session that ends takes its streams along.
const ANEW: Duration = Duration::from_secs(5);
/// Then a stream ends, and whoever follows comes again.
const LONGEST: Duration = Duration::from_secs(3600);
/// Whoever finds no room may come again after so many seconds.
const LATER: &str = "10";

/// Somebody who follows.
struct Reader {
    house: Arc<House>,
    /// What they showed to be let in.
    headers: HeaderMap,
    follower: Follower,
    anew: Interval,
    end: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Reader {
    /// Nothing: it is over.
    async fn next(&mut self) -> Option<Next> {
        loop {
            tokio::select! {
                next = self.follower.next() => return next,
                () = self.house.closing.cancelled() => return None,
                () = sleep_until(self.end) => return None,
                _ = self.anew.tick() => {
                    caller::anybody(&self.house, &self.headers).await.filter(|caller| caller.may(Role::Viewer))?;
                }
            }
        }
    }
}

/// Every decision is an event named like its `event`, with its line of `events.jsonl`; `status` says that a status
/// turned; `missed`, how many events a slow reader has lost.
pub async fn live(State(house): State<Arc<House>>, headers: HeaderMap) -> Response {
    let Ok(seat) = house.followers.clone().try_acquire_owned() else {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{FOLLOWERS} follow already; come again in {LATER} s"));
        return ([(header::RETRY_AFTER, LATER)], problem).into_response();
    };
    let reader = Reader { follower: house.feed.follow(), anew: interval(ANEW), end: Instant::now() + LONGEST, headers, house, _seat: seat };
    let events = stream::unfold(reader, |mut reader| async {
        let event = match reader.next().await? {
            Next::News(news) => Event::default().event(news.name).data(&*news.line),
            Next::Missed(count) => Event::default().event("missed").data(format!(r#"{{"missed":{count}}}"#)),
        };
        Some((Ok::<_, Infallible>(event), reader))
    });
    // A proxy that collects answers would hold them back.
    let unbuffered = [(header::CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
    (unbuffered, Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE))).into_response()
}

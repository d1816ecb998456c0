//! `/live`: what the watch decides, as it happens, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::time::{Instant, sleep_until};

use super::House;
use super::problem::Problem;
use crate::control::Next;

/// So many may follow at once.
pub const FOLLOWERS: usize = 64;
/// A comment so often shows that the stream is alive, to both ends and to all between.
const ALIVE: Duration = Duration::from_secs(15);
/// Then a stream ends, and whoever follows comes again: whether they may is asked anew.
const LONGEST: Duration = Duration::from_secs(3600);
/// Whoever finds no room may come again after so many seconds.
const LATER: &str = "10";

/// Every decision is an event named like its `event`, with its line of `events.jsonl`; `status` says that a status
/// turned; `missed`, how many events a slow reader has lost.
pub async fn live(State(house): State<Arc<House>>) -> Response {
    let Ok(seat) = house.followers.clone().try_acquire_owned() else {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{FOLLOWERS} follow already; come again in {LATER} s"));
        return ([(header::RETRY_AFTER, LATER)], problem).into_response();
    };
    let (closing, end) = (house.closing.clone(), Instant::now() + LONGEST);
    let events = stream::unfold((house.feed.follow(), closing, seat), move |(mut follower, closing, seat)| async move {
        let next = tokio::select! {
            next = follower.next() => next?,
            () = closing.cancelled() => return None,
            () = sleep_until(end) => return None,
        };
        let event = match next {
            Next::News(news) => Event::default().event(news.name).data(&*news.line),
            Next::Missed(count) => Event::default().event("missed").data(format!(r#"{{"missed":{count}}}"#)),
        };
        Some((Ok::<_, Infallible>(event), (follower, closing, seat)))
    });
    // A proxy that collects answers would hold them back.
    let unbuffered = [(header::CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
    (unbuffered, Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE))).into_response()
}

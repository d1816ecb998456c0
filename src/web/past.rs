//! History, as the page and the API read it: through connections of their own, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::problem::Problem;
use crate::store::history::{Fault, Keep, Place, Reader};

/// So many read at once; the others wait.
const AT_ONCE: usize = 2;
/// For the history to answer: it may be on a server that is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum NoPast {
    #[error("`history: off` stands in the configuration: nothing is kept")]
    Off,
    #[error("nothing is kept yet")]
    Empty,
    #[error("history cannot be read now: {0}")]
    Away(String),
}

impl From<NoPast> for Problem {
    fn from(why: NoPast) -> Self {
        let code = match why {
            NoPast::Off | NoPast::Empty => StatusCode::NOT_FOUND,
            NoPast::Away(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(code, why.to_string())
    }
}

/// Where history is.
pub struct Past {
    place: Option<(Place, Keep)>,
    seats: Arc<Semaphore>,
}

impl Past {
    pub fn new(place: Option<(Place, Keep)>) -> Self {
        Self { place, seats: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks history something. Its words of an error name the place without its password.
    pub async fn ask<T>(&self, question: impl AsyncFnOnce(&mut Reader) -> Result<T, Fault>) -> Result<T, NoPast> {
        let Some((place, keep)) = &self.place else { return Err(NoPast::Off) };
        if place.file().is_some_and(|file| !file.exists()) {
            return Err(NoPast::Empty);
        }
        let away = |fault: Fault| match fault {
            Fault::Empty => NoPast::Empty,
            fault => NoPast::Away(fault.to_string()),
        };
        let asked = async {
            let _seat = self.seats.acquire().await;
            let mut reader = Reader::open(place, *keep).await.map_err(away)?;
            question(&mut reader).await.map_err(away)
        };
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(NoPast::Away("it does not answer".to_owned())))
    }
}

//! Questions that the kernel may never answer, such as how full a file system is whose server is gone.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// Asks one question at a time, in a thread of its own. A question that is never answered costs that one
/// thread, however often it would be asked again.
#[derive(Debug)]
pub struct Patient<T> {
    pending: Option<Pending<T>>,
}

#[derive(Debug)]
struct Pending<T> {
    since: Instant,
    answer: oneshot::Receiver<T>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// The question has been out for so long.
    Waiting(Duration),
    /// It could not be asked.
    NoThread(io::Error),
}

impl<T> Default for Patient<T> {
    fn default() -> Self {
        Self { pending: None }
    }
}

impl<T: Send + 'static> Patient<T> {
    /// Asks, unless an earlier question is still out: then that one is waited for.
    pub async fn ask(&mut self, question: impl FnOnce() -> T + Send + 'static, within: Duration) -> Result<T, NoAnswer> {
        let deadline = Instant::now() + within;
        if let Some(earlier) = &mut self.pending {
            let late = timeout(within, &mut earlier.answer).await;
            let waited = earlier.since.elapsed();
            match late {
                Err(_) => return Err(NoAnswer::Waiting(waited)),
                // As old as its question; we want to know how it is now.
                Ok(_) => self.pending = None,
            }
        }
        let (answer_to, answer) = oneshot::channel();
        // Nobody may be listening any more.
        let ask = move || drop(answer_to.send(question()));
        thread::Builder::new().name("patient".into()).stack_size(128 * 1024).spawn(ask).map_err(NoAnswer::NoThread)?;
        let pending = self.pending.insert(Pending { since: Instant::now(), answer });
        match timeout(deadline.saturating_duration_since(Instant::now()), &mut pending.answer).await {
            Ok(Ok(answer)) => {
                self.pending = None;
                Ok(answer)
            }
            // The thread panicked; the next look asks again.
            Ok(Err(_)) => {
                self.pending = None;
                Err(NoAnswer::NoThread(io::Error::other("its thread ended without an answer")))
            }
            Err(_) => Err(NoAnswer::Waiting(pending.since.elapsed())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_passed_on() {
        let mut patient = Patient::default();
        for number in 0..3 {
            assert_eq!(patient.ask(move || number, Duration::from_secs(60)).await.unwrap(), number);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_hangs_is_asked_once_and_its_late_answer_is_not_used() {
        let asked = Arc::new(AtomicUsize::new(0));
        let mut patient = Patient::default();
        let (free, hangs) = mpsc::channel::<()>();
        let hang = |hangs: Option<mpsc::Receiver<()>>, answer| {
            let asked = asked.clone();
            move || {
                asked.fetch_add(1, Ordering::SeqCst);
                hangs.map(|hangs| hangs.recv());
                answer
            }
        };
        let first = patient.ask(hang(Some(hangs), "old"), Duration::from_secs(5)).await;
        assert!(matches!(first, Err(NoAnswer::Waiting(waited)) if waited.as_secs() == 5), "{first:?}");
        tokio::time::advance(Duration::from_secs(5)).await;
        let second = patient.ask(hang(None, "never asked"), Duration::from_secs(2)).await;
        assert!(matches!(second, Err(NoAnswer::Waiting(waited)) if waited.as_secs() == 12), "{second:?}");
        free.send(()).unwrap();
        // Real time from here on: the thread is awake.
        tokio::time::resume();
        assert_eq!(patient.ask(hang(None, "new"), Duration::from_secs(60)).await.unwrap(), "new");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}

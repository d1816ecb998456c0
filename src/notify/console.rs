//! `console`: prints messages to standard output.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::{Limits, Measure, Message, Notifier, Receipt, SendError};
use crate::settings::template::Escape;
use crate::settings::{BuildContext, Problem, Settings};

/// Prints messages to standard output: to the terminal, or to the journal under systemd.
///
/// ```yaml
/// console: {}
/// ```
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleSettings {}

impl Settings for ConsoleSettings {
    type Plugin = dyn Notifier;

    fn build(self, _: &BuildContext) -> Result<Box<dyn Notifier>, Vec<Problem>> {
        Ok(Box::new(Console::new(std::io::stdout)))
    }
}

/// A reader that does not read must not stop the watch, so a thread of its own does the writing.
struct Console<W> {
    open: fn() -> W,
    writer: Mutex<Option<SyncSender<Job>>>,
    /// A text is with the writer; the next one must not wait behind it unseen.
    busy: Arc<AtomicBool>,
}

struct Job {
    text: String,
    busy: Arc<AtomicBool>,
    done: oneshot::Sender<std::io::Result<()>>,
}

/// A terminal or pipe that takes no text for so long is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(5);

impl<W: Write + 'static> Console<W> {
    fn new(open: fn() -> W) -> Self {
        Self { open, writer: Mutex::new(None), busy: Arc::default() }
    }

    fn hand_over(&self, job: Job) -> Result<(), SendError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*writer {
            Some(sender) => sender,
            None => writer.insert(start_writer(self.open).map_err(|error| later(format!("no thread for the console: {error}")))?),
        };
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(later("the console still has not taken the last message".into()));
        }
        sender.try_send(job).map_err(|_| {
            *writer = None;
            self.busy.store(false, Ordering::Release);
            later("the console's writer has ended".into())
        })
    }
}

#[async_trait]
impl<W: Write + 'static> Notifier for Console<W> {
    fn limits(&self) -> Limits {
        Limits { length: 16 * 1024, measure: Measure::Bytes, escape: Escape::None }
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let (done, written) = oneshot::channel();
        self.hand_over(Job { text: format!("{}\n", message.text), busy: self.busy.clone(), done })?;
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(Ok(()))) => Ok(Receipt::default()),
            Ok(Ok(Err(error))) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Err(SendError::Broken { cause: "nobody reads standard output any more".into() })
            }
            Ok(Ok(Err(error))) => Err(later(format!("standard output: {error}"))),
            Ok(Err(_)) => Err(SendError::Unsure { cause: "the console's writer has ended".into() }),
            Err(_) => Err(SendError::Unsure { cause: format!("standard output has taken nothing for {} s", PATIENCE.as_secs()) }),
        }
    }
}

/// The thread waits for the next text; it ends with the console, or at the program's end if it is stuck.
fn start_writer<W: Write + 'static>(open: fn() -> W) -> std::io::Result<SyncSender<Job>> {
    let (sender, jobs) = sync_channel::<Job>(1);
    std::thread::Builder::new().name("console".into()).stack_size(128 * 1024).spawn(move || {
        let mut out = open();
        for job in jobs {
            let written = out.write_all(job.text.as_bytes()).and_then(|()| out.flush());
            job.busy.store(false, Ordering::Release);
            // Nobody waits any more when it took too long: the text is out, and the sender said "unsure".
            let _ = job.done.send(written);
        }
    })?;
    Ok(sender)
}

fn later(cause: String) -> SendError {
    SendError::Later { after: None, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message { text: text.into(), plain: text.into(), quiet: false, key: "1-failed".into(), facts: serde_json::Value::Null }
    }

    /// Fails as a pipe without a reader does.
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Takes nothing, as a pipe whose reader is asleep.
    struct Stuck;
    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            loop {
                std::thread::park();
            }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn says_that_nobody_reads() {
        let error = Console::new(|| Closed).send(&message("x")).await.unwrap_err();
        assert_eq!(error, SendError::Broken { cause: "nobody reads standard output any more".into() });
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_reader_is_unsure_once_and_then_later() {
        let console = Console::new(|| Stuck);
        let said = console.send(&message("x")).await.unwrap_err();
        assert_eq!(said, SendError::Unsure { cause: "standard output has taken nothing for 5 s".into() });
        let said = console.send(&message("y")).await.unwrap_err();
        assert_eq!(said, later("the console still has not taken the last message".into()));
    }
}

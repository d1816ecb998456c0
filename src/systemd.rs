//! What systemd is told of the watch where it started it (sd_notify(3)); elsewhere nobody is told.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// The service manager that started the watch.
#[derive(Debug)]
pub struct Manager {
    /// How often it must hear that the watch is alive, with time to spare; absent: it does not want to.
    every: Option<Duration>,
    next: Instant,
}

impl Manager {
    /// As the environment says.
    pub fn of_environment() -> Self {
        // Half of the limit is advised; a third outlives one late step.
        Self { every: sd_notify::watchdog_enabled().map(|limit| limit / 3), next: Instant::now() }
    }

    /// The configuration is right, the state is open and the watch begins.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// An edited file is being taken up; `ready` ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// One line for `systemctl status`.
    pub fn status(&self, line: &str) {
        tell(&[NotifyState::Status(line)]);
    }

    /// When it must hear next that the watch is alive.
    pub fn due(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }

    /// The watch is alive while it makes progress: who does not say so for too long is started anew.
    pub fn alive(&mut self, progress: bool) {
        let Some(every) = self.every else { return };
        self.next = Instant::now() + every;
        if progress {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// The watch does not depend on whether anybody listens.
fn tell(words: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!(%error, "systemd does not listen");
    }
}

//! How long whoever guesses passwords has to wait. Nobody is locked out for ever.

use std::time::Duration;

/// Wrong ones in a row that cost nothing: people mistype.
const FREE: u32 = 4;

/// At what the guesses are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guessed {
    /// From one address.
    Address,
    /// At one account, from addresses that never logged in to it.
    Account,
}

/// From the last wrong guess until the next may be made: 1 s after the fifth, twice as long after each more.
pub fn wait(at: Guessed, wrong: u32) -> Duration {
    let most = match at {
        Guessed::Address => 15 * 60,
        // Whoever keeps guessing here hinders its owner too.
        Guessed::Account => 60,
    };
    match wrong.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(doublings) => Duration::from_secs(1_u64.checked_shl(doublings).unwrap_or(most).min(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_waits_ever_longer_but_not_for_ever() {
        let waits = |at| [0, 4, 5, 6, 10, 11, 15, 30, 64, 200, u32::MAX].map(|wrong| wait(at, wrong).as_secs());
        assert_eq!(waits(Guessed::Address), [0, 0, 1, 2, 32, 64, 900, 900, 900, 900, 900]);
        assert_eq!(waits(Guessed::Account), [0, 0, 1, 2, 32, 60, 60, 60, 60, 60, 60]);
    }
}

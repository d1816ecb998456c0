//! A ticket: 256 random bits that stand for somebody. Only its digest is kept, so that who reads the file cannot use it.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};

/// What is kept of a ticket: SHA-256. A ticket cannot be guessed, so that it needs no salt and no slowness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// What a CSRF token is derived over; another use of the same digest would take another word.
const CSRF: &[u8] = b"csrf";

/// The ticket itself: shown once, or held by a browser.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(String);

impl Ticket {
    /// A new one, after this word. The error: the system gives no random numbers.
    pub fn draw(prefix: &str) -> Result<Self, ring::error::Unspecified> {
        let mut bits = [0; 32];
        SystemRandom::new().fill(&mut bits)?;
        Ok(Self(format!("{prefix}{}", BASE64.encode(bits))))
    }

    /// What somebody shows; it may be anything.
    pub fn shown(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn digest(&self) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, self.0.as_bytes()).as_ref());
        Digest(bytes)
    }
}

impl Digest {
    /// What the pages of a session hold and bring back, so that no page of others can ask in its name: derived from the
    /// session (HMAC-SHA256), so that nothing is kept and a new session has another
    /// (<https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html>).
    pub fn csrf_token(&self) -> String {
        BASE64.encode(hmac::sign(&self.key(), CSRF))
    }

    /// Whether this is that, in a time that says nothing of how much of it is right.
    pub fn is_csrf_token(&self, shown: &str) -> bool {
        BASE64.decode(shown).is_ok_and(|shown| hmac::verify(&self.key(), CSRF, &shown).is_ok())
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(HMAC_SHA256, &self.0)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_none_shows() {
        let (one, two) = (Ticket::draw("vakhta_").unwrap(), Ticket::draw("vakhta_").unwrap());
        assert_ne!(one, two);
        assert!(one.expose().starts_with("vakhta_") && one.expose().len() == 7 + 43);
        assert_eq!(Ticket::shown(one.expose()).digest(), one.digest());
        assert_eq!(format!("{one:?}"), "***");
    }

    #[test]
    fn pages_of_a_session_are_known_by_a_token_that_is_its_own() {
        let [one, two] = ["one", "two"].map(|ticket| Ticket::shown(ticket).digest());
        assert!(one.is_csrf_token(&one.csrf_token()) && !one.is_csrf_token(&two.csrf_token()));
        assert_eq!(one.csrf_token().len(), 43);
        for wrong in ["", "=", "AA", &BASE64.encode(one.0), &one.csrf_token()[..42], &format!("{}A", one.csrf_token())] {
            assert!(!one.is_csrf_token(wrong), "{wrong}");
        }
    }
}

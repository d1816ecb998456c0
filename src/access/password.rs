//! Passwords: kept as Argon2id with 19 MiB and two passes
//! (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>), hashed two at a time.

use std::sync::{Arc, OnceLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Each takes 19 MiB while it is worked out.
const AT_ONCE: usize = 2;
/// In characters.
const SHORTEST: usize = 10;
/// In bytes: longer ones only cost time.
const LONGEST: usize = 1024;
/// Of the name of a user, in characters.
const LONGEST_NAME: usize = 64;

/// What a shown password is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, and kept with other parameters than today's: it should be kept anew.
    Old,
}

/// Why a name or a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("a password has at least {SHORTEST} characters")]
    Short,
    #[error("a password has at most {LONGEST} bytes")]
    Long,
    #[error("a password is not the name")]
    Name,
    #[error("a name has 1 to {LONGEST_NAME} letters, digits or the signs `.`, `_`, `-` and `@`")]
    Letters,
}

/// That it cannot be worked out now: no memory, no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("passwords cannot be worked with now: {0}")]
pub struct Broken(String);

/// Works passwords out, a few at a time: whoever sends many logins waits, and takes no memory.
#[derive(Clone)]
pub struct Passwords {
    seats: Arc<Semaphore>,
    /// Of nobody: takes the time that a real one would.
    nobody: Arc<OnceLock<String>>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { seats: Arc::new(Semaphore::new(AT_ONCE)), nobody: Arc::default() }
    }
}

impl Passwords {
    /// How a password is kept (a PHC string).
    pub async fn keep(&self, password: String) -> Result<String, Broken> {
        self.work(move |_| keep(&password)).await?
    }

    /// What a shown password is for whom this is kept of; as slow if there is nobody.
    pub async fn verify(&self, password: String, kept: Option<String>) -> Result<Verdict, Broken> {
        self.work(move |nobody| {
            let foil = || match nobody.get() {
                Some(kept) => Ok(kept.clone()),
                None => keep("nobody").map(|kept| nobody.get_or_init(|| kept).clone()),
            };
            let (kept, known) = match kept {
                Some(kept) => (kept, true),
                None => (foil()?, false),
            };
            let hash = PasswordHash::new(&kept).map_err(|error| Broken(error.to_string()))?;
            let right = password.len() <= LONGEST && method().verify_password(password.as_bytes(), &hash).is_ok();
            let verdict = if parameters(&kept) == parameters(&today()) { Verdict::Right } else { Verdict::Old };
            Ok(if right && known { verdict } else { Verdict::Wrong })
        })
        .await?
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce(&OnceLock<String>) -> T + Send + 'static) -> Result<T, Broken> {
        let broken = |error: &dyn std::error::Error| Broken(error.to_string());
        let seat = self.seats.clone().acquire_owned().await.map_err(|error| broken(&error))?;
        let nobody = self.nobody.clone();
        let worked = spawn_blocking(move || {
            let done = work(&nobody);
            drop(seat);
            done
        });
        worked.await.map_err(|error| broken(&error))
    }
}

fn method() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn keep(password: &str) -> Result<String, Broken> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).map_err(|error| Broken(error.to_string()))?;
    let kept: Result<PasswordHash, _> = method().hash_password_with_salt(password.as_bytes(), &salt);
    kept.map(|kept| kept.to_string()).map_err(|error| Broken(error.to_string()))
}

/// As `keep` writes them.
fn today() -> String {
    format!("$argon2id$v=19$m={},t={},p={}$", Params::DEFAULT_M_COST, Params::DEFAULT_T_COST, Params::DEFAULT_P_COST)
}

/// Method, version and costs of what is kept.
fn parameters(kept: &str) -> Vec<&str> {
    kept.split('$').take(4).collect()
}

/// Whether somebody may be called so.
pub fn fit_name(name: &str) -> Result<(), Unfit> {
    let fits = |letter: char| letter.is_alphanumeric() || "._-@".contains(letter);
    let count = name.chars().count();
    if (1..=LONGEST_NAME).contains(&count) && name.chars().all(fits) { Ok(()) } else { Err(Unfit::Letters) }
}

/// Whether somebody's new password is long enough (NIST SP 800-63B: length, no rules about signs).
pub fn fit_password(name: &str, password: &str) -> Result<(), Unfit> {
    match password {
        long if long.len() > LONGEST => Err(Unfit::Long),
        short if short.chars().count() < SHORTEST => Err(Unfit::Short),
        same if same.eq_ignore_ascii_case(name) => Err(Unfit::Name),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_and_known_again() {
        let passwords = Passwords::default();
        let kept = passwords.keep("correct horse".into()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !kept.contains("horse"), "{kept}");
        assert_ne!(kept, passwords.keep("correct horse".into()).await.unwrap(), "each has a salt of its own");
        let shown = async |shown: &str, kept: Option<&String>| passwords.verify(shown.into(), kept.cloned()).await.unwrap();
        assert_eq!(shown("correct horse", Some(&kept)).await, Verdict::Right);
        assert_eq!(shown("correct hors", Some(&kept)).await, Verdict::Wrong);
        assert_eq!(shown("nobody", None).await, Verdict::Wrong);
        let weaker = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8192, 1, 1, None).unwrap());
        let old: PasswordHash = weaker.hash_password_with_salt(b"correct horse", &[7; 16]).unwrap();
        assert_eq!(shown("correct horse", Some(&old.to_string())).await, Verdict::Old);
    }

    /// S14: whoever measures logins does not learn who there is. Without the foil the ratio is in the thousands.
    #[tokio::test]
    async fn nobody_takes_as_long_as_somebody() {
        let passwords = Passwords::default();
        let kept = passwords.keep("correct horse".into()).await.unwrap();
        let took = async |kept: Option<String>| {
            let begun = Instant::now();
            passwords.verify("wrong".into(), kept).await.unwrap();
            begun.elapsed()
        };
        took(None).await;
        let (mut somebody, mut nobody) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            somebody.push(took(Some(kept.clone())).await);
            nobody.push(took(None).await);
        }
        let [somebody, nobody] = [somebody, nobody].map(|mut all| {
            all.sort_unstable();
            all[4].as_secs_f64()
        });
        assert!((0.25..4.0).contains(&(nobody / somebody)), "{nobody} s for nobody, {somebody} s for somebody");
    }

    #[test]
    fn names_and_passwords_have_bounds() {
        for name in ["ann", "анна", "ann@example.com", "a.b-c_9"] {
            assert_eq!(fit_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a/b", "<b>", "a\nb", &"x".repeat(65)] {
            assert_eq!(fit_name(name), Err(Unfit::Letters), "{name}");
        }
        assert_eq!(fit_password("ann", "пароль-пароль"), Ok(()));
        assert_eq!(fit_password("ann", "123456789"), Err(Unfit::Short));
        assert_eq!(fit_password("ann", &"x".repeat(1025)), Err(Unfit::Long));
        assert_eq!(fit_password("administrator", "Administrator"), Err(Unfit::Name));
    }
}

//! Passwords: kept as Argon2id hashes, and looked at slowly on purpose.
//!
//! One look takes 19 MiB and some dozen milliseconds of a core. It runs beside the tasks that answer, at most
//! [`AT_ONCE`] at a time. A user who does not exist is looked at as long as one who does, against a hash that nobody
//! has the password of.

use std::sync::Arc;

use argon2::password_hash::{Ident, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::random;

/// Each takes as much memory as its hash says.
const AT_ONCE: usize = 2;
/// What a hash in the config may ask of this machine: 256 MiB, 50 rounds, 16 lanes.
const MEMORY_MAX: u32 = 256 << 10;
const ROUNDS_MAX: u32 = 50;
const LANES_MAX: u32 = 16;

/// A password as the config has it.
#[derive(Clone)]
pub(crate) enum Stored {
    Hash(Arc<str>),
    /// From the environment or a file.
    Plain(Arc<str>),
}

/// Whether a text is meant as a hash: `$argon2id$…`, or that of another program, `$2b$…`.
pub(super) fn looks_hashed(text: &str) -> bool {
    let scheme = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    scheme.is_some_and(|(scheme, _)| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !scheme.is_empty() && scheme.bytes().all(is_word)
    })
}

impl Stored {
    /// # Errors
    /// When it is a hash that camhook does not look at, in words.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if !looks_hashed(text) {
            return Ok(Self::Plain(text.into()));
        }
        let not = "this is no Argon2id hash".to_owned();
        let hash = PasswordHash::new(text).map_err(|_| not.clone())?;
        if hash.algorithm != ARGON2ID_IDENT || hash.hash.is_none() || hash.salt.is_none() {
            return Err(not);
        }
        let params = Params::try_from(&hash).map_err(|_| not)?;
        if params.m_cost() > MEMORY_MAX
            || params.t_cost() > ROUNDS_MAX
            || params.p_cost() > LANES_MAX
        {
            return Err(format!(
                "this hash asks for too much: at most m={MEMORY_MAX}, t={ROUNDS_MAX}, p={LANES_MAX}"
            ));
        }
        Ok(Self::Hash(text.into()))
    }

    fn params(&self) -> Params {
        match self {
            Self::Plain(_) => Params::default(),
            Self::Hash(text) => PasswordHash::new(text)
                .and_then(|hash| Params::try_from(&hash))
                .unwrap_or_default(),
        }
    }

    /// Takes as long for a wrong password as for the right one, and for a plain one as for a hash.
    fn fits(&self, candidate: &str) -> bool {
        match self {
            Self::Hash(text) => PasswordHash::new(text).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(candidate.as_bytes(), &hash)
                    .is_ok()
            }),
            Self::Plain(text) => {
                let _ = work(candidate, Params::default());
                bool::from(text.as_bytes().ct_eq(candidate.as_bytes()))
            }
        }
    }
}

/// Looks at passwords, a few at a time.
#[derive(Clone)]
pub(super) struct Desk {
    slots: Arc<Semaphore>,
    /// What is spent on a user who does not exist.
    params: Params,
}

impl Desk {
    /// For these users. Of several costs the highest is spent on who does not exist.
    pub(super) fn new<'a>(stored: impl Iterator<Item = &'a Stored>) -> Self {
        let cost = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
        Self {
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            params: stored
                .map(Stored::params)
                .max_by_key(cost)
                .unwrap_or_default(),
        }
    }

    /// Whether it is the password of this user; none is somebody who does not exist, and always wrong.
    pub(super) async fn fits(&self, stored: Option<Stored>, candidate: String) -> bool {
        let Ok(slot) = self.slots.clone().acquire_owned().await else {
            return false;
        };
        let params = self.params.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let _slot = slot; // also while nobody waits for the answer any more
            match stored {
                Some(stored) => stored.fits(&candidate),
                None => {
                    let _ = work(&candidate, params);
                    false
                }
            }
        });
        looked.await.unwrap_or(false)
    }
}

fn work(candidate: &str, params: Params) -> [u8; 32] {
    let mut out = [0; 32];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    // It fails for no candidate of this length; and if, nothing is let in by it.
    let _ = argon.hash_password_into(candidate.as_bytes(), b"camhook: nobody's", &mut out);
    out
}

/// The hash to write into the config.
///
/// # Errors
/// When the password cannot be hashed, in words.
pub(crate) fn hash(password: &str) -> Result<String, String> {
    let problem = |error: argon2::password_hash::Error| error.to_string();
    let salt = SaltString::encode_b64(&random::bytes::<16>()).map_err(problem)?;
    let algorithm: Ident<'_> = ARGON2ID_IDENT;
    let hashed = Argon2::default().hash_password_customized(
        password.as_bytes(),
        Some(algorithm),
        None,
        Params::default(),
        &salt,
    );
    Ok(hashed.map_err(problem)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quick, and no good for anything else.
    const HUNTER: &str = "$argon2id$v=19$m=64,t=1,p=1$YWJjZGVmZ2hpamtsbW5vcA$";

    #[test]
    fn a_password_fits_its_own_hash_alone() {
        let text = hash("correct horse").unwrap();
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        assert_ne!(text, hash("correct horse").unwrap(), "salted");
        let Ok(stored) = Stored::read(&text) else {
            panic!("{text}")
        };
        assert!(stored.fits("correct horse") && !stored.fits("correct horsf") && !stored.fits(""));
        let Ok(plain) = Stored::read("${pa$$word") else {
            panic!()
        };
        assert!(plain.fits("${pa$$word") && !plain.fits("${pa$$wor"));
    }

    #[test]
    fn takes_no_hash_that_it_cannot_or_must_not_look_at() {
        let wrong = [
            HUNTER.to_owned(),
            "$2b$12$abcdefghijklmnopqrstuv".to_owned(),
            "$argon2i$v=19$m=64,t=1,p=1$YWJjZGVmZ2hpamtsbW5vcA$YWJjZGVmZ2hpamtsbW5vcA".to_owned(),
            format!(
                "{}YWJjZGVmZ2hpamtsbW5vcA",
                HUNTER.replace("m=64", "m=4194304")
            ),
            format!(
                "{}YWJjZGVmZ2hpamtsbW5vcA",
                HUNTER.replace("t=1", "t=1000000")
            ),
            "$argon2id$".to_owned(),
        ];
        for text in wrong {
            assert!(
                looks_hashed(&text) && Stored::read(&text).is_err(),
                "{text}"
            );
        }
        assert!(Stored::read(&format!("{HUNTER}YWJjZGVmZ2hpamtsbW5vcA")).is_ok());
    }

    #[tokio::test]
    async fn nobody_is_looked_at_with_the_costs_of_the_others() {
        let Ok(stored) = Stored::read(&format!("{HUNTER}YWJjZGVmZ2hpamtsbW5vcA")) else {
            panic!()
        };
        let desk = Desk::new([stored].iter());
        assert_eq!(desk.params.m_cost(), 64);
        assert!(!desk.fits(None, "anything".to_owned()).await);
    }
}

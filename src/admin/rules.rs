//! Who may do what, made ready from the settings: what a running camhook takes up anew when the config changes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::hosts::Hosts;
use super::passwords::{Desk, Stored};
use super::random;
use super::settings::{Scope, Settings, Visibility};
use crate::name::Name;

pub(super) struct Rules {
    pub(super) hosts: Hosts,
    users: BTreeMap<Name, Person>,
    tokens: Vec<Pass>,
    pub(super) desk: Desk,
    /// Whether anybody has to show who they are.
    pub(super) login: bool,
    pub(super) metrics: Visibility,
    pub(super) session: Duration,
    /// How long a login over FindFace's interface lasts, where there is one.
    pub(super) findface: Option<Duration>,
    seen: Seen,
}

/// A user.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) stored: Stored,
    pub(super) scopes: Vec<Scope>,
    /// Of the password as the config has it, so that a login ends when that changes.
    pub(super) proof: [u8; 32],
}

/// A token.
pub(super) struct Pass {
    pub(super) name: Name,
    digest: [u8; 32],
    pub(super) scopes: Vec<Scope>,
    pub(super) expires: Option<Timestamp>,
}

/// Passwords that were right, so that a program with HTTP Basic does not have each request looked at slowly. Kept as a
/// keyed hash, one for each user; the key is in memory alone.
struct Seen {
    key: [u8; 32],
    right: Mutex<BTreeMap<Name, [u8; 32]>>,
}

impl Rules {
    /// `bound` is where the listener really listens.
    pub(super) fn new(settings: &Settings, bound: SocketAddr, now: Timestamp) -> Self {
        let users: BTreeMap<Name, Person> = settings
            .users
            .iter()
            .filter_map(|(name, user)| {
                let person = Person {
                    stored: Stored::read(user.password.expose()).ok()?,
                    scopes: user.scopes.clone(),
                    proof: Sha256::digest(user.password.expose()).into(),
                };
                Some((name.clone(), person))
            })
            .collect();
        let tokens = settings.tokens.iter().map(|(name, token)| Pass {
            name: name.clone(),
            digest: Sha256::digest(token.token.expose()).into(),
            scopes: token.scopes.clone(),
            expires: token.expires.map(|expiry| expiry.0),
        });
        let tokens: Vec<Pass> = tokens.collect();
        for pass in tokens.iter().filter(|pass| pass.has_expired(now)) {
            tracing::warn!(token = %pass.name, "this token of `admin.tokens` has expired and is refused");
        }
        Self {
            hosts: Hosts::new(bound, settings.hosts.clone()),
            desk: Desk::new(users.values().map(|person| &person.stored)),
            login: settings.has_login(),
            metrics: settings.metrics,
            session: settings.session.0,
            findface: settings
                .findface
                .as_ref()
                .map(|findface| findface.session.0),
            users,
            tokens,
            seen: Seen {
                key: random::bytes(),
                right: Mutex::default(),
            },
        }
    }

    pub(super) fn person(&self, name: &str) -> Option<&Person> {
        self.users.get(name)
    }

    pub(super) fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// Every token is compared, and in constant time, so that the delay tells nothing about them.
    pub(super) fn pass(&self, token: &str) -> Option<&Pass> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut found = None;
        for pass in &self.tokens {
            if bool::from(pass.digest.ct_eq(&digest)) {
                found = Some(pass);
            }
        }
        found
    }

    pub(super) fn pass_named(&self, name: &Name) -> Option<&Pass> {
        self.tokens.iter().find(|pass| pass.name == *name)
    }

    pub(super) fn pass_of(&self, digest: &[u8; 32]) -> Option<&Pass> {
        self.tokens.iter().find(|pass| pass.digest == *digest)
    }

    /// Whether this password of this user was found right before.
    pub(super) fn has_seen(&self, user: &str, password: &str) -> bool {
        let right = self
            .seen
            .right
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = right.get(user).copied().unwrap_or_default();
        bool::from(known.ct_eq(&self.seen.hash(user, password)))
    }

    pub(super) fn remember(&self, user: &str, password: &str) {
        if let Some((name, _)) = self.users.get_key_value(user) {
            let mut right = self
                .seen
                .right
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            right.insert(name.clone(), self.seen.hash(user, password));
        }
    }
}

impl Pass {
    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Seen {
    fn hash(&self, user: &str, password: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key has any length");
        mac.update(user.as_bytes());
        mac.update(b":"); // no user's name holds one
        mac.update(password.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

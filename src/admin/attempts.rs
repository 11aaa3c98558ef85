//! Slows down who guesses passwords and tokens.
//!
//! Each address, and each user's name, may fail [`BURST`] times, and then once every [`AGAIN_AFTER`]. Nobody is locked
//! out for ever, and a stranger cannot lock out a user who has logged in from an address before: the two together are
//! counted on their own from then on. What is remembered is bounded; what is forgotten first has failed least.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

const BURST: i64 = 20;
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(6);
/// Addresses and names that failures are counted of.
const KEYS_MAX: usize = 4096;
/// Pairs of user and address that logged in.
const KNOWN_MAX: usize = 1024;

/// Counts failures.
#[derive(Default)]
pub(super) struct Attempts(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    /// When each would be as good as new.
    busy_until: HashMap<Key, Timestamp>,
    /// Who logged in from where, and when last.
    known: HashMap<Pair, Timestamp>,
}

/// A hash of the name: those of strangers are of any length, and may be mistyped passwords.
type Pair = ([u8; 32], IpAddr);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    User([u8; 32]),
    Known(Pair),
}

/// The right to try once. Unless it is given back, it counts as a failure.
#[derive(Debug)]
#[must_use]
pub(super) struct Attempt {
    keys: Vec<Key>,
    pair: Option<Pair>,
}

impl Attempts {
    /// # Errors
    /// How long to wait.
    pub(super) fn begin(
        &self,
        address: IpAddr,
        user: Option<&str>,
        now: Timestamp,
    ) -> Result<Attempt, Duration> {
        let address = neighbourhood(address);
        let pair = user.map(|user| (Sha256::digest(user).into(), address));
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = match pair {
            Some(pair) if counted.known.contains_key(&pair) => vec![Key::Known(pair)],
            Some(pair) => vec![Key::Address(address), Key::User(pair.0)],
            None => vec![Key::Address(address)],
        };
        let waits = keys.iter().filter_map(|key| {
            let free = *counted.busy_until.get(key)?
                - AGAIN_AFTER * (i32::try_from(BURST).unwrap_or(1) - 1);
            let wait = Duration::try_from(free.duration_since(now)).ok()?;
            (wait > Duration::ZERO).then_some(wait)
        });
        if let Some(wait) = waits.max() {
            return Err(wait);
        }
        for key in &keys {
            counted.add(key, now);
        }
        Ok(Attempt { keys, pair })
    }

    /// It was right.
    pub(super) fn succeed(&self, attempt: Attempt, now: Timestamp) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &attempt.keys {
            if let Some(until) = counted.busy_until.get_mut(key) {
                *until -= AGAIN_AFTER;
            }
        }
        let Some(pair) = attempt.pair else { return };
        if counted.known.len() >= KNOWN_MAX && !counted.known.contains_key(&pair) {
            let oldest = counted.known.iter().min_by_key(|(_, last)| **last);
            if let Some(oldest) = oldest.map(|(pair, _)| *pair) {
                counted.known.remove(&oldest);
            }
        }
        counted.known.insert(pair, now);
    }
}

impl Counted {
    fn add(&mut self, key: &Key, now: Timestamp) {
        if self.busy_until.len() >= KEYS_MAX && !self.busy_until.contains_key(key) {
            self.busy_until.retain(|_, until| *until > now);
            let least = self.busy_until.iter().min_by_key(|(_, until)| **until);
            if self.busy_until.len() >= KEYS_MAX
                && let Some(least) = least.map(|(key, _)| key.clone())
            {
                self.busy_until.remove(&least);
            }
        }
        let until = self.busy_until.entry(key.clone()).or_insert(now);
        *until = (*until).max(now) + AGAIN_AFTER;
    }
}

/// One customer has a whole /64 of IPv6, and could take another address for each try.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            IpAddr::from(octets)
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of so many tries are let through.
    fn fail(attempts: &Attempts, from: &str, user: &str, times: usize, now: i64) -> usize {
        let tries =
            (0..times).filter(|_| attempts.begin(address(from), Some(user), at(now)).is_ok());
        tries.count()
    }

    #[test]
    fn lets_a_burst_through_and_then_one_at_a_time() {
        let attempts = Attempts::default();
        assert_eq!(fail(&attempts, "10.0.0.1", "anna", 100, 0), 20);
        let wait = attempts
            .begin(address("10.0.0.1"), None, at(0))
            .unwrap_err();
        assert_eq!(wait.as_secs(), 6);
        assert_eq!(fail(&attempts, "10.0.0.1", "anna", 100, 7), 1);
        assert_eq!(
            fail(&attempts, "10.0.0.1", "anna", 100, 86_400),
            20,
            "it is forgotten"
        );
    }

    #[test]
    fn one_user_is_not_tried_from_many_addresses_nor_many_users_from_one() {
        let attempts = Attempts::default();
        let from_all_over = (0..100).map(|n| fail(&attempts, &format!("10.0.1.{n}"), "anna", 1, 0));
        assert_eq!(from_all_over.sum::<usize>(), 20);
        let all_names = (0..100).map(|n| fail(&attempts, "10.0.2.1", &format!("user {n}"), 1, 0));
        assert_eq!(all_names.sum::<usize>(), 20);
        let one_house = (0..100).map(|n| {
            fail(
                &attempts,
                &format!("2001:db8::{n:x}"),
                &format!("{n}"),
                1,
                0,
            )
        });
        assert_eq!(one_house.sum::<usize>(), 20);
    }

    #[test]
    fn a_stranger_does_not_lock_out_who_has_logged_in_before() {
        let attempts = Attempts::default();
        let desk = address("10.0.0.7");
        let attempt = attempts.begin(desk, Some("anna"), at(0)).unwrap();
        attempts.succeed(attempt, at(0));
        assert_eq!(fail(&attempts, "10.6.6.6", "anna", 50, 1), 20);
        assert_eq!(
            fail(&attempts, "10.0.0.8", "anna", 50, 1),
            0,
            "anna is guessed at"
        );
        assert_eq!(
            fail(&attempts, "10.0.0.7", "anna", 50, 1),
            20,
            "but this is her desk"
        );
    }

    #[test]
    fn success_costs_nothing() {
        let attempts = Attempts::default();
        for _ in 0..1000 {
            let attempt = attempts
                .begin(address("10.0.0.1"), Some("anna"), at(0))
                .unwrap();
            attempts.succeed(attempt, at(0));
        }
    }

    #[test]
    fn remembers_so_much_and_no_more_and_the_worst_longest() {
        let attempts = Attempts::default();
        assert_eq!(fail(&attempts, "10.0.0.1", "anna", 20, 0), 20);
        for n in 0..10_000_u32 {
            let from = IpAddr::from((0x0b00_0000 + n).to_be_bytes());
            let attempt = attempts.begin(from, Some(&format!("{n}")), at(1)).unwrap();
            if n % 2 == 0 {
                attempts.succeed(attempt, at(1));
            }
        }
        let counted = attempts.0.lock().unwrap();
        assert!(counted.busy_until.len() <= KEYS_MAX && counted.known.len() <= KNOWN_MAX);
        drop(counted);
        assert_eq!(fail(&attempts, "10.0.0.1", "anna", 20, 1), 0);
    }
}

//! Nonces of HTTP Digest: made without being remembered, and each use of one counted once.
//!
//! A challenge costs nobody anything, so a nonce proves by itself that it is ours and how old it is. Only one that was
//! answered with the right password is remembered, with the counts it was used with, so that a request that somebody
//! overheard is not taken twice. What is remembered is bounded: when there are too many, the oldest nonce counts as used
//! up, and its sender is given a new one with its next request. Nobody is locked out by that, nor by a restart.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::Sha256;

/// How old a nonce may become. Seconds.
const AGE_MAX: i64 = 10 * 60;
/// How far the clock may have been set back since. Seconds.
const BACK_MAX: i64 = 60;
/// Nonces in use that are remembered, about a hundred bytes each.
const REMEMBERED: usize = 8192;
/// Counts that may arrive in another order than they were given in: senders use several connections at once.
const WINDOW: u32 = u64::BITS;

pub(super) struct Nonces {
    key: [u8; 32],
    next: AtomicU64,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    /// Nonces up to this number are used up, unless they are remembered.
    gone: u64,
    counts: BTreeMap<u64, Counts>,
}

/// With which counts a nonce was used.
struct Counts {
    highest: u32,
    /// Bit n: `highest - n` was there.
    seen: u64,
}

impl Nonces {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        let filled = SystemRandom::new().fill(&mut key);
        filled.expect("the system has random bytes: TLS and ids need them too");
        Self {
            key,
            next: AtomicU64::new(1),
            used: Mutex::default(),
        }
    }

    pub(super) fn issue(&self, now: Timestamp) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Vec::with_capacity(32);
        bytes.extend(number.to_be_bytes());
        bytes.extend(now.as_second().to_be_bytes());
        bytes.extend(self.code(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Uses a nonce with this count; false when it is not ours, too old, or was used with this count.
    pub(super) fn take(&self, nonce: &str, count: u32, now: Timestamp) -> bool {
        let Some((number, issued)) = self.read(nonce) else {
            return false;
        };
        let age = now.as_second().saturating_sub(issued);
        if !(-BACK_MAX..=AGE_MAX).contains(&age) {
            return false;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.take(number, count)
    }

    fn read(&self, nonce: &str) -> Option<(u64, i64)> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (told, code) = bytes.split_at_checked(16)?;
        let mut mac = self.mac();
        mac.update(told);
        mac.verify_truncated_left(code).ok()?;
        let (number, issued) = told.split_at(8);
        (code.len() == 16).then_some((
            u64::from_be_bytes(number.try_into().ok()?),
            i64::from_be_bytes(issued.try_into().ok()?),
        ))
    }

    fn code(&self, told: &[u8]) -> [u8; 16] {
        let mut mac = self.mac();
        mac.update(told);
        let code = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&code[..16]);
        short
    }

    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.key).expect("HMAC takes keys of any length")
    }
}

impl Used {
    fn take(&mut self, number: u64, count: u32) -> bool {
        if count == 0 {
            return false;
        }
        if let Some(counts) = self.counts.get_mut(&number) {
            return counts.take(count);
        }
        if number <= self.gone {
            return false;
        }
        let first = Counts {
            highest: count,
            seen: 1,
        };
        self.counts.insert(number, first);
        if self.counts.len() > REMEMBERED
            && let Some((oldest, _)) = self.counts.pop_first()
        {
            self.gone = oldest;
        }
        true
    }
}

impl Counts {
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let bit = 1_u64.checked_shl(behind).unwrap_or(0);
        let new = behind < WINDOW && self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn each_count_of_a_nonce_is_taken_once_in_any_order() {
        let nonces = Nonces::new();
        let nonce = nonces.issue(at(0));
        for count in [1, 3, 2, 70, 9, 8] {
            assert!(nonces.take(&nonce, count, at(1)), "{count}");
            assert!(!nonces.take(&nonce, count, at(1)), "{count} again");
        }
        assert!(!nonces.take(&nonce, 4, at(1)), "too far behind to be known");
        assert!(!nonces.take(&nonce, 0, at(1)));
        assert!(nonces.take(&nonce, u32::MAX, at(1)));
        assert!(!nonces.take(&nonce, 71, at(1)));
    }

    #[test]
    fn a_nonce_ends_and_others_are_not_ours() {
        let nonces = Nonces::new();
        let nonce = nonces.issue(at(0));
        assert!(nonces.take(&nonce, 1, at(AGE_MAX)));
        assert!(!nonces.take(&nonce, 2, at(AGE_MAX + 1)));
        assert!(nonces.take(&nonce, 2, at(-BACK_MAX)));
        assert!(!nonces.take(&nonce, 3, at(-BACK_MAX - 1)));
        assert!(!Nonces::new().take(&nonce, 1, at(0)), "of another process");
        let mut forged = nonce.clone().into_bytes();
        forged[0] = if forged[0] == b'A' { b'B' } else { b'A' };
        let short = &nonce[..nonce.len() - 4];
        for other in ["", "AAAA", "é", short, &String::from_utf8(forged).unwrap()] {
            assert!(!nonces.take(other, 9, at(0)), "{other}");
        }
    }

    #[test]
    fn what_is_forgotten_for_room_counts_as_used() {
        let nonces = Nonces::new();
        let issued: Vec<String> = (0..=REMEMBERED).map(|_| nonces.issue(at(0))).collect();
        let unused = nonces.issue(at(0));
        for nonce in &issued {
            assert!(nonces.take(nonce, 1, at(0)));
        }
        assert_eq!(nonces.used.lock().unwrap().counts.len(), REMEMBERED);
        assert!(!nonces.take(&issued[0], 2, at(0)), "forgotten");
        assert!(!nonces.take(&issued[0], 1, at(0)), "and never replayed");
        assert!(nonces.take(&issued[1], 2, at(0)));
        assert!(nonces.take(&unused, 1, at(0)));
    }
}

//! What the front door remembers of senders: nonces in use, and who tried wrong passwords.
//!
//! Wrong credentials are answered late once an address has tried several, so that guessing takes long. Right ones are
//! answered at once, from any address: a camera behind the same router as the guesser loses nothing. So that waiting
//! answers do not use up the connections of all senders, only some wait at the same time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::nonces::Nonces;
use crate::clock::Clock;

/// Wrong tries that an address has at once, and after how many seconds it has another.
const TRIES: i64 = 10;
const TRY_EVERY: i64 = 6;
/// How late an answer comes beyond them.
const DELAY: Duration = Duration::from_secs(2);
/// Answers that wait at the same time; further ones do not wait.
const WAITING: usize = 64;
/// Addresses that are remembered; when there are more, all further ones count as guessing.
const ADDRESSES: usize = 4096;

pub(super) struct Guard {
    pub(super) nonces: Nonces,
    /// When each address has all its tries again. Seconds since 1970.
    tried: Mutex<HashMap<IpAddr, i64>>,
    waiting: Semaphore,
}

impl Guard {
    pub(super) fn new() -> Self {
        Self {
            nonces: Nonces::new(),
            tried: Mutex::default(),
            waiting: Semaphore::new(WAITING),
        }
    }

    /// To be waited for before wrong credentials are answered.
    pub(super) async fn slow_down(&self, address: IpAddr, clock: &Clock) {
        if !self.is_guessing(address, clock.now()) {
            return;
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return;
        };
        tracing::debug!(%address, "answering wrong credentials late: there were many from this address");
        let _busy = clock.sleep(DELAY).await;
    }

    fn is_guessing(&self, address: IpAddr, now: Timestamp) -> bool {
        let now = now.as_second();
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let key = neighbourhood(address);
        if tried.len() >= ADDRESSES && !tried.contains_key(&key) {
            tried.retain(|_, until| *until > now);
            if tried.len() >= ADDRESSES {
                return true;
            }
        }
        let until = tried.entry(key).or_insert(now);
        let longest = now + TRIES * TRY_EVERY;
        // A clock that was set back forgives.
        let before = if (now..=longest).contains(&*until) {
            *until
        } else {
            now
        };
        let next = before + TRY_EVERY;
        let guessing = next > longest;
        *until = if guessing { before } else { next };
        guessing
    }
}

/// Whoever has one IPv6 address has all of its network.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn guessing(guard: &Guard, address: &str, second: i64) -> bool {
        guard.is_guessing(address.parse().unwrap(), at(second))
    }

    #[test]
    fn a_few_wrong_tries_are_free_and_come_back() {
        let guard = Guard::new();
        for _ in 0..TRIES {
            assert!(!guessing(&guard, "192.0.2.1", 0));
        }
        assert!(guessing(&guard, "192.0.2.1", 0));
        assert!(!guessing(&guard, "192.0.2.2", 0), "others are not it");
        assert!(guessing(&guard, "192.0.2.1", TRY_EVERY - 1));
        assert!(!guessing(&guard, "192.0.2.1", TRY_EVERY));
        assert!(guessing(&guard, "192.0.2.1", TRY_EVERY));
        for _ in 0..TRIES {
            assert!(!guessing(&guard, "192.0.2.1", 10 * TRIES * TRY_EVERY));
        }
        assert!(!guessing(&guard, "192.0.2.2", -1000));
    }

    #[test]
    fn a_network_of_ipv6_is_one_sender() {
        let guard = Guard::new();
        for n in 0..TRIES {
            assert!(!guessing(&guard, &format!("2001:db8::{n:x}"), 0));
        }
        assert!(guessing(&guard, "2001:db8::ffff", 0));
        assert!(!guessing(&guard, "2001:db8:0:1::1", 0));
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_passes() {
        let guard = Guard::new();
        for n in 0..u32::try_from(ADDRESSES).unwrap() {
            assert!(!guard.is_guessing(std::net::Ipv4Addr::from(n).into(), at(0)));
        }
        assert!(guessing(&guard, "192.0.2.1", 0));
        assert_eq!(guard.tried.lock().unwrap().len(), ADDRESSES);
        assert!(!guessing(&guard, "192.0.2.1", TRY_EVERY));
        assert_eq!(guard.tried.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn wrong_credentials_wait_once_they_are_many() {
        let (guard, clock) = (Guard::new(), Clock::stepped(at(0)));
        let address = "192.0.2.1".parse().unwrap();
        for _ in 0..TRIES {
            guard.slow_down(address, &clock).await;
        }
        let late = guard.slow_down(address, &clock);
        tokio::pin!(late);
        let answered = futures_poll(late.as_mut()).await;
        assert!(!answered, "it waits");
        clock.step(at(2));
        late.await;
    }

    /// Whether the future ends when it is asked once.
    async fn futures_poll(mut future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(future.as_mut().poll(context).is_ready())
        })
        .await
    }
}

//! How long a delivery waits after each failure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::event::DeliveryId;

use super::settings::Retry;

/// The wait after the `failed`th counted attempt, from 1: exponential, at most `max`, shortened by up to the jitter.
///
/// Shortened only, so that `max` holds, and so that with a factor of 2 a target which is back is caught up with in at
/// most the time that it was away (each wait is about as long as all the waits before it together).
///
/// The jitter follows from the delivery and the attempt: deliveries that failed together spread out, and nothing here
/// depends on chance.
pub(super) fn wait(retry: &Retry, delivery: DeliveryId, failed: u32) -> Duration {
    let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = retry.initial.0.as_secs_f64() * retry.factor.get().powi(exponent);
    // 0 times infinity is no number, and `min` then takes the other side.
    let full = seconds.min(retry.max.0.as_secs_f64());
    let kept = 1.0 - retry.jitter.get() * spread(delivery, failed);
    Duration::try_from_secs_f64(full * kept).map_or(retry.max.0, |wait| wait.min(retry.max.0))
}

/// From 0 up to 1, the same each time for the same delivery and attempt.
fn spread(delivery: DeliveryId, failed: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    delivery.as_bytes().hash(&mut hasher);
    failed.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;
    use proptest::prelude::*;

    fn some_id(seed: u128) -> DeliveryId {
        DeliveryId::from_bytes(seed.to_be_bytes())
    }

    fn retry(initial_ms: u64, factor: f64, max_ms: u64, jitter: f64) -> Retry {
        Retry {
            initial: Span(Duration::from_millis(initial_ms)),
            factor: factor.try_into().unwrap(),
            max: Span(Duration::from_millis(max_ms)),
            jitter: jitter.try_into().unwrap(),
            ..Retry::default()
        }
    }

    #[test]
    fn doubles_from_a_second_to_ten_minutes_by_default() {
        let exact = Retry {
            jitter: 0.0.try_into().unwrap(),
            ..Retry::default()
        };
        let waits: Vec<u64> = (1..=12)
            .map(|failed| wait(&exact, some_id(1), failed).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    }

    #[test]
    fn the_default_outlives_a_long_weekend() {
        let retry = Retry::default();
        assert_eq!(retry.attempts, 0);
        assert!(retry.give_up_after.0 > Duration::from_secs(4 * 86_400));
    }

    #[test]
    fn deliveries_that_failed_together_come_back_apart() {
        let retry = Retry::default();
        let mut waits: Vec<Duration> = (0..100).map(|n| wait(&retry, some_id(n), 8)).collect();
        waits.sort();
        waits.dedup();
        assert_eq!(waits.len(), 100);
        assert!(waits[99] - waits[0] > Duration::from_secs(15)); // of the 25.6 s that 0.2 of 128 s allows
    }

    proptest! {
        #[test]
        fn never_longer_than_max_and_never_shorter_than_jitter_allows(
            seed: u128, failed in 1u32.., initial in 0u64..100_000, factor in 1.0f64..1e6, max in 0u64..1_000_000, jitter in 0.0f64..=1.0,
        ) {
            let full = wait(&retry(initial, factor, max, 0.0), some_id(seed), failed);
            let jittered = wait(&retry(initial, factor, max, jitter), some_id(seed), failed);
            prop_assert!(full <= Duration::from_millis(max));
            prop_assert!(jittered <= full);
            prop_assert!(jittered.as_secs_f64() >= full.as_secs_f64() * (1.0 - jitter) - 1e-6);
        }

        #[test]
        fn without_jitter_no_wait_is_shorter_than_the_one_before(
            failed in 1u32..5_000, initial in 1u64..100_000, factor in 1.0f64..100.0, max in 1u64..10_000_000,
        ) {
            let retry = retry(initial, factor, max, 0.0);
            prop_assert!(wait(&retry, some_id(1), failed) <= wait(&retry, some_id(1), failed + 1));
        }
    }
}

//! Chance that comes out the same each time: everything in a simulated year follows from its seed.

use std::time::Duration;

/// A sequence of numbers (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    /// Another sequence for each `purpose`, so that a change in one leaves the others as they were.
    pub(super) fn new(seed: u64, purpose: &[u64]) -> Self {
        Self(purpose.iter().fold(mix(seed), |seed, more| {
            mix(seed ^ more.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        }))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn in_a_hundred(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// To the microsecond; as often from 1 to 10 seconds as from 10 to 100.
    pub(super) fn span(&mut self, least: Duration, most: Duration) -> Duration {
        let part = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        let (least, most) = (least.as_micros() as f64, most.as_micros() as f64);
        Duration::from_micros((least * (most / least).powf(part)) as u64)
    }
}

fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

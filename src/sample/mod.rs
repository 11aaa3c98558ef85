//! Sample events: what the senders send, made up on the spot, for `camhook send`, `camhook demo` and tests.
//!
//! Everything follows from what is told and a seed, so the same call makes the same bytes. Drawing and compressing the
//! photos is the slow part: keep one [`Drawn`] and make thousands of requests a second from it, each telling another
//! plate than the one painted on the car.

mod axis;
mod findface;
mod font;
mod frigate;
mod generic;
mod genetec;
mod hikvision;
mod kipod;
mod multipart;
mod platerecognizer;
mod python;
mod reading;
mod scene;
mod stream;
mod survision;
mod verkada;
mod viewtron;
mod walker;

use jiff::Timestamp;

use scene::Scene;
use walker::Walker;

/// One kind of request that a sender makes. Each sender's file lists its own.
#[derive(Debug)]
pub(crate) struct Sample {
    /// What the command line calls it: the sender's word, a space, the kind.
    pub(crate) name: &'static str,
    /// What it is, in a line.
    pub(crate) about: &'static str,
    make: fn(&Drawn, &Told<'_>) -> Request,
}

/// The photos, ready to be sent any number of times.
pub(crate) struct Drawn {
    one_car: Scene,
    two_cars: Scene,
    no_car: Scene,
    walker: Walker,
}

/// What one request tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) plate: &'a str,
    /// Of the other car, where there are two.
    pub(crate) second_plate: &'a str,
    pub(crate) camera: &'a str,
    /// The moment of capture.
    pub(crate) at: Timestamp,
    /// The address posted to; senders repeat it in their document.
    pub(crate) url: &'a str,
    /// Varies scores, directions and everything else that is nobody's business.
    pub(crate) seed: u64,
}

/// A request to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: http::Method,
    /// The content type is the first of them.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    fn post(content_type: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: http::Method::POST,
            headers: vec![("content-type", content_type.into())],
            body: body.into(),
        }
    }

    #[cfg(test)]
    fn content_type(&self) -> &str {
        &self.headers[0].1
    }
}

/// Every sender's samples, the most ordinary first.
const SENDERS: &[&[Sample]] = &[
    &stream::STREAM,
    &stream::SNAPSHOT,
    &viewtron::SAMPLES,
    &kipod::SAMPLES,
    &axis::SAMPLES,
    &hikvision::SAMPLES,
    &genetec::SAMPLES,
    &verkada::SAMPLES,
    &survision::SAMPLES,
    &frigate::SAMPLES,
    &findface::SAMPLES,
    &generic::SAMPLES,
];

/// Every sample there is.
pub(crate) fn all() -> impl Iterator<Item = &'static Sample> {
    SENDERS.iter().copied().flatten()
}

impl Sample {
    /// By its name; hyphens count as spaces, and a sender's word alone is its first sample.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        let name = name.replace('-', " ");
        all()
            .find(|sample| sample.name == name)
            .or_else(|| Self::of_sender(&name).next())
    }

    /// All samples of the sender that the command line calls so.
    pub(crate) fn of_sender(word: &str) -> impl Iterator<Item = &'static Self> {
        all().filter(move |sample| {
            sample
                .name
                .split_once(' ')
                .is_some_and(|(sender, _)| sender == word)
        })
    }

    pub(crate) fn request(&self, drawn: &Drawn, told: &Told<'_>) -> Request {
        (self.make)(drawn, told)
    }
}

impl Drawn {
    /// Draws the photos with these plates on the cars. Takes some tens of milliseconds.
    pub(crate) fn new(plate: &str, second_plate: &str) -> Self {
        Self {
            one_car: Scene::draw(&[plate]),
            two_cars: Scene::draw(&[plate, second_plate]),
            no_car: Scene::draw(&[]),
            walker: Walker::draw(),
        }
    }
}

/// An invented number plate, such as `KD482PL`; another for each seed, as far as they reach.
pub(crate) fn plate_text(seed: u64) -> String {
    const LETTERS: [char; 20] = [
        'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'R', 'S', 'T', 'V',
        'X', 'Z',
    ];
    let mut chance = Chance(seed);
    let mut text = String::new();
    for place in 0..7 {
        if (2..5).contains(&place) {
            text.push(chance.one_of(&['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']));
        } else {
            text.push(chance.one_of(&LETTERS));
        }
    }
    text
}

/// Numbers that look random and follow from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit.max(1))).unwrap_or(0)
    }

    fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        let limit = u32::try_from(choice.len()).unwrap_or(u32::MAX);
        choice[self.below(limit) as usize]
    }

    /// From `low` to 0.999, with three digits.
    fn score(&mut self, low: f64) -> f64 {
        let thousandths = f64::from(self.below(1_000)) / 1_000.0;
        ((low + (0.999 - low) * thousandths) * 1_000.0).round() / 1_000.0
    }

    fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_sample_is_found_by_its_name() {
        let names: HashSet<_> = all().map(|sample| sample.name).collect();
        assert_eq!(names.len(), all().count());
        for sample in all() {
            for name in [sample.name.to_owned(), sample.name.replace(' ', "-")] {
                assert_eq!(Sample::named(&name).unwrap().name, sample.name);
            }
            assert!(!sample.about.is_empty());
        }
        for senders in SENDERS {
            let (word, _) = senders[0].name.split_once(' ').unwrap();
            assert_eq!(Sample::named(word).unwrap().name, senders[0].name);
        }
        assert!(Sample::named("streams").is_none());
    }

    #[test]
    fn plates_differ_from_seed_to_seed() {
        let plates: HashSet<_> = (0..1_000).map(plate_text).collect();
        assert_eq!(plates.len(), 1_000);
        assert_eq!(plate_text(7), plate_text(7));
    }
}

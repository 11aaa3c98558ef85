//! The pictures that were decoded for one delivery, so that each is decoded once however many steps look at it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use image::DynamicImage;

/// Pixels that are kept for the steps to come. What is beyond is decoded again when it is asked for again.
const PIXELS_MAX: u64 = 100_000_000;

#[derive(Clone)]
pub(crate) struct Opened {
    decoded: Arc<Mutex<Vec<Decoded>>>,
    /// Of one picture, by the memory that there is for it.
    pub(super) pixels_max: u64,
}

impl Default for Opened {
    fn default() -> Self {
        Self {
            decoded: Arc::default(),
            pixels_max: u64::MAX,
        }
    }
}

/// A picture's bytes and its pixels.
type Decoded = (Bytes, Arc<DynamicImage>);

impl Opened {
    /// The picture in these very bytes, if it was decoded.
    pub(super) fn get(&self, bytes: &Bytes) -> Option<Arc<DynamicImage>> {
        let opened = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |other: &Bytes| other.as_ptr() == bytes.as_ptr() && other.len() == bytes.len();
        let (_, image) = opened.iter().find(|(other, _)| same(other))?;
        Some(image.clone())
    }

    pub(super) fn keep(&self, bytes: &Bytes, image: &Arc<DynamicImage>) {
        let pixels = |image: &DynamicImage| u64::from(image.width()) * u64::from(image.height());
        let mut opened = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: u64 = opened.iter().map(|(_, image)| pixels(image)).sum();
        if kept + pixels(image) <= PIXELS_MAX.min(self.pixels_max) {
            opened.push((bytes.clone(), image.clone()));
        }
    }

    pub(super) fn clear(&self) {
        let mut opened = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        opened.clear();
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opened = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "{} decoded", opened.len())
    }
}

//! Sample events: what the senders send, made up on the spot, for `camhook send`, `camhook demo` and tests.
//!
//! Everything follows from what is told and a seed, so the same call makes the same bytes. Drawing and compressing the
//! photos is the slow part: keep one [`Drawn`] and make thousands of requests a second from it, each telling another
//! plate than the one painted on the car.

mod font;
mod platerecognizer;
mod python;
mod reading;
mod scene;
mod viewtron;

use jiff::Timestamp;

use platerecognizer::Pictures;
use scene::Scene;

/// One kind of request that a sender makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sample {
    StreamRecognition,
    StreamOriginal,
    StreamBoth,
    StreamPlatePicture,
    StreamVehicleFormat,
    StreamNoPlate,
    StreamNoImage,
    StreamDwell,
    StreamVideo,
    SnapshotImage,
    SnapshotTwoCars,
    SnapshotNoPlate,
    SnapshotData,
    ViewtronCamera,
    ViewtronRecorder,
    ViewtronHeartbeat,
}

/// The photos, ready to be sent any number of times.
pub(crate) struct Drawn {
    one_car: Scene,
    two_cars: Scene,
    no_car: Scene,
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

/// A request to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

/// Every sample there is, the most ordinary first.
pub(crate) const ALL: [Sample; 16] = [
    Sample::StreamRecognition,
    Sample::StreamOriginal,
    Sample::StreamBoth,
    Sample::StreamPlatePicture,
    Sample::StreamVehicleFormat,
    Sample::StreamNoPlate,
    Sample::StreamNoImage,
    Sample::StreamDwell,
    Sample::StreamVideo,
    Sample::SnapshotImage,
    Sample::SnapshotTwoCars,
    Sample::SnapshotNoPlate,
    Sample::SnapshotData,
    Sample::ViewtronCamera,
    Sample::ViewtronRecorder,
    Sample::ViewtronHeartbeat,
];

impl Sample {
    /// What the command line calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::StreamRecognition => "stream recognition",
            Self::StreamOriginal => "stream original",
            Self::StreamBoth => "stream both",
            Self::StreamPlatePicture => "stream plate",
            Self::StreamVehicleFormat => "stream vehicle",
            Self::StreamNoPlate => "stream noplate",
            Self::StreamNoImage => "stream noimage",
            Self::StreamDwell => "stream dwell",
            Self::StreamVideo => "stream video",
            Self::SnapshotImage => "snapshot image",
            Self::SnapshotTwoCars => "snapshot two",
            Self::SnapshotNoPlate => "snapshot noplate",
            Self::SnapshotData => "snapshot data",
            Self::ViewtronCamera => "viewtron camera",
            Self::ViewtronRecorder => "viewtron recorder",
            Self::ViewtronHeartbeat => "viewtron heartbeat",
        }
    }

    /// What it is, in a line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::StreamRecognition => {
                "a plate with the picture of its vehicle, as Stream sends by default"
            }
            Self::StreamOriginal => "a plate with the full frame (image_type = original)",
            Self::StreamBoth => "a plate with frame and vehicle (image_type = original, vehicle)",
            Self::StreamPlatePicture => {
                "a plate with vehicle and plate pictures (image_type = vehicle, plate)"
            }
            Self::StreamVehicleFormat => "a plate in the vehicle format (detection_mode = vehicle)",
            Self::StreamNoPlate => "a vehicle whose plate was not found (detection_mode = vehicle)",
            Self::StreamNoImage => "a plate without a picture, as a form (image = no)",
            Self::StreamDwell => "how long a vehicle stayed, as a form",
            Self::StreamVideo => "a video clip that follows a plate (video = file)",
            Self::SnapshotImage => "a plate with the picture that was posted to Snapshot",
            Self::SnapshotTwoCars => "two cars in one picture",
            Self::SnapshotNoPlate => "a picture without any plate",
            Self::SnapshotData => "a plate as bare JSON (Data Only)",
            Self::ViewtronCamera => "a plate as a Viewtron camera posts it",
            Self::ViewtronRecorder => "a plate as a Viewtron recorder posts it for its camera",
            Self::ViewtronHeartbeat => "a sign of life of a Viewtron recorder",
        }
    }

    /// Who sends it.
    #[cfg(test)]
    fn vendor(self) -> &'static str {
        match self {
            Self::StreamRecognition
            | Self::StreamOriginal
            | Self::StreamBoth
            | Self::StreamPlatePicture
            | Self::StreamVehicleFormat
            | Self::StreamNoPlate
            | Self::StreamNoImage
            | Self::StreamDwell
            | Self::StreamVideo
            | Self::SnapshotImage
            | Self::SnapshotTwoCars
            | Self::SnapshotNoPlate
            | Self::SnapshotData => "platerecognizer",
            Self::ViewtronCamera | Self::ViewtronRecorder | Self::ViewtronHeartbeat => "viewtron",
        }
    }

    /// By its name; hyphens count as spaces.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.replace('-', " ");
        ALL.into_iter().find(|sample| sample.name() == name)
    }
}

impl Drawn {
    /// Draws the photos with these plates on the cars. Takes some tens of milliseconds.
    pub(crate) fn new(plate: &str, second_plate: &str) -> Self {
        Self {
            one_car: Scene::draw(&[plate]),
            two_cars: Scene::draw(&[plate, second_plate]),
            no_car: Scene::draw(&[]),
        }
    }

    pub(crate) fn request(&self, sample: Sample, told: &Told<'_>) -> Request {
        match sample {
            Sample::StreamRecognition => platerecognizer::stream(self, told, Pictures::Vehicle),
            Sample::StreamOriginal => platerecognizer::stream(self, told, Pictures::Original),
            Sample::StreamBoth => platerecognizer::stream(self, told, Pictures::Both),
            Sample::StreamPlatePicture => {
                platerecognizer::stream(self, told, Pictures::VehicleAndPlate)
            }
            Sample::StreamVehicleFormat => platerecognizer::stream_vehicle_format(self, told, true),
            Sample::StreamNoPlate => platerecognizer::stream_vehicle_format(self, told, false),
            Sample::StreamNoImage => platerecognizer::stream_without_image(self, told),
            Sample::StreamDwell => platerecognizer::stream_dwell(self, told),
            Sample::StreamVideo => platerecognizer::stream_video(self, told),
            Sample::SnapshotImage => platerecognizer::snapshot(&self.one_car, told, true),
            Sample::SnapshotTwoCars => platerecognizer::snapshot(&self.two_cars, told, true),
            Sample::SnapshotNoPlate => platerecognizer::snapshot(&self.no_car, told, true),
            Sample::SnapshotData => platerecognizer::snapshot(&self.one_car, told, false),
            Sample::ViewtronCamera => viewtron::camera_plate(self, told),
            Sample::ViewtronRecorder => viewtron::recorder_plate(self, told),
            Sample::ViewtronHeartbeat => viewtron::heartbeat(told),
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
        let names: HashSet<_> = ALL.iter().map(|sample| sample.name()).collect();
        assert_eq!(names.len(), ALL.len());
        for sample in ALL {
            assert_eq!(Sample::named(sample.name()), Some(sample));
            assert_eq!(
                Sample::named(&sample.name().replace(' ', "-")),
                Some(sample)
            );
            assert!(!sample.about().is_empty());
        }
        assert_eq!(Sample::named("stream"), None);
    }

    #[test]
    fn plates_differ_from_seed_to_seed() {
        let plates: HashSet<_> = (0..1_000).map(plate_text).collect();
        assert_eq!(plates.len(), 1_000);
        assert_eq!(plate_text(7), plate_text(7));
    }
}

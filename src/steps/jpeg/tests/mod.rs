//! Compared with `image`, which decodes everything, and with itself.

mod sampling;

use image::{DynamicImage, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;

use super::*;

/// How a picture is written.
#[derive(Debug, Clone)]
struct Writing {
    width: u16,
    height: u16,
    seed: u32,
    grey: bool,
    sampling: SamplingFactor,
    quality: u8,
    restart: u16,
    /// With tables made for the picture, which the encoder writes in separate scans without restart markers.
    optimized: bool,
}

/// What the encoder can write in one scan, and what it writes in separate scans only.
const TOGETHER: [SamplingFactor; 4] = [
    SamplingFactor::R_4_4_4,
    SamplingFactor::R_4_4_0,
    SamplingFactor::R_4_2_2,
    SamplingFactor::R_4_2_0,
];
const SEPARATE: [SamplingFactor; 4] = [
    SamplingFactor::R_4_4_1,
    SamplingFactor::R_4_2_1,
    SamplingFactor::R_4_1_1,
    SamplingFactor::R_4_1_0,
];

impl Writing {
    fn scene(&self) -> RgbImage {
        let (width, height) = (u32::from(self.width), u32::from(self.height));
        let mut noise = self.seed | 1;
        RgbImage::from_fn(width, height, |x, y| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let slope = |a: u32, b: u32| 40 + (x * a + y * b) % 512 * 3 / 10 % 160;
            let shade = |value: u32, bits: u32| u8::try_from(value + (noise >> bits) % 16).unwrap();
            image::Rgb([
                shade(slope(2, 1), 0),
                shade(slope(1, 2), 8),
                shade(slope(1, 1), 16),
            ])
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, self.quality);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_optimized_huffman_tables(self.optimized);
        if !self.optimized {
            encoder.set_restart_interval(self.restart);
        }
        let scene = DynamicImage::from(self.scene());
        let encoded = if self.grey {
            let grey = scene.to_luma8();
            encoder.encode(grey.as_raw(), self.width, self.height, ColorType::Luma)
        } else {
            encoder.encode(scene.as_bytes(), self.width, self.height, ColorType::Rgb)
        };
        encoded.unwrap();
        bytes
    }
}

prop_compose! {
    fn writing()(
        width in 1..90_u16,
        height in 1..90_u16,
        seed: u32,
        grey in prop::bool::weighted(0.15),
        sampling in prop::sample::select([TOGETHER, SEPARATE].concat()),
        quality in prop_oneof![30..=100_u8, Just(90)],
        restart in prop_oneof![Just(0_u16), 1..12_u16],
        optimized: bool,
    ) -> Writing {
        Writing { width, height, seed, grey, sampling, quality, restart, optimized }
    }
}

/// A box that lies in the picture, at an edge more often than not.
fn area(size: Size) -> impl Strategy<Value = Pixels> {
    let side = |side: u32| {
        let length = prop_oneof![Just(1), 1..=side, Just(side)];
        length.prop_flat_map(move |length| {
            let at = prop_oneof![Just(0), 0..=side - length, Just(side - length)];
            at.prop_map(move |at| (at, length))
        })
    };
    (side(size.width), side(size.height)).prop_map(|((x, width), (y, height))| Pixels {
        x,
        y,
        width,
        height,
    })
}

fn written_with_areas() -> impl Strategy<Value = (Writing, Vec<Pixels>)> {
    writing().prop_flat_map(|writing| {
        let size = Size {
            width: u32::from(writing.width),
            height: u32::from(writing.height),
        };
        (Just(writing), prop::collection::vec(area(size), 1..4))
    })
}

fn cut(picture: &DynamicImage, area: Pixels) -> DynamicImage {
    picture.crop_imm(area.x, area.y, area.width, area.height)
}

/// Largest difference of a sample, and the mean of the squares.
fn difference(one: &DynamicImage, other: &DynamicImage) -> (u8, f64) {
    assert_eq!(
        (one.color(), one.width(), one.height()),
        (other.color(), other.width(), other.height())
    );
    let pairs = one.as_bytes().iter().zip(other.as_bytes());
    let differences: Vec<u8> = pairs.map(|(one, other)| one.abs_diff(*other)).collect();
    let squares: f64 = differences
        .iter()
        .map(|difference| f64::from(*difference).powi(2))
        .sum();
    let count = u32::try_from(differences.len()).unwrap();
    (
        differences.into_iter().max().unwrap(),
        squares / f64::from(count),
    )
}

proptest! {
    #[test]
    fn a_part_looks_as_when_everything_is_decoded((mut writing, areas) in written_with_areas()) {
        writing.optimized = false;
        prop_assume!(writing.grey || TOGETHER.contains(&writing.sampling));
        prop_assume!(writing.width.min(writing.height) > 8); // it interpolates less of narrow ones
        let bytes = writing.bytes();
        let everything = image::load_from_memory(&bytes).unwrap();
        let parts = Jpeg::open(&bytes).unwrap().parts(&areas).unwrap();
        prop_assert!(!parts.missing);
        for (area, part) in areas.into_iter().zip(&parts.pictures) {
            let (largest, squares) = difference(part, &cut(&everything, area));
            // A few pixels may all be rounded the other way, and it interpolates less at the lower edge; else 45 dB are kept.
            let few = area.width * area.height < 256;
            let edge = area.y + area.height + 2 > u32::from(writing.height);
            prop_assert!(largest <= if edge { 16 } else { 5 }, "{largest}");
            prop_assert!(few || edge || squares < 2.0, "{squares}");
        }
    }

    #[test]
    fn a_part_is_to_the_bit_what_it_is_in_the_whole((writing, areas) in written_with_areas()) {
        let bytes = writing.bytes();
        let jpeg = Jpeg::open(&bytes).unwrap();
        let whole = jpeg.whole().unwrap().pictures.remove(0);
        let together = jpeg.parts(&areas).unwrap().pictures;
        for (area, part) in areas.into_iter().zip(together) {
            prop_assert_eq!(&part, &cut(&whole, area));
            prop_assert_eq!(&part, &jpeg.parts(&[area]).unwrap().pictures[0]);
        }
    }

    #[test]
    fn colours_in_separate_scans_are_the_same_colours(mut writing in writing()) {
        prop_assume!(TOGETHER.contains(&writing.sampling));
        writing.grey = false;
        writing.optimized = false;
        let together = writing.bytes();
        writing.optimized = true;
        let separate = writing.bytes();
        prop_assert!(is_scattered(&separate) && !is_scattered(&together));
        let whole = |bytes: &[u8]| Jpeg::open(bytes).unwrap().whole().unwrap().pictures.remove(0);
        prop_assert_eq!(whole(&together), whole(&separate));
    }

    #[test]
    fn nothing_panics_on_changed_bytes(
        (writing, areas) in written_with_areas(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        keep in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = writing.bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(keep) = keep {
            bytes.truncate(keep.index(bytes.len()));
        }
        is_scattered(&bytes);
        breaks_off(&bytes);
        if let Ok(jpeg) = Jpeg::open(&bytes) {
            let _ = jpeg.parts(&areas);
            if jpeg.bytes() < 1_000_000 {
                let _ = jpeg.whole();
            }
        }
    }
}

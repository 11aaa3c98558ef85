//! Writing a JPEG: baseline, all colours with as many samples as pixels, the typical tables (T.81, F.1, K).
//!
//! A cut is written for each delivery, and with the ordinary encoder that took a third of what the cut takes altogether.
//! This one does the same with the same tables, and transforms eight columns at once.

use std::array::from_fn;

use wide::{f32x4, i32x4};

use super::blocks::ZIGZAG;
use super::fdct::{self, FACTORS, Row};
use super::standard;

/// Pixels of a picture, row by row, grey or RGB.
pub(in crate::steps) struct Pixmap<'a> {
    pub(in crate::steps) width: usize,
    pub(in crate::steps) height: usize,
    pub(in crate::steps) pixels: &'a [u8],
    pub(in crate::steps) grey: bool,
}

/// A table of codes, by what they stand for: the code, and its length.
struct Codes([(u16, u8); 256]);

/// How brightness, or a colour, is quantised and coded.
struct Coder {
    /// What to multiply coefficients by, in the order in which the transform leaves them.
    steps: [Row; 8],
    dc: Codes,
    ac: Codes,
}

/// Bits on their way into the file.
struct Writer {
    bytes: Vec<u8>,
    bits: u64,
    /// How many of them, from the bottom; fewer than 32 between two values.
    count: u32,
}

/// `None` when the picture has no pixels, too few bytes for its size, or a side longer than a JPEG has room for. `quality`
/// is from 1 to 100.
pub(in crate::steps) fn write(picture: &Pixmap<'_>, quality: u8) -> Option<Vec<u8>> {
    let side = |side: usize| u16::try_from(side).ok().filter(|side| *side > 0);
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let colors = if picture.grey { 1 } else { 3 };
    let line = picture.width * colors;
    let tables = standard::QUANTISATION.map(|table| quantisation(&table, quality));
    let mut writer = Writer {
        bytes: Vec::with_capacity(1024 + line * picture.height / 4),
        bits: 0,
        count: 0,
    };
    writer.head(width, height, colors, &tables);
    let coders: [Coder; 2] = from_fn(|which| Coder::new(&tables[which], which));
    let mut before = [0; 3];
    let mut bands: [Vec<Row>; 3] = Default::default();
    for top in (0..picture.height).step_by(8) {
        for (y, row) in (top..top + 8).enumerate() {
            // Blocks that stand out are filled with the last line and the last column.
            let from = row.min(picture.height - 1) * line;
            split(
                picture.pixels.get(from..from + line)?,
                picture.grey,
                y,
                &mut bands,
            );
        }
        for x in 0..picture.width.div_ceil(8) {
            for color in 0..colors {
                let block = bands[color].as_chunks::<8>().0.get(x)?;
                writer.block(block, &coders[color.min(1)], &mut before[color]);
            }
        }
    }
    Some(writer.end())
}

/// As the IJG's programs understand quality.
fn quantisation(table: &[u8; 64], quality: u8) -> [u8; 64] {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 {
        5000 / quality
    } else {
        200 - 2 * quality
    };
    table.map(|step| ((u32::from(step) * percent + 50) / 100).clamp(1, 255) as u8)
}

/// Puts line `y` of eight into the blocks of each colour, as differences from grey.
fn split(line: &[u8], grey: bool, y: usize, bands: &mut [Vec<Row>; 3]) {
    let colors = if grey { 1 } else { 3 };
    let blocks = (line.len() / colors).div_ceil(8);
    for band in &mut bands[..colors] {
        band.resize(blocks * 8, Row::default());
    }
    for x in 0..blocks {
        let (at, from) = (x * 8 + y, x * 8 * colors);
        let mut padded = [0; 24];
        let pixels = line[from..].first_chunk().unwrap_or_else(|| {
            let last = &line[line.len() - colors..];
            for (n, byte) in padded.iter_mut().enumerate() {
                *byte = *line.get(from + n).unwrap_or(&last[n % colors]);
            }
            &padded
        });
        for half in 0..2 {
            let byte = |n: usize| i32::from(pixels[half * 4 * colors + n]);
            if grey {
                let shades = i32x4::new([byte(0), byte(1), byte(2), byte(3)]);
                bands[0][at][half] = f32x4::from_i32x4(shades) - 128.0;
                continue;
            }
            let color =
                |n| f32x4::from_i32x4(i32x4::new([byte(n), byte(n + 3), byte(n + 6), byte(n + 9)]));
            let (r, g, b) = (color(0), color(1), color(2));
            bands[0][at][half] = r * 0.299 + g * 0.587 + b * 0.114 - 128.0;
            bands[1][at][half] = b * 0.5 - r * 0.168_736 - g * 0.331_264;
            bands[2][at][half] = r * 0.5 - g * 0.418_688 - b * 0.081_312;
        }
    }
}

impl Codes {
    /// C.2: codes of one length follow each other, and the next longer ones follow them.
    fn new((counts, symbols): standard::Codes) -> Self {
        let mut codes = [(0, 0); 256];
        let (mut code, mut symbols) = (0, symbols.iter());
        for (length, count) in (1..).zip(counts) {
            for symbol in symbols.by_ref().take(usize::from(count)) {
                codes[usize::from(*symbol)] = (code, length);
                code += 1;
            }
            code <<= 1;
        }
        Self(codes)
    }
}

impl Coder {
    /// `which` of the typical tables.
    fn new(quantisation: &[u8; 64], which: usize) -> Self {
        let step = |x: usize, y: usize| {
            1.0 / (f32::from(quantisation[y * 8 + x]) * FACTORS[x] * FACTORS[y] * 8.0)
        };
        Self {
            // Rows and columns have changed places.
            steps: from_fn(|x| [0, 4].map(|top| f32x4::new(from_fn(|n| step(x, top + n))))),
            dc: Codes::new(standard::DC[which]),
            ac: Codes::new(standard::AC[which]),
        }
    }

    /// Quantised and to the nearest, in the order of the transform; and a bit for each place in zigzag order that is not zero.
    #[inline(always)]
    fn quantised(&self, block: &[Row; 8]) -> ([i32; 64], u64) {
        let coefficients = fdct::coefficients(block);
        let (mut values, mut some) = ([0; 64], 0);
        let places = PLACES.as_chunks::<8>().0;
        for (x, (out, places)) in values
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip(places)
            .enumerate()
        {
            let a = (coefficients[x][0] * self.steps[x][0]).fast_round_int();
            let b = (coefficients[x][1] * self.steps[x][1]).fast_round_int();
            out[..4].copy_from_slice(a.as_array());
            out[4..].copy_from_slice(b.as_array());
            // Most are zero, above all where fine detail would be.
            let zero = |four: i32x4| four.simd_eq(i32x4::ZERO).to_bitmask();
            let mut left = !(zero(a) | zero(b) << 4) & 0xff;
            while left != 0 {
                some |= 1 << places[left.trailing_zeros() as usize & 7];
                left &= left - 1;
            }
        }
        (values, some)
    }
}

/// Where the transform leaves what comes so many places down in zigzag order.
const ORDER: [u8; 64] = {
    let mut order = [0; 64];
    let mut n = 0;
    while n < 64 {
        order[n] = ZIGZAG[n] % 8 * 8 + ZIGZAG[n] / 8;
        n += 1;
    }
    order
};

/// The other way round.
const PLACES: [u8; 64] = {
    let mut places = [0; 64];
    let mut n = 0;
    while n < 64 {
        places[ORDER[n] as usize] = n as u8;
        n += 1;
    }
    places
};

impl Writer {
    fn segment(&mut self, marker: u8, data: &[&[u8]]) {
        let length: usize = 2 + data.iter().map(|part| part.len()).sum::<usize>();
        self.bytes.extend([0xff, marker]);
        self.bytes.extend((length as u16).to_be_bytes());
        for part in data {
            self.bytes.extend_from_slice(part);
        }
    }

    fn head(&mut self, width: u16, height: u16, colors: usize, tables: &[[u8; 64]; 2]) {
        self.bytes.extend([0xff, 0xd8]);
        // JFIF 1.2, no aspect ratio but that of the pixels, no thumbnail.
        self.segment(0xe0, &[b"JFIF\0", &[1, 2, 0, 0, 1, 0, 1, 0, 0]]);
        let used = colors.min(2);
        for (which, table) in (0..).zip(&tables[..used]) {
            let table = ZIGZAG.map(|place| table[usize::from(place) & 63]);
            self.segment(0xdb, &[&[which], &table]);
        }
        let (w, h) = (width.to_be_bytes(), height.to_be_bytes());
        let components: &[u8] = &[1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1];
        let count = colors as u8;
        self.segment(0xc0, &[&[8], &h, &w, &[count], &components[..colors * 3]]);
        for which in 0..used {
            for (class, (counts, symbols)) in
                [(0, standard::DC[which]), (0x10, standard::AC[which])]
            {
                self.segment(0xc4, &[&[class | which as u8], &counts, symbols]);
            }
        }
        let components: &[u8] = &[1, 0, 2, 0x11, 3, 0x11];
        self.segment(0xda, &[&[count], &components[..colors * 2], &[0, 63, 0]]);
    }

    fn block(&mut self, block: &[Row; 8], coder: &Coder, before: &mut i32) {
        let (values, some) = coder.quantised(block);
        let difference = values[0] - *before;
        *before = values[0];
        self.value(&coder.dc, 0, difference);
        let mut some = some & !1;
        let mut at = 0;
        while some != 0 {
            let next = some.trailing_zeros();
            some &= some - 1;
            let mut zeros = next - at - 1;
            while zeros > 15 {
                let (code, length) = coder.ac.0[0xf0];
                self.put(u32::from(code), u32::from(length));
                zeros -= 16;
            }
            let value = values[usize::from(ORDER[next as usize & 63]) & 63];
            self.value(&coder.ac, zeros, value);
            at = next;
        }
        if at < 63 {
            let (code, length) = coder.ac.0[0];
            self.put(u32::from(code), u32::from(length));
        }
    }

    /// The code for so many zeros and a value of this size, and the value.
    fn value(&mut self, codes: &Codes, zeros: u32, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let (code, length) = codes.0[(zeros << 4 | size) as usize & 255];
        // Negative ones are told less one, so that they begin with a zero.
        let told = (value + (value >> 31)) as u32 & ((1 << size) - 1);
        self.put(u32::from(code) << size | told, u32::from(length) + size);
    }

    /// At most 32 bits.
    #[inline(always)]
    fn put(&mut self, bits: u32, count: u32) {
        self.bits = self.bits << count | u64::from(bits);
        self.count += count;
        if self.count < 32 {
            return;
        }
        self.count -= 32;
        let word = ((self.bits >> self.count) as u32).to_be_bytes();
        if word.contains(&0xff) {
            for byte in word {
                self.byte(byte);
            }
        } else {
            self.bytes.extend_from_slice(&word);
        }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
        if byte == 0xff {
            self.bytes.push(0);
        }
    }

    /// Fills the last byte with ones, and ends the picture.
    fn end(mut self) -> Vec<u8> {
        while !self.count.is_multiple_of(8) {
            self.put(1, 1);
        }
        while self.count > 0 {
            self.count -= 8;
            self.byte((self.bits >> self.count) as u8);
        }
        self.bytes.extend([0xff, 0xd9]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{DynamicImage, RgbImage};
    use proptest::prelude::*;

    use super::*;

    fn scene(width: u32, height: u32, seed: u32) -> DynamicImage {
        let mut noise = seed | 1;
        let picture = RgbImage::from_fn(width, height, |x, y| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let shade =
                |slope: u32, bits: u32| u8::try_from(slope % 200 + (noise >> bits) % 24).unwrap();
            image::Rgb([shade(x * 3 + y, 0), shade(x + y * 2, 8), shade(x * 7, 16)])
        });
        picture.into()
    }

    fn written(picture: &DynamicImage, quality: u8) -> Vec<u8> {
        let pixmap = Pixmap {
            width: picture.width() as usize,
            height: picture.height() as usize,
            pixels: picture.as_bytes(),
            grey: !picture.color().has_color(),
        };
        write(&pixmap, quality).unwrap()
    }

    /// The mean of the squares of the differences.
    fn error(bytes: &[u8], picture: &DynamicImage) -> f64 {
        let read = image::load_from_memory(bytes).unwrap();
        assert_eq!(
            (read.color(), read.width(), read.height()),
            (picture.color(), picture.width(), picture.height())
        );
        let pairs = read.as_bytes().iter().zip(picture.as_bytes());
        let squares: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
        squares / f64::from(u32::try_from(picture.as_bytes().len()).unwrap())
    }

    proptest! {
        #[test]
        fn is_as_true_and_as_small_as_what_the_ordinary_encoder_writes(
            (width, height, seed) in (16..80_u32, 16..50_u32, any::<u32>()),
            quality in 10..=95_u8, // above, it keeps more than the ordinary one
            grey: bool,
        ) {
            let mut picture = scene(width, height, seed);
            if grey {
                picture = picture.to_luma8().into();
            }
            let mut ordinary = Vec::new();
            let encoder = JpegEncoder::new_with_quality(&mut ordinary, quality);
            picture.write_with_encoder(encoder).unwrap();
            let ours = written(&picture, quality);
            prop_assert!(error(&ours, &picture) <= error(&ordinary, &picture) * 1.2 + 1.5);
            prop_assert!(ours.len() <= ordinary.len() + ordinary.len() / 20 + 40);
        }
    }

    #[test]
    fn the_hardest_edges_are_written() {
        for quality in [1, 50, 100] {
            let checks =
                RgbImage::from_fn(33, 17, |x, y| image::Rgb([((x ^ y) & 1) as u8 * 255; 3]));
            let bytes = written(&checks.into(), quality);
            assert!(super::super::Jpeg::open(&bytes).unwrap().whole().is_ok());
        }
    }

    #[test]
    fn every_size_is_written() {
        for side in 1..18 {
            let picture = scene(side, 18 - side, side);
            assert!(error(&written(&picture, 90), &picture) < 100.0, "{side}");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let pixmap = |width, height, pixels| Pixmap {
            width,
            height,
            pixels,
            grey: true,
        };
        assert!(write(&pixmap(70_000, 1, &[0; 70_000]), 90).is_none());
        assert!(write(&pixmap(0, 1, &[]), 90).is_none());
        assert!(write(&pixmap(9, 9, &[0; 80]), 90).is_none());
    }
}

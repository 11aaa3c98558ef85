//! Colours of every resolution, in one scan and in a scan each, compared with what libjpeg-turbo makes of them.
//!
//! No encoder at hand writes 4:1:1 in one scan, and `image` does not read colours in separate scans. So pictures are drawn
//! here as what a JPEG holds, frequencies of blocks, and what libjpeg-turbo decodes is known by a digest. Where one is
//! missing or the drawing was changed, the test leaves the picture in a file and says how to ask Pillow for the digest.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::super::{Jpeg, is_scattered, standard};
use super::*;
use crate::event::{Event, Item, Role};
use crate::steps::fixtures::{sent, work};
use crate::steps::{Built, Settings};
use crate::template::Engine;

/// A picture of three colours; the second and third have one block for `across` times `down` of the first.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    width: u16,
    height: u16,
    across: u8,
    down: u8,
    together: bool,
    /// Restart markers stand behind so many units.
    restart: u16,
}

/// Steps between frequencies' values, alike for all.
const STEP: i32 = 8;

impl Drawn {
    /// The values of one block in the order of a file, small enough that no pixel is far out of range.
    fn block(self, color: usize, x: usize, y: usize) -> [i32; 64] {
        let mut noise = (color * 7_919 + x * 104_729 + y * 1_299_709 + 1) as u32;
        let mut below = |limit: u32| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            i32::try_from(noise % limit).unwrap()
        };
        below(2);
        let mut values = [0; 64];
        values[0] = below(100) - 50;
        for _ in 0..6 {
            let at = usize::try_from(below(30)).unwrap() + 1;
            values[at] = below(13) - 6;
        }
        values
    }

    fn grid(self, color: usize) -> (u8, u8) {
        if color == 0 {
            (self.across, self.down)
        } else {
            (1, 1)
        }
    }

    fn bytes(self) -> Vec<u8> {
        let (across, down) = (usize::from(self.across), usize::from(self.down));
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let mut file = vec![0xff, 0xd8];
        let [wh, wl] = self.width.to_be_bytes();
        let [hh, hl] = self.height.to_be_bytes();
        let mut tables = vec![0];
        tables.extend([u8::try_from(STEP).unwrap(); 64]);
        segment(&mut file, 0xdb, &tables);
        let sampling = self.across << 4 | self.down;
        let colors = [1, sampling, 0, 2, 0x11, 0, 3, 0x11, 0];
        segment(
            &mut file,
            0xc0,
            &[&[8, hh, hl, wh, wl, 3], &colors[..]].concat(),
        );
        for (class, (counts, symbols)) in [(0, standard::DC[0]), (0x10, standard::AC[0])] {
            segment(&mut file, 0xc4, &[&[class], &counts[..], symbols].concat());
        }
        if self.restart > 0 {
            segment(&mut file, 0xdd, &self.restart.to_be_bytes());
        }
        let units = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        let restart = usize::from(self.restart);
        if self.together {
            segment(&mut file, 0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
            let mut coded = Coded::default();
            for n in 0..units.0 * units.1 {
                coded.restart(n, restart);
                let (x, y) = (n % units.0, n / units.0);
                for color in 0..3 {
                    let (h, v) = self.grid(color);
                    let (h, v) = (usize::from(h), usize::from(v));
                    for part in 0..h * v {
                        let at = (x * h + part % h, y * v + part / h);
                        coded.block(color, &self.block(color, at.0, at.1));
                    }
                }
            }
            file.extend(coded.end());
        } else {
            for color in 0..3 {
                let id = u8::try_from(color + 1).unwrap();
                segment(&mut file, 0xda, &[1, id, 0, 0, 63, 0]);
                // Alone, a colour has no blocks but those that its own samples fill.
                let (h, v) = self.grid(color);
                let length = |side: usize, own: u8, most: usize| {
                    (side * usize::from(own)).div_ceil(most).div_ceil(8)
                };
                let (columns, rows) = (length(width, h, across), length(height, v, down));
                let mut coded = Coded::default();
                for n in 0..columns * rows {
                    coded.restart(n, restart);
                    coded.block(color, &self.block(color, n % columns, n / columns));
                }
                file.extend(coded.end());
            }
        }
        file.extend([0xff, 0xd9]);
        file
    }

    /// The same in one scan and in several, for so are the pixels.
    fn name(self) -> String {
        format!(
            "{}x{}-{}x{}",
            self.width, self.height, self.across, self.down
        )
    }
}

fn segment(file: &mut Vec<u8>, marker: u8, data: &[u8]) {
    file.extend([0xff, marker]);
    file.extend(u16::try_from(data.len() + 2).unwrap().to_be_bytes());
    file.extend(data);
}

/// The codes of a table, by what they stand for.
fn codes((counts, symbols): standard::Codes) -> HashMap<u8, (u32, u32)> {
    let (mut code, mut symbols) = (0, symbols.iter());
    let mut codes = HashMap::new();
    for (count, length) in counts.into_iter().zip(1..) {
        for symbol in symbols.by_ref().take(usize::from(count)) {
            codes.insert(*symbol, (code, length));
            code += 1;
        }
        code <<= 1;
    }
    codes
}

/// The data of one scan.
struct Coded {
    dc: HashMap<u8, (u32, u32)>,
    ac: HashMap<u8, (u32, u32)>,
    bytes: Vec<u8>,
    bits: Vec<bool>,
    before: [i32; 3],
}

impl Default for Coded {
    fn default() -> Self {
        Self {
            dc: codes(standard::DC[0]),
            ac: codes(standard::AC[0]),
            bytes: Vec::new(),
            bits: Vec::new(),
            before: [0; 3],
        }
    }
}

impl Coded {
    fn block(&mut self, color: usize, values: &[i32; 64]) {
        let first = values[0] - self.before[color];
        self.before[color] = values[0];
        self.value(true, 0, first);
        let mut zeros = 0;
        for &value in &values[1..] {
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                self.put(self.ac[&0xf0]);
                zeros -= 16;
            }
            self.value(false, zeros, value);
            zeros = 0;
        }
        if zeros > 0 {
            self.put(self.ac[&0]);
        }
    }

    fn value(&mut self, first: bool, zeros: u8, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let symbol = zeros << 4 | u8::try_from(size).unwrap();
        self.put(if first {
            self.dc[&symbol]
        } else {
            self.ac[&symbol]
        });
        let bits = if value < 0 { value - 1 } else { value };
        self.put((bits as u32 & ((1 << size) - 1), size));
    }

    fn put(&mut self, (bits, length): (u32, u32)) {
        self.bits
            .extend((0..length).rev().map(|bit| bits >> bit & 1 == 1));
    }

    fn restart(&mut self, n: usize, every: usize) {
        if every > 0 && n > 0 && n.is_multiple_of(every) {
            self.flush();
            let number = u8::try_from((n / every - 1) % 8).unwrap();
            self.bytes.extend([0xff, 0xd0 + number]);
            self.before = [0; 3];
        }
    }

    fn flush(&mut self) {
        let missing = self.bits.len().next_multiple_of(8) - self.bits.len();
        self.bits.extend(vec![true; missing]);
        for eight in self.bits.chunks(8) {
            let byte = eight.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
        self.bits.clear();
    }

    fn end(mut self) -> Vec<u8> {
        self.flush();
        self.bytes
    }
}

fn whole(bytes: &[u8]) -> DynamicImage {
    let whole = Jpeg::open(bytes).unwrap().whole().unwrap();
    assert!(!whole.missing);
    whole.pictures.into_iter().next().unwrap()
}

/// `across` and `down`, and what it is called.
const SAMPLINGS: [(u8, u8, &str); 4] = [
    (2, 1, "4:2:2"),
    (1, 2, "4:4:0"),
    (4, 1, "4:1:1"),
    (2, 2, "4:2:0"),
];

fn every_drawing() -> Vec<Drawn> {
    let mut drawings = Vec::new();
    for (across, down, _) in SAMPLINGS {
        for together in [true, false] {
            for (width, height, restart) in [(67, 45, 0), (128, 64, 3), (33, 9, 0), (250, 130, 0)] {
                drawings.push(Drawn {
                    width,
                    height,
                    across,
                    down,
                    together,
                    restart,
                });
            }
        }
    }
    drawings
}

/// The first half of the SHA-256 of the pixels that libjpeg-turbo 3.2 decodes (Pillow 13.0, read 2026-11-21).
#[rustfmt::skip]
const DECODED: &[(&str, &str)] = &[
    ("128x64-1x2", "6868eb094da058500faf943645a726e0"),
    ("128x64-2x1", "e0348f59c685cfac1abbb9b0763250f5"),
    ("128x64-2x2", "a8dd4bb7856a6828628f8ea82e901bba"),
    ("128x64-4x1", "81a78c028ec12c6d2c15682f1d966288"),
    ("250x130-1x2", "91c09f256207e12e9ab3c97cf3e8b5fe"),
    ("250x130-2x1", "23b6731cc00d8e77982fe84e94268fa1"),
    ("250x130-2x2", "af3f0f7a50e870ace5a048ff3a2a7097"),
    ("250x130-4x1", "a1d7ca70fdce70feb812cbe55509d44e"),
    ("33x9-1x2", "9b3acb87080b8cad7acdc9519ba43585"),
    ("33x9-2x1", "09ecc637a84362748ba4f38a45951873"),
    ("33x9-2x2", "b479a4aed54aa2ecdb16297ec4d0e9c2"),
    ("33x9-4x1", "91a5a09af1dbf9eee1be17a3ceaa813d"),
    ("67x45-1x2", "4257a1471eefaa39f9a107437a744c9d"),
    ("67x45-2x1", "ff96d7fc9ce28e047c58d7cceda430aa"),
    ("67x45-2x2", "4d70b26dd9aa6815ac9e3423b53f0140"),
    ("67x45-4x1", "68410cb3807bad48a6f7902cb51bce82"),
];

#[test]
fn colours_of_every_resolution_are_decoded_as_libjpeg_does() {
    let mut wrong = String::new();
    for drawing in every_drawing() {
        let (bytes, name) = (drawing.bytes(), drawing.name());
        assert_eq!(is_scattered(&bytes), !drawing.together, "{name}");
        let pixels = whole(&bytes).to_rgb8().into_raw();
        let digest = HEXLOWER.encode(&Sha256::digest(pixels)[..16]);
        let known = DECODED.iter().find(|(known, _)| *known == name);
        if known.is_none_or(|(_, known)| *known != digest) {
            let scans = if drawing.together {
                "together"
            } else {
                "separate"
            };
            let file = std::env::temp_dir().join(format!("camhook-{name}-{scans}.jpg"));
            std::fs::write(&file, bytes).unwrap();
            wrong.push_str(&format!("{}\n", file.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "decoded otherwise than libjpeg-turbo does, which `bench/pillow/digest.py FILE` tells of:\n{wrong}"
    );
}

proptest! {
    #[test]
    fn a_part_is_cut_from_all_of_it_whatever_the_resolution(
        (width, height) in (9..200_u16, 9..140_u16),
        (across, down, _) in prop::sample::select(SAMPLINGS.to_vec()),
        together: bool,
        restart in prop_oneof![Just(0_u16), 1..7_u16],
        corners: [prop::sample::Index; 4],
    ) {
        let drawn = Drawn { width, height, across, down, together, restart };
        let bytes = drawn.bytes();
        let span = |side: u16, [one, other]: [prop::sample::Index; 2]| {
            let side = usize::from(side);
            let (one, other) = (one.index(side), other.index(side));
            let place = |n: usize| u32::try_from(n).unwrap();
            (place(one.min(other)), place(one.max(other) - one.min(other) + 1))
        };
        let (x, width) = span(width, [corners[0], corners[1]]);
        let (y, height) = span(height, [corners[2], corners[3]]);
        let area = Pixels { x, y, width, height };
        let all = whole(&bytes);
        let part = Jpeg::open(&bytes).unwrap().parts(&[area]).unwrap().pictures.remove(0);
        prop_assert_eq!(&part, &cut(&all, area));
        // The other decoder reads what is in one scan, if it is not too narrow for it; it rounds otherwise.
        if together && across < 4 && drawn.width.min(drawn.height) > 16 {
            let theirs = image::load_from_memory(&bytes).unwrap();
            let inner = Pixels { x: 0, y: 0, width: drawn.width.into(), height: u32::from(drawn.height) - 2 };
            let (largest, squares) = difference(&cut(&all, inner), &cut(&theirs, inner));
            prop_assert!(largest <= 24 && squares < 4.0, "{largest} {squares}");
        }
    }
}

#[test]
fn crop_cuts_the_same_pixels_out_of_every_one_of_them() {
    for drawing in every_drawing()
        .into_iter()
        .filter(|drawing| drawing.width > 100)
    {
        let bytes = drawing.bytes();
        let (x, y, width, height) = (21, 13, 75, 38);
        let json = serde_json::json!({
            "plates": [{ "text": "AB1", "box": {
                "xmin": x, "ymin": y, "xmax": x + width, "ymax": y + height, "unit": "px", "image": "frame",
            } }],
        });
        let event = Event::from_json(json, jiff::Timestamp::UNIX_EPOCH).unwrap();
        let mut work = work(event, vec![sent(Role::FRAME, None, bytes.clone())]);
        work.item = Some(Item::Plate(0));
        let settings = serde_saphyr::from_str::<Settings>("crop: { format: png }").unwrap();
        let Ok(Built::OnDelivery(crop)) = settings.build(&Engine::new(&[])) else {
            panic!("it is a step of deliveries");
        };
        crop.take(&mut work).unwrap();
        work.finish().unwrap();
        let plate = work.pictures.iter().find(|one| one.role == Role::PLATE);
        let plate = image::load_from_memory(plate.unwrap().bytes().unwrap()).unwrap();
        let area = Pixels {
            x,
            y,
            width,
            height,
        };
        assert_eq!(
            plate.to_rgb8(),
            cut(&whole(&bytes), area).to_rgb8(),
            "{}",
            drawing.name()
        );
    }
}

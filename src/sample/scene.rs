//! A photo that nobody took: a road under a sky, and cars seen from behind with readable number plates.
//!
//! Drawn rather than shipped, so that there are no real people's plates in it, and so that the true boxes are known.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{GenericImageView, Rgb, RgbImage};

use super::font;
use crate::event::{Pixels, Size};

/// Of the frame.
pub(super) const SIZE: Size = Size {
    width: WIDTH,
    height: HEIGHT,
};
const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
const HORIZON: u32 = 300;
const PLATE: (u32, u32) = (208, 48);
/// As cameras use it; the text stays sharp.
const QUALITY: u8 = 85;
/// More does not fit on a plate in letters of three pixels a dot.
const LETTERS_MAX: usize = 11;

/// One frame with its cars, all as JPEG.
pub(super) struct Scene {
    pub(super) frame: Bytes,
    pub(super) cars: Vec<Car>,
}

/// One car, its boxes in pixels of the frame.
pub(super) struct Car {
    pub(super) vehicle: Pixels,
    pub(super) plate: Pixels,
    pub(super) vehicle_picture: Bytes,
    pub(super) plate_picture: Bytes,
}

/// The paint of the cars in order, and what a vendor would call it.
pub(super) const PAINT: [([u8; 3], &str); 2] = [([38, 76, 148], "blue"), ([150, 34, 40], "red")];

impl Scene {
    /// With a car for each plate, at most two.
    pub(super) fn draw(plates: &[&str]) -> Self {
        let mut canvas = Canvas::landscape();
        let corners: &[(u32, u32)] = match plates.len() {
            0 => &[],
            1 => &[(430, 290)],
            _ => &[(130, 270), (740, 330)],
        };
        let mut boxes = Vec::new();
        for (n, (plate, corner)) in plates.iter().zip(corners).enumerate() {
            boxes.push(canvas.car(*corner, PAINT[n % PAINT.len()].0, plate));
        }
        let cars = boxes.into_iter().map(|(vehicle, plate)| Car {
            vehicle,
            plate,
            vehicle_picture: canvas.jpeg(vehicle),
            plate_picture: canvas.jpeg(plate),
        });
        let cars = cars.collect();
        let whole = Pixels {
            x: 0,
            y: 0,
            width: WIDTH,
            height: HEIGHT,
        };
        Self {
            frame: canvas.jpeg(whole),
            cars,
        }
    }
}

/// What a photo is drawn on.
pub(super) struct Canvas(RgbImage);

impl Canvas {
    /// A road under a sky.
    pub(super) fn landscape() -> Self {
        let mut canvas = Self(RgbImage::new(WIDTH, HEIGHT));
        for (x, y, pixel) in canvas.0.enumerate_pixels_mut() {
            *pixel = Rgb(if y < HORIZON {
                between([104, 150, 204], [206, 220, 232], y, HORIZON)
            } else {
                let verge = (y - HORIZON) * 3 / 4;
                let (left, right) = (300_u32.saturating_sub(verge), 980 + verge);
                if (left..right).contains(&x) {
                    between([96, 97, 100], [62, 62, 66], y - HORIZON, HEIGHT - HORIZON)
                } else {
                    between([92, 128, 78], [58, 92, 50], y - HORIZON, HEIGHT - HORIZON)
                }
            });
        }
        // The middle line, in strokes that grow towards the camera.
        for (top, length, width) in [
            (310, 16, 4),
            (345, 28, 6),
            (400, 48, 10),
            (490, 80, 16),
            (620, 100, 24),
        ] {
            canvas.fill(
                (WIDTH / 2 - width / 2, top),
                (width, length),
                [214, 210, 196],
            );
        }
        canvas
    }

    /// Draws a car of 420 by 330 pixels and returns its box and its plate's.
    fn car(&mut self, (x, y): (u32, u32), paint: [u8; 3], plate: &str) -> (Pixels, Pixels) {
        let dark = shade(paint, 60);
        self.fill((x + 10, y + 310), (400, 20), [44, 44, 47]); // shadow
        self.fill((x + 30, y + 262), (72, 62), [22, 22, 24]); // tyres
        self.fill((x + 318, y + 262), (72, 62), [22, 22, 24]);
        for row in 0..120 {
            let inset = 90 - row / 2; // the cabin widens downwards
            self.fill(
                (x + inset, y + row),
                (420 - 2 * inset, 1),
                shade(paint, 110 - row / 4),
            );
        }
        for row in 14..104 {
            let inset = 106 - row / 2;
            self.fill(
                (x + inset, y + row),
                (420 - 2 * inset, 1),
                between([60, 74, 88], [24, 30, 38], row, 104),
            );
        }
        for row in 0..150 {
            self.fill(
                (x + 10, y + 118 + row),
                (400, 1),
                shade(paint, 104 - row / 4),
            );
        }
        self.fill((x + 24, y + 140), (66, 40), [196, 30, 34]); // lamps
        self.fill((x + 330, y + 140), (66, 40), [196, 30, 34]);
        self.fill((x + 30, y + 146), (54, 12), [246, 120, 96]);
        self.fill((x + 336, y + 146), (54, 12), [246, 120, 96]);
        self.fill((x, y + 252), (420, 46), dark); // bumper
        let corner = (x + 210 - PLATE.0 / 2, y + 190);
        self.fill(
            (corner.0 - 8, corner.1 - 8),
            (PLATE.0 + 16, PLATE.1 + 16),
            dark,
        );
        self.plate(corner, plate);
        let (width, height) = PLATE;
        (
            Pixels {
                x,
                y,
                width: 420,
                height: 330,
            },
            Pixels {
                x: corner.0,
                y: corner.1,
                width,
                height,
            },
        )
    }

    fn plate(&mut self, (x, y): (u32, u32), text: &str) {
        self.fill((x, y), PLATE, [24, 24, 28]);
        self.fill((x + 2, y + 2), (PLATE.0 - 4, PLATE.1 - 4), [246, 246, 240]);
        let letters: Vec<char> = text.chars().take(LETTERS_MAX).collect();
        let count = u32::try_from(letters.len().max(1)).expect("a dozen at most");
        let dots = count * (font::WIDTH + 1) - 1;
        let dot = ((PLATE.0 - 10) / dots).min((PLATE.1 - 10) / font::HEIGHT);
        let left = x + (PLATE.0 - dots * dot) / 2;
        let top = y + (PLATE.1 - font::HEIGHT * dot) / 2;
        for (letter, start) in letters
            .into_iter()
            .zip((left..).step_by(((font::WIDTH + 1) * dot) as usize))
        {
            for (row, bits) in (0..).zip(font::rows(letter)) {
                for column in (0..font::WIDTH).filter(|column| bits & (0x10 >> column) != 0) {
                    self.fill(
                        (start + column * dot, top + row * dot),
                        (dot, dot),
                        [18, 18, 24],
                    );
                }
            }
        }
    }

    pub(super) fn fill(&mut self, (x, y): (u32, u32), (width, height): (u32, u32), color: [u8; 3]) {
        for y in y..(y + height).min(HEIGHT) {
            for x in x..(x + width).min(WIDTH) {
                self.0.put_pixel(x, y, Rgb(color));
            }
        }
    }

    pub(super) fn jpeg(&self, of: Pixels) -> Bytes {
        let cut = self.0.view(of.x, of.y, of.width, of.height).to_image();
        let mut bytes = Cursor::new(Vec::new());
        cut.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY))
            .expect("a picture of this size fits a JPEG, and memory takes every write");
        Bytes::from(bytes.into_inner())
    }
}

fn between(from: [u8; 3], to: [u8; 3], part: u32, whole: u32) -> [u8; 3] {
    std::array::from_fn(|n| {
        let (from, to) = (u32::from(from[n]), u32::from(to[n]));
        u8::try_from((from * (whole - part) + to * part) / whole).expect("between two bytes")
    })
}

fn shade(color: [u8; 3], percent: u32) -> [u8; 3] {
    color.map(|part| u8::try_from(u32::from(part) * percent / 100).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_can_be_read_off_the_plate_where_its_box_says() {
        let text = "AB123CD";
        let scene = Scene::draw(&[text]);
        let frame = image::load_from_memory(&scene.frame).unwrap().to_luma8();
        let plate = scene.cars[0].plate;
        let (dots, dot) = (7 * 6 - 1, 4);
        let left = plate.x + (plate.width - dots * dot) / 2;
        let top = plate.y + (plate.height - 7 * dot) / 2;
        for (n, letter) in (0..).zip(text.chars()) {
            for (row, bits) in (0..).zip(font::rows(letter)) {
                for column in 0..font::WIDTH {
                    let (x, y) = (
                        left + (n * 6 + column) * dot + dot / 2,
                        top + row * dot + dot / 2,
                    );
                    let inked = bits & (0x10 >> column) != 0;
                    assert_eq!(
                        frame.get_pixel(x, y).0[0] < 128,
                        inked,
                        "{letter} at {column}, {row}"
                    );
                }
            }
        }
    }

    #[test]
    fn crops_are_as_large_as_their_boxes() {
        let scene = Scene::draw(&["AB123CD", "XY 98-Z"]);
        assert_eq!(scene.cars.len(), 2);
        for car in &scene.cars {
            for (bytes, pixels) in [
                (&car.vehicle_picture, car.vehicle),
                (&car.plate_picture, car.plate),
            ] {
                let image = image::load_from_memory(bytes).unwrap();
                assert_eq!(
                    (image.width(), image.height()),
                    (pixels.width, pixels.height)
                );
            }
        }
    }

    #[test]
    fn any_text_can_be_drawn() {
        for text in ["", "-", "京A12345", "A VERY LONG TEXT FOR A PLATE"] {
            assert!(!Scene::draw(&[text]).frame.is_empty());
        }
    }
}

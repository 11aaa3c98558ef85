//! Text as pixels.
//!
//! One font comes along, for a container has none: a part of DejaVu Sans Bold with Latin, Greek, Cyrillic, Armenian and
//! Georgian. What it does not have is drawn as a box. Letters stand one after the other, left to right, without kerning.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

use crate::steps::color::Color;

const FONT: &[u8] = include_bytes!("font/DejaVuSans-Bold.ttf");
/// Characters of one line that are looked at.
const CHARS_MAX: usize = 300;
/// How far a text shrinks before it is cut.
const SHRINK: f32 = 0.7;
/// Below this, letters cannot be told apart.
const PX_MIN: f32 = 8.0;

pub(super) struct Pen(FontRef<'static>);

/// One line, as long as there is room for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    /// From the highest ascender to the lowest descender.
    pub(super) px: f32,
    pub(super) width: f32,
}

impl Pen {
    pub(super) fn new() -> Self {
        Self(FontRef::try_from_slice(FONT).expect("the font is compiled in, and read in the tests"))
    }

    /// The text in letters of that height where it fits into the room, else in smaller ones, else cut with `…`.
    /// `None` when there is nothing to write, or no room for even one letter.
    pub(super) fn line(&self, text: &str, px: f32, room: f32) -> Option<Line> {
        let text = clean(text);
        let whole = self.width(&text, px);
        if text.is_empty() {
            return None;
        }
        let line = |text: String, px: f32| {
            let width = self.width(&text, px);
            Some(Line { text, px, width })
        };
        if whole <= room {
            return line(text, px);
        }
        // Widths grow with the size.
        let least = (px * SHRINK).max(PX_MIN).min(px);
        let fitting = px * room / whole;
        if fitting >= least {
            return line(text, fitting);
        }
        let mut left = room - self.width("…", least);
        let mut cut = String::new();
        for c in text.chars() {
            left -= self.advance(c, least);
            if left < 0.0 {
                break;
            }
            cut.push(c);
        }
        if cut.is_empty() {
            return None;
        }
        cut.truncate(cut.trim_end().len());
        cut.push('…');
        line(cut, least)
    }

    /// Writes the line with its left upper corner there, as much of it as lies in the picture.
    pub(super) fn write(&self, line: &Line, (x, y): (f32, f32), ink: Color, image: &mut RgbImage) {
        let font = self.0.as_scaled(PxScale::from(line.px));
        let (mut x, baseline) = (x, (y + font.ascent()).round());
        for c in line.text.chars() {
            let id = font.glyph_id(c);
            let glyph = id.with_scale_and_position(font.scale(), point(x, baseline));
            x += font.h_advance(id);
            let Some(outline) = self.0.outline_glyph(glyph) else {
                continue; // a blank
            };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, covered| {
                // The casts saturate; what is left or above of the picture is nowhere in it.
                let at = |corner: f32, d: u32| corner as i64 + i64::from(d);
                let place = (
                    u32::try_from(at(corner.x, dx)),
                    u32::try_from(at(corner.y, dy)),
                );
                if let (Ok(x), Ok(y)) = place
                    && let Some(pixel) = image.get_pixel_mut_checked(x, y)
                {
                    mix(pixel, ink, covered);
                }
            });
        }
    }

    fn width(&self, text: &str, px: f32) -> f32 {
        text.chars().map(|c| self.advance(c, px)).sum()
    }

    fn advance(&self, c: char, px: f32) -> f32 {
        let font = self.0.as_scaled(PxScale::from(px));
        font.h_advance(font.glyph_id(c))
    }
}

/// Lays so much of a colour over a pixel, from 0 to 1.
pub(super) fn mix(pixel: &mut Rgb<u8>, color: Color, amount: f32) {
    let amount = amount.clamp(0.0, 1.0);
    for (channel, color) in pixel.0.iter_mut().zip(color.0) {
        let (under, over) = (f32::from(*channel), f32::from(color));
        *channel = (under + (over - under) * amount).round() as u8;
    }
}

/// One line without what cannot be seen, at most so long as is looked at.
fn clean(text: &str) -> String {
    let mut clean = String::new();
    let mut chars = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !clean.is_empty() {
            clean.push(' ');
            chars += 1;
        }
        for c in word.chars() {
            if chars == CHARS_MAX {
                return clean;
            }
            clean.push(c);
            chars += 1;
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_font_has_the_letters_of_plates_and_names() {
        let pen = Pen::new();
        let letters =
            "AZaz09 ÄÖÜäöüß ÅØæ ČŠŽ ŁĄĘ ĞŞİı ΑΩάώ АБВГДЕЖЯабвяЇіЄҐ ԱՖ აჰ · – … “” € № °%#@";
        for c in letters.chars() {
            assert_ne!(pen.0.glyph_id(c).0, 0, "{c}");
        }
        assert_eq!(pen.0.glyph_id('京').0, 0);
        assert!(pen.advance('京', 20.0) > 5.0);
    }

    #[test]
    fn what_does_not_fit_shrinks_and_is_then_cut() {
        let pen = Pen::new();
        let whole = pen.line("AB 123 CD", 20.0, 500.0).unwrap();
        assert_eq!((whole.text.as_str(), whole.px), ("AB 123 CD", 20.0));
        let less = pen.line("AB 123 CD", 20.0, whole.width * 0.8).unwrap();
        assert_eq!(less.text, "AB 123 CD");
        assert!((less.px - 16.0).abs() < 0.1);
        let cut = pen.line("AB 123 CD", 20.0, whole.width * 0.4).unwrap();
        assert_eq!(cut.text, "AB…");
        assert!((cut.px - 14.0).abs() < 0.1 && cut.width <= whole.width * 0.4);
        assert_eq!(pen.line("AB 123 CD", 20.0, 3.0), None);
        assert_eq!(pen.line(" \n\t", 20.0, 300.0), None);
    }

    #[test]
    fn a_box_stands_for_what_the_font_does_not_have() {
        let pen = Pen::new();
        let mut image = RgbImage::new(40, 40);
        let line = pen.line("京", 30.0, 40.0).unwrap();
        pen.write(&line, (0.0, 0.0), Color::WHITE, &mut image);
        assert!(image.pixels().any(|pixel| pixel.0 == [255; 3]));
    }

    proptest! {
        #[test]
        fn no_text_and_no_room_panics(
            text in ".{0,40}", px in 0.1f32..400.0, room in -10.0f32..400.0,
            x in -300.0f32..300.0, y in -300.0f32..300.0,
        ) {
            let pen = Pen::new();
            let mut image = RgbImage::new(20, 10);
            if let Some(line) = pen.line(&text, px, room) {
                prop_assert!(line.width <= room.max(0.0) * 1.01 + 0.1);
                pen.write(&line, (x, y), Color::WHITE, &mut image);
            }
        }
    }
}

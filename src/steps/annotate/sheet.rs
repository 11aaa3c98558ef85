//! Lines, labels and captions on a picture.

use image::RgbImage;

use super::settings::At;
use super::text::{Line, Pen, mix};
use crate::event::Pixels;
use crate::steps::color::Color;

/// How much of the colour a caption that lies over the picture has.
const VEIL: f32 = 0.65;
/// How much of black the shadow beside a line has.
const SHADOW: f32 = 0.35;
/// Lines of a caption.
const LINES_MAX: usize = 4;

/// A picture that is drawn on.
pub(super) struct Sheet<'p> {
    pub(super) image: RgbImage,
    pen: &'p Pen,
    /// How thick lines are, in pixels.
    line: i64,
    /// How high text is, in pixels.
    text: f32,
    /// Where labels are.
    labels: Vec<Rect>,
}

/// Corners in pixels, which may lie outside of the picture; the upper ones are outer corners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rect {
    xmin: i64,
    ymin: i64,
    xmax: i64,
    ymax: i64,
}

impl<'p> Sheet<'p> {
    pub(super) fn new(image: RgbImage, pen: &'p Pen, line: f32, text: f32) -> Self {
        Self {
            image,
            pen,
            line: (line.round() as i64).max(1),
            text: text.clamp(8.0, 500.0),
            labels: Vec::new(),
        }
    }

    /// A line around these pixels, outside of them where the picture has room. What is around is given back, for a label.
    fn frame_of(&self, pixels: Pixels) -> Rect {
        let own = Rect {
            xmin: pixels.x.into(),
            ymin: pixels.y.into(),
            xmax: i64::from(pixels.x) + i64::from(pixels.width),
            ymax: i64::from(pixels.y) + i64::from(pixels.height),
        };
        own.grown(self.line).within(self.all())
    }

    pub(super) fn outline(&mut self, pixels: Pixels, color: Color) {
        let outer = self.frame_of(pixels);
        self.bars(
            outer.grown(1 + self.line / 4),
            1 + self.line / 4,
            Color::BLACK,
            SHADOW,
        );
        self.bars(outer, self.line, color, 1.0);
    }

    /// A label beside the frame around these pixels: above it, below it or inside, where it hides no other label.
    pub(super) fn label(&mut self, pixels: Pixels, text: &str, color: Color) {
        let frame = self.frame_of(pixels);
        let (beside, above) = (self.text * 0.3, self.text * 0.1);
        let room = self.image.width() as f32 - 2.0 * beside;
        let Some(line) = self.pen.line(text, self.text, room) else {
            return;
        };
        let width = (line.width + 2.0 * beside).ceil() as i64;
        let height = (line.px + 2.0 * above).ceil() as i64;
        let all = self.all();
        let x = frame.xmin.min(all.xmax - width).max(0);
        let at = |y: i64| Rect {
            xmin: x,
            ymin: y,
            xmax: x + width,
            ymax: y + height,
        };
        let places = [
            at(frame.ymin - height),
            at(frame.ymax),
            at(frame.ymin),
            at(frame.ymax - height),
        ];
        let inside = || places.iter().filter(|place| place.within(all) == **place);
        let free = inside().find(|place| self.labels.iter().all(|label| !label.meets(place)));
        let place = match free.or_else(|| inside().next()) {
            Some(place) => *place,
            None => at(0),
        };
        self.fill(place, color, 1.0);
        let corner = (place.xmin as f32 + beside, place.ymin as f32 + above);
        self.pen.write(&line, corner, color.ink(), &mut self.image);
        self.labels.push(place);
    }

    /// Lines of text on a strip. Tells by how many pixels the picture itself went down.
    pub(super) fn caption(&mut self, text: &str, at: At, ink: Color, background: Color) -> u32 {
        let margin = self.text * 0.4;
        let room = self.image.width() as f32 - 2.0 * margin;
        let lines: Vec<Line> = text
            .lines()
            .filter_map(|line| self.pen.line(line, self.text, room))
            .take(LINES_MAX)
            .collect();
        if lines.is_empty() {
            return 0;
        }
        let height: f32 = lines.iter().map(|line| line.px * 1.15).sum();
        let strip = (height + 2.0 * margin * 0.7).ceil() as u32;
        let below = self.image.height();
        let (top, moved) = match at {
            At::Over => {
                let top = i64::from(below) - i64::from(strip);
                let place = Rect {
                    ymin: top,
                    ..self.all()
                };
                self.fill(place, background, VEIL);
                (top as f32, 0)
            }
            At::Below => {
                self.grow(strip, background, at);
                (below as f32, 0)
            }
            At::Above => {
                self.grow(strip, background, at);
                (0.0, strip)
            }
        };
        let mut y = top + margin * 0.7;
        for line in &lines {
            self.pen.write(line, (margin, y), ink, &mut self.image);
            y += line.px * 1.15;
        }
        moved
    }

    fn grow(&mut self, strip: u32, color: Color, at: At) {
        let (width, height) = self.image.dimensions();
        let pixels = std::mem::take(&mut self.image).into_raw();
        let strip_pixels = (width as usize) * (strip as usize);
        let strip_bytes = color.0.into_iter().cycle().take(strip_pixels * 3);
        let pixels = match at {
            At::Above => strip_bytes.chain(pixels).collect(),
            At::Below | At::Over => {
                let mut pixels = pixels;
                pixels.extend(strip_bytes);
                pixels
            }
        };
        self.image = RgbImage::from_raw(width, height + strip, pixels)
            .expect("as many bytes as both parts have pixels");
    }

    fn all(&self) -> Rect {
        Rect {
            xmin: 0,
            ymin: 0,
            xmax: self.image.width().into(),
            ymax: self.image.height().into(),
        }
    }

    /// Four bars along the inside of a rectangle's edges.
    fn bars(&mut self, outer: Rect, thick: i64, color: Color, amount: f32) {
        let Rect {
            xmin,
            ymin,
            xmax,
            ymax,
        } = outer;
        let (top, bottom) = ((ymin + thick).min(ymax), (ymax - thick).max(ymin + thick));
        let bar = |xmin, ymin, xmax, ymax| Rect {
            xmin,
            ymin,
            xmax,
            ymax,
        };
        self.fill(bar(xmin, ymin, xmax, top), color, amount);
        self.fill(bar(xmin, bottom, xmax, ymax), color, amount);
        self.fill(
            bar(xmin, top, (xmin + thick).min(xmax), bottom),
            color,
            amount,
        );
        let right = (xmax - thick).max(xmin + thick);
        self.fill(bar(right, top, xmax, bottom), color, amount);
    }

    fn fill(&mut self, place: Rect, color: Color, amount: f32) {
        let inside = place.within(self.all());
        let side = |at: i64| u32::try_from(at).unwrap_or(0);
        for y in side(inside.ymin)..side(inside.ymax) {
            for x in side(inside.xmin)..side(inside.xmax) {
                if let Some(pixel) = self.image.get_pixel_mut_checked(x, y) {
                    mix(pixel, color, amount);
                }
            }
        }
    }
}

impl Rect {
    fn grown(self, by: i64) -> Self {
        Self {
            xmin: self.xmin - by,
            ymin: self.ymin - by,
            xmax: self.xmax + by,
            ymax: self.ymax + by,
        }
    }

    fn within(self, other: Self) -> Self {
        Self {
            xmin: self.xmin.max(other.xmin),
            ymin: self.ymin.max(other.ymin),
            xmax: self.xmax.min(other.xmax),
            ymax: self.ymax.min(other.ymax),
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.xmin < other.xmax
            && other.xmin < self.xmax
            && self.ymin < other.ymax
            && other.ymin < self.ymax
    }
}

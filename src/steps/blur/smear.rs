//! Pixels that tell nothing any more.
//!
//! Blurring and pixelating letters is undone by trying all texts and comparing, so it matters how much is left of them. What
//! is left here are the mean colours of a few patches, fewer than a plate has letters, each rounded to one of 16 shades: a
//! few dozen bits for a whole plate, most of which are its colour and light. `blur` draws a smooth run between these means,
//! `pixelate` the patches themselves, so neither holds more than the other.

use image::{Rgb, RgbImage};

use super::settings::How;
use crate::event::Pixels;
use crate::steps::color::Color;

/// Shades of each colour that are told apart.
const SHADES: u64 = 16;

/// How a part of a picture is made unreadable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Smear {
    pub(super) how: How,
    pub(super) color: Color,
    /// Patches along the longer side of the part.
    pub(super) patches: u32,
}

/// The mean colours of a part of a picture.
struct Patches {
    columns: u32,
    rows: u32,
    means: Vec<[f32; 3]>,
}

impl Smear {
    /// Makes unreadable, in each row of `place`, the pixels from one column to before another that `columns` tells.
    pub(super) fn over(
        self,
        image: &mut RgbImage,
        place: Pixels,
        columns: impl Fn(u32) -> Vec<(u32, u32)>,
    ) {
        let patches = match self.how {
            How::Fill => None,
            How::Blur | How::Pixelate => Some(Patches::of(image, place, self.patches)),
        };
        for y in place.y..place.y + place.height {
            for (from, to) in columns(y) {
                for x in from.max(place.x)..to.min(place.x + place.width) {
                    let color = match &patches {
                        None => self.color.0,
                        Some(patches) => {
                            let across = (x - place.x) as f32 + 0.5;
                            let down = (y - place.y) as f32 + 0.5;
                            let across = across / place.width as f32;
                            let down = down / place.height as f32;
                            match self.how {
                                How::Pixelate => patches.at(across, down),
                                How::Blur | How::Fill => patches.between(across, down),
                            }
                        }
                    };
                    if let Some(pixel) = image.get_pixel_mut_checked(x, y) {
                        *pixel = Rgb(color);
                    }
                }
            }
        }
    }
}

impl Patches {
    fn of(image: &RgbImage, place: Pixels, along: u32) -> Self {
        let longer = place.width.max(place.height).max(1);
        let count = |side: u32| {
            let share = f64::from(side) * f64::from(along) / f64::from(longer);
            (share.round() as u32).clamp(1, side.max(1))
        };
        let (columns, rows) = (count(place.width), count(place.height));
        let mut sums = vec![([0_u64; 3], 0_u64); (columns as usize) * (rows as usize)];
        let patch = |at: u32, side: u32, count: u32| {
            // Products of two sides fit.
            (u64::from(at) * u64::from(count) / u64::from(side.max(1))) as usize
        };
        for y in 0..place.height {
            let row = patch(y, place.height, rows) * columns as usize;
            for x in 0..place.width {
                let Some(pixel) = image.get_pixel_checked(place.x + x, place.y + y) else {
                    continue;
                };
                if let Some((sum, pixels)) = sums.get_mut(row + patch(x, place.width, columns)) {
                    for (sum, channel) in sum.iter_mut().zip(pixel.0) {
                        *sum += u64::from(channel);
                    }
                    *pixels += 1;
                }
            }
        }
        let rounded = |sum: u64, pixels: u64| {
            let step = 256 / SHADES;
            (sum / pixels.max(1) / step * step + step / 2) as f32
        };
        let means = sums
            .into_iter()
            .map(|(sum, pixels)| sum.map(|sum| rounded(sum, pixels)))
            .collect();
        Self {
            columns,
            rows,
            means,
        }
    }

    /// Of the patch at a place from 0 to 1.
    fn at(&self, across: f32, down: f32) -> [u8; 3] {
        let column = (across * self.columns as f32) as u32;
        let row = (down * self.rows as f32) as u32;
        self.mean(column, row).map(|channel| channel as u8)
    }

    /// A smooth run between the middles of patches.
    fn between(&self, across: f32, down: f32) -> [u8; 3] {
        let beside = |at: f32, count: u32| {
            let at = (at * count as f32 - 0.5).clamp(0.0, (count - 1) as f32);
            (at as u32, at.fract())
        };
        let (column, right) = beside(across, self.columns);
        let (row, low) = beside(down, self.rows);
        let mut color = [0; 3];
        for (channel, value) in color.iter_mut().enumerate() {
            let mean = |column, row| self.mean(column, row)[channel];
            let mix = |a: f32, b: f32, part: f32| a + (b - a) * part;
            let upper = mix(mean(column, row), mean(column + 1, row), right);
            let lower = mix(mean(column, row + 1), mean(column + 1, row + 1), right);
            *value = mix(upper, lower, low).round() as u8;
        }
        color
    }

    fn mean(&self, column: u32, row: u32) -> [f32; 3] {
        let (column, row) = (column.min(self.columns - 1), row.min(self.rows - 1));
        let at = (row as usize) * (self.columns as usize) + column as usize;
        self.means.get(at).copied().unwrap_or_default()
    }
}

/// An area with straight sides, which may cross, in pixels of a picture.
pub(super) struct Area(pub(super) Vec<(f64, f64)>);

impl Area {
    /// The columns of a row whose middles lie inside, as many runs as there are.
    pub(super) fn inside(&self, y: u32, width: u32) -> Vec<(u32, u32)> {
        let y = f64::from(y) + 0.5;
        let next = self.0.iter().cycle().skip(1);
        let mut crossings: Vec<f64> = self
            .0
            .iter()
            .zip(next)
            .filter(|((_, ay), (_, by))| (*ay > y) != (*by > y))
            .map(|((ax, ay), (bx, by))| (bx - ax) * (y - ay) / (by - ay) + ax)
            .collect();
        crossings.sort_by(f64::total_cmp);
        // The cast saturates: what is left of the picture begins at its edge.
        let column = |x: f64| ((x - 0.5).ceil().max(0.0) as u32).min(width);
        let runs = crossings.chunks_exact(2);
        runs.map(|run| (column(run[0]), column(run[1])))
            .filter(|(from, to)| from < to)
            .collect()
    }

    /// The columns of a row that do not.
    pub(super) fn outside(&self, y: u32, width: u32) -> Vec<(u32, u32)> {
        let mut runs = Vec::new();
        let mut from = 0;
        for (inside, behind) in self.inside(y, width) {
            if from < inside {
                runs.push((from, inside));
            }
            from = from.max(behind);
        }
        if from < width {
            runs.push((from, width));
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smear(how: How) -> Smear {
        Smear {
            how,
            color: Color::WHITE,
            patches: 4,
        }
    }

    const PLACE: Pixels = Pixels {
        x: 10,
        y: 10,
        width: 80,
        height: 20,
    };

    /// Stripes as of letters.
    fn striped() -> RgbImage {
        RgbImage::from_fn(100, 40, |x, _| Rgb([if x % 4 < 2 { 240 } else { 10 }; 3]))
    }

    fn contrast(image: &RgbImage) -> u8 {
        let inside = (PLACE.y..PLACE.y + PLACE.height)
            .flat_map(|y| (PLACE.x..PLACE.x + PLACE.width).map(move |x| (x, y)));
        let shades: Vec<u8> = inside.map(|(x, y)| image.get_pixel(x, y).0[0]).collect();
        shades.iter().max().unwrap() - shades.iter().min().unwrap()
    }

    #[test]
    fn nothing_is_left_of_fine_lines_and_nothing_around_is_touched() {
        for how in [How::Blur, How::Pixelate, How::Fill] {
            let mut image = striped();
            smear(how).over(&mut image, PLACE, |_| vec![(0, u32::MAX)]);
            assert!(contrast(&image) <= 16, "{how:?}: {}", contrast(&image));
            let before = striped();
            for (x, y, pixel) in image.enumerate_pixels() {
                let inside = (10..90).contains(&x) && (10..30).contains(&y);
                assert!(
                    inside || pixel == before.get_pixel(x, y),
                    "{how:?} at {x}, {y}"
                );
            }
        }
    }

    #[test]
    fn two_texts_of_the_same_length_look_the_same() {
        let text = |offset: u32| {
            RgbImage::from_fn(100, 40, |x, y| {
                let dark = ((x + offset) / 3 + y / 5).is_multiple_of(2);
                Rgb([if dark { 20 } else { 230 }; 3])
            })
        };
        let smeared = |offset| {
            let mut image = text(offset);
            smear(How::Blur).over(&mut image, PLACE, |_| vec![(0, u32::MAX)]);
            image::imageops::crop_imm(&image, 10, 10, 80, 20).to_image()
        };
        assert_eq!(smeared(0), smeared(1));
    }

    #[test]
    fn runs_of_an_area_and_around_it() {
        let triangle = Area(vec![(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)]);
        assert_eq!(triangle.inside(0, 20), [(0, 9)]);
        assert_eq!(triangle.outside(0, 20), [(9, 20)]);
        assert_eq!(triangle.outside(15, 20), [(0, 20)]);
        let beyond = Area(vec![(-5.0, -5.0), (50.0, -5.0), (50.0, 50.0), (-5.0, 50.0)]);
        assert_eq!(beyond.inside(3, 20), [(0, 20)]);
        assert!(beyond.outside(3, 20).is_empty());
        let notch = Area(vec![
            (0.0, 0.0),
            (4.0, 8.0),
            (8.0, 0.0),
            (8.0, 10.0),
            (0.0, 10.0),
        ]);
        assert_eq!(notch.inside(2, 20), [(0, 1), (7, 8)]);
        assert_eq!(notch.outside(2, 20), [(1, 7), (8, 20)]);
    }

    #[test]
    fn any_part_of_a_tiny_picture_will_do() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (3, 2)] {
            let place = Pixels {
                x: 0,
                y: 0,
                width,
                height,
            };
            for how in [How::Blur, How::Pixelate, How::Fill] {
                let mut image = RgbImage::new(width, height);
                smear(how).over(&mut image, place, |_| vec![(0, u32::MAX)]);
            }
        }
    }
}

//! Room around a box.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::event::{Pixels, Size};

/// How much is left around a box, on each side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pad {
    /// Of the box's width on the left and right, of its height above and below.
    Percent(f64),
    Pixels(u32),
}

const PATTERN: &str = r"^(\d{1,5}\s*(px)?|\d{1,4}(\.\d+)?\s*%)$";
const EXPECTED: &str =
    "a part of the box such as `10%` (up to 1000%) or pixels such as `6px` (up to 65535px)";

impl Default for Pad {
    fn default() -> Self {
        Self::Pixels(0)
    }
}

impl Pad {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let plain = |number: &str| number.starts_with(|c: char| c.is_ascii_digit());
        let pad = if let Some(number) = text.strip_suffix('%').map(str::trim_end) {
            let percent = number.parse().ok().filter(|_| plain(number));
            percent.map(Self::Percent)
        } else {
            let number = text.strip_suffix("px").unwrap_or(text).trim_end();
            let pixels = number.parse().ok().filter(|_| plain(number));
            pixels.map(Self::Pixels)
        };
        pad.filter(|pad| match pad {
            Self::Percent(percent) => *percent <= 1000.0,
            Self::Pixels(pixels) => *pixels <= 65_535,
        })
        .ok_or_else(|| format!("`{text}` is no room around a box: expected {EXPECTED}"))
    }

    /// The box with its room, as much of it as the picture has.
    pub(super) fn around(self, pixels: Pixels, picture: Size) -> Pixels {
        let (x, width) = self.along(pixels.x, pixels.width, picture.width);
        let (y, height) = self.along(pixels.y, pixels.height, picture.height);
        Pixels {
            x,
            y,
            width,
            height,
        }
    }

    /// On each side of a length, in pixels.
    pub(super) fn of(self, length: f64) -> f64 {
        match self {
            Self::Percent(percent) => length * percent / 100.0,
            Self::Pixels(pixels) => f64::from(pixels),
        }
    }

    fn along(self, start: u32, length: u32, limit: u32) -> (u32, u32) {
        let room = match self {
            // The cast saturates, and the room is clamped to the picture below.
            Self::Percent(percent) => (f64::from(length) * percent / 100.0).round() as u32,
            Self::Pixels(pixels) => pixels,
        };
        let end = start.saturating_add(length).saturating_add(room).min(limit);
        let start = start.saturating_sub(room);
        (start, end - start)
    }
}

impl<'de> Deserialize<'de> for Pad {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Pad;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Pad, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Pad, E> {
                Pad::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Pad {
    fn schema_name() -> Cow<'static, str> {
        "Pad".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"], "minimum": 0, "maximum": 65_535, "pattern": PATTERN,
            "description": "room around a box, such as `10%` or `6px`"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(Pad::parse("10%").unwrap(), Pad::Percent(10.0));
        assert_eq!(Pad::parse("2.5 %").unwrap(), Pad::Percent(2.5));
        assert_eq!(Pad::parse("6px").unwrap(), Pad::Pixels(6));
        assert_eq!(Pad::parse("6").unwrap(), Pad::Pixels(6));
        assert_eq!(Pad::parse("0").unwrap(), Pad::default());
        for wrong in [
            "", "-1px", "-1%", "1e9%", "nan%", "inf%", "+3px", "99999px", "px", "1.5px", "1.5",
        ] {
            assert!(Pad::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn leaves_as_much_room_as_the_picture_has() {
        let picture = Size {
            width: 100,
            height: 50,
        };
        let pixels = Pixels {
            x: 10,
            y: 10,
            width: 40,
            height: 20,
        };
        let around = |pad: Pad| {
            let Pixels {
                x,
                y,
                width,
                height,
            } = pad.around(pixels, picture);
            (x, y, width, height)
        };
        assert_eq!(around(Pad::Pixels(0)), (10, 10, 40, 20));
        assert_eq!(around(Pad::Percent(10.0)), (6, 8, 48, 24));
        assert_eq!(around(Pad::Pixels(15)), (0, 0, 65, 45));
        assert_eq!(around(Pad::Percent(1000.0)), (0, 0, 100, 50));
    }
}

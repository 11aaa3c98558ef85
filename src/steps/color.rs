//! Colours in settings.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Color(pub(super) [u8; 3]);

const NAMES: &[(&str, [u8; 3])] = &[
    ("black", [0, 0, 0]),
    ("white", [255, 255, 255]),
    ("gray", [128, 128, 128]),
    ("red", [230, 40, 40]),
    ("orange", [255, 140, 0]),
    ("yellow", [255, 212, 0]),
    ("green", [48, 190, 90]),
    ("cyan", [0, 190, 220]),
    ("blue", [40, 120, 255]),
    ("magenta", [230, 60, 200]),
];
const EXPECTED: &str = "a colour such as `#ffcc00`, or one of black, white, gray, red, orange, yellow, green, cyan, blue, magenta";
const PATTERN: &str = "^(#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}|black|white|gray|red|orange|yellow|green|cyan|blue|magenta)$";

impl Color {
    pub(super) const BLACK: Self = Self([0, 0, 0]);
    pub(super) const WHITE: Self = Self([255, 255, 255]);

    fn parse(text: &str) -> Option<Self> {
        let named = NAMES.iter().find(|(name, _)| *name == text);
        if let Some((_, color)) = named {
            return Some(Self(*color));
        }
        let digits = text.strip_prefix('#')?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let part = |at: usize, len: usize| u8::from_str_radix(digits.get(at..at + len)?, 16).ok();
        match digits.len() {
            3 => Some(Self([part(0, 1)? * 17, part(1, 1)? * 17, part(2, 1)? * 17])),
            6 => Some(Self([part(0, 2)?, part(2, 2)?, part(4, 2)?])),
            _ => None,
        }
    }

    /// Black or white, whichever is read better on this colour.
    pub(super) fn ink(self) -> Self {
        let [red, green, blue] = self.0.map(u32::from);
        // The weights of ITU-R BT.601, in thousandths.
        if red * 299 + green * 587 + blue * 114 > 140_000 {
            Self::BLACK
        } else {
            Self::WHITE
        }
    }
}

impl<'de> Deserialize<'de> for Color {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Color;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Color, E> {
                Color::parse(text)
                    .ok_or_else(|| E::custom(format!("`{text}` is no colour: expected {EXPECTED}")))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Color {
    fn schema_name() -> Cow<'static, str> {
        "Color".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "description": EXPECTED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(Color::parse("#ffcc00"), Some(Color([255, 204, 0])));
        assert_eq!(Color::parse("#FC0"), Some(Color([255, 204, 0])));
        assert_eq!(Color::parse("black"), Some(Color::BLACK));
        for wrong in [
            "",
            "#",
            "#ff",
            "ffcc00",
            "#ffcc0g",
            "#ééé",
            "rouge",
            "#ffcc00ff",
        ] {
            assert_eq!(Color::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn text_is_dark_on_bright_and_bright_on_dark() {
        assert_eq!(Color([255, 212, 0]).ink(), Color::BLACK);
        assert_eq!(Color([40, 40, 160]).ink(), Color::WHITE);
    }
}

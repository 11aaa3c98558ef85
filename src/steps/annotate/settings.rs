//! What users set on `annotate`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::steps::choice::{On, PictureName};
use crate::steps::color::Color;
use crate::steps::encode::{Format, Quality};
use crate::steps::places::What;

/// Draws the event's boxes into a picture, a label beside each, and a line of text above, below or over the picture.
/// Texts are templates. A picture that cannot be decoded goes on as it is, with a note.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Annotate")]
pub(crate) struct Settings {
    /// Which pictures: `frame` (default), `vehicle`, `plate`, `face`, `thumbnail`, a name that an earlier step gave with
    /// `as`, or `all`.
    pub(super) on: On,
    /// A name of its own for the result, `images.NAME`; the picture itself then stays as it is.
    #[serde(rename = "as")]
    pub(super) name: Option<PictureName>,
    /// Whose boxes are drawn. Default: `[plates, vehicles, faces, objects]`; `[]` draws none.
    pub(super) boxes: Vec<What>,
    /// In a delivery about one item (`each`): only that item's box, `own` (default), or those of all items, `all`.
    pub(super) items: Items,
    /// Colours of boxes and labels, such as `{ plates: "#ffcc00" }`.
    pub(super) colors: Colors,
    /// How thick lines are: a part of the picture's longer side (`0.3%`, the default) or pixels (`4px`).
    pub(super) line: Length,
    /// What stands beside the boxes, a template for each kind of box; an empty text for none. Each sees its own `plate`,
    /// `face` or `object`.
    pub(super) labels: Labels,
    /// How high letters are: a part of the picture's height (`3%`, the default) or pixels (`24px`); from 8 pixels. What is
    /// too long becomes smaller, and is then cut with `…`.
    pub(super) text: Length,
    /// A line of text for the picture, a template; several lines are taken, up to 4. Default: none.
    pub(super) caption: Option<String>,
    /// Where the caption stands: on a strip of its own `below` (default) or `above` the picture, which grows by it, or
    /// `over` the lower edge of the picture.
    pub(super) caption_at: At,
    /// Of the caption's letters, default `white`.
    pub(super) caption_color: Color,
    /// Of the caption's strip, default `black`.
    pub(super) caption_background: Color,
    /// How the result is written: `jpeg`, `png` or `webp` (lossless). Default: as the picture was.
    pub(super) format: Option<Format>,
    /// JPEG quality from 1 to 100, default 90. Of no effect on `png` and `webp`.
    pub(super) quality: Option<Quality>,
    /// Pictures with more pixels are not decoded. Default 100000000 (100 megapixels, up to 400 MB while decoded).
    #[schemars(range(min = 1))]
    pub(super) max_pixels: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            on: On::default(),
            name: None,
            boxes: What::ALL.to_vec(),
            items: Items::default(),
            colors: Colors::default(),
            line: Length::Percent(0.3),
            labels: Labels::default(),
            text: Length::Percent(3.0),
            caption: None,
            caption_at: At::default(),
            caption_color: Color::WHITE,
            caption_background: Color::BLACK,
            format: None,
            quality: None,
            max_pixels: 100_000_000,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Items {
    #[default]
    Own,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum At {
    Above,
    #[default]
    Below,
    Over,
}

/// Colours of boxes: `#rrggbb`, or a name such as `red`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Colors {
    /// Default `#ffd400`, a yellow.
    plates: Color,
    /// Default `#2878ff`, a blue.
    vehicles: Color,
    /// Default `#e63cc8`, a magenta.
    faces: Color,
    /// Default `#30be5a`, a green.
    objects: Color,
}

impl Default for Colors {
    fn default() -> Self {
        Self {
            plates: Color([0xff, 0xd4, 0x00]),
            vehicles: Color([0x28, 0x78, 0xff]),
            faces: Color([0xe6, 0x3c, 0xc8]),
            objects: Color([0x30, 0xbe, 0x5a]),
        }
    }
}

impl Colors {
    pub(super) fn of(&self, what: What) -> Color {
        match what {
            What::Plates => self.plates,
            What::Vehicles => self.vehicles,
            What::Faces => self.faces,
            What::Objects => self.objects,
        }
    }
}

/// Templates of labels.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Labels {
    /// Default: the plate's text and how sure the reader is of it, `AB123CD 93%`.
    plates: String,
    /// Default: none.
    vehicles: String,
    /// Default: the person's name and the similarity.
    faces: String,
    /// Default: the object's class and score.
    objects: String,
}

impl Default for Labels {
    fn default() -> Self {
        let percent = |of: &str| {
            format!("{{% if {of} %}} {{{{ ({of} * 100) | round | int }}}}%{{% endif %}}")
        };
        Self {
            plates: format!("{{{{ plate.text }}}}{}", percent("plate.score")),
            vehicles: String::new(),
            faces: format!("{{{{ face.person.name }}}}{}", percent("face.similarity")),
            objects: format!("{{{{ object.class }}}}{}", percent("object.score")),
        }
    }
}

impl Labels {
    pub(super) fn of(&self, what: What) -> &str {
        match what {
            What::Plates => &self.plates,
            What::Vehicles => &self.vehicles,
            What::Faces => &self.faces,
            What::Objects => &self.objects,
        }
    }
}

/// A length in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Length {
    /// Of a side of the picture.
    Percent(f32),
    Pixels(u16),
}

const PATTERN: &str = r"^(\d{1,3}\s*px|\d{1,2}(\.\d+)?\s*%)$";
const EXPECTED: &str =
    "a part of the picture such as `3%` (up to 20%) or pixels such as `24px` (up to 500px)";

impl Length {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let number = |unit: &str| {
            let number = text.strip_suffix(unit)?.trim_end();
            let plain = number.bytes().all(|c| c.is_ascii_digit() || c == b'.');
            Some(number).filter(|number| plain && number.starts_with(|c: char| c != '.'))
        };
        if let Some(percent) = number("%") {
            let percent = percent.parse().ok().filter(|percent| *percent <= 20.0);
            return percent.map(Self::Percent);
        }
        let pixels = number("px")?.parse().ok();
        pixels.filter(|pixels| *pixels <= 500).map(Self::Pixels)
    }

    /// In pixels, of a side that long.
    pub(super) fn of(self, side: u32) -> f32 {
        match self {
            Self::Percent(percent) => side as f32 * percent / 100.0,
            Self::Pixels(pixels) => f32::from(pixels),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Length;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Length, E> {
                Length::parse(text)
                    .ok_or_else(|| E::custom(format!("`{text}` is no length: expected {EXPECTED}")))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
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
        assert_eq!(Length::parse("3%"), Some(Length::Percent(3.0)));
        assert_eq!(Length::parse("0.25 %"), Some(Length::Percent(0.25)));
        assert_eq!(Length::parse("24px"), Some(Length::Pixels(24)));
        for wrong in ["", "3", "-3px", "30%", "501px", "nan%", "1e1%", "px", "%"] {
            assert_eq!(Length::parse(wrong), None, "{wrong}");
        }
    }
}

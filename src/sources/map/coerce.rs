//! Values as senders write them, made those of the neutral event; what does not fit is left out, and said.

use jiff::tz::TimeZone;
use serde_json::{Map, Number, Value, json};

use super::fields::{self, Field, Known};
use crate::event::{Kind, Score};
use crate::sources::moments;

/// What is said of one event at most; a list of a thousand broken entries says no more than this.
const REPAIRED_MAX: usize = 20;
/// Letters of a value that are quoted.
const QUOTED_MAX: usize = 40;

/// What had to be mended or left out on the way.
#[derive(Default)]
pub(in crate::sources) struct Notes {
    pub(in crate::sources) repaired: Vec<String>,
}

/// One value on its way into the event.
pub(super) struct Coerce<'a> {
    pub(super) zone: &'a TimeZone,
    pub(super) notes: &'a mut Notes,
}

impl Notes {
    pub(super) fn say(&mut self, note: String) {
        if self.repaired.len() < REPAIRED_MAX {
            self.repaired.push(note);
        }
    }

    /// From 0 to 1, `0.93` or `93%`; above 1 it is percent, which is said.
    pub(in crate::sources) fn score(&mut self, value: &Value, path: &str) -> Option<Score> {
        let percent = value
            .as_str()
            .and_then(|text| text.trim().strip_suffix('%'))
            .and_then(parse);
        if let Some(percent) = percent {
            return Score::from_fraction(hundredth(percent));
        }
        let number = number(value)?;
        if number > 1.0 && number <= 100.0 {
            self.say(format!("`{path}`: {number} is taken as percent"));
            return Score::from_fraction(hundredth(number));
        }
        Score::from_fraction(number)
    }
}

/// Without the digits that dividing would add.
fn hundredth(percent: f64) -> f64 {
    (percent * 1e7).round() / 1e9
}

impl Coerce<'_> {
    /// The value as the field holds it. None for null and an empty text, which tell nothing, and for what does not fit.
    pub(super) fn value(&mut self, value: Value, field: Field, path: &str) -> Option<Value> {
        match &value {
            Value::Null => return None,
            Value::String(text) if text.trim().is_empty() => return None,
            _ => {}
        }
        match field {
            Field::Open => Some(value),
            Field::OpenMap if value.is_object() => Some(value),
            Field::Map(fields) if value.is_object() => self.map(value, fields, path),
            Field::Box if value.is_object() => self.area(value, path),
            Field::List(fields, needs) => self.list(value, fields, needs, path),
            Field::Texts => {
                let items = many(value).into_iter().enumerate();
                let texts: Vec<Value> = items
                    .filter_map(|(n, item)| self.value(item, Field::Text, &format!("{path}[{n}]")))
                    .collect();
                (!texts.is_empty()).then_some(Value::Array(texts))
            }
            Field::Score => {
                let score = self.notes.score(&value, path).map(Score::fraction);
                self.fits(score.map(Value::from), &value, path, "no score from 0 to 1")
            }
            _ => {
                let (read, wanted) = self.leaf(&value, field);
                self.fits(read, &value, path, wanted)
            }
        }
    }

    fn leaf(&self, value: &Value, field: Field) -> (Option<Value>, &'static str) {
        let number = || number(value);
        match field {
            Field::Text => (text(value).map(Value::String), "no text"),
            Field::Number => (number().and_then(json_number), "no number"),
            Field::Angle => {
                let turned = number().map(|degrees| degrees.rem_euclid(360.0));
                (turned.and_then(json_number), "no number of degrees")
            }
            Field::Degrees(limit) => {
                let within = number().filter(|degrees| degrees.abs() <= limit);
                (
                    within.and_then(json_number),
                    "no number of degrees that there are",
                )
            }
            Field::Moment => {
                let moment = moments::read(value, self.zone);
                (
                    moment.map(|moment| moment.to_string().into()),
                    "no time that can be read in one way",
                )
            }
            Field::Flag => (flag(value).map(Value::Bool), "neither true nor false"),
            Field::Kind => (
                text(value).and_then(|text| kind(&text)).map(Value::from),
                "no kind of event",
            ),
            Field::Unit => {
                let unit = text(value).map(|text| text.trim().to_ascii_lowercase());
                let known = unit.filter(|unit| ["px", "e4"].contains(&&**unit));
                (known.map(Value::String), "no unit: `px` or `e4`")
            }
            Field::Role => {
                let role = text(value).filter(|text| is_role(text));
                (role.map(Value::String), "no picture's name")
            }
            Field::Score | Field::Open | Field::Texts | Field::List(..) => (None, "no such value"),
            Field::OpenMap | Field::Box | Field::Map(_) | Field::Pictures => (None, "no map"),
        }
    }

    fn fits(
        &mut self,
        read: Option<Value>,
        value: &Value,
        path: &str,
        wanted: &str,
    ) -> Option<Value> {
        if read.is_none() {
            self.notes
                .say(format!("`{path}`: {} is {wanted}", quoted(value)));
        }
        read
    }

    /// Only the fields that have a value.
    fn map(&mut self, value: Value, fields: &'static [Known], path: &str) -> Option<Value> {
        let Value::Object(mut entries) = value else {
            return None;
        };
        let mut map = Map::new();
        for known in fields {
            let Some(value) = entries.shift_remove(known.name) else {
                continue;
            };
            let path = match path {
                "" => known.name.to_owned(),
                path => format!("{path}.{}", known.name),
            };
            if let Some(value) = self.value(value, known.field, &path) {
                map.insert(known.name.to_owned(), value);
            }
        }
        (!map.is_empty()).then_some(Value::Object(map))
    }

    /// The event's own lists keep their places, since an entry may be the same as one decoded before.
    pub(super) fn places(&mut self, value: Value, field: Field, path: &str) -> Vec<Value> {
        let fields = field.below();
        let items = many(value).into_iter().enumerate();
        items
            .map(|(n, item)| {
                let path = format!("{path}[{n}]");
                match item {
                    Value::Null => Value::Null,
                    item if item.is_object() => {
                        self.map(item, fields, &path).unwrap_or(Value::Null)
                    }
                    other => {
                        self.fits(None, &other, &path, "no map");
                        Value::Null
                    }
                }
            })
            .collect()
    }

    fn list(
        &mut self,
        value: Value,
        fields: &'static [Known],
        needs: Option<&'static str>,
        path: &str,
    ) -> Option<Value> {
        let mut items = self.places(value, Field::List(fields, needs), path);
        items.retain(|item| match needs {
            Some(needs) => item.get(needs).is_some(),
            None => !item.is_null(),
        });
        (!items.is_empty()).then_some(Value::Array(items))
    }

    /// All four corners, or none; all of them zero is how senders write that there is none.
    fn area(&mut self, value: Value, path: &str) -> Option<Value> {
        let told = self.map(value, fields::BOX, path)?;
        let corners = ["xmin", "ymin", "xmax", "ymax"];
        let missing: Vec<&str> = corners
            .into_iter()
            .filter(|corner| told.get(corner).is_none())
            .collect();
        if missing.len() == corners.len() {
            return None;
        }
        if let Some(missing) = missing.first() {
            self.notes.say(format!(
                "`{path}`: left out, for its `{missing}` is missing"
            ));
            return None;
        }
        // The cast saturates, which is all that can be done for a corner two billion pixels away.
        let [xmin, ymin, xmax, ymax] =
            corners.map(|corner| told[corner].as_f64().unwrap_or_default().round() as i32);
        if [xmin, ymin, xmax, ymax] == [0; 4] {
            return None;
        }
        let unit = told.get("unit").cloned().unwrap_or_else(|| "px".into());
        let image = told.get("image").cloned().unwrap_or_else(|| "frame".into());
        Some(
            json!({ "xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax, "unit": unit, "image": image }),
        )
    }
}

/// XML makes no list of what comes once.
pub(super) fn many(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Finite; a comma does for a point.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64().filter(|number| number.is_finite()),
        Value::String(text) => parse(text),
        _ => None,
    }
}

fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let number: f64 = match text.contains('.') {
        true => text.parse(),
        false => text.replacen(',', ".", 1).parse(),
    }
    .ok()?;
    number.is_finite().then_some(number)
}

fn json_number(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        other => match text(other)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
    }
}

/// One of our kinds, in any case and with blanks or hyphens.
fn kind(text: &str) -> Option<&'static str> {
    let word = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    Kind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .find(|kind| *kind == word)
}

pub(super) fn is_role(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The beginning of a value, for people.
pub(in crate::sources) fn quoted(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.chars().take(QUOTED_MAX + 1).collect(),
        Value::Array(_) => return "a list".to_owned(),
        Value::Object(_) => return "a map".to_owned(),
        other => other.to_string(),
    };
    let is_whole = text.chars().count() <= QUOTED_MAX;
    let start: String = text.chars().take(QUOTED_MAX).collect();
    format!(
        "`{}{}`",
        start.escape_debug(),
        if is_whole { "" } else { "…" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coerced(value: Value, field: Field) -> (Option<Value>, Vec<String>) {
        let mut notes = Notes::default();
        let mut coerce = Coerce {
            zone: &TimeZone::UTC,
            notes: &mut notes,
        };
        let value = coerce.value(value, field, "it");
        (value, notes.repaired)
    }

    #[test]
    fn scores_are_fractions_however_they_are_written() {
        for (told, expected) in [
            (json!(0.93), 0.93),
            (json!("0.93"), 0.93),
            (json!("0,93"), 0.93),
            (json!("93%"), 0.93),
            (json!(" 93.5 % "), 0.935),
            (json!(1), 1.0),
            (json!("0"), 0.0),
        ] {
            let (value, notes) = coerced(told.clone(), Field::Score);
            assert_eq!(value, Some(json!(expected)), "{told}");
            assert!(notes.is_empty(), "{notes:?}");
        }
        let (value, notes) = coerced(json!(93), Field::Score);
        assert_eq!(value, Some(json!(0.93)));
        assert_eq!(notes, ["`it`: 93 is taken as percent"]);
        for wrong in [
            json!(101),
            json!(-0.1),
            json!("high"),
            json!([1]),
            json!("NaN"),
        ] {
            let (value, notes) = coerced(wrong, Field::Score);
            assert_eq!((value, notes.len()), (None, 1));
        }
    }

    #[test]
    fn what_tells_nothing_is_absent_and_not_wrong() {
        for field in [
            Field::Text,
            Field::Score,
            Field::Moment,
            Field::Box,
            Field::Texts,
        ] {
            for nothing in [json!(null), json!(""), json!("  ")] {
                assert_eq!(coerced(nothing, field), (None, Vec::new()));
            }
        }
        assert_eq!(
            coerced(json!({ "xmin": null, "unit": "px" }), Field::Box).0,
            None
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_is_left_out_and_said() {
        for (value, field, said) in [
            (json!({ "a": 1 }), Field::Text, "`it`: a map is no text"),
            (json!("fast"), Field::Number, "`it`: `fast` is no number"),
            (
                json!("maybe"),
                Field::Flag,
                "`it`: `maybe` is neither true nor false",
            ),
            (
                json!("03/04/25"),
                Field::Moment,
                "`it`: `03/04/25` is no time that can be read in one way",
            ),
            (
                json!("plat"),
                Field::Kind,
                "`it`: `plat` is no kind of event",
            ),
            (json!(7), Field::Box, "`it`: `7` is no map"),
            (
                json!({ "xmin": 1 }),
                Field::Box,
                "`it`: left out, for its `ymin` is missing",
            ),
            (
                json!(91),
                Field::Degrees(90.0),
                "`it`: `91` is no number of degrees that there are",
            ),
        ] {
            let (value, notes) = coerced(value, field);
            assert_eq!(value, None);
            assert_eq!(notes, [said]);
        }
    }

    #[test]
    fn texts_flags_angles_and_kinds_are_read_leniently() {
        assert_eq!(coerced(json!(17), Field::Text).0, Some(json!("17")));
        assert_eq!(coerced(json!("YES"), Field::Flag).0, Some(json!(true)));
        assert_eq!(coerced(json!(0), Field::Flag).0, Some(json!(false)));
        assert_eq!(coerced(json!(-90), Field::Angle).0, Some(json!(270.0)));
        assert_eq!(
            coerced(json!("Line crossing"), Field::Kind).0,
            Some(json!("line_crossing"))
        );
        assert_eq!(coerced(json!("a"), Field::Texts).0, Some(json!(["a"])));
        let area = json!({ "xmin": "1.6", "ymin": 2, "xmax": 3, "ymax": 4 });
        assert_eq!(
            coerced(area, Field::Box).0,
            Some(
                json!({ "xmin": 2, "ymin": 2, "xmax": 3, "ymax": 4, "unit": "px", "image": "frame" })
            )
        );
    }
}

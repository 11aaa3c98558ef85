//! Paths to fields of an event, as the settings of steps name them: `camera.latitude`, `plates.owner`,
//! `raw.data.results.*.plate`.
//!
//! What has no place of its own among the neutral fields is not known, and refused when the file is loaded; below `raw`,
//! `headers`, `attributes` and `user_data` the names are the vendor's, and anything may be there. A path through a list
//! means each of its items, with or without the `*`: whoever takes something out of one plate means all of them.

use serde_json::{Map, Value};

use crate::template::{EVENT_SHAPE, Mistake, Shape};

/// A path that has been held against the event's shape.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// As it is told to people: without `event.`, the implied `*` left out.
    pub(super) told: String,
    hops: Vec<Hop>,
    /// What stands there.
    pub(super) shape: Shape,
}

/// One step on the way down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hop {
    Name(String),
    /// All items of a list, or all values of a map.
    Each,
}

/// Without them an event is none.
const NEEDED: [&str; 6] = [
    "id",
    "source",
    "vendor",
    "kind",
    "occurred_at",
    "received_at",
];

/// They say what came and when, whatever becomes of it.
const FIXED: [&str; 8] = [
    "id",
    "source",
    "vendor",
    "received_at",
    "repaired",
    "images",
    "headers",
    "path",
];

/// Their parts mean nothing by themselves.
const WHOLE: [&str; 5] = ["box", "candidates", "orientation", "colors", "range"];

impl Field {
    /// # Errors
    /// When an event has no such field, with what may be meant.
    pub(super) fn new(text: &str) -> Result<Self, Mistake> {
        let wrong = |message: String, help: Option<String>| Mistake {
            message,
            help,
            range: 0..text.len(),
            path: Vec::new(),
            others: Vec::new(),
        };
        let mut names = split(text).ok_or_else(|| {
            let help = "names with dots between, such as `camera.latitude` or `raw.data.*.plate`"
                .to_owned();
            wrong(format!("`{text}` is no path to a field"), Some(help))
        })?;
        if names.len() > 1 && names[0] == "event" {
            names.remove(0);
        }
        if let "plate" | "face" | "object" = names[0].as_str() {
            names[0].push('s'); // of all of them
        }
        let (mut shape, mut hops, mut told) = (EVENT_SHAPE, Vec::new(), String::new());
        for name in names {
            if let Shape::List(item) = shape {
                hops.push(Hop::Each);
                shape = *item;
                if name == "*" {
                    continue;
                }
            }
            shape = match shape {
                Shape::Map(fields) => match fields.iter().find(|(known, _)| *known == name) {
                    Some((_, shape)) => *shape,
                    None => {
                        let dot = if told.is_empty() { "" } else { "." };
                        let help = (shape.suggest(&name))
                            .map(|near| format!("did you mean `{told}{dot}{near}`?"));
                        let known = || {
                            let known: Vec<String> = fields
                                .iter()
                                .map(|(known, _)| format!("`{known}`"))
                                .collect();
                            format!("there are {}", known.join(", "))
                        };
                        let of = if told.is_empty() {
                            "an event".to_owned()
                        } else {
                            format!("`{told}`")
                        };
                        return Err(wrong(
                            format!("{of} has no field `{name}`"),
                            Some(help.unwrap_or_else(known)),
                        ));
                    }
                },
                Shape::Leaf(what) => {
                    return Err(wrong(
                        format!("`{told}` is {what}, which has no field `{name}`"),
                        None,
                    ));
                }
                open => open,
            };
            if !told.is_empty() {
                told.push('.');
            }
            told.push_str(&name);
            hops.push(match (name.as_str(), shape) {
                ("*", Shape::Open) => Hop::Each,
                _ => Hop::Name(name),
            });
        }
        while matches!(shape, Shape::Map(_)) && hops.last() == Some(&Hop::Each) {
            hops.pop(); // `plates.*` is all of `plates`
        }
        Ok(Self { told, hops, shape })
    }

    /// For what takes things out of an event.
    ///
    /// # Errors
    /// When there is no such field, or no event without it.
    pub(super) fn to_take(text: &str) -> Result<Self, Mistake> {
        let field = Self::new(text)?;
        let whole = field
            .hops
            .iter()
            .rposition(|hop| matches!(hop, Hop::Name(name) if WHOLE.contains(&name.as_str())));
        let wrong = |message: String, help: String| Mistake {
            message,
            help: Some(help),
            range: 0..text.len(),
            path: Vec::new(),
            others: Vec::new(),
        };
        match field.root() {
            root if NEEDED.contains(&root) => Err(wrong(
                format!("there is no event without its `{root}`"),
                "give it another value with `set`, where that may be".to_owned(),
            )),
            "images" => Err(wrong(
                "pictures are no fields".to_owned(),
                "take them out with `strip: { pictures: [frame] }`".to_owned(),
            )),
            _ if !field.is_open() && whole.is_some_and(|at| at + 1 < field.hops.len()) => {
                Err(wrong(
                    format!("`{}` cannot be taken out alone", field.told),
                    "what it is a part of goes as a whole".to_owned(),
                ))
            }
            _ => Ok(field),
        }
    }

    /// For what puts another text in place of one.
    ///
    /// # Errors
    /// When there is no such field, or it holds no texts.
    pub(super) fn to_hash(text: &str) -> Result<Self, Mistake> {
        let mut field = Self::new(text)?;
        if let Shape::List(item) = field.shape {
            field.hops.push(Hop::Each);
            field.shape = *item;
        }
        let fixed =
            FIXED.contains(&field.root()) && !field.is_of_request() || field.root() == "kind";
        let whole = field.is_open() && field.hops.len() == 1; // all of `raw`
        match !fixed && !whole && (field.is_open() || field.shape.is_text()) {
            true => Ok(field),
            false => Err(Mistake {
                message: format!("`{}` is no text to be hashed", field.told),
                help: Some(
                    "such as `plates.text`, `plates.owner` or `raw.data.results.*.plate`"
                        .to_owned(),
                ),
                range: 0..text.len(),
                path: Vec::new(),
                others: Vec::new(),
            }),
        }
    }

    /// For what gives fields other values.
    ///
    /// # Errors
    /// When there is no such field, or it is not for steps to say.
    pub(super) fn to_put(text: &str) -> Result<Self, Mistake> {
        let field = Self::new(text)?;
        let fixed = FIXED.contains(&field.root()) || field.told == "video.range";
        match fixed {
            true => Err(Mistake {
                message: format!(
                    "`{}` tells what came in, and no step changes that",
                    field.told
                ),
                help: None,
                range: 0..text.len(),
                path: Vec::new(),
                others: Vec::new(),
            }),
            false => Ok(field),
        }
    }

    /// The value as it may stand there: a number is a text where one is wanted.
    ///
    /// # Errors
    /// When it is of another type; what it is is not told.
    pub(super) fn fitting(&self, value: Value) -> Result<Value, String> {
        let value = match value {
            Value::Number(number) if self.shape.is_text() => number.to_string().into(),
            Value::Bool(flag) if self.shape.is_text() => flag.to_string().into(),
            other => other,
        };
        self.shape.takes(&value).map(|()| value)
    }

    /// The top-level name.
    pub(super) fn root(&self) -> &str {
        match self.hops.first() {
            Some(Hop::Name(name)) => name,
            _ => "",
        }
    }

    /// The list of the event whose items it is about: `plates`, `faces` or `objects`.
    pub(super) fn of_items(&self) -> Option<&str> {
        let items = matches!(self.root(), "plates" | "faces" | "objects")
            && self.hops.get(1) == Some(&Hop::Each);
        items.then(|| self.root())
    }

    /// Whether it lies in the request as it came, whose words are the vendor's.
    pub(super) fn is_of_request(&self) -> bool {
        matches!(self.root(), "raw" | "headers" | "path")
    }

    /// Whether it lies where the names are the vendor's.
    fn is_open(&self) -> bool {
        matches!(self.shape, Shape::Open)
    }

    pub(super) fn hops(&self) -> &[Hop] {
        &self.hops
    }
}

/// Names between dots; one that holds a dot itself stands in double quotes.
fn split(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if name.is_empty() || name.contains(char::is_whitespace) && !rest.starts_with('"') {
            return None;
        }
        names.push(name.to_owned());
        if after.is_empty() {
            return Some(names);
        }
        rest = after.strip_prefix('.')?;
    }
}

/// Shows each value at the end of the way to `look`.
pub(super) fn each(value: &mut Value, hops: &[Hop], look: &mut impl FnMut(&mut Value)) {
    let Some((hop, rest)) = hops.split_first() else {
        return look(value);
    };
    match (hop, value) {
        (Hop::Each, Value::Array(items)) => {
            items.iter_mut().for_each(|item| each(item, rest, look))
        }
        (Hop::Each, Value::Object(map)) => {
            map.values_mut().for_each(|value| each(value, rest, look))
        }
        (Hop::Name(name), Value::Object(map)) => {
            if let Some(value) = map.get_mut(name) {
                each(value, rest, look);
            }
        }
        (Hop::Name(name), Value::Array(items)) => {
            if let Some(value) = name.parse().ok().and_then(|n: usize| items.get_mut(n)) {
                each(value, rest, look);
            }
        }
        _ => {}
    }
}

/// Takes out what stands at the end of the way, and hands each to `took`; null is nothing.
pub(super) fn take(value: &mut Value, hops: &[Hop], took: &mut impl FnMut(Value)) {
    let Some((last, way)) = hops.split_last() else {
        return;
    };
    each(value, way, &mut |parent| {
        let taken = match (last, parent) {
            (Hop::Name(name), Value::Object(map)) => map.shift_remove(name).into_iter().collect(),
            // The others keep their places.
            (Hop::Name(name), Value::Array(items)) => {
                let item = name.parse().ok().and_then(|n: usize| items.get_mut(n));
                item.map(Value::take).into_iter().collect()
            }
            (Hop::Each, Value::Array(items)) => std::mem::take(items),
            (Hop::Each, Value::Object(map)) => std::mem::take(map)
                .into_iter()
                .map(|(_, value)| value)
                .collect(),
            _ => Vec::new(),
        };
        taken
            .into_iter()
            .filter(|value| !value.is_null())
            .for_each(&mut *took);
    });
}

/// Puts a value there; maps on the way are made where there is nothing, null takes out what is there.
///
/// # Errors
/// When something else than a map is in the way.
pub(super) fn put(value: &mut Value, hops: &[Hop], new: &Value) -> Result<(), String> {
    let Some((hop, rest)) = hops.split_first() else {
        *value = new.clone();
        return Ok(());
    };
    if value.is_null() && !new.is_null() && *hop != Hop::Each {
        *value = Value::Object(Map::new());
    }
    match (hop, value) {
        (Hop::Each, Value::Array(items)) => {
            items.iter_mut().try_for_each(|item| put(item, rest, new))
        }
        (Hop::Each, Value::Object(map)) => {
            map.values_mut().try_for_each(|item| put(item, rest, new))
        }
        (Hop::Name(name), Value::Object(map)) => {
            if new.is_null() && rest.is_empty() {
                map.shift_remove(name);
                return Ok(());
            }
            match map.get_mut(name) {
                Some(value) => put(value, rest, new),
                None if new.is_null() => Ok(()),
                None => put(map.entry(name.as_str()).or_insert(Value::Null), rest, new),
            }
        }
        (Hop::Name(name), Value::Array(items)) => {
            match name.parse().ok().and_then(|n: usize| items.get_mut(n)) {
                Some(item) => put(item, rest, new),
                None => Err(format!("a list has no `{name}`")),
            }
        }
        (_, Value::Null) => Ok(()),
        (Hop::Name(name), _) => Err(format!("there is no `{name}` in what is no map")),
        (Hop::Each, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hops(text: &str) -> Vec<String> {
        let field = Field::new(text).unwrap();
        let hops = field.hops().iter().map(|hop| match hop {
            Hop::Name(name) => name.clone(),
            Hop::Each => "*".to_owned(),
        });
        hops.collect()
    }

    #[test]
    fn a_path_through_a_list_means_each_item() {
        for text in [
            "plates.owner",
            "event.plates.owner",
            "plates.*.owner",
            "plate.owner",
        ] {
            assert_eq!(hops(text), ["plates", "*", "owner"], "{text}");
        }
        assert_eq!(hops("plates.*"), ["plates"]);
        assert_eq!(
            hops("plates.candidates.text"),
            ["plates", "*", "candidates", "*", "text"]
        );
        assert_eq!(hops("camera.tags"), ["camera", "tags"]);
    }

    #[test]
    fn below_raw_any_name_may_stand_also_one_with_a_dot() {
        assert_eq!(
            hops("raw.data.results.*.plate"),
            ["raw", "data", "results", "*", "plate"]
        );
        assert_eq!(hops(r#"raw."a.b".0"#), ["raw", "a.b", "0"]);
        assert_eq!(
            hops("faces.attributes.age"),
            ["faces", "*", "attributes", "age"]
        );
    }

    #[test]
    fn what_an_event_does_not_have_is_refused_with_what_may_be_meant() {
        for (text, message, help) in [
            (
                "camera.lattitude",
                "`camera` has no field `lattitude`",
                "`camera.latitude`",
            ),
            (
                "latitude",
                "an event has no field `latitude`",
                "`camera.latitude`",
            ),
            (
                "plates.color",
                "`plates` has no field `color`",
                "`plates.vehicle.color`",
            ),
            ("camera.id.x", "`camera.id` is a text", ""),
            ("", "no path", "dots between"),
            ("camera..id", "no path", "dots between"),
            (r#"raw."x"#, "no path", "dots between"),
        ] {
            let mistake = Field::new(text).unwrap_err();
            assert!(
                mistake.message.contains(message),
                "{text}: {}",
                mistake.message
            );
            assert!(mistake.help.unwrap_or_default().contains(help), "{text}");
        }
    }

    #[test]
    fn what_an_event_needs_stays() {
        for text in [
            "id",
            "event.kind",
            "occurred_at",
            "images",
            "plates.box.xmin",
            "plates.candidates.text",
        ] {
            assert!(Field::to_take(text).is_err(), "{text}");
        }
        for text in [
            "plates",
            "camera",
            "plates.box",
            "raw",
            "raw.box.x",
            "headers.x-plate",
            "path",
        ] {
            assert!(Field::to_take(text).is_ok(), "{text}");
        }
        for text in ["id", "images", "headers.x", "video.range", "received_at"] {
            assert!(Field::to_put(text).is_err(), "{text}");
        }
        for text in ["kind", "plates.box.xmin", "raw.x", "camera.tags"] {
            assert!(Field::to_put(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn takes_all_that_is_there_and_minds_nothing_that_is_not() {
        let mut value = json!({ "raw": { "l": [{ "a": 1, "b": 2 }, { "b": 3 }, 7], "m": { "x": { "a": 4 }, "y": null } } });
        let mut taken = Vec::new();
        for path in [
            "raw.l.*.a",
            "raw.m.*.a",
            "raw.l.2.q",
            "raw.no.where",
            "raw.l.2",
        ] {
            let field = Field::new(path).unwrap();
            take(&mut value, field.hops(), &mut |gone| taken.push(gone));
        }
        assert_eq!(taken, [json!(1), json!(4), json!(7)]);
        assert_eq!(
            value,
            json!({ "raw": { "l": [{ "b": 2 }, { "b": 3 }, null], "m": { "x": {}, "y": null } } })
        );
    }

    #[test]
    fn puts_a_value_for_each_and_makes_the_way() {
        let mut value =
            json!({ "camera": {}, "plates": [{ "text": "a" }, { "text": "b", "vehicle": null }] });
        for (path, new) in [
            ("camera.name", json!("x")),
            ("plates.vehicle.make", json!("Fiat")),
            ("plates.text", json!(null)),
        ] {
            put(&mut value, Field::new(path).unwrap().hops(), &new).unwrap();
        }
        let plate = json!({ "vehicle": { "make": "Fiat" } });
        assert_eq!(
            value,
            json!({ "camera": { "name": "x" }, "plates": [plate, plate] })
        );
        let raw = Field::new("raw.a.b").unwrap();
        assert!(put(&mut json!({ "raw": { "a": 7 } }), raw.hops(), &json!(1)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics(text in r#"(event\.|plates?\.)?([a-z*"0. ]|raw|text|box|candidates|\PC){0,8}"#) {
            for field in [Field::new(&text), Field::to_take(&text), Field::to_put(&text), Field::to_hash(&text)].into_iter().flatten() {
                let mut value = json!({ "raw": { "a": [1, { "b": null }] }, "plates": [{ "text": "x" }, null], "camera": 7 });
                put(&mut value, field.hops(), &json!(1)).ok();
                each(&mut value, field.hops(), &mut |value| *value = json!([1]));
                take(&mut value, field.hops(), &mut drop);
            }
        }
    }
}

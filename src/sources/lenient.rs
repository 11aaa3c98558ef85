//! Values as vendors write them: a number may be text, an absent field null, an id either.

use super::json::Json;
use crate::event::{Area, Role, Score, Unit};

/// A finite number, or text that is one.
pub(super) fn number(value: &Json) -> Option<f64> {
    let number = match value {
        Json::Number(number) => number.as_f64()?,
        Json::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// Text that says something, or a number as text.
pub(super) fn text(value: &Json) -> Option<String> {
    match value {
        Json::Text(text) if !text.trim().is_empty() => Some(text.to_string()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn score(value: &Json) -> Option<Score> {
    Score::from_fraction(number(value)?)
}

/// As [`score`], told in percent.
pub(super) fn percent(value: &Json) -> Option<Score> {
    Score::from_fraction(number(value)? / 100.0)
}

/// As [`text`], without the words that mean that nothing is known.
pub(super) fn known(value: &Json) -> Option<String> {
    let is_known = |text: &String| {
        let word = text.trim();
        !["-", "unknown", "unk", "none", "n/a", "null"]
            .iter()
            .any(|nothing| word.eq_ignore_ascii_case(nothing))
    };
    text(value).filter(is_known)
}

/// The elements of an array; none of anything else.
pub(super) fn list<'t, 'a>(value: &'t Json<'a>) -> &'t [Json<'a>] {
    match value {
        Json::List(items) => items,
        _ => &[],
    }
}

/// The first of several fields that is there and not null; null when none is.
pub(super) fn first_of<'t, 'a>(fields: &[&'t Json<'a>]) -> &'t Json<'a> {
    fields
        .iter()
        .find(|field| !field.is_null())
        .copied()
        .unwrap_or(&Json::Null)
}

/// A box in pixels from `{xmin, ymin, xmax, ymax}`; `None` when a corner is missing, and when all are zero, which is how
/// vendors write that there is none.
pub(super) fn area(value: &Json, image: Role) -> Option<Area> {
    // The cast saturates, which is all that can be done for a corner two billion pixels away.
    let corner = |name: &str| Some(number(&value[name])?.round() as i32);
    let area = Area {
        xmin: corner("xmin")?,
        ymin: corner("ymin")?,
        xmax: corner("xmax")?,
        ymax: corner("ymax")?,
        unit: Unit::Pixels,
        image,
    };
    let is_told = (area.xmin, area.ymin, area.xmax, area.ymax) != (0, 0, 0, 0);
    is_told.then_some(area)
}

/// A box in pixels from its left and top edge, width and height; `None` when one of them is missing, and when it is empty.
pub(super) fn rectangle([x, y, width, height]: [&Json; 4], image: Role) -> Option<Area> {
    let (x, y) = (number(x)?.round(), number(y)?.round());
    let (width, height) = (number(width)?.round(), number(height)?.round());
    // The casts saturate, as in `area`.
    let area = Area {
        xmin: x as i32,
        ymin: y as i32,
        xmax: (x + width) as i32,
        ymax: (y + height) as i32,
        unit: Unit::Pixels,
        image,
    };
    (width > 0.0 && height > 0.0).then_some(area)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn number(value: &Value) -> Option<f64> {
        super::number(&serde_json::from_str(&value.to_string()).unwrap())
    }

    fn area(value: &Value, image: Role) -> Option<Area> {
        super::area(&serde_json::from_str(&value.to_string()).unwrap(), image)
    }

    #[test]
    fn numbers_may_be_text_but_must_be_finite() {
        assert_eq!(number(&json!(23)), Some(23.0));
        assert_eq!(number(&json!(" 23.5 ")), Some(23.5));
        for nothing in [
            json!("NaN"),
            json!("inf"),
            json!(""),
            json!(null),
            json!([1]),
            json!(true),
        ] {
            assert_eq!(number(&nothing), None, "{nothing}");
        }
    }

    #[test]
    fn boxes_are_kept_as_told_but_for_the_one_that_means_none() {
        let told = area(
            &json!({ "ymax": "-4", "xmin": 5e12, "ymin": 2.6, "xmax": 1 }),
            Role::FRAME,
        )
        .unwrap();
        assert_eq!(
            (told.xmin, told.ymin, told.xmax, told.ymax),
            (i32::MAX, 3, 1, -4)
        );
        for nothing in [
            json!({ "xmin": 0, "ymin": 0, "xmax": 0, "ymax": 0 }),
            json!({ "xmin": 1 }),
            json!("box"),
            json!(null),
        ] {
            assert_eq!(area(&nothing, Role::FRAME), None, "{nothing}");
        }
    }
}

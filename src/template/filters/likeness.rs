//! Plates that are alike, and places in the picture.

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};

use crate::event::Polygon;
use crate::likeness::{self, Fold, Letters, Pattern};
use crate::template::operators::is_null;

/// Whether a text fits a pattern, or one of several: `*` stands for anything, `?` for one letter, as plates are compared.
/// Null fits none.
pub(super) fn like(value: &Value, patterns: &Value, options: Kwargs) -> Result<bool, Error> {
    let fold = fold(&options)?;
    let Some(text) = value.as_str() else {
        return Ok(false);
    };
    let fits = |pattern: &Value| {
        let pattern = pattern
            .as_str()
            .ok_or_else(|| invalid("a pattern must be a text".to_owned()))?;
        let pattern = Pattern::new(pattern, fold).map_err(invalid)?;
        Ok(pattern.matches(text))
    };
    if patterns.as_str().is_some() {
        return fits(patterns);
    }
    for pattern in patterns.try_iter()? {
        if fits(&pattern)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many letters two plates are apart; null next to null and next to what is too long for a plate.
pub(super) fn edits(value: &Value, other: &Value, options: Kwargs) -> Result<Value, Error> {
    let fold = fold(&options)?;
    let letters = |value: &Value| Letters::of(value.as_str()?, fold);
    let apart = letters(value)
        .zip(letters(other))
        .and_then(|(a, b)| likeness::edits(&a, &b, usize::MAX));
    Ok(apart.into())
}

fn fold(options: &Kwargs) -> Result<Fold, Error> {
    let confusions: Option<bool> = options.get("confusions")?;
    options.assert_all_used()?;
    Ok(match confusions {
        Some(true) => Fold::LookAlike,
        Some(false) | None => Fold::Plate,
    })
}

pub(super) fn check_pattern(text: &str) -> Result<(), String> {
    Pattern::new(text, Fold::Plate).map(drop)
}

/// Whether the centre of a box, or its foot, lies in an area; corners count in the box's own unit. Null lies nowhere.
pub(super) fn inside(value: &Value, corners: &Value, options: Kwargs) -> Result<bool, Error> {
    let point: Option<String> = options.get("point")?;
    options.assert_all_used()?;
    let at_foot = match point.as_deref() {
        None | Some("centre") => false,
        Some("foot") => true,
        Some(other) => {
            return Err(invalid(format!(
                "`{other}` is no point of a box: expected `centre` or `foot`"
            )));
        }
    };
    let area = Polygon::new(&points(corners)?).map_err(invalid)?;
    if is_null(value) {
        return Ok(false);
    }
    let side = |name: &str| number(&value.get_attr(name)?);
    let (xmin, xmax) = (side("xmin")?, side("xmax")?);
    let (ymin, ymax) = (side("ymin")?, side("ymax")?);
    let y = if at_foot { ymax } else { (ymin + ymax) / 2.0 };
    Ok(area.contains((xmin + xmax) / 2.0, y))
}

fn points(corners: &Value) -> Result<Vec<[f64; 2]>, Error> {
    let point = |corner: Value| {
        let both: Vec<Value> = corner.try_iter()?.take(3).collect();
        match both.as_slice() {
            [x, y] => Ok([number(x)?, number(y)?]),
            _ => Err(invalid(
                "a corner is two numbers, such as [0, 5000]".to_owned(),
            )),
        }
    };
    corners.try_iter()?.take(1_000).map(point).collect()
}

fn number(value: &Value) -> Result<f64, Error> {
    f64::try_from(value.clone()).map_err(|_| invalid(format!("`{value}` is no number")))
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

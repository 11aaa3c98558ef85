//! A whole event as somebody wrote it: its values are read as leniently as those of a map.

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::coerce::{Coerce, Notes, many, quoted};
use super::fields::{self, Field, Known};
use crate::sources::bounds::ITEMS_READ;

/// Brings the values of an event into the types of its fields; fields that nobody maps stay as they are. A value that does
/// not fit is left out; what is to be said of it is returned.
///
/// # Errors
/// When a plate, face or object would be lost with its value, in words.
pub(in crate::sources) fn mend(
    event: &mut Map<String, Value>,
    zone: &TimeZone,
) -> Result<Vec<String>, String> {
    let mut notes = Notes::default();
    let mut coerce = Coerce {
        zone,
        notes: &mut notes,
    };
    for known in fields::EVENT {
        let Some(value) = event.get_mut(known.name).map(Value::take) else {
            continue;
        };
        let read = match (known.field, value) {
            (Field::Pictures, images) => Some(images),
            (Field::List(fields, needs), list) if !list.is_null() => {
                let items = many(list).into_iter().take(ITEMS_READ).enumerate();
                let read = items.map(|(n, item)| {
                    let path = format!("{}[{n}]", known.name);
                    mended(item, fields, needs, &path, &mut coerce)
                });
                Some(Value::Array(read.collect::<Result<_, _>>()?))
            }
            (field, value) => coerce.value(value, field, known.name),
        };
        put(event, known, read);
    }
    Ok(notes.repaired)
}

/// One plate, face or object. Without its text a plate still tells of a vehicle, so only a wrong one is an error.
fn mended(
    item: Value,
    fields: &'static [Known],
    needs: Option<&'static str>,
    path: &str,
    coerce: &mut Coerce,
) -> Result<Value, String> {
    let Value::Object(mut item) = item else {
        return Err(format!("`{path}`: {} is no map", quoted(&item)));
    };
    if !item.is_empty() && !fields.iter().any(|known| item.contains_key(known.name)) {
        let names: Vec<&str> = fields.iter().map(|known| known.name).collect();
        return Err(format!(
            "`{path}` has none of the fields that are known there: {}",
            names.join(", ")
        ));
    }
    for known in fields {
        let Some(written) = item.get_mut(known.name).map(Value::take) else {
            continue;
        };
        let path = format!("{path}.{}", known.name);
        let is_wrong = !written.is_null() && !written.is_string() && !written.is_number();
        let read = coerce.value(written, known.field, &path);
        if read.is_none() && is_wrong && needs == Some(known.name) {
            return Err(format!("`{path}` is no text"));
        }
        put(&mut item, known, read);
    }
    Ok(Value::Object(item))
}

/// Null would be a value of the wrong type where there must be one.
fn put(fields: &mut Map<String, Value>, known: &Known, read: Option<Value>) {
    match read {
        Some(read) => fields.insert(known.name.to_owned(), read),
        None => fields.shift_remove(known.name),
    };
}

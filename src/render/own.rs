//! Stream's own document, for receivers that know Stream: as it came, but for what steps of the route changed.
//!
//! A step that gives a field another value knows nothing of Stream's words, and Stream's document tells more than the
//! neutral form keeps. So what a result would be before and after the steps is written in Stream's words, and only where
//! the two differ does the new value go into the document. Of a document that a step withholds nothing is left.

use serde_json::{Map, Value};

use super::forms::{self, Form};
use super::stream;
use crate::event::{Altered, Event, Unit};

/// The whole document, with `hook` and `data`; `None` for events of other vendors and where it must not go on.
pub(super) fn document(event: &Event) -> Option<Map<String, Value>> {
    if event.vendor != "platerecognizer" || event.is_stale() {
        return None;
    }
    let Value::Object(mut document) = event.raw.to_json() else {
        return None;
    };
    if let Altered::Fields { before } = &event.altered {
        lay_over(&mut document, before, event);
    }
    Some(document)
}

fn lay_over(document: &mut Map<String, Value>, before: &Event, event: &Event) {
    if before.camera.id != event.camera.id {
        if let Some(hook) = document.get_mut("hook").filter(|hook| hook.is_object()) {
            hook["id"] = event.camera.id.clone().into();
        }
        if let Some(data) = document.get_mut("data").filter(|data| data.is_object()) {
            data["camera_id"] = event.camera.id.clone().into();
        }
    }
    let Some(Value::Object(data)) = document.get_mut("data") else {
        return;
    };
    if before.occurred_at.instant() != event.occurred_at.instant() {
        for (name, text) in stream::timestamps(event) {
            data.insert(name.to_owned(), text.into());
        }
    }
    let Some(Value::Array(results)) = data.get_mut("results") else {
        return;
    };
    let (was, is) = (stream::told(before), stream::told(event));
    if results.len() != was.len() || was.len() != is.len() {
        *results = is;
        return;
    }
    for (n, ((result, mut was), mut is)) in results.iter_mut().zip(was).zip(is).enumerate() {
        // A box counts in the picture that is sent with it, as the sender's own do.
        let area = |event: &Event| {
            event
                .plates
                .get(n)?
                .area
                .clone()
                .filter(|area| area.unit == Unit::Pixels)
        };
        let (old, new) = (area(before), area(event));
        if old != new && new.is_some() {
            was["box"] = Value::Null;
            is["box"] = stream::corners(new);
        }
        let is_vehicle_form = result.as_object().is_some_and(forms::is_vehicle_form);
        let form = if is_vehicle_form {
            Form::Vehicle
        } else {
            Form::Plate
        };
        lay(result, &form.of(was), &form.of(is));
    }
}

/// Puts into `own` what `is` and was not.
fn lay(own: &mut Value, was: &Value, is: &Value) {
    match (own, was, is) {
        (_, was, is) if was == is => {}
        (Value::Object(own), Value::Object(was), Value::Object(is)) => {
            own.retain(|name, _| is.contains_key(name) || !was.contains_key(name));
            for (name, value) in is {
                let before = was.get(name).unwrap_or(&Value::Null);
                lay(
                    own.entry(name.as_str()).or_insert(Value::Null),
                    before,
                    value,
                );
            }
        }
        (own, _, is) => *own = is.clone(),
    }
}

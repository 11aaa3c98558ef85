//! The `set` step: gives fields of the event other values, written as templates.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::draft::Draft;
use super::field::{Field, Hop};
use super::{Flow, Mistakes, Step, StepError, Work};
use crate::event::{Event, Item};
use crate::template::{Engine, Mistake, Names, Structure};

pub(super) const NAME: &str = "set";

/// Gives fields other values, for the targets of this route: paths of fields, such as `camera.name` or `plates.text` (of
/// every plate), with templates that see `event`, `images`, `lists`, `now` and the `plate`, `face` or `object` at hand. All of
/// them see the event as it was before this step. A text that is exactly one `{{ expression }}` keeps the value's type; null
/// takes the value out. The vendor's document stays as it is, except where a path below `raw` is set. Of a `pair` both halves are
/// changed, each by its own values.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Set")]
pub(crate) struct Settings(Map<String, Value>);

pub(super) struct Set(Vec<(Field, Structure)>);

impl Set {
    pub(super) fn new(settings: &Settings, engine: &Engine) -> Result<Self, Mistakes> {
        let (mut set, mut mistakes) = (Vec::new(), Mistakes::new());
        for (path, value) in &settings.0 {
            let mut wrong = |mistake: Mistake| mistakes.push((vec![path.clone()], mistake));
            let field = match Field::to_put(path) {
                Ok(field) => field,
                Err(mistake) => {
                    wrong(Mistake {
                        range: Mistake::KEY,
                        ..mistake
                    });
                    continue;
                }
            };
            if is_constant(value)
                && let Err(why) = field.fitting(value.clone())
            {
                wrong(Mistake {
                    message: format!("`{}`: {why}", field.told),
                    help: None,
                    range: 0..0,
                    path: Vec::new(),
                    others: Vec::new(),
                });
            }
            match engine.structure(value, Names::Reshaping) {
                Ok(structure) => set.push((field, structure)),
                Err(found) => mistakes.extend(found.into_iter().map(|mut mistake| {
                    let mut way = vec![path.clone()];
                    way.append(&mut mistake.path);
                    (way, mistake)
                })),
            }
        }
        if settings.0.is_empty() {
            mistakes.push(super::nothing_to_do(
                "such as `set: { camera.name: north gate }`",
            ));
        }
        if mistakes.is_empty() {
            Ok(Self(set))
        } else {
            Err(mistakes)
        }
    }

    fn changed(&self, work: &Work) -> Result<Event, String> {
        let scope = work.scope();
        let mut draft = Draft::open(&work.event, self.0.iter().map(|(field, _)| field));
        for (field, structure) in &self.0 {
            let told = |why: String| format!("`{}`: {why}", field.told);
            let Some(list) = field.of_items() else {
                let value = structure.json(&scope).map_err(|error| told(error.0))?;
                draft
                    .put(field.hops(), &field.fitting(value).map_err(told)?)
                    .map_err(told)?;
                continue;
            };
            let (count, item): (_, fn(usize) -> Item) = match list {
                "plates" => (work.event.plates.len(), Item::Plate),
                "faces" => (work.event.faces.len(), Item::Face),
                _ => (work.event.objects.len(), Item::Object),
            };
            let mut hops = field.hops().to_vec();
            for n in 0..count {
                let value = structure
                    .json(&scope.about(item(n)))
                    .map_err(|error| told(error.0))?;
                hops[1] = Hop::Name(n.to_string());
                draft
                    .put(&hops, &field.fitting(value).map_err(told)?)
                    .map_err(told)?;
            }
        }
        draft.close()
    }
}

/// Whether no text of it is a template.
fn is_constant(value: &Value) -> bool {
    match value {
        Value::String(text) => !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)),
        Value::Array(items) => items.iter().all(is_constant),
        Value::Object(map) => map.values().all(is_constant),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

impl Step for Set {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let failed = |reason| StepError { step: NAME, reason };
        work.change(|work| self.changed(work)).map_err(failed)?;
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::event::Plate;
    use crate::steps::fixtures::{event, work};

    fn set(settings: Value) -> Result<Set, Mistakes> {
        Set::new(
            &serde_json::from_value(settings).unwrap(),
            &Engine::new(&[]),
        )
    }

    #[test]
    fn every_case_comes_out_as_expected() {
        crate::steps::fixtures::every_case("set");
    }

    #[test]
    fn what_cannot_be_is_refused_when_the_file_is_loaded() {
        for (settings, said) in [
            (json!({}), "nothing"),
            (
                json!({ "camera.nmae": "x" }),
                "`camera` has no field `nmae`",
            ),
            (json!({ "camera.latitude": "north" }), "expected a number"),
            (json!({ "plates.score": 7 }), "from 0 to 1"),
            (json!({ "camera.tags": "one" }), "expected a list"),
            (json!({ "id": "x" }), "no step changes"),
            (json!({ "camera.name": "{{ evnt.id }}" }), "evnt"),
            (
                json!({ "camera.name": "{{ delivery.id }}" }),
                "belongs to one target",
            ),
            (
                json!({ "plates.vehicle": { "wheels": 4 } }),
                "no field `wheels`",
            ),
        ] {
            let mistakes = set(settings.clone()).err().unwrap();
            let message = &mistakes[0].1.message;
            assert!(message.contains(said), "{settings}: {message}");
        }
    }

    #[test]
    fn a_value_of_another_type_ends_the_delivery_and_is_not_told() {
        let plate = Plate {
            text: Some("secret".to_owned()),
            ..Plate::default()
        };
        let mut work = work(event(vec![plate]), Vec::new());
        let step = set(json!({ "camera.latitude": "{{ event.plates[0].text }}" })).unwrap();
        let error = step.take(&mut work).unwrap_err().to_string();
        assert_eq!(
            error,
            "set: `camera.latitude`: expected a number, found a text: use `| float` or `| int`"
        );
        assert!(work.event.camera.latitude.is_none());
    }

    #[test]
    fn the_event_in_the_store_stays_as_it_is() {
        let mut work = work(event(vec![Plate::default()]), Vec::new());
        let before = Arc::clone(&work.event);
        set(json!({ "camera.name": "x" }))
            .unwrap()
            .take(&mut work)
            .unwrap();
        assert_eq!(
            (
                before.camera.name.as_deref(),
                work.event.camera.name.as_deref()
            ),
            (None, Some("x"))
        );
    }
}

//! Steps: what happens to an event's pictures and fields on the way to a target. Pure; CPU work, run on the blocking pool.
//!
//! To add a step: one file with its `Settings` and its [`Step`], its line in [`Settings`] below, its cases under
//! `tests/fixtures/steps/`. What must be decided once for each event, and not for each try of each delivery, is a
//! [`Decider`] instead: it is asked in the accepting commit.

mod album;
mod crop;
mod dedupe;
mod dwell;
mod encode;
#[cfg(test)]
mod fixtures;
mod jpeg;
mod key;
mod pair;
mod sample;
#[cfg(test)]
mod stories;
mod throttle;
mod track;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess};
use serde_json::json;

use crate::decide::Decider;
use crate::event::{Event, Item, Picture};
use crate::fate::Parts;
use crate::lists::Lists;
use crate::template::{self, Engine, Mistake, Scope};

/// Mistakes in the settings of one step, each with the way to it inside the settings: keys from the outside in.
pub(crate) type Mistakes = Vec<(Vec<String>, Mistake)>;

/// What steps work on: the event (never changed in the store) and the pictures at hand.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) event: Arc<Event>,
    /// The plate, face or object that this delivery is about, if the route has `each`.
    pub(crate) item: Option<Item>,
    /// The event's pictures and those that steps made; of one role, in the order of their items.
    pub(crate) pictures: Vec<Picture>,
    /// What was done or could not be done, in words, for `explain` and for the delivery's record.
    pub(crate) notes: Vec<String>,
    pub(crate) lists: Lists,
    pub(crate) now: Timestamp,
    /// What went into this delivery besides its event, if anything did.
    pub(crate) parts: Option<Arc<Parts>>,
}

impl Work {
    /// What the templates of a step see: all but what belongs to one target.
    #[expect(dead_code, reason = "for steps whose settings are templates")]
    pub(crate) fn scope(&self) -> Scope {
        Scope::new(&template::Given {
            event: &self.event,
            item: self.item,
            pictures: &self.pictures,
            lists: &self.lists,
            with: None,
            delivery: None,
            now: self.now,
        })
        .made_of(self.parts.as_ref())
    }
}

/// One step of a route.
pub(crate) trait Step: Send + Sync {
    /// Its word in `routes.yaml`.
    fn name(&self) -> &'static str;
    fn take(&self, work: &mut Work) -> Result<Flow, StepError>;
}

/// A step as a route has it.
pub(crate) enum Built {
    /// Taken for each delivery.
    OnDelivery(Box<dyn Step>),
    /// Decided once, when the event comes in.
    OnArrival(Arc<dyn Decider>),
}

/// Whether the delivery goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// Nothing is delivered; the reason is shown.
    Filtered {
        reason: String,
    },
}

/// A step failed in a way that another try will not mend.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {reason}")]
pub(crate) struct StepError {
    pub(crate) step: &'static str,
    pub(crate) reason: String,
}

/// A step: its name alone (`- crop`), or a map with one key, its name (`- crop: { pad: 10% }`).
#[derive(Debug, Clone, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Step", transform = or_the_bare_name)]
pub(crate) enum Settings {
    /// Cuts each plate (or vehicle, face, object) out of the event's best picture, by its box.
    Crop(crop::Settings),
    /// Of several reads of one passage, delivers one.
    Dedupe(dedupe::Settings),
    /// Joins the report of how long a vehicle stayed to the recognition of its plate.
    Dwell(dwell::Settings),
    /// Makes one delivery of what the front and the rear camera of a lane saw of one vehicle.
    Pair(pair::Settings),
    /// Of much that is alike, lets one in so many pass, or one in a time.
    Sample(sample::Settings),
    /// Lets at most so many pass in a time.
    Throttle(throttle::Settings),
    /// Tells of what cameras track: `entered`, `dwell` and `left`, in place of several posts a second.
    Track(track::Settings),
}

/// The step that makes pictures known by the side they show.
pub(crate) const PAIR: &str = pair::NAME;

/// The words for the steps, in the order of [`Settings`].
const NAMES: &[&str] = &[
    crop::NAME,
    dedupe::NAME,
    dwell::NAME,
    pair::NAME,
    sample::NAME,
    throttle::NAME,
    track::NAME,
];

impl Settings {
    /// Compiles what is a template in it.
    pub(crate) fn build(self, engine: &Engine) -> Result<Built, Mistakes> {
        Ok(match self {
            Self::Crop(settings) => Built::OnDelivery(Box::new(crop::Crop::new(settings))),
            Self::Dedupe(settings) => {
                Built::OnArrival(Arc::new(dedupe::Dedupe::build(settings, engine)?))
            }
            Self::Dwell(settings) => Built::OnArrival(Arc::new(dwell::Dwell::new(&settings))),
            Self::Pair(settings) => Built::OnArrival(Arc::new(pair::Pair::build(settings)?)),
            Self::Sample(settings) => {
                Built::OnArrival(Arc::new(sample::Sample::build(settings, engine)?))
            }
            Self::Throttle(settings) => {
                Built::OnArrival(Arc::new(throttle::Throttle::build(settings, engine)?))
            }
            Self::Track(settings) => Built::OnArrival(Arc::new(track::Track::new(settings))),
        })
    }

    /// Its word in `routes.yaml`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Crop(_) => crop::NAME,
            Self::Dedupe(_) => dedupe::NAME,
            Self::Dwell(_) => dwell::NAME,
            Self::Pair(_) => pair::NAME,
            Self::Sample(_) => sample::NAME,
            Self::Throttle(_) => throttle::NAME,
            Self::Track(_) => track::NAME,
        }
    }

    /// The step of that name, with what `settings` gives; `None` when no step is called so.
    fn read<E>(name: &str, settings: impl Given<E>) -> Option<Result<Self, E>> {
        match name {
            crop::NAME => Some(settings.give().map(Self::Crop)),
            dedupe::NAME => Some(settings.give().map(Self::Dedupe)),
            dwell::NAME => Some(settings.give().map(Self::Dwell)),
            pair::NAME => Some(settings.give().map(Self::Pair)),
            sample::NAME => Some(settings.give().map(Self::Sample)),
            throttle::NAME => Some(settings.give().map(Self::Throttle)),
            track::NAME => Some(settings.give().map(Self::Track)),
            _ => None,
        }
    }
}

/// Where a step's settings come from: the value of its key, or nowhere when it stands bare.
trait Given<E> {
    fn give<T: Default + de::DeserializeOwned>(self) -> Result<T, E>;
}

struct Bare;

impl<E> Given<E> for Bare {
    fn give<T: Default>(self) -> Result<T, E> {
        Ok(T::default())
    }
}

impl<'de, A: MapAccess<'de>> Given<A::Error> for &mut A {
    fn give<T: Default + de::DeserializeOwned>(self) -> Result<T, A::Error> {
        Ok(self.next_value::<Option<T>>()?.unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Settings;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step: its name, or a map with its name as the only key")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Settings, E> {
                Settings::read(name, Bare).unwrap_or_else(|| Err(E::unknown_variant(name, NAMES)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
                let name: Cow<'_, str> = map
                    .next_key::<String>()?
                    .ok_or_else(|| de::Error::custom("a step needs its name"))?
                    .into();
                let step = Settings::read(&name, &mut map)
                    .unwrap_or_else(|| Err(de::Error::unknown_variant(&name, NAMES)))?;
                match map.next_key::<String>()? {
                    None => Ok(step),
                    Some(second) => Err(de::Error::custom(format!(
                        "`{second}` is a second step in one entry: start it on a line of its own, with a dash"
                    ))),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The derived schema knows the map; a step with nothing to set may stand as its bare name.
fn or_the_bare_name(schema: &mut Schema) {
    if let Some(forms) = schema
        .get_mut("oneOf")
        .and_then(|forms| forms.as_array_mut())
    {
        forms.push(json!({ "type": "string", "enum": NAMES, "description": "A step with all its defaults." }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_may_stand_bare_or_with_settings() {
        for yaml in ["- crop", "- crop:", "- crop: {}", "- crop: { pad: 10% }"] {
            let steps: Vec<Settings> = serde_saphyr::from_str(yaml).unwrap();
            assert_eq!(steps.len(), 1, "{yaml}");
            for step in steps {
                assert_eq!(step.name(), "crop");
            }
        }
    }

    #[test]
    fn what_is_no_step_is_refused_with_what_there_is() {
        for (yaml, said) in [
            ("- crpo", "crop"),
            ("- crpo: {}", "crop"),
            ("- { crop: {}, blur: {} }", "line of its own"),
            ("- {}", "needs its name"),
            ("- 7", "a step"),
            ("- crop: { padding: 1px }", "pad"),
        ] {
            let mistake = serde_saphyr::from_str::<Vec<Settings>>(yaml)
                .unwrap_err()
                .to_string();
            assert!(mistake.contains(said), "{yaml}: {mistake}");
        }
    }

    #[test]
    fn the_schema_knows_both_forms() {
        let schema = schemars::schema_for!(Settings);
        let forms = schema
            .get("oneOf")
            .and_then(|forms| forms.as_array())
            .unwrap();
        assert_eq!(forms.len(), NAMES.len() + 1);
        assert_eq!(forms[NAMES.len()]["enum"], json!(NAMES));
    }
}

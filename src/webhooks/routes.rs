//! What a webhook says, in the language of `routes.yaml`: a target, and the routes that lead to it.
//!
//! What FindFace posted is about one thing, and its own document goes on: one route without `each` is for that. Events of other
//! senders may be about several, of which each is a message of its own, as FindFace would have made it: a route for faces, one
//! for plates that were read, one for vehicles whose plate was not. Filters that only one kind of thing can satisfy leave the
//! routes of the others out.

use serde_json::{Map, Value, json};

use super::filters::TYPES;
use super::{NAME, Settings, Webhook, target_name};
use crate::likeness::{Fold, Letters};
use crate::name::Name;

/// The preset that writes the messages.
const PRESET: &str = "findface";
/// What their sources' events are told to be of.
const VENDOR: &str = "findface";

/// One of the ways from events to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What a FindFace server posted.
    FindFace,
    Faces,
    Plates,
    /// Vehicles whose plates were not read.
    Vehicles,
}

const PARTS: [Part; 4] = [Part::FindFace, Part::Faces, Part::Plates, Part::Vehicles];

/// Filters that only faces can satisfy.
const OF_FACES: [&str; 9] = [
    "yaw_lte",
    "yaw_gte",
    "pitch_lte",
    "pitch_gte",
    "roll_lte",
    "roll_gte",
    "liveness_lte",
    "liveness_gte",
    "medmask",
];
/// Filters that only vehicles and plates can satisfy.
const OF_VEHICLES: [&str; 5] = [
    "orientation",
    "special_type",
    "license_plate_visibility",
    "license_plate_number",
    "license_plate_event_number",
];
/// Filters that ask for a plate that was read.
const OF_PLATES: [&str; 2] = ["license_plate_number", "license_plate_event_number"];

/// The names that a webhook's routes may have, whatever it filters: deliveries remember theirs, also after a change.
pub(crate) fn parts(id: u64) -> impl Iterator<Item = Name> {
    PARTS.into_iter().map(move |part| part.name(id))
}

/// Whether a name is one that webhooks' targets and routes have.
pub(crate) fn is_reserved(name: &str) -> bool {
    let rest = name.strip_prefix(NAME);
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

impl Part {
    fn name(self, id: u64) -> Name {
        let own = target_name(id);
        let what = match self {
            Self::FindFace => return own,
            Self::Faces => "faces",
            Self::Plates => "plates",
            Self::Vehicles => "vehicles",
        };
        Name::new(&format!("{own} {what}")).expect("words are a name")
    }
}

impl Webhook {
    /// The target, as it would stand under `targets`.
    pub(crate) fn target(&self, settings: &Settings) -> Value {
        // Braces would be templates.
        let url = self.document.url.as_str();
        let url = url.replace('{', "%7B").replace('}', "%7D");
        let mut with = json!({ "url": url });
        if let Some(address) = &settings.external_address {
            with["external_address"] = address.as_str().into();
        }
        json!({
            "preset": PRESET,
            "with": with,
            "hosts": settings.hosts,
            "networks": settings.networks,
            "retry": {
                "attempts": self.document.send_attempts,
                "give_up_after": settings.give_up_after.to_string(),
            },
        })
    }

    /// The routes, as they would stand under `routes`.
    pub(crate) fn routes(&self) -> Vec<Value> {
        let parts = PARTS.into_iter().filter(|part| self.reaches(*part));
        parts.map(|part| self.route(part)).collect()
    }

    /// Whether anything can pass there.
    fn reaches(&self, part: Part) -> bool {
        let filters = &self.document.filters;
        let asks = |names: &[&str]| names.iter().any(|name| filters.get(name).is_some());
        let types = self.types();
        let wants = |word: &str| types.contains(&word);
        match part {
            Part::FindFace => true,
            Part::Faces => wants("face") && !asks(&OF_VEHICLES),
            Part::Plates => (wants("car") || wants("license_plate")) && !asks(&OF_FACES),
            Part::Vehicles => wants("car") && !asks(&OF_FACES) && !asks(&OF_PLATES),
        }
    }

    /// Those that `type_in` and the filters of plates leave.
    fn types(&self) -> Vec<&'static str> {
        let filters = &self.document.filters;
        let listed = filters.list("type_in");
        let is_listed = |word: &&str| {
            let listed = listed.as_ref();
            listed.is_none_or(|listed| listed.iter().any(|listed| listed.as_str() == Some(word)))
        };
        let car = filters.get("license_plate_number").is_some();
        let plate = filters.get("license_plate_event_number").is_some();
        let types = TYPES.iter().copied().filter(is_listed);
        types
            .filter(|word| (!car || *word == "car") && (!plate || *word == "license_plate"))
            .collect()
    }

    fn route(&self, part: Part) -> Value {
        let mut only = self.words(part);
        let vendor = match part {
            Part::FindFace => json!(VENDOR),
            Part::Faces | Part::Plates | Part::Vehicles => json!({ "not": [VENDOR] }),
        };
        only.insert("vendor".to_owned(), vendor);
        let mut route = json!({
            "name": part.name(self.id),
            "only": only,
            "to": [target_name(self.id)],
        });
        match part {
            Part::FindFace => {}
            Part::Faces => route["each"] = "face".into(),
            Part::Plates => route["each"] = "plate".into(),
            Part::Vehicles => {
                // Those with a read plate go by it.
                let unread = "event.plates | selectattr('text') | list | length == 0";
                route["when"] = unread.into();
            }
        }
        route
    }

    /// The filters as words of `only`.
    fn words(&self, part: Part) -> Map<String, Value> {
        let filters = &self.document.filters;
        let mut only = Map::new();
        let mut say = |word: &str, value: Option<Value>| {
            only.extend(value.map(|value| (word.to_owned(), value)));
        };
        say("about", self.about(part));
        let list = |name: &str| filters.list(name).map(|values| json!(values));
        say("camera", list("camera_in"));
        say("card", list("card_in"));
        // Who tells no such thing has taken one picture, the best one.
        let shot = list("bs_type_in").map(|shots| match part {
            Part::FindFace => shots,
            Part::Faces | Part::Plates | Part::Vehicles => {
                let best = shots
                    .as_array()
                    .is_some_and(|all| all.contains(&json!("overall")));
                let unknown = if best { "pass" } else { "fail" };
                json!({ "is": shots, "unknown": unknown })
            }
        });
        say("shot", shot);
        say("matched", filters.get("matched").cloned());
        say("similarity", self.similarity());
        let mut face = Map::new();
        for name in ["yaw", "pitch", "roll", "liveness"] {
            face.extend(self.bounds(name).map(|bounds| (name.to_owned(), bounds)));
        }
        face.extend(self.sure("medmask").map(|mask| ("mask".to_owned(), mask)));
        say("face", filled(face));
        say("orientation", self.sure("orientation"));
        let special = self.sure("special_type");
        say(
            "vehicle",
            special.map(|special| json!({ "special": special })),
        );
        let mut plate = Map::new();
        let visibility = self.sure("license_plate_visibility");
        plate.extend(visibility.map(|sure| ("visibility".to_owned(), sure)));
        let number = OF_PLATES.iter().find_map(|name| filters.text(name));
        plate.extend(number.map(|number| {
            // A text without a letter or digit is no plate's.
            let letters = Letters::of(number, Fold::Plate);
            let is_plate = letters.is_some_and(|letters| !letters.as_slice().is_empty());
            let to: Vec<&str> = is_plate.then_some(number).into_iter().collect();
            let same = json!({ "to": to, "edits": 0, "confusions": false });
            ("similar".to_owned(), same)
        }));
        say("plate", filled(plate));
        only
    }

    fn about(&self, part: Part) -> Option<Value> {
        let types = self.types();
        let all = types.len() == TYPES.len();
        let words: Vec<&str> = types
            .into_iter()
            .filter_map(|word| match (word, part) {
                ("face", Part::FindFace | Part::Faces) => Some("face"),
                ("car", Part::FindFace | Part::Plates | Part::Vehicles) => Some("vehicle"),
                ("license_plate", Part::FindFace | Part::Plates) => Some("bare_plate"),
                _ => None,
            })
            .collect();
        // FindFace has webhooks for more than these, and no filter is every event.
        (part != Part::FindFace || !all).then(|| json!(words))
    }

    /// What is not matched has a confidence of 0.
    fn similarity(&self) -> Option<Value> {
        let mut bounds = self.bounds("confidence")?;
        let least = bounds.get("min").and_then(Value::as_f64);
        if least.is_none_or(|least| least <= 0.0) {
            bounds["unknown"] = "pass".into();
        }
        Some(bounds)
    }

    fn bounds(&self, name: &str) -> Option<Value> {
        let filters = &self.document.filters;
        let ends = [("min", "gte"), ("max", "lte")].into_iter();
        let ends = ends.filter_map(|(word, end)| {
            let bound = filters.number(&format!("{name}_{end}"))?;
            Some((word.to_owned(), json!(bound)))
        });
        filled(ends.collect())
    }

    fn sure(&self, name: &str) -> Option<Value> {
        let told = self.document.filters.get(name)?;
        let mut words = Map::new();
        if let Some(word) = told["name"].as_str() {
            words.insert("is".to_owned(), json!([word]));
        }
        let ends = [("min", "confidence_gte"), ("max", "confidence_lte")].into_iter();
        let ends =
            ends.filter_map(|(word, end)| Some((word.to_owned(), json!(told[end].as_f64()?))));
        let score = filled(ends.collect());
        words.extend(score.map(|score| ("score".to_owned(), score)));
        filled(words)
    }
}

fn filled(map: Map<String, Value>) -> Option<Value> {
    (!map.is_empty()).then_some(Value::Object(map))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::Document;

    fn routes(filters: Value) -> Vec<Value> {
        let document = json!({ "name": "x", "target": "http://a.example/in", "filters": filters });
        let document = Document::read(&document).unwrap();
        Webhook { id: 7, document }.routes()
    }

    fn names(filters: Value) -> Vec<String> {
        let name = |route: &Value| route["name"].as_str().unwrap().replace("webhook-7", "7");
        routes(filters).iter().map(name).collect()
    }

    #[test]
    fn only_the_routes_that_something_can_pass_are_made() {
        for (filters, made) in [
            (json!({}), &["7", "7 faces", "7 plates", "7 vehicles"][..]),
            (json!({ "type_in": "face" }), &["7", "7 faces"]),
            (
                json!({ "type_in": ["car"] }),
                &["7", "7 plates", "7 vehicles"],
            ),
            (json!({ "type_in": ["license_plate"] }), &["7", "7 plates"]),
            (json!({ "type_in": [] }), &["7"]),
            (json!({ "yaw_gte": 0 }), &["7", "7 faces"]),
            (
                json!({ "orientation": { "name": "back" } }),
                &["7", "7 plates", "7 vehicles"],
            ),
            (json!({ "license_plate_number": "A1" }), &["7", "7 plates"]),
            (
                json!({ "yaw_gte": 0, "orientation": { "name": "back" } }),
                &["7"],
            ),
        ] {
            assert_eq!(names(filters.clone()), made, "{filters}");
        }
        assert!(
            parts(7)
                .map(|part| part.as_str().replace("webhook-7", "7"))
                .eq(names(json!({})))
        );
    }

    #[test]
    fn filters_become_words() {
        let only = |filters: Value| routes(filters)[0]["only"].clone();
        assert_eq!(only(json!({})), json!({ "vendor": "findface" }));
        assert_eq!(
            only(json!({
                "type_in": ["face"], "camera_in": 7, "card_in": [15, "16"], "confidence_gte": 0.75, "matched": true,
                "bs_type_in": ["overall"], "yaw_lte": 3.5, "yaw_gte": 3.5, "liveness_gte": 0.5,
                "medmask": { "name": "correct", "confidence_gte": 0.8 },
            })),
            json!({
                "vendor": "findface", "about": ["face"], "camera": [7], "card": [15, "16"], "similarity": { "min": 0.75 },
                "matched": true, "shot": ["overall"],
                "face": { "yaw": { "min": 3.5, "max": 3.5 }, "liveness": { "min": 0.5 }, "mask": { "is": ["correct"], "score": { "min": 0.8 } } },
            })
        );
        assert_eq!(
            only(json!({ "license_plate_number": "AB 12", "license_plate_event_number": "AB12" }))
                ["about"],
            json!([])
        );
        assert_eq!(
            only(json!({ "confidence_lte": 0.5 }))["similarity"],
            json!({ "max": 0.5, "unknown": "pass" })
        );
        assert_eq!(
            only(json!({ "license_plate_number": " -" }))["plate"]["similar"]["to"],
            json!([])
        );
    }

    #[test]
    fn an_address_is_no_template() {
        let document = json!({ "name": "x", "target": "http://a.example/{{ a }}?b={{ event }}" });
        let document = Document::read(&document).unwrap();
        let target = Webhook { id: 1, document }.target(&Settings::default());
        assert!(
            !target["with"]["url"].as_str().unwrap().contains(['{', '}']),
            "{target}"
        );
    }

    #[test]
    fn names_of_webhooks_are_told_from_others() {
        for name in ["webhook-7", "webhook-7 faces", "webhook-70x"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["webhook", "webhook-", "webhook-a", "my webhook-7"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}

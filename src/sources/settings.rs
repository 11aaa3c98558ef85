//! What users may say about a source in `routes.yaml`, as far as decoding goes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::{ALL, Map, Source};
use crate::event::{Event, Picture};

/// What decoding may need to know of its source's settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct DecodeSettings {
    /// For times without a zone; UTC unless set.
    pub(crate) timezone: Option<TimeZone>,
    /// By the id that the sender gives the camera.
    pub(crate) cameras: BTreeMap<String, CameraSettings>,
    /// Whether pictures known only by address are fetched before the event is delivered.
    pub(crate) fetches: bool,
    /// What the user says of the sender's fields.
    pub(crate) map: Option<Arc<Map>>,
}

/// The word for `kind:`; `auto` unless set.
#[derive(Clone, Copy)]
pub(crate) struct SourceKind(&'static dyn Source);

/// What you know of one camera and its sender does not tell.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CameraSettings {
    /// Another id for the camera, in place of the sender's.
    pub(crate) id: Option<String>,
    /// A name for people.
    pub(crate) name: Option<String>,
    /// Degrees north (WGS 84), from -90 to 90.
    #[schemars(range(min = -90.0, max = 90.0))]
    pub(crate) latitude: Option<f64>,
    /// Degrees east (WGS 84), from -180 to 180.
    #[schemars(range(min = -180.0, max = 180.0))]
    pub(crate) longitude: Option<f64>,
    /// Where the camera stands, in words.
    pub(crate) address: Option<String>,
    /// Words of your own to choose by, added to those that the sender tells.
    pub(crate) tags: Vec<String>,
}

impl DecodeSettings {
    /// The zone of times that tell none.
    pub(super) fn zone(&self) -> TimeZone {
        self.timezone.clone().unwrap_or(TimeZone::UTC)
    }

    /// Marks an event that is to wait for its pictures.
    pub(super) fn apply_fetch(&self, event: &mut Event) {
        let by_address = |picture: &Picture| picture.bytes().is_none();
        event.awaits_pictures = self.fetches && event.images.iter().any(by_address);
    }

    /// Puts what is set for the event's camera in place of what the sender told.
    pub(crate) fn apply_cameras(&self, event: &mut Event) {
        let camera = &mut event.camera;
        let known = camera.id.as_ref().and_then(|id| self.cameras.get(id));
        let Some(known) = known else {
            return;
        };
        for (set, told) in [
            (&known.id, &mut camera.id),
            (&known.name, &mut camera.name),
            (&known.address, &mut camera.address),
        ] {
            if set.is_some() {
                told.clone_from(set);
            }
        }
        camera.latitude = known.latitude.or(camera.latitude);
        camera.longitude = known.longitude.or(camera.longitude);
        for tag in &known.tags {
            if !camera.tags.contains(tag) {
                camera.tags.push(tag.clone());
            }
        }
    }
}

impl SourceKind {
    pub(crate) fn source(self) -> &'static dyn Source {
        self.0
    }
}

impl Default for SourceKind {
    fn default() -> Self {
        Self(&super::auto::Auto)
    }
}

impl fmt::Debug for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind())
    }
}

impl<'de> Deserialize<'de> for SourceKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        super::find(&word).map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "`{word}` is no kind of source: expected one of {}",
                super::kinds().join(", ")
            ))
        })
    }
}

impl JsonSchema for SourceKind {
    fn schema_name() -> Cow<'static, str> {
        "SourceKind".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kinds: Vec<&str> = ALL.iter().map(|source| source.kind()).collect();
        json_schema!({
            "type": "string",
            "enum": kinds,
            "default": "auto",
            "description": "whose requests to expect; `auto` tells vendors apart by the requests themselves"
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Kind, Original};
    use crate::name::Name;

    fn event(camera: Option<&str>) -> Event {
        let name = Name::new("gate").unwrap();
        let mut event = Event::new(name, "acme", Kind::Plate, Arc::new(Original::default()));
        event.camera.id = camera.map(str::to_owned);
        event.camera.address = Some("told".to_owned());
        event.camera.tags = vec!["a".to_owned()];
        event
    }

    #[test]
    fn a_known_camera_is_told_with_what_the_settings_know() {
        let camera =
            json!({ "id": "north", "name": "North gate", "latitude": 45.5, "tags": ["a", "b"] });
        let settings = DecodeSettings {
            cameras: BTreeMap::from([(
                "cam-1".to_owned(),
                serde_json::from_value(camera).unwrap(),
            )]),
            ..DecodeSettings::default()
        };
        let mut known = event(Some("cam-1"));
        settings.apply_cameras(&mut known);
        assert_eq!(
            serde_json::to_value(&known.camera).unwrap(),
            json!({
                "id": "north", "name": "North gate", "channel": null, "mac": null, "serial": null, "ip": null,
                "latitude": 45.5, "longitude": null, "address": "told", "tags": ["a", "b"]
            })
        );
        for other in [Some("cam-2"), None] {
            let mut unknown = event(other);
            settings.apply_cameras(&mut unknown);
            assert_eq!(unknown.camera.id.as_deref(), other);
        }
    }

    #[test]
    fn kinds_are_words_of_the_list() {
        assert_eq!(SourceKind::default().source().kind(), "auto");
        for kind in super::super::kinds() {
            let word: SourceKind = serde_json::from_value(json!(kind)).unwrap();
            assert_eq!(word.source().kind(), kind);
        }
        let error = serde_json::from_value::<SourceKind>(json!("generik")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("expected one of platerecognizer, "),
            "{error}"
        );
    }
}

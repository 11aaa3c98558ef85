//! The settings of a preset, as the templates of its target see them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::event::Event;
use crate::template::{Scope, Structure};

/// What a target's `with` says.
pub(crate) struct With {
    /// What is the same for every event.
    pub(crate) fixed: Map<String, Value>,
    /// What holds templates.
    pub(crate) texts: Option<Structure>,
    pub(crate) cameras: Option<Cameras>,
}

/// What is said of each camera.
pub(crate) struct Cameras {
    /// The setting's name.
    pub(crate) setting: String,
    /// Whether a camera that is not in it is refused.
    pub(crate) required: bool,
    pub(crate) by_id: BTreeMap<String, Structure>,
    /// What the system itself calls the cameras, as far as no template says it: to look for them there.
    pub(crate) fixed: Vec<(String, String)>,
}

/// Stands for every camera that has no entry of its own.
const ANY_OTHER: &str = "*";

impl With {
    /// For one event; `scope` sees all but `with` itself.
    ///
    /// # Errors
    /// When the event's camera is not among those that the preset must know, or a template fails: in words.
    pub(super) fn values(&self, event: &Event, scope: &Scope) -> Result<Value, String> {
        let mut values = self.plain(scope)?;
        if let Some(cameras) = &self.cameras {
            values.insert("camera".to_owned(), cameras.entry(event, scope)?);
        }
        Ok(Value::Object(values))
    }

    /// For no event in particular.
    pub(super) fn without_camera(&self, scope: &Scope) -> Result<Value, String> {
        self.plain(scope).map(Value::Object)
    }

    fn plain(&self, scope: &Scope) -> Result<Map<String, Value>, String> {
        let mut values = self.fixed.clone();
        if let Some(texts) = &self.texts
            && let Value::Object(texts) = texts.json(scope).map_err(|error| error.to_string())?
        {
            values.extend(texts);
        }
        Ok(values)
    }

    /// The system's address, if the preset has a setting for it.
    pub(crate) fn url(&self) -> Option<&str> {
        self.fixed.get("url")?.as_str()
    }
}

impl Cameras {
    fn entry(&self, event: &Event, scope: &Scope) -> Result<Value, String> {
        let id = event.camera.id.as_deref();
        let own = id.and_then(|id| self.by_id.get(id));
        match own.or_else(|| self.by_id.get(ANY_OTHER)) {
            Some(entry) => entry.json(scope).map_err(|error| error.to_string()),
            None if !self.required => Ok(Value::Null),
            None => Err(match id {
                Some(id) => format!(
                    "camera `{id}` is not in `with.{}` of this target: add it, then `camhook retry`",
                    self.setting
                ),
                None => format!(
                    "the event does not tell its camera, which `with.{}` of this target is asked for: give it an entry `*`, then `camhook retry`",
                    self.setting
                ),
            }),
        }
    }
}

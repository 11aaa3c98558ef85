//! What a preset file says.

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How to speak to one kind of system: its settings, its request, what its answers mean, and an example of it all.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preset {
    /// What `preset:` calls it by: the name of its file without `.yaml`.
    pub(crate) name: String,
    /// What it is for, in one sentence.
    pub(crate) about: String,
    /// Whether it was seen to work with the real system.
    #[serde(default)]
    pub(crate) verified: bool,
    /// What of it is not certain, a sentence each.
    #[serde(default)]
    pub(crate) unverified: Vec<String>,
    /// Where the facts come from.
    #[serde(default)]
    pub(crate) source: Vec<Document>,
    /// What a route should have as `each`: `plate` unless set; `event` for none.
    #[serde(default)]
    pub(crate) each: Each,
    /// What `with:` takes, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Setting>")]
    pub(crate) settings: Settings,
    /// What a target in routes.yaml may say, with `{{ with.NAME }}` for settings.
    pub(crate) target: Map<String, Value>,
    /// Other ways to speak to the same system, each taken where its setting is given.
    #[serde(default)]
    pub(crate) variants: Vec<Variant>,
    /// Requests that come of example events; tests hold the preset to them.
    pub(crate) examples: Vec<Example>,
    /// What the user has to do on the other side, and what to expect of it.
    #[serde(default)]
    pub(crate) notes: Option<String>,
}

/// A page that was read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) url: String,
    /// The day it was read, such as 2026-11-21.
    pub(crate) read: String,
}

/// What there is a request for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Each {
    #[default]
    Plate,
    Face,
    Object,
    Event,
}

/// Another way to speak to the same system.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variant {
    /// The setting that takes this way where it is given.
    pub(crate) when: String,
    /// Which other settings must be given then; `required` of `settings` does not count for it.
    #[serde(default)]
    pub(crate) required: Vec<String>,
    /// As the preset's own `target`, in its place.
    pub(crate) target: Map<String, Value>,
}

/// Settings in the order of the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(crate) struct Settings(pub(crate) Vec<(String, Setting)>);

/// One setting of a preset.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    /// What it is, in a sentence.
    pub(crate) about: String,
    /// What it takes; `text` unless set.
    #[serde(default, rename = "type")]
    pub(crate) kind: Kind,
    /// What it is when it is not set. Null when there is none.
    #[serde(default)]
    pub(crate) default: Option<Value>,
    /// Whether it must be set. Of `cameras`: whether every camera must be in it.
    #[serde(default)]
    pub(crate) required: bool,
    /// Whether it is shown nowhere; a `secret` never is.
    #[serde(default)]
    pub(crate) secret: bool,
    /// The words it must be one of.
    #[serde(default)]
    pub(crate) one_of: Vec<String>,
    /// What each camera has, by name; without it, one text each.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Field>")]
    pub(crate) fields: Fields,
}

/// Fields in the order of the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(crate) struct Fields(pub(crate) Vec<(String, Field)>);

/// One value of a camera.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    /// What it is, in a sentence.
    pub(crate) about: String,
    /// Whether each camera must have it.
    #[serde(default)]
    pub(crate) required: bool,
    /// Whether it is shown nowhere.
    #[serde(default)]
    pub(crate) secret: bool,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A text, which may be a template.
    #[default]
    Text,
    /// An address, `http://…` or `https://…`, or what the target speaks. No template.
    Url,
    Number,
    Bool,
    /// A password, token or key. No template.
    Secret,
    /// Such as `30s`; in templates its seconds, as a number.
    Duration,
    /// Texts.
    List,
    /// Names and values, as the preset's notes say.
    Table,
    /// The path of files, with strftime codes and templates. In the target it stands by itself.
    Path,
    /// A value for each camera, by the camera's id (`*`: any other camera); in templates `with.camera` is the one of the
    /// event's camera.
    Cameras,
}

/// A request, and what it comes from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    /// What it shows, where there are several.
    #[serde(default)]
    pub(crate) about: Option<String>,
    /// The preset's settings.
    #[serde(default)]
    pub(crate) with: Map<String, Value>,
    /// What differs from the example event that all presets share: fields of an event as JSON.
    #[serde(default)]
    pub(crate) event: Map<String, Value>,
    /// The request: its first line, headers, an empty line, the body. Of files: the path, an empty line, what is written.
    pub(crate) request: String,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Url => "url",
            Self::Number => "number",
            Self::Bool => "true or false",
            Self::Secret => "secret",
            Self::Duration => "duration",
            Self::List => "list",
            Self::Table => "table",
            Self::Path => "path",
            Self::Cameras => "cameras",
        }
    }

    /// Whether its texts may be templates.
    pub(super) fn is_template(self) -> bool {
        match self {
            Self::Text | Self::List | Self::Table | Self::Cameras => true,
            Self::Url | Self::Number | Self::Bool | Self::Secret | Self::Duration | Self::Path => {
                false
            }
        }
    }
}

impl Setting {
    pub(crate) fn is_secret(&self) -> bool {
        self.secret || self.kind == Kind::Secret
    }

    /// As JSON Schema, its kinds of texts by the names that the check knows.
    fn schema(&self) -> Value {
        let text = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
        let mut schema = match self.kind {
            Kind::Cameras => {
                json!({ "type": "object", "additionalProperties": self.of_camera() })
            }
            _ if self.is_secret() => text("Secret"),
            Kind::Text if !self.one_of.is_empty() => {
                json!({ "type": "string", "enum": self.one_of })
            }
            Kind::Text | Kind::Url | Kind::Path => json!({ "type": "string" }),
            Kind::Secret => text("Secret"),
            Kind::Number => json!({ "type": "number" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Duration => text("Duration"),
            Kind::List => json!({ "type": "array", "items": { "type": "string" } }),
            Kind::Table => json!({ "type": "object" }),
        };
        schema["description"] = self.about.clone().into();
        schema
    }

    fn of_camera(&self) -> Value {
        match (self.fields.0.is_empty(), self.secret) {
            (true, true) => json!({ "$ref": "#/$defs/Secret" }),
            (true, false) => json!({ "type": "string" }),
            (false, _) => self.fields.schema(),
        }
    }
}

impl Fields {
    fn schema(&self) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, field) in &self.0 {
            let mut schema = match field.secret {
                true => json!({ "$ref": "#/$defs/Secret" }),
                false => json!({ "type": "string" }),
            };
            schema["description"] = field.about.clone().into();
            properties.insert(name.clone(), schema);
            if field.required {
                required.push(name.clone());
            }
        }
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }
}

impl Settings {
    pub(crate) fn get(&self, name: &str) -> Option<&Setting> {
        let named = |(known, setting)| (known == name).then_some(setting);
        self.0
            .iter()
            .map(|(name, setting)| (name.as_str(), setting))
            .find_map(named)
    }

    /// What `with` is held against where a variant is taken.
    pub(super) fn schema_of(&self, variant: &Variant) -> Value {
        let mut schema = self.schema();
        let required = std::iter::once(&variant.when).chain(&variant.required);
        schema["required"] = required.map(String::as_str).collect();
        schema
    }

    /// What `with` is held against.
    pub(super) fn schema(&self) -> Value {
        let properties = self.0.iter();
        let properties: Map<String, Value> = properties
            .map(|(name, setting)| (name.clone(), setting.schema()))
            .collect();
        let required = self.0.iter().filter(|(_, setting)| setting.required);
        let required: Vec<&str> = required.map(|(name, _)| name.as_str()).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }
}

impl TryFrom<Map<String, Value>> for Settings {
    type Error = String;
    fn try_from(map: Map<String, Value>) -> Result<Self, String> {
        in_order(map).map(Self)
    }
}

impl TryFrom<Map<String, Value>> for Fields {
    type Error = String;
    fn try_from(map: Map<String, Value>) -> Result<Self, String> {
        in_order(map).map(Self)
    }
}

fn in_order<T: serde::de::DeserializeOwned>(
    map: Map<String, Value>,
) -> Result<Vec<(String, T)>, String> {
    let read = |(name, value)| match serde_json::from_value(value) {
        Ok(value) => Ok((name, value)),
        Err(error) => Err(format!("`{name}`: {error}")),
    };
    map.into_iter().map(read).collect()
}

/// What a preset file is held against, with `target` as targets of the config are; and the definitions it points to.
pub(super) fn schema(strict: &Value) -> Value {
    let mut generator = SchemaGenerator::default();
    let mut schema = Preset::json_schema(&mut generator).to_value();
    let mut target = strict["properties"]["targets"]["additionalProperties"].clone();
    if let Some(keys) = target["properties"].as_object_mut() {
        keys.shift_remove("preset");
        keys.shift_remove("with");
    }
    let mut definitions = strict["$defs"].clone();
    if let Some(all) = definitions.as_object_mut() {
        all.extend(generator.take_definitions(true));
    }
    definitions["Variant"]["properties"]["target"] = target.clone();
    schema["properties"]["target"] = target;
    schema["$defs"] = definitions;
    schema
}

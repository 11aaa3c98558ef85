//! Which pictures a step is about: `all`, a list of roles, or all but some.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};

use super::Mistakes;
use crate::template::Engine;

/// Roles of pictures, and `video` for the clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    All,
    These(Vec<String>),
    AllBut(Vec<String>),
}

impl Default for Chosen {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl Chosen {
    pub(super) fn has(&self, role: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(roles) => roles.iter().any(|known| known == role),
            Self::AllBut(roles) => !roles.iter().any(|known| known == role),
        }
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::These(roles) if roles.is_empty())
    }

    /// Roles that there are not.
    pub(super) fn mistakes(&self, engine: &Engine, key: &str) -> Mistakes {
        let (way, roles): (&[&str], _) = match self {
            Self::All => return Mistakes::new(),
            Self::These(roles) => (&[key], roles),
            Self::AllBut(roles) => (&[key, "all_but"], roles),
        };
        let wrong = |(n, role): (usize, &String)| {
            let mistake = engine.picture(role).err().filter(|_| role != "video")?;
            let way = way.iter().map(|name| (*name).to_owned());
            Some((way.chain([n.to_string()]).collect(), mistake))
        };
        roles.iter().enumerate().filter_map(wrong).collect()
    }
}

impl<'de> Deserialize<'de> for Chosen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Chosen;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "`all`, a list of roles such as `[frame, face]`, or `{ all_but: [plate] }`",
                )
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Chosen, E> {
                match word {
                    "all" => Ok(Chosen::All),
                    role => Ok(Chosen::These(vec![role.to_owned()])),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Chosen, A::Error> {
                let mut roles = Vec::new();
                while let Some(role) = items.next_element()? {
                    roles.push(role);
                }
                Ok(Chosen::These(roles))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Chosen, A::Error> {
                let mut roles = None;
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "all_but" => roles = Some(map.next_value()?),
                        other => return Err(de::Error::unknown_field(other, &["all_but"])),
                    }
                }
                roles
                    .map(Chosen::AllBut)
                    .ok_or_else(|| de::Error::missing_field("all_but"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Chosen {
    fn schema_name() -> Cow<'static, str> {
        "ChosenPictures".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let roles = || json_schema!({ "type": "array", "items": { "type": "string" } });
        json_schema!({
            "anyOf": [
                { "type": "string", "description": "`all`, or one role." },
                roles(),
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["all_but"],
                    "properties": { "all_but": roles() }
                }
            ]
        })
    }
}

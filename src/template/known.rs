//! What a config knows before there are events: its lists, the pictures that steps make, a preset's settings.

use std::collections::BTreeSet;

use super::Mistake;
use super::engine::words;
use super::shape::nearest;

/// What the config names, so that a template that names anything else is refused.
#[derive(Clone, Default)]
pub(crate) struct Known {
    pub(crate) lists: Vec<String>,
    /// The names that steps give pictures. Any name will do when `None`.
    pub(crate) pictures: Option<Vec<String>>,
    /// The settings of the target's preset. Any name will do when `None`.
    pub(crate) with: Option<Vec<String>>,
    /// Those of them whose values are templates, so that events have a say in them.
    pub(crate) told: BTreeSet<String>,
    /// Whether the target lists the hosts that it may send to, so that others than the config may choose among them.
    pub(crate) hosts: bool,
}

impl Known {
    /// What is wrong with the name of a picture: a message, and the name that may be meant.
    pub(super) fn wrong_picture(&self, name: &str) -> Option<(String, Option<&str>)> {
        let own = self.pictures.as_ref()?;
        let known = || ROLES.iter().copied().chain(own.iter().map(String::as_str));
        if name == "list" || known().any(|known| known == name) {
            return None;
        }
        Some((format!("unknown picture `{name}`"), nearest(name, known())))
    }

    /// What is wrong with the name of a list.
    pub(super) fn list(&self, name: &str) -> Result<(), Mistake> {
        if self.lists.iter().any(|list| list == name) {
            return Ok(());
        }
        let names: Vec<&str> = self.lists.iter().map(String::as_str).collect();
        let help = match nearest(name, names.iter().copied()) {
            _ if names.is_empty() => {
                "there are none under `lists`: add such as `residents: { csv: residents.csv, key: plate }`".to_owned()
            }
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("under `lists` are {}", words(&names)),
        };
        Err(Mistake {
            message: format!("unknown list `{name}`"),
            help: Some(help),
            range: 0..name.len(),
            path: Vec::new(),
            others: Vec::new(),
        })
    }

    /// What is wrong with the name of a preset's setting: a message and advice.
    pub(super) fn wrong_setting(&self, name: &str) -> Option<(String, String)> {
        let with = self.with.as_ref()?;
        if with.iter().any(|known| known == name) {
            return None;
        }
        let names: Vec<&str> = with.iter().map(String::as_str).collect();
        let help = match nearest(name, names.iter().copied()) {
            _ if names.is_empty() => {
                "`with` is for the target of a preset, where it holds the settings".to_owned()
            }
            Some(near) => format!("did you mean `with.{near}`?"),
            None => format!("the preset's settings are {}", words(&names)),
        };
        Some((format!("unknown setting `with.{name}`"), help))
    }
}

/// The pictures that need no step to give them their name.
pub(super) const ROLES: &[&str] = &["frame", "vehicle", "plate", "face", "thumbnail"];

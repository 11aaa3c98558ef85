//! Which pictures a step works on, and under which name its result stands.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::Work;
use crate::event::{Picture, Role};
use crate::template::{Engine, Mistake};

/// `frame` (default), `vehicle`, `plate`, `face`, `thumbnail`, a name that an earlier step gave with `as`, or `all`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct On(String);

const ALL: &str = "all";

impl Default for On {
    fn default() -> Self {
        Self(Role::FRAME.as_str().to_owned())
    }
}

impl On {
    /// Refuses a name that no picture can have.
    pub(super) fn check(&self, engine: &Engine) -> Result<(), Mistake> {
        match self.0.as_str() {
            ALL => Ok(()),
            name => engine.picture(name),
        }
    }

    pub(super) fn takes(&self, picture: &Picture) -> bool {
        self.0 == ALL || picture.role.as_str() == self.0
    }

    /// Which of the pictures at hand are meant; a note when there are none.
    pub(super) fn among(&self, work: &mut Work, step: &str) -> Vec<usize> {
        let at: Vec<usize> = work
            .pictures
            .iter()
            .enumerate()
            .filter(|(_, picture)| self.takes(picture))
            .map(|(at, _)| at)
            .collect();
        if at.is_empty() {
            let which = match self.0.as_str() {
                ALL => "picture at all".to_owned(),
                name => format!("picture `{name}`"),
            };
            work.notes.push(format!("{step}: there is no {which}"));
        }
        at
    }
}

/// A name that templates can say: letters, digits and underscores, not starting with a digit.
#[derive(Debug, Clone, JsonSchema)]
pub(super) struct PictureName(
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))] pub(super) String,
);

impl<'de> Deserialize<'de> for PictureName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let sayable = name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        if !sayable || name.chars().next().is_none_or(|c| c.is_ascii_digit()) {
            return Err(de::Error::custom(format!(
                "`{name}` cannot be said in a template: use letters, digits and underscores"
            )));
        }
        if ["frame", "list", ALL].contains(&name.as_str()) {
            // Later crops count in the frame, and `images.list` is all of them.
            return Err(de::Error::custom(format!(
                "`{name}` is taken: choose another name"
            )));
        }
        Ok(Self(name))
    }
}

/// Puts what was made of a picture in its place, or beside it under a name of its own; there it replaces the one that an
/// earlier step made of the same item.
pub(super) fn put(
    made: Picture,
    at: usize,
    name: Option<&PictureName>,
    pictures: &mut Vec<Picture>,
) {
    let Some(PictureName(name)) = name else {
        if let Some(before) = pictures.get_mut(at) {
            *before = made;
        }
        return;
    };
    let made = Picture {
        role: Role::named(name),
        ..made
    };
    let same = |other: &&mut Picture| other.role == made.role && other.item == made.item;
    match pictures.iter_mut().find(same) {
        Some(before) => *before = made,
        None => pictures.push(made),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_template_could_say_is_refused() {
        for name in ["list", "frame", "all", "", "1st", "my plate", "a-b", "näme"] {
            let yaml = format!("\"{name}\"");
            assert!(
                serde_saphyr::from_str::<PictureName>(&yaml).is_err(),
                "{name}"
            );
        }
        assert!(serde_saphyr::from_str::<PictureName>("close_up_2").is_ok());
    }
}

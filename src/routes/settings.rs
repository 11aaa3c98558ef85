//! A route as written in `routes.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Route, only};
use crate::name::Name;
use crate::secret::Blot;
use crate::template::{Engine, Mistake, Names};

/// Which events go where. The steps on the way are read beside this.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Shown wherever the route's decisions are.
    pub(crate) name: Name,
    /// The sources whose events this route takes; all of them when left out, but `camhook`, from which alerts come.
    #[serde(default)]
    pub(crate) from: Option<Vec<Name>>,
    /// Words that an event must fit, such as `{ camera: [gate-1, "yard-*"], region: it, plate: { score: ">= 0.8" } }`. All must
    /// hold; in a list any value will do. What an event does not tell fits no word. Asked before `when`.
    #[serde(default)]
    pub(crate) only: Option<only::Settings>,
    /// An expression that must be true, such as `plate.score >= 0.8 and not plate.text in lists.residents`. What an
    /// event does not tell is null, which is neither less nor more than anything; a condition that cannot be evaluated
    /// is not met. Without one, every event is taken.
    #[serde(default)]
    pub(crate) when: Option<String>,
    /// Make one delivery of each plate, face or object instead of one of the whole event. Vehicles whose plate was not
    /// read are not delivered by `each: plate`; without any item there is no delivery.
    #[serde(default)]
    pub(crate) each: Option<Each>,
    /// The targets to deliver to.
    pub(crate) to: Vec<Name>,
}

/// What a route makes one delivery of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Each {
    Plate,
    Face,
    Object,
}

impl Each {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plate => "plate",
            Self::Face => "face",
            Self::Object => "object",
        }
    }
}

impl Settings {
    /// Compiles the words and the condition. A mistake tells where it is, `when` or below `only`.
    pub(crate) fn build(self, engine: &Engine) -> Result<Route, Mistake> {
        let when = self
            .when
            .map(|when| engine.condition(&when, Names::Choosing))
            .transpose()
            .map_err(|mistake| below("when", mistake))?;
        let only = self
            .only
            .map(|only| only.build(self.each, engine))
            .transpose()
            .map_err(|mistake| below("only", mistake))?;
        Ok(Route {
            name: self.name,
            from: self.from,
            only,
            when,
            each: self.each,
            to: self.to,
            blot: Blot::default(),
            deciders: Vec::new(),
        })
    }
}

fn below(key: &str, mut mistake: Mistake) -> Mistake {
    mistake.path.insert(0, key.to_owned());
    mistake
}

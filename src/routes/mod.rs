//! Routes: which events go where. Pure and quick: everything is compiled when the file is loaded.

use jiff::Timestamp;

use crate::event::Event;
use crate::fate::Plan;
use crate::lists::Lists;
use crate::name::Name;
use crate::template::Condition;

/// One route of `routes.yaml`, without its steps, which are taken on delivery.
pub(crate) struct Route {
    pub(crate) name: Name,
    /// Sources; `None` takes all.
    pub(crate) from: Option<Vec<Name>>,
    pub(crate) when: Option<Condition>,
    pub(crate) each: Option<Each>,
    pub(crate) to: Vec<Name>,
}

/// What a route makes one delivery of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Each {
    Plate,
    Face,
    Object,
}

/// Decides what becomes of one event. `only` restricts the plan to these targets (replay `--to`).
pub(crate) fn plan(
    routes: &[Route],
    event: &std::sync::Arc<Event>,
    lists: &Lists,
    now: Timestamp,
    only: Option<&Name>,
) -> Plan {
    todo!()
}

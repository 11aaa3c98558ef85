//! Routes: which events go where. Pure and quick: everything is compiled when the file is loaded.

mod plan;
mod settings;

pub(crate) use plan::plan;
pub(crate) use settings::{Each, Settings};

use crate::name::Name;
use crate::template::Condition;

/// One route of `routes.yaml`, without its steps, which are taken on delivery.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) name: Name,
    /// Sources; `None` takes all.
    pub(crate) from: Option<Vec<Name>>,
    pub(crate) when: Option<Condition>,
    pub(crate) each: Option<Each>,
    pub(crate) to: Vec<Name>,
}

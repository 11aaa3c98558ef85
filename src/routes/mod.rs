//! Routes: which events go where. Pure and quick: everything is compiled when the file is loaded.

mod plan;
mod settings;

pub(crate) use plan::{decide, overdue, plan};
pub(crate) use settings::{Each, Settings};

use std::sync::Arc;

use crate::decide::Decider;
use crate::event::Event;
use crate::name::Name;
use crate::template::Condition;

/// One route of `routes.yaml`, without the steps that are taken on delivery.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) name: Name,
    /// Sources; `None` takes all.
    pub(crate) from: Option<Vec<Name>>,
    pub(crate) when: Option<Condition>,
    pub(crate) each: Option<Each>,
    pub(crate) to: Vec<Name>,
    /// The steps that are decided when an event comes in, each with the name of its book.
    pub(crate) deciders: Vec<(Arc<str>, Arc<dyn Decider>)>,
}

impl Route {
    fn takes(&self, event: &Event) -> bool {
        let from = self.from.as_ref();
        from.is_none_or(|from| from.contains(&event.source))
    }
}

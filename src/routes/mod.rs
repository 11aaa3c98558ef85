//! Routes: which events go where. Pure and quick: everything is compiled when the file is loaded.

mod only;
mod plan;
mod settings;

pub(crate) use plan::{decide, overdue, plan};
pub(crate) use settings::{Each, Settings};

use std::sync::Arc;

use crate::decide::Decider;
use crate::event::{Event, OWN};
use crate::name::Name;
use crate::secret::Blot;
use crate::template::Condition;

/// Bytes kept of who said no.
const TOLD_MAX: usize = 300;

/// One route of `routes.yaml`, without the steps that are taken on delivery.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) name: Name,
    /// Sources; `None` takes all.
    pub(crate) from: Option<Vec<Name>>,
    /// The words that an event must fit; asked before `when`.
    only: Option<only::Filter>,
    pub(crate) when: Option<Condition>,
    pub(crate) each: Option<Each>,
    pub(crate) to: Vec<Name>,
    /// The secrets of the config, any of which may stand in a condition.
    pub(crate) blot: Blot,
    /// The steps that are decided when an event comes in, each with the name of its book.
    pub(crate) deciders: Vec<(Arc<str>, Arc<dyn Decider>)>,
}

impl Route {
    fn takes(&self, event: &Event) -> bool {
        match &self.from {
            Some(from) => from.contains(&event.source),
            // What camhook has to tell goes only where it was asked for.
            None => event.source.as_str() != OWN,
        }
    }

    /// Who said no, as it is kept and shown.
    fn shown(&self, told: &str) -> String {
        let mut told = self.blot.out(told);
        if told.len() > TOLD_MAX {
            told.truncate(told.floor_char_boundary(TOLD_MAX - '…'.len_utf8()));
            told.push('…');
        }
        told
    }
}

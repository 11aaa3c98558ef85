//! Webhooks: targets that programs make and change over the API, as a FindFace server's clients do.
//!
//! A webhook is a [`Document`], which a client sends and is told again. All of them lie in one file of the store's folder, the
//! [`Shelf`], which is replaced as a whole, so that it is either the old one or the new one whenever camhook ends. From them
//! follow targets and routes in the language of `routes.yaml`: [`Webhook::target`] and [`Webhook::routes`] say them, and the
//! config reads them as if they stood there. So filters are the words of `only`, and there is one way to decide, to check,
//! to send and to explain.

mod document;
mod fault;
mod filters;
mod routes;
mod settings;
mod shelf;

pub(crate) use document::Document;
pub(crate) use fault::Fault;
pub(crate) use routes::{is_reserved, parts};
pub(crate) use settings::Settings;
pub(crate) use shelf::{FILE, Shelf};

use crate::name::Name;

/// A document with the number that it got.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Webhook {
    pub(crate) id: u64,
    pub(crate) document: Document,
}

/// The target of the webhook with this number.
pub(crate) fn target_name(id: u64) -> Name {
    Name::new(&format!("{NAME}{id}")).expect("a word and a number are a name")
}

/// What the names of all webhooks' targets and routes begin with.
const NAME: &str = "webhook-";

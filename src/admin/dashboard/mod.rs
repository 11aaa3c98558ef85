//! The dashboard: pages for whoever watches and steers, rendered here.
//!
//! A page is one file: a function in [`ROUTES`](super::ROUTES) that asks the store as the API does and writes HTML. What
//! changes something is a form, so pages work without a script; the script adds what moves.

pub(super) mod alerts;
pub(super) mod assets;
mod boxes;
mod chosen;
pub(super) mod config;
pub(super) mod event;
pub(super) mod first;
mod forms;
pub(super) mod live;
mod parts;
mod reading;
pub(super) mod reference;
pub(super) mod refused;
mod rows;
pub(super) mod search;
pub(super) mod shell;
pub(super) mod sources;
mod spark;
pub(super) mod targets;
pub(super) mod undelivered;
mod unsent;
pub(super) mod works;

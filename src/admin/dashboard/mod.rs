//! The dashboard: pages for whoever watches and steers, rendered here.
//!
//! A page is one file: a function in [`ROUTES`](super::ROUTES) that asks the store as the API does and writes HTML. What
//! changes something is a form, so pages work without a script; the script adds what moves.

pub(super) mod assets;
mod boxes;
pub(super) mod event;
pub(super) mod first;
pub(super) mod live;
mod parts;
pub(super) mod reference;
mod rows;
pub(super) mod shell;

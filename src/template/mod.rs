//! The one small language of `routes.yaml`: MiniJinja, with null-safe comparisons and the filters of the domain.
//!
//! Events are full of holes: each vendor tells something else, and a condition that was written for one camera meets the
//! event of another. So an absent thing is null everywhere and null is harmless. Reading through it gives null, it is
//! equal to nothing but itself, it is neither less nor more than anything, arithmetic and filters hand it on, a loop over
//! it does not turn, and as text it is empty. The plain engine does otherwise (there null is less than every number, and
//! is written `None`), and it decides such things inside of its instructions, out of reach. So [`nullsafe`] rewrites each
//! syntax tree before it becomes code: operators become calls of filters that no user can name, kept in [`operators`].
//! That needs the engine's unstable machinery, which is why its version is pinned.
//!
//! All is parsed, checked ([`check`], against the [`shape`] of an event) and compiled when the file is loaded; rendering
//! only runs code. A [`Scope`] converts the parts of an event that are read, when they are read.
//!
//! Limits: one evaluation takes at most [`engine::FUEL`] instructions and nests at most [`engine::RECURSION_MAX`] deep;
//! text cannot be multiplied. What is beyond is an error, so a condition is then false. The length of what a template
//! writes is bounded by its author alone: a loop over `event.raw` writes as much as a request of `max_body` lets it.

mod check;
mod compiled;
mod engine;
mod filters;
mod known;
mod named;
mod nullsafe;
mod operators;
mod origin;
mod output;
mod parts;
mod pictures;
mod reading;
mod scope;
mod shape;
mod source;
mod syntax;
mod url;
mod view;
mod why;

#[cfg(test)]
mod tests;

pub(crate) use compiled::{Condition, Structure, Template};
pub(crate) use engine::Engine;
pub(crate) use known::Known;
pub(crate) use named::{Others, others_named, others_named_by};
pub(crate) use output::Output;
pub(crate) use reading::Reading;
pub(crate) use scope::{Given, Scope};
pub(crate) use shape::{EVENT as EVENT_SHAPE, Shape, nearest};
pub(crate) use url::holds_nonce;

/// Which names a text may use, for the check at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// `event plate face object lists now`: in `when`, decided on arrival.
    Choosing,
    /// Those and `images`: in steps, whose result all targets of a route share.
    Reshaping,
    /// Those, `with` and `delivery`: in what is sent.
    Rendering,
    /// Those and `wrapped`: in what is written around a finished body.
    Wrapping,
    /// `body headers query path method parts`: in a source's `map`. `it` where there is a list to go through, `event`
    /// where one was decoded before.
    Reading { it: bool, event: bool },
}

/// What a mistake in a template is, and where.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Mistake {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Bytes of the template's source; of a `Structure`, of the text at `path`. [`Mistake::KEY`] for the key that the text
    /// stands behind.
    pub(crate) range: std::ops::Range<usize>,
    /// Where in a `Structure`: keys and indices from the outside in.
    pub(crate) path: Vec<String>,
    /// What else is wrong with the same text.
    pub(crate) others: Vec<Mistake>,
}

impl Mistake {
    /// A range that means the key that a text stands behind.
    pub(crate) const KEY: std::ops::Range<usize> = usize::MAX..usize::MAX;
}

/// Why a template could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RenderError(pub(crate) String);

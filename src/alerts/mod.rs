//! Alerts: what is wrong with camhook's surroundings, found by looking now and then, and told once.
//!
//! Somebody looks every half minute and hands over [`Facts`]; the [`Judge`] makes findings of them, and [`changes`] compares
//! those with what stands. An alert begins when a finding is over its threshold, and ends when it is well below it; in
//! between it stays as it is, so that nothing flutters. What cannot be known at the moment ends nothing.
//!
//! Each beginning and each end is an event like any other, from the source [`crate::event::OWN`]: kept, delivered,
//! tried again. That it was told is written in the very record that keeps the event, as deciding steps remember
//! ([`crate::decide`]): after a crash either both are there or neither, so nothing is told twice and nothing is missed.
//!
//! An alert about a target never goes to that target, and only routes that name the source take alerts at all. An alert
//! makes no other, then: the only way on would be through the failing target itself.

mod cameras;
mod facts;
mod judge;
mod kind;
mod notice;
mod settings;
mod silence;
mod standing;

pub(crate) use cameras::CAMERAS_MAX;
pub(crate) use facts::{Facts, TargetFacts};
pub(crate) use judge::{Finding, Judge, View};
pub(crate) use kind::What;
pub(crate) use notice::{Phase, event};
pub(crate) use settings::Settings;
pub(crate) use silence::Awake;
pub(crate) use standing::{AWAKE, Alert, Board, Change, STANDING, book, changes};

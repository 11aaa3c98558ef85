//! Targets that are not asked at the moment, so that what waits for them was perhaps never tried: held, paused, or taken out
//! of the config.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use rusqlite::Connection;

use super::TargetState;
use super::books::name_from;
use super::desk::Desks;
use crate::fate::Fate;
use crate::name::Name;

/// Why a target is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    Held { since: Timestamp },
    Paused { since: Timestamp },
    Gone,
}

impl Idle {
    /// The reason of deliveries that were never tried.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Held { .. } => "not tried yet: its target is held",
            Self::Paused { .. } => "not tried yet: its target is paused",
            Self::Gone => "not tried: its target is no longer in routes.yaml",
        }
    }

    /// What they stand at.
    pub(super) fn fate(self) -> Fate {
        match self {
            Self::Held { .. } => Fate::Held,
            Self::Paused { .. } | Self::Gone => Fate::Pending,
        }
    }

    /// Whether it stays so until somebody does something, and nobody meant it to.
    pub(super) fn waits_for_somebody(self) -> bool {
        !matches!(self, Self::Paused { .. })
    }

    /// Since when it has not been asked, where that is known.
    pub(super) fn since(self) -> Option<Timestamp> {
        match self {
            Self::Held { since } | Self::Paused { since } => Some(since),
            Self::Gone => None,
        }
    }
}

/// All of them, as they are now.
#[derive(Debug, Default)]
pub(super) struct Idlers {
    by_name: BTreeMap<Name, Idle>,
    held: HashSet<Name>,
}

impl Idlers {
    pub(super) fn of(db: &Connection, desks: &Desks) -> rusqlite::Result<Self> {
        let mut by_name = BTreeMap::new();
        for (target, state) in desks.states() {
            let idle = match state {
                TargetState::Held { since, .. } => Idle::Held { since },
                TargetState::Paused { since } => Idle::Paused { since },
                TargetState::Running => continue,
            };
            by_name.insert(target, idle);
        }
        if let Some(served) = desks.served() {
            let mut waited_for = db.prepare_cached(
                "SELECT DISTINCT target FROM tallies WHERE fate = 'pending' AND deliveries > 0",
            )?;
            let mut waited_for = waited_for.query([])?;
            while let Some(row) = waited_for.next()? {
                let target = name_from(row.get(0)?)?;
                if !served.contains(&target) {
                    by_name.entry(target).or_insert(Idle::Gone);
                }
            }
        }
        let held = by_name.iter();
        let held = held.filter(|(_, idle)| matches!(idle, Idle::Held { .. }));
        let held = held.map(|(name, _)| name.clone()).collect();
        Ok(Self { by_name, held })
    }

    pub(super) fn get(&self, target: &Name) -> Option<Idle> {
        self.by_name.get(target).copied()
    }

    /// In the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, Idle)> {
        self.by_name.iter().map(|(name, idle)| (name, *idle))
    }

    /// Those that are held.
    pub(super) fn held(&self) -> &HashSet<Name> {
        &self.held
    }
}

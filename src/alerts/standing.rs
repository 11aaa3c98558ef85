//! Alerts that stand, what becomes of them at a look, and where they are remembered.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Finding, Phase, Settings, View, What, notice};
use crate::decide::Book;
use crate::event::EventId;
use crate::name::Name;

/// An alert that was told and has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alert {
    pub(crate) alert: What,
    pub(crate) subject: String,
    pub(crate) since: Timestamp,
    pub(crate) value: f64,
    pub(crate) threshold: f64,
    #[serde(default)]
    pub(crate) detail: String,
    /// The event that told its beginning; none while that could not be kept.
    pub(crate) event: Option<EventId>,
    /// When it was told last.
    pub(crate) told_at: Timestamp,
}

/// What becomes of an alert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Begins(Alert),
    /// It still stands, and is told again.
    Again(Alert),
    Ends(Alert),
    /// Its subject is no longer in the config: whether it is well, nobody knows.
    Gone(Alert),
    /// Nobody watches it any more: it is not told of.
    Dropped(Alert),
}

impl Alert {
    pub(crate) fn key(&self) -> String {
        key(self.alert, &self.subject)
    }

    /// What is wrong, in a sentence.
    pub(crate) fn message(&self, now: Timestamp) -> String {
        notice::message(self, Phase::Begins, now)
    }

    /// What to do next.
    pub(crate) fn advice(&self) -> &'static str {
        notice::advice(self)
    }
}

fn key(what: What, subject: &str) -> String {
    format!("{} {subject}", what.as_str())
}

/// The book of no route: route names of the file have no blank in front.
pub(crate) fn book() -> Name {
    Name::new(" alerts").expect("it is short and has no control characters")
}

/// The book of alerts that stand, by their keys.
pub(crate) const STANDING: &str = "alerts";
/// The book that remembers, in one page of the same name, when camhook ran.
pub(crate) const AWAKE: &str = "awake";

impl Alert {
    /// Remembers that it was told.
    pub(crate) fn remember(&self, book: &mut Book, now: Timestamp) {
        book.write(&self.key(), self.clone(), Timestamp::MAX, now);
    }

    pub(crate) fn forget(&self, book: &mut Book, now: Timestamp) {
        book.write(&self.key(), self.clone(), now, now);
    }

    /// All that stand, in the order of their words and subjects.
    pub(crate) fn standing(book: &mut Book, now: Timestamp) -> Vec<Self> {
        let pages = book.pages::<Self>(now);
        let mut standing: Vec<Self> = pages.map(|(_, found)| found.state.clone()).collect();
        standing
            .sort_by(|one, other| (one.alert, &one.subject).cmp(&(other.alert, &other.subject)));
        standing
    }
}

/// What has changed since these stood. Their values are brought up to date.
pub(crate) fn changes(
    findings: &[Finding],
    standing: &mut [Alert],
    settings: &Settings,
    now: Timestamp,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for alert in standing.iter_mut() {
        let of_it = |found: &&Finding| found.what == alert.alert && found.subject == alert.subject;
        let found = findings.iter().find(of_it);
        if !settings.watches(alert.alert, &alert.subject) {
            changes.push(Change::Dropped(alert.clone()));
            continue;
        }
        match found.map(|found| (&found.view, found.threshold)) {
            Some((View::Bad { value, detail, .. }, threshold)) => {
                (alert.value, alert.threshold) = (*value, threshold);
                alert.detail.clone_from(detail);
            }
            Some((View::Good { value }, threshold)) => {
                (alert.value, alert.threshold) = (*value, threshold);
                changes.push(Change::Ends(alert.clone()));
                continue;
            }
            Some((View::Unsure, _)) => {}
            // A disk that is not told of may come back.
            None if alert.alert == What::DiskFull => {}
            None => {
                changes.push(Change::Gone(alert.clone()));
                continue;
            }
        }
        if let Some(again) = settings.again.0 {
            let again = SignedDuration::try_from(again.0).unwrap_or(SignedDuration::MAX);
            if now.duration_since(alert.told_at) >= again {
                alert.told_at = now;
                changes.push(Change::Again(alert.clone()));
            }
        }
    }
    for found in findings {
        let View::Bad {
            since,
            value,
            detail,
        } = &found.view
        else {
            continue;
        };
        let stands = |what: What| {
            let of_it = |alert: &Alert| alert.alert == what && alert.subject == found.subject;
            standing.iter().any(of_it)
        };
        let begins = |what: What| {
            let of_it = |other: &Finding| {
                other.what == what
                    && other.subject == found.subject
                    && matches!(other.view, View::Bad { .. })
            };
            findings.iter().any(of_it)
        };
        // That nothing arrives follows from a target that takes nothing, and was told with it.
        let follows = found.what == What::Undelivered
            && (stands(What::TargetFailing) || begins(What::TargetFailing));
        if !stands(found.what) && !follows {
            changes.push(Change::Begins(Alert {
                alert: found.what,
                subject: found.subject.clone(),
                since: *since,
                value: *value,
                threshold: found.threshold,
                detail: detail.clone(),
                event: None,
                told_at: now,
            }));
        }
    }
    changes
}

/// What is wrong now, for who looks. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Board(Arc<ArcSwap<Vec<Alert>>>);

impl Board {
    pub(crate) fn put(&self, alerts: Vec<Alert>) {
        self.0.store(Arc::new(alerts));
    }

    pub(crate) fn alerts(&self) -> Arc<Vec<Alert>> {
        self.0.load_full()
    }
}

//! What the API tells of an event, a target, a request in quarantine.

use serde_json::{Value, json};

use crate::fate::{Fate, Joined};
use crate::name::Name;
use crate::store::{Forgotten, Kept, QuarantineRow, Sighting, TargetState, TargetSummary};

/// Of what went into an event, so many are shown; they are all counted.
const JOINED_MAX: usize = 16;

/// The event, what each route decided for it, and what was delivered as a part of it.
pub(super) fn show(kept: &Kept, joined: &[Joined]) -> Value {
    let mut json = kept.event.to_json();
    let routes = kept
        .plan
        .routes
        .iter()
        .map(|choice| match &choice.filtered_by {
            None if choice.left_out.is_empty() => {
                json!({ "route": choice.route, "outcome": "planned" })
            }
            None => {
                json!({ "route": choice.route, "outcome": "planned", "left_out": choice.left_out })
            }
            Some(condition) => {
                json!({ "route": choice.route, "outcome": "filtered", "condition": condition })
            }
        });
    json["routes"] = routes.collect();
    if !joined.is_empty() {
        let shown = joined.iter().take(JOINED_MAX);
        let shown = shown.map(
            |joined| json!({ "route": joined.route, "how": joined.how, "event": joined.part }),
        );
        json["joined"] = shown.collect();
        json["joined_count"] = joined.len().into();
    }
    json
}

/// All that became a part of an event, and into which event of these.
pub(super) fn joined_rows(joined: &[Joined]) -> Value {
    serde_json::to_value(joined).expect("what was joined has text keys")
}

/// That something was forgotten, and who had got it before.
pub(super) fn forgotten_row(told: &Forgotten) -> Value {
    let delivered = told.delivered.iter();
    let delivered: Vec<Value> = delivered
        .map(|(target, count)| json!({ "target": target, "deliveries": count }))
        .collect();
    json!({
        "id": told.id,
        "at": told.at,
        "events": told.events,
        "requests": told.requests,
        "ended": told.ended,
        "delivered": delivered,
    })
}

/// Something that is kept of a plate.
pub(super) fn sighting_row(seen: &Sighting) -> Value {
    json!({
        "id": seen.id,
        "why": seen.why.word(),
        "received_at": seen.received_at,
        "source": seen.source,
        "camera": seen.camera,
        "plates": seen.plates.split(' ').filter(|plate| !plate.is_empty()).collect::<Vec<_>>(),
        "waiting": seen.waiting,
        "delivered": seen.delivered,
    })
}

pub(super) fn state_word(state: &TargetState) -> &'static str {
    match state {
        TargetState::Running => "running",
        TargetState::Paused { .. } => "paused",
        TargetState::Held { .. } => "held",
    }
}

/// Whether a target runs, and why not.
pub(super) fn state_row(target: &Name, state: &TargetState) -> Value {
    let (since, reason) = why(state);
    json!({ "target": target, "state": state_word(state), "since": since, "reason": reason })
}

fn why(state: &TargetState) -> (Option<&jiff::Timestamp>, Option<&String>) {
    match state {
        TargetState::Running => (None, None),
        TargetState::Paused { since } => (Some(since), None),
        TargetState::Held { since, reason } => (Some(since), Some(reason)),
    }
}

pub(super) fn target_row(summary: &TargetSummary, configured: bool, now: jiff::Timestamp) -> Value {
    let (since, reason) = why(&summary.state);
    let fates: serde_json::Map<String, Value> = Fate::ALL
        .into_iter()
        .map(|fate| (fate.as_str().to_owned(), summary.count(fate).into()))
        .collect();
    json!({
        "target": summary.target,
        "configured": configured,
        "state": state_word(&summary.state),
        "since": since,
        "reason": reason,
        "deliveries": fates,
        "oldest_undelivered_seconds":
            summary.oldest_undelivered.map(|oldest| now.duration_since(oldest).as_secs().max(0)),
    })
}

pub(super) fn quarantine_row(row: &QuarantineRow) -> Value {
    json!({
        "id": row.id,
        "source": row.source,
        "received_at": row.received_at,
        "remote": row.remote,
        "content_type": row.content_type,
        "size": row.size,
        "reason": row.reason,
    })
}

//! An alert as an event, and in words.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Alert, What};
use crate::event::{Event, Kind, Moment, OWN, Original, Raw, Status};
use crate::name::Name;

/// Why an alert is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Begins,
    Again,
    Ends,
    /// Its subject was taken out of the config.
    Gone,
}

impl Phase {
    fn is_the_end(self) -> bool {
        matches!(self, Self::Ends | Self::Gone)
    }
}

/// The event that tells of an alert. Its request is the alert itself as JSON.
pub(crate) fn event(alert: &Alert, phase: Phase, now: Timestamp) -> Event {
    let document = Value::Object(document(alert, phase, now));
    let body = Bytes::from(document.to_string());
    let original = Arc::new(Original {
        path: "/".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        received_at: now,
        body: body.clone(),
        ..Original::default()
    });
    let source = Name::new(OWN).expect("it is a name");
    let mut event = Event::new(source, OWN, Kind::Status, original);
    event.vendor_kind = Some(alert.alert.as_str().to_owned());
    event.occurred_at = Moment::utc(now);
    event.status = Some(Status {
        name: Some(alert.alert.as_str().to_owned()),
        active: Some(!phase.is_the_end()),
        rule: None,
    });
    if let Value::Object(attributes) = document {
        event.attributes = attributes;
    }
    event.raw = Raw::from_text(body);
    event
}

fn document(alert: &Alert, phase: Phase, now: Timestamp) -> Map<String, Value> {
    let resolved = phase.is_the_end();
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| document.insert(key.to_owned(), value);
    put("alert", alert.alert.as_str().into());
    put("subject", alert.subject.as_str().into());
    put("resolved", resolved.into());
    put("reminder", (phase == Phase::Again).into());
    put("since", json!(alert.since));
    put("until", if resolved { json!(now) } else { Value::Null });
    put("value", alert.value.into());
    put("threshold", alert.threshold.into());
    put("unit", alert.alert.unit().into());
    put("title", title(alert, resolved).into());
    put("message", message(alert, phase, now).into());
    put(
        "advice",
        if resolved {
            Value::Null
        } else {
            advice(alert).into()
        },
    );
    document
}

/// A few words, for the line above the message.
fn title(alert: &Alert, resolved: bool) -> String {
    let subject = &alert.subject;
    let what = match alert.alert {
        What::TargetFailing => format!("Target {subject} takes nothing"),
        What::Undelivered => format!("Target {subject} is behind"),
        What::CameraSilent => format!("Camera {subject} is silent"),
        What::DiskFull => "The disk is nearly full".to_owned(),
        What::StoreFull => "The store is nearly full".to_owned(),
        What::Quarantine => format!("Requests of {subject} are not understood"),
        What::Certificate => format!("The certificate of {subject} ends"),
    };
    match resolved {
        true => format!("Over: {what}"),
        false => what,
    }
}

/// What is wrong, or that it no longer is, in a sentence.
pub(super) fn message(alert: &Alert, phase: Phase, now: Timestamp) -> String {
    let (subject, value) = (&alert.subject, alert.value);
    let because = match alert.detail.as_str() {
        "" => String::new(),
        detail => format!(": {detail}"),
    };
    if phase == Phase::Gone {
        return gone(alert);
    }
    if phase == Phase::Ends {
        let lasted = span(now.duration_since(alert.since).as_secs_f64());
        return match alert.alert {
            What::TargetFailing => {
                format!("Target `{subject}` no longer fails, after {lasted}.")
            }
            What::Undelivered => format!("Target `{subject}` has caught up."),
            What::CameraSilent => format!("Camera `{subject}` is heard again, after {lasted}."),
            What::DiskFull => {
                format!("The disk of {subject} has room again: {value:.0}% are used.")
            }
            What::StoreFull => format!("The store {subject} has room again."),
            What::Quarantine => format!("Requests of `{subject}` are understood again."),
            What::Certificate => format!("The certificate of `{subject}` has been renewed."),
        };
    }
    match alert.alert {
        What::TargetFailing => {
            format!(
                "Target `{subject}` has taken nothing for {}{because}.",
                span(value)
            )
        }
        What::Undelivered => format!(
            "The oldest event that target `{subject}` has not got is {} old{because}.",
            span(value)
        ),
        What::CameraSilent => format!("Camera `{subject}` has sent nothing for {}.", span(value)),
        What::DiskFull => format!("The disk of {subject} is used up to {value:.0}%."),
        What::StoreFull if !alert.detail.is_empty() => {
            format!("The store {subject} takes no events{because}.")
        }
        What::StoreFull => format!(
            "{value:.0}% of the store {subject} are taken by events that targets have not got."
        ),
        What::Quarantine => {
            format!("{value:.0} requests of `{subject}` were not understood lately.")
        }
        What::Certificate if value <= 0.0 => {
            format!(
                "The certificate of `{subject}` has ended on {}.",
                alert.detail
            )
        }
        What::Certificate => format!(
            "The certificate of `{subject}` ends in {}, on {}.",
            span(value),
            alert.detail
        ),
    }
}

/// That nobody looks any more, which is no good news.
fn gone(alert: &Alert) -> String {
    let subject = &alert.subject;
    match alert.alert {
        What::TargetFailing => {
            format!(
                "Target `{subject}` is no longer in routes.yaml; what waits for it goes on waiting."
            )
        }
        What::Undelivered => {
            format!("Target `{subject}` is no longer in routes.yaml, and nothing waits for it.")
        }
        What::Quarantine => format!("Source `{subject}` is no longer in routes.yaml."),
        What::Certificate => format!("The certificate of `{subject}` is no longer looked at."),
        What::CameraSilent => format!("Camera `{subject}` is no longer watched."),
        What::DiskFull => format!("The disk of {subject} is no longer watched."),
        What::StoreFull => format!("The store {subject} is no longer watched."),
    }
}

/// What to do next.
pub(super) fn advice(alert: &Alert) -> &'static str {
    match alert.alert {
        What::TargetFailing => {
            "Nothing is lost: deliveries wait and are tried again. Look at its last answers with `camhook deliveries --fate held` \
             or `--fate pending`."
        }
        What::Undelivered => {
            "Nothing is lost. If it is paused, `camhook targets resume` lets it go on; if it is slow, raise its `concurrency` or \
             `rate_limit`. If it is no longer in routes.yaml, put it back, or give up what waits with `camhook discard --fate pending`."
        }
        What::CameraSilent => {
            "See whether it has power and network, and still posts to camhook's address."
        }
        What::DiskFull => "Free some room, or lower `store.max_size` or `store.keep`.",
        What::StoreFull => {
            "When it is full, senders get 503. Mend the targets that are behind, or raise `store.max_size`."
        }
        What::Quarantine => {
            "Nothing is lost. `camhook quarantine` tells why; `camhook replay` takes them in once they are understood."
        }
        What::Certificate => {
            "Renew it; camhook takes a new one of its own up by itself when the file changes."
        }
    }
}

/// Such as `12 minutes`.
fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    match count {
        1 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    }
}

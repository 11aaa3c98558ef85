//! Alarms that begin and end, each with the number of its rule.
//!
//! A camera writes `<name id="1">true</name>`, a recorder `<name><item id="1">true</item></name>`.

use super::tree::Node;
use crate::event::Status;

/// More alarms in one post are no camera's.
pub(super) const ALARMS_MAX: usize = 64;

/// Each alarm of the block; at most one more than [`ALARMS_MAX`].
pub(super) fn of(block: Node<'_>) -> Vec<Status> {
    let mut alarms = Vec::new();
    for alarm in block.children() {
        let mut items = alarm.children().peekable();
        if items.peek().is_none() {
            alarms.push(read(alarm.name(), alarm));
        }
        for item in items.take(ALARMS_MAX) {
            alarms.push(read(alarm.name(), item));
        }
        if alarms.len() > ALARMS_MAX {
            alarms.truncate(ALARMS_MAX + 1);
            break;
        }
    }
    alarms
}

fn read(name: &str, node: Node<'_>) -> Status {
    let active = match node.text().map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        _ => None,
    };
    Status {
        name: Some(name.to_owned()),
        active,
        rule: node
            .attribute("id")
            .map(|id| id.trim().to_owned())
            .filter(|id| !id.is_empty()),
    }
}

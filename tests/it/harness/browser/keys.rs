//! Keys as WebDriver writes them.

use serde_json::{Value, json};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    Tab,
    /// With the shift key held.
    BackTab,
    Enter,
    Escape,
    Space,
    Down,
    /// Any that writes a letter.
    Letter(char),
}

/// Presses and releases each.
pub(super) fn actions(keys: &[Key]) -> Value {
    let shift = '\u{E008}';
    let mut actions = Vec::new();
    let mut stroke = |kind: &str, key: char| actions.push(json!({ "type": kind, "value": key }));
    for key in keys {
        let code = match key {
            Key::Tab | Key::BackTab => '\u{E004}',
            Key::Enter => '\u{E007}',
            Key::Escape => '\u{E00C}',
            Key::Space => ' ',
            Key::Down => '\u{E015}',
            Key::Letter(letter) => *letter,
        };
        let shifted = matches!(key, Key::BackTab);
        if shifted {
            stroke("keyDown", shift);
        }
        stroke("keyDown", code);
        stroke("keyUp", code);
        if shifted {
            stroke("keyUp", shift);
        }
    }
    json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })
}

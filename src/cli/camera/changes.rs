//! What would change in a slot, line by line.

use serde_json::{Value, json};

use super::xml::Element;
use crate::secret::MASK;

/// One setting; nothing is "not there".
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

impl Change {
    /// What differs, in the order of the new.
    pub(super) fn between(before: Option<&Element>, after: &Element) -> Vec<Self> {
        let before = before.map(settings).unwrap_or_default();
        let after = settings(after);
        let old = |name: &str| before.iter().find(|(known, _)| known == name);
        let mut changes: Vec<Self> = after
            .iter()
            .filter(|setting| old(&setting.0) != Some(setting))
            .map(|(name, value)| Self {
                name: name.clone(),
                before: old(name).map(|(_, value)| value.clone()),
                after: Some(value.clone()),
            })
            .collect();
        let gone = before
            .iter()
            .filter(|(name, _)| !after.iter().any(|(known, _)| known == name));
        changes.extend(gone.map(|(name, value)| Self {
            name: name.clone(),
            before: Some(value.clone()),
            after: None,
        }));
        changes
    }

    /// Whether something that was there is another now, or gone.
    pub(super) fn is_of_known(&self) -> bool {
        self.before.is_some()
    }

    /// Whether it is one of the settings in this element.
    pub(super) fn is_in(&self, element: &str) -> bool {
        let inner = self.name.strip_prefix(element);
        inner.is_some_and(|inner| inner.starts_with('/'))
    }

    /// As in a diff.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |sign: char, value: &Option<String>| {
            let value = self.shown(value.as_deref()?);
            Some(
                format!("{sign} {:<20} {value}", self.name)
                    .trim_end()
                    .to_owned(),
            )
        };
        let lines = [line('-', &self.before), line('+', &self.after)];
        lines.into_iter().flatten().collect()
    }

    pub(super) fn to_json(&self) -> Value {
        let before = self.before.as_deref().map(|value| self.shown(value));
        let after = self.after.as_deref().map(|value| self.shown(value));
        json!({ "setting": self.name, "before": before, "after": after })
    }

    /// A camera may tell the passwords of its receivers.
    fn shown<'v>(&self, value: &'v str) -> &'v str {
        let is_secret = self.name.to_ascii_lowercase().contains("pass");
        if is_secret && !value.is_empty() {
            MASK
        } else {
            value
        }
    }
}

/// Each setting below an element with its path; a list of words is one setting.
fn settings(slot: &Element) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<(String, &Element)> = slot
        .children
        .iter()
        .rev()
        .map(|child| (child.name.clone(), child))
        .collect();
    while let Some((path, element)) = open.pop() {
        let is_list = element.get("type") == Some("list") || element.items().next().is_some();
        if is_list && element.items().all(|item| item.children.is_empty()) {
            let words: Vec<&str> = element.items().map(Element::said).collect();
            found.push((path, words.join(", ")));
        } else if element.children.is_empty() {
            found.push((path, element.said().to_owned()));
        } else {
            let below = element.children.iter().rev();
            open.extend(below.map(|child| (format!("{path}/{}", child.name), child)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> Element {
        Element::read(format!("<item>{text}</item>").as_bytes()).unwrap()
    }

    #[test]
    fn only_what_differs_is_told_and_no_password() {
        let before = item(
            "<switch>false</switch><url><domain>a</domain><path>/API</path><password>old</password></url>\
             <events type=\"list\" count=\"1\"><item>ALL</item></events><gone>1</gone>",
        );
        let after = item(
            "<switch>true</switch><url><domain><![CDATA[a]]></domain><path>/API</path><password>new</password></url>\
             <events type=\"list\" count=\"2\"><item>MOTION</item><item>AVD</item></events>",
        );
        let lines: Vec<String> = Change::between(Some(&before), &after)
            .iter()
            .flat_map(Change::lines)
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "- switch false",
                "+ switch true",
                "- url/password ***",
                "+ url/password ***",
                "- events ALL",
                "+ events MOTION, AVD",
                "- gone 1"
            ]
        );
        assert_eq!(Change::between(Some(&after), &after), []);
        assert_eq!(
            Change::between(None, &item("<a>1</a>"))[0].lines(),
            ["+ a                    1"]
        );
    }
}

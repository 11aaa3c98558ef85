//! What came of a test's events, held against what was expected.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::text::{spread, text};

/// A delivery that is expected. What is left out may be anything.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    /// The target.
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    route: Option<String>,
    /// The plate, face or object it is about, such as `plates/0`.
    #[serde(default)]
    item: Option<String>,
    /// What is sent, as `camhook explain` shows it: request line, headers, an empty line and the body, secrets masked. JSON
    /// may be spaced in any way; pictures stand as `<image/jpeg, 120 x 40 px>`.
    #[serde(default)]
    request: Option<String>,
    /// Texts that occur in what is sent.
    #[serde(default)]
    has: Vec<String>,
    /// Texts that do not.
    #[serde(default)]
    lacks: Vec<String>,
    /// Nothing is sent, by this condition or reason, or by one that holds this text.
    #[serde(default)]
    filtered: Option<String>,
    /// It is given up for this reason, or for one that holds this text.
    #[serde(default)]
    dead: Option<String>,
}

/// What came of one event on one route, or of one delivery.
#[derive(Debug)]
pub(crate) struct Made {
    route: String,
    /// None where the route filtered the event.
    to: Option<String>,
    item: Option<String>,
    what: What,
    /// The event, where it waits for what may take its place.
    waits: Option<String>,
}

#[derive(Debug)]
enum What {
    Sent(String),
    Filtered(String),
    Dead(String),
}

fn word(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

impl What {
    fn of(delivery: &Value) -> Self {
        let reason = || word(&delivery["reason"]).unwrap_or_default();
        match delivery["outcome"].as_str() {
            Some("send") => Self::Sent(without_lengths(&text(&delivery["request"]))),
            Some("filtered") => Self::Filtered(reason()),
            _ => Self::Dead(reason()),
        }
    }
}

impl Made {
    /// Takes the stories of routes apart, those of events that steps told among them.
    pub(super) fn add(stories: &[Value], made: &mut Vec<Self>) {
        for story in stories {
            let route = word(&story["route"]).unwrap_or_default();
            for joined in story["joined"].as_array().into_iter().flatten() {
                let (id, item) = (word(&joined["id"]), word(&joined["item"]));
                let ended = |made: &&mut Self| {
                    made.waits.is_some()
                        && made.waits == id
                        && made.item == item
                        && made.route == route
                };
                for made in made.iter_mut().filter(ended) {
                    made.what = What::Filtered(word(&joined["why"]).unwrap_or_default());
                }
            }
            for grown in story["grown"].as_array().into_iter().flatten() {
                let (of, item, to) = (
                    word(&grown["of"]),
                    word(&grown["item"]),
                    word(&grown["target"]),
                );
                let same = |made: &&mut Self| {
                    made.waits.is_some()
                        && made.waits == of
                        && made.item == item
                        && made.to == to
                        && made.route == route
                };
                for made in made.iter_mut().filter(same) {
                    made.what = What::of(grown);
                }
            }
            if let Some(condition) = word(&story["condition"]) {
                made.push(Self {
                    route: route.clone(),
                    to: None,
                    item: None,
                    what: What::Filtered(condition),
                    waits: None,
                });
            }
            for delivery in story["deliveries"].as_array().into_iter().flatten() {
                made.push(Self {
                    route: route.clone(),
                    to: word(&delivery["target"]),
                    item: word(&delivery["item"]),
                    what: What::of(delivery),
                    waits: word(&story["id"]).filter(|_| !delivery["not_before"].is_null()),
                });
            }
            let told = story["told"].as_array();
            Self::add(told.map(Vec::as_slice).unwrap_or_default(), made);
        }
    }

    fn place(&self) -> String {
        place(
            self.to.as_deref(),
            Some(&self.route),
            self.item.as_deref(),
            "nothing",
        )
    }

    /// As an entry under `expect`, to be pasted.
    pub(crate) fn entry(&self) -> Option<String> {
        let mut entry = format!(
            "- {{ to: {}, route: {}",
            quoted(self.to.as_ref()?),
            quoted(&self.route)
        );
        if let Some(item) = &self.item {
            entry.push_str(&format!(", item: {item}"));
        }
        match &self.what {
            What::Filtered(_) => return None,
            What::Dead(reason) => entry.push_str(&format!(", dead: {} }}\n", quoted(reason))),
            What::Sent(text) => {
                entry = entry.replacen("{ ", "", 1).replace(", ", "\n  ");
                entry.push_str("\n  request: |\n");
                for line in text.lines() {
                    entry.push_str(format!("    {line}").trim_end());
                    entry.push('\n');
                }
            }
        }
        Some(entry)
    }
}

/// A text as YAML reads it back, whatever is in it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
    match text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain) {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

fn place(to: Option<&str>, route: Option<&str>, item: Option<&str>, nowhere: &str) -> String {
    let mut place = match to {
        Some(to) => format!("to `{to}`"),
        None => nowhere.to_owned(),
    };
    if let Some(item) = item {
        place.push_str(&format!(" about {item}"));
    }
    if let Some(route) = route {
        place.push_str(&format!(" by route `{route}`"));
    }
    place
}

impl Expected {
    /// Whether this is about such a delivery, however it came out.
    fn is_about(&self, made: &Made) -> bool {
        let same = |wanted: &Option<String>, is: Option<&String>| {
            wanted.is_none() || wanted.as_ref() == is
        };
        same(&self.to, made.to.as_ref())
            && same(&self.route, Some(&made.route))
            && same(&self.item, made.item.as_ref())
    }

    /// What is wrong with it; `None` when nothing is.
    fn fault(&self, made: &Made) -> Option<String> {
        let place = made.place();
        match (&made.what, &self.filtered, &self.dead) {
            (What::Sent(text), None, None) => {
                self.differs(text).map(|how| format!("{place}: {how}"))
            }
            (What::Filtered(reason), Some(wanted), None)
            | (What::Dead(reason), None, Some(wanted)) => {
                let fits = reason.contains(wanted.as_str());
                (!fits).then(|| {
                    format!("{place}: expected because of `{wanted}`, is because of `{reason}`")
                })
            }
            (What::Sent(_), ..) => Some(format!("{place}: would be sent")),
            (What::Filtered(reason), ..) => {
                Some(format!("{place}: would be filtered by: {reason}"))
            }
            (What::Dead(reason), ..) => Some(format!("{place}: would be dead: {reason}")),
        }
    }

    fn differs(&self, text: &str) -> Option<String> {
        if let Some(wanted) = &self.request {
            let wanted = normal(wanted);
            if wanted != text {
                return Some(format!(
                    "differs (- expected, + is)\n{}",
                    difference(&wanted, text)
                ));
            }
        }
        if let Some(lacking) = self
            .has
            .iter()
            .find(|wanted| !text.contains(wanted.as_str()))
        {
            return Some(format!("`{lacking}` does not occur in\n{}", indented(text)));
        }
        let unwanted = self
            .lacks
            .iter()
            .find(|text_| text.contains(text_.as_str()))?;
        Some(format!("`{unwanted}` occurs in\n{}", indented(text)))
    }
}

/// What is not as expected, each fault in lines to read.
pub(super) fn faults(expect: &[Expected], made: &[Made]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut open: Vec<&Made> = made.iter().collect();
    for expected in expect {
        let fitting = open
            .iter()
            .position(|made| expected.is_about(made) && expected.fault(made).is_none());
        // What goes out otherwise than expected is the likelier mistake than what does not go out.
        let sent =
            |made: &&Made| expected.is_about(made) && !matches!(made.what, What::Filtered(_));
        let chosen = fitting
            .or_else(|| open.iter().position(sent))
            .or_else(|| open.iter().position(|made| expected.is_about(made)));
        match chosen {
            Some(n) => faults.extend(expected.fault(open.remove(n))),
            None => {
                let place = place(
                    expected.to.as_deref(),
                    expected.route.as_deref(),
                    expected.item.as_deref(),
                    "a delivery",
                );
                let filtered = made.iter().filter_map(|made| match &made.what {
                    What::Filtered(reason) => {
                        Some(format!("  route `{}` filters by: {reason}", made.route))
                    }
                    What::Sent(_) | What::Dead(_) => None,
                });
                let filtered: Vec<String> = filtered.collect();
                faults.push(
                    [&[format!("{place}: there is none")], &filtered[..]]
                        .concat()
                        .join("\n"),
                );
            }
        }
    }
    for made in open {
        match &made.what {
            What::Sent(text) => faults.push(format!(
                "{}: not expected\n{}",
                made.place(),
                indented(text)
            )),
            What::Dead(reason) => faults.push(format!(
                "{}: not expected to be dead: {reason}",
                made.place()
            )),
            What::Filtered(_) => {}
        }
    }
    faults
}

/// An expected text in the form of what is made: trimmed, its JSON spread over lines, pictures without their lengths.
fn normal(text: &str) -> String {
    let text = without_lengths(text.trim());
    match text.rsplit_once("\n\n") {
        Some((head, body)) => format!("{head}\n\n{}", spread(body)),
        None => text,
    }
}

/// How many bytes a picture of the same size takes is up to its encoder.
fn without_lengths(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut pieces = text.split(" bytes>").peekable();
    while let Some(piece) = pieces.next() {
        let bare = piece.trim_end_matches(|c: char| c.is_ascii_digit());
        match bare.strip_suffix(", ") {
            Some(bare) if pieces.peek().is_some() => {
                kept.push_str(bare);
                kept.push('>');
            }
            _ => {
                kept.push_str(piece);
                if pieces.peek().is_some() {
                    kept.push_str(" bytes>");
                }
            }
        }
    }
    kept
}

fn difference(expected: &str, is: &str) -> String {
    let mut lines = String::new();
    for change in TextDiff::from_lines(expected, is).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        let line = change.value().trim_end_matches('\n');
        lines.push_str(&format!("  {sign} {line}\n"));
    }
    lines.trim_end_matches('\n').to_owned()
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {line}"));
    lines.collect::<Vec<String>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made() -> Vec<Made> {
        let request = |body: &str| json!({ "method": "POST", "url": "http://v/x", "headers": {}, "body": body });
        let stories = [
            json!({ "route": "plates", "outcome": "planned", "deliveries": [
                { "target": "vms", "item": "plates/0", "outcome": "send", "request": request("{\"plate\":\"AB1\",\"n\":1}") },
                { "target": "log", "item": null, "outcome": "dead", "reason": "no picture" },
            ] }),
            json!({ "route": "night", "outcome": "filtered", "condition": "plate.score >= 0.8" }),
        ];
        let mut made = Vec::new();
        Made::add(&stories, &mut made);
        made
    }

    fn faults_of(expect: Value) -> Vec<String> {
        let expect: Vec<Expected> = serde_json::from_value(expect).unwrap();
        faults(&expect, &made())
    }

    #[test]
    fn what_is_as_expected_has_no_fault() {
        let request = "POST http://v/x\n\n{ \"plate\": \"AB1\", \"n\": 1 }\n";
        let dead = json!({ "to": "log", "dead": "no picture" });
        for vms in [
            json!({ "to": "vms", "route": "plates", "item": "plates/0", "request": request }),
            json!({ "to": "vms", "has": ["AB1"], "lacks": ["CD2"] }),
            json!({ "route": "plates", "to": "vms" }),
        ] {
            let filtered = json!({ "route": "night", "filtered": "plate.score" });
            assert_eq!(faults_of(json!([vms, dead, filtered])), [""; 0]);
            assert_eq!(faults_of(json!([dead, vms])), [""; 0], "in any order");
        }
    }

    #[test]
    fn a_difference_is_told_line_by_line() {
        let request = "POST http://v/x\n\n{\"plate\":\"CD2\",\"n\":1}";
        let faults =
            faults_of(json!([{ "to": "vms", "request": request }, { "to": "log", "dead": "" }]));
        assert_eq!(
            faults,
            [
                "to `vms` about plates/0 by route `plates`: differs (- expected, + is)\n    POST http://v/x\n    \n    {\n  \
              -   \"plate\": \"CD2\",\n  +   \"plate\": \"AB1\",\n      \"n\": 1\n    }"
            ]
        );
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_told() {
        let faults = faults_of(json!([{ "to": "ntfy" }]));
        assert_eq!(
            faults[0],
            "to `ntfy`: there is none\n  route `night` filters by: plate.score >= 0.8"
        );
        assert!(
            faults[1]
                .starts_with("to `vms` about plates/0 by route `plates`: not expected\n    POST")
        );
        assert_eq!(
            faults[2],
            "to `log` by route `plates`: not expected to be dead: no picture"
        );
        let faults =
            faults_of(json!([{ "to": "vms", "filtered": "score" }, { "to": "log", "dead": "" }]));
        assert_eq!(
            faults,
            ["to `vms` about plates/0 by route `plates`: would be sent"]
        );
    }

    #[test]
    fn what_is_delivered_as_a_part_of_another_is_not_delivered_itself() {
        let sent = |id: &str, more: Value| {
            let mut delivery =
                json!({ "target": "vms", "item": null, "outcome": "send", "request": {} });
            delivery["not_before"] = more["not_before"].clone();
            json!({ "route": "lane", "id": id, "deliveries": [delivery], "joined": more["joined"] })
        };
        let joined = json!([{ "id": "1", "item": null, "why": "pair: delivered with 2" }]);
        let stories = [
            sent("1", json!({ "not_before": "2026-01-01T12:00:10Z" })),
            sent("2", json!({ "joined": joined })),
        ];
        let mut made = Vec::new();
        Made::add(&stories, &mut made);
        let expect = |expect: Value| -> Vec<Expected> { serde_json::from_value(expect).unwrap() };
        assert_eq!(faults(&expect(json!([{ "to": "vms" }])), &made), [""; 0]);
        let both = json!([{ "to": "vms" }, { "to": "vms", "filtered": "pair: " }]);
        assert_eq!(faults(&expect(both), &made), [""; 0]);
    }

    #[test]
    fn pictures_are_as_long_as_they_like() {
        let text = "a <image/jpeg, 12 x 4 px, 3021 bytes> b <binary, 7 bytes>, 5 bytes>";
        assert_eq!(
            without_lengths(text),
            "a <image/jpeg, 12 x 4 px> b <binary>>"
        );
        assert_eq!(without_lengths("12 bytes"), "12 bytes");
    }

    #[test]
    fn an_entry_to_paste_expects_what_was_made() {
        let entries: Vec<String> = made().iter().filter_map(Made::entry).collect();
        let expect: Vec<Expected> = serde_saphyr::from_str(&entries.concat()).unwrap();
        assert_eq!(faults(&expect, &made()), [""; 0], "{entries:?}");
    }
}

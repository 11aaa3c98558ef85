//! Compares how a system describes itself with what was expected of it.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::answer::Answer;
use crate::payload::around::Expect;

/// So many values are shown of a description, and so much of each.
const SHOWN_MAX: usize = 8;
const VALUE_MAX: usize = 200;
/// So many elements of a description are looked at.
const ELEMENTS_MAX: usize = 10_000;

/// What differs, a sentence each.
pub(super) fn differences(expects: &[Expect], answer: &Answer) -> Vec<String> {
    let differs = |expect: &Expect| {
        let found = found(expect, answer);
        let wanted = &expect.wanted;
        let fits = wanted.is_empty() || found.windows(wanted.len()).any(|some| some == wanted);
        if fits {
            return None;
        }
        let place = match &expect.attribute {
            Some(attribute) => format!("`{attribute}` of `{}`", expect.element),
            None => format!("`{}`", expect.element),
        };
        let shown: Vec<&str> = found.iter().take(SHOWN_MAX).map(String::as_str).collect();
        let told = match shown.is_empty() {
            true => "not told".to_owned(),
            false => format!("`{}`", shown.join(", ").escape_debug()),
        };
        let (wanted, otherwise) = (wanted.join(", "), &expect.otherwise);
        Some(format!(
            "{place} is {told}, `{wanted}` was expected: {otherwise}"
        ))
    };
    expects.iter().filter_map(differs).collect()
}

fn found(expect: &Expect, answer: &Answer) -> Vec<String> {
    let cut = |text: &str| text.chars().take(VALUE_MAX).collect();
    let Some(attribute) = &expect.attribute else {
        let elements = answer.xml().iter();
        let elements = elements.filter(|(name, _)| *name == expect.element);
        return elements.map(|(_, text)| cut(text)).collect();
    };
    let text = answer.text();
    let mut reader = Reader::from_str(&text);
    let mut found = Vec::new();
    for _ in 0..ELEMENTS_MAX {
        let start = match reader.read_event() {
            Ok(Event::Start(start) | Event::Empty(start)) => start,
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => continue,
        };
        if start.local_name().as_ref() != expect.element.as_str() {
            continue;
        }
        let value = start.try_get_attribute(attribute.as_str()).ok().flatten();
        let value = value.and_then(|value| {
            let text = value.normalized_value(quick_xml::XmlVersion::Implicit1_0);
            Some(text.ok()?.into_owned())
        });
        found.extend(value.map(|value| cut(&value)));
    }
    found
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn told(element: &str, attribute: Option<&str>, wanted: &[&str]) -> Vec<String> {
        let body = r#"<w:definitions xmlns:w="w" targetNamespace="urn:a"><s:element name="Call"/><s:element name="b&amp;c"/><t>x</t></w:definitions>"#;
        let answer = Answer::new(StatusCode::OK, HeaderMap::new(), body.into());
        let expect = Expect {
            element: element.to_owned(),
            attribute: attribute.map(str::to_owned),
            wanted: wanted.iter().map(|text| (*text).to_owned()).collect(),
            otherwise: "look".to_owned(),
        };
        differences(&[expect], &answer)
    }

    #[test]
    fn tells_what_differs_and_what_is_not_told() {
        assert!(told("definitions", Some("targetNamespace"), &["urn:a"]).is_empty());
        assert!(told("element", Some("name"), &["Call", "b&c"]).is_empty());
        assert!(told("element", Some("name"), &["b&c"]).is_empty());
        assert!(told("t", None, &["x"]).is_empty());
        assert_eq!(
            told("element", Some("name"), &["b&c", "Call"]),
            ["`name` of `element` is `Call, b&c`, `b&c, Call` was expected: look"]
        );
        assert_eq!(
            told("address", Some("location"), &["y"]),
            ["`location` of `address` is not told, `y` was expected: look"]
        );
    }
}

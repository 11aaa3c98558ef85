//! The document as JSON text, in the same form that any XML has under `raw`, with its pictures cut out.
//!
//! The form is that of [`super::super::xml`]; it is written straight from the tree, since tracks come several times a
//! second. The data of a picture is null: the picture itself stands under `images`.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;

use super::tree::Node;
use crate::event::Raw;

/// Texts beyond this are data that somebody forgot to wrap. Bytes.
const TEXT_MAX: usize = 4 << 10;

/// Children up to which all are compared with each other to find those of the same name.
const FEW: usize = 24;

pub(super) fn of(root: Node<'_>) -> Raw {
    let mut out = Vec::with_capacity(4 << 10);
    out.push(b'{');
    put(&mut out, root.name());
    out.push(b':');
    write(&mut out, root);
    out.push(b'}');
    Raw::from_text(Bytes::from(out))
}

fn write(out: &mut Vec<u8>, node: Node<'_>) {
    let mut is_object = false;
    let mut key = |out: &mut Vec<u8>, name: &str| {
        out.push(if is_object { b',' } else { b'{' });
        is_object = true;
        put(out, name);
        out.push(b':');
    };
    for (name, value) in node.attributes() {
        key(out, &format!("@{name}"));
        put(out, &value);
    }
    for_each_name(node, |name, nodes| {
        key(out, name);
        match nodes {
            [one] => write(out, *one),
            many => {
                for (n, node) in many.iter().enumerate() {
                    out.push(if n == 0 { b'[' } else { b',' });
                    write(out, *node);
                }
                out.push(b']');
            }
        }
    });
    if !is_object {
        write_text(out, node);
    } else if node.text().is_some() {
        out.extend_from_slice(b",\"#text\":");
        write_text(out, node);
        out.push(b'}');
    } else {
        out.push(b'}');
    }
}

fn write_text(out: &mut Vec<u8>, node: Node<'_>) {
    let text = node.text().unwrap_or_default();
    let is_data = text.len() > TEXT_MAX || node.name().ends_with("Base64Data");
    if is_data && !text.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        put(out, text);
    }
}

/// The children under each of their names, in the order in which the names first come.
fn for_each_name<'t>(node: Node<'t>, mut then: impl FnMut(&'t str, &[Node<'t>])) {
    let mut rest = node.children();
    let Some(first) = rest.next() else {
        return;
    };
    let children: Vec<_> = std::iter::once(first).chain(rest).collect();
    if children.iter().all(|child| child.name() == first.name()) {
        return then(first.name(), &children);
    }
    if children.len() > FEW {
        return for_each_of_many(&children, then);
    }
    for (n, child) in children.iter().enumerate() {
        let has_name = |other: &&Node<'t>| other.name() == child.name();
        if children[..n].iter().any(|other| has_name(&other)) {
            continue;
        }
        let same = children[n..].iter().filter(has_name).count();
        if same == 1 {
            then(child.name(), &[*child]);
        } else {
            let same: Vec<_> = children[n..].iter().filter(has_name).copied().collect();
            then(child.name(), &same);
        }
    }
}

fn for_each_of_many<'t>(children: &[Node<'t>], mut then: impl FnMut(&'t str, &[Node<'t>])) {
    let mut places = HashMap::new();
    let mut groups: Vec<Vec<Node<'t>>> = Vec::new();
    for child in children {
        let place = *places.entry(child.name()).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(*child);
    }
    for group in groups {
        then(group[0].name(), &group);
    }
}

fn put(out: &mut Vec<u8>, text: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, text).expect("a text is always JSON, and memory takes every write");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::xml;
    use super::super::tree::Tree;
    use super::*;

    fn raw(text: &str) -> Value {
        let raw = of(Tree::read(text).unwrap().root());
        serde_json::from_slice(raw.text()).unwrap()
    }

    #[test]
    fn it_is_the_form_that_any_xml_has() {
        let many: String = (0..40)
            .map(|n| format!("<n{}>{n}</n{}>", n % 30, n % 30))
            .collect();
        for text in [
            "<a/>",
            "<a> x \\\" </a>",
            "<a b='1' p:c='&lt;\"'>x<d/>y</a>",
            "<a><i>1</i><i k=''>2</i></a>",
            "<a><i>1</i><x/><i><i/></i><y><z>é</z></y></a>",
            &format!("<a>{many}</a>"),
        ] {
            assert_eq!(raw(text), xml::read(text.as_bytes()).unwrap(), "{text}");
        }
    }

    #[test]
    fn pictures_and_lost_data_are_cut_out() {
        let long = "A".repeat(TEXT_MAX + 1);
        assert_eq!(
            raw(&format!(
                "<a><sourceBase64Data t='s'>AAAA</sourceBase64Data><targetBase64Data><![CDATA[AA]]></targetBase64Data>\
                 <targetBase64Length>4</targetBase64Length><targetBase64Data/>{long}</a>"
            )),
            json!({ "a": { "sourceBase64Data": { "@t": "s", "#text": null }, "targetBase64Data": [null, ""],
                "targetBase64Length": "4", "#text": null } })
        );
    }
}

//! XML as the tests compare it: names, attributes, texts, order; not whether a text is CDATA.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Node>,
}

/// Panics on anything that is not well-formed.
pub(crate) fn parse(text: &str) -> Node {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Node::default()];
    let end = |open: &mut Vec<Node>| {
        let mut node = open.pop().unwrap();
        node.text = node.text.trim().to_owned();
        open.last_mut()
            .expect("a start for each end")
            .children
            .push(node);
    };
    loop {
        let at = |open: &mut Vec<Node>, text: &str| open.last_mut().unwrap().text.push_str(text);
        match reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error} in {text}"))
        {
            Event::Start(tag) => open.push(begun(&tag)),
            Event::Empty(tag) => {
                open.push(begun(&tag));
                end(&mut open);
            }
            Event::End(_) => end(&mut open),
            Event::Text(told) => at(&mut open, &told.xml10_content()),
            Event::CData(told) => at(&mut open, &told.xml10_content()),
            Event::GeneralRef(name) => {
                at(
                    &mut open,
                    quick_xml::escape::resolve_xml_entity(&name).expect("an entity of XML"),
                );
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let mut roots = open.pop().unwrap().children;
    assert!(open.is_empty() && roots.len() == 1, "one root in {text}");
    roots.remove(0)
}

fn begun(tag: &BytesStart<'_>) -> Node {
    let attributes = tag.attributes().map(|attribute| {
        let attribute = attribute.unwrap();
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .unwrap();
        let name: &str = attribute.key.as_ref();
        (name.to_owned(), value.into_owned())
    });
    let name = tag.name();
    let name: &str = name.as_ref();
    Node {
        name: name.to_owned(),
        attributes: attributes.collect(),
        ..Node::default()
    }
}

impl Node {
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn at(&self, path: &[&str]) -> &Self {
        path.iter().fold(self, |node, name| {
            node.child(name)
                .unwrap_or_else(|| panic!("no {name} in {node:?}"))
        })
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| &child.text)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(|child| child.name == "item")
    }

    /// The texts of its items.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.items().map(|item| item.text.as_str()).collect()
    }
}

//! A small XML document as a tree of elements with their namespaces, for descriptions that services give of themselves.
//!
//! Texts are left out, nothing is fetched, and entities other than XML's own five are not resolved: an attribute that holds
//! one is as if it were absent.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What is larger is not read.
const ELEMENTS_MAX: usize = 20_000;
const DEPTH_MAX: usize = 64;
const ATTRIBUTES_MAX: usize = 64;
/// Declarations of namespaces that hold at one place: each name is looked up among them.
const NAMESPACES_MAX: usize = 128;

/// A document.
pub(super) struct Page {
    /// In the order of the document.
    elements: Vec<Node>,
}

struct Node {
    namespace: String,
    name: String,
    attributes: Vec<(String, String)>,
    /// The first element behind this one and all inside of it.
    end: usize,
}

/// One element of a page.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    page: &'a Page,
    at: usize,
    /// Without prefix.
    pub(super) name: &'a str,
}

impl Page {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(text);
        let mut elements: Vec<Node> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut namespaces: Vec<(usize, String, String)> = Vec::new();
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            match event {
                Event::Start(start) => {
                    let node = Node::read(&start, open.len(), &mut namespaces)?;
                    open.push(elements.len());
                    elements.push(node);
                }
                Event::Empty(start) => {
                    let mut node = Node::read(&start, open.len(), &mut namespaces)?;
                    node.end = elements.len() + 1;
                    elements.push(node);
                    namespaces.retain(|(depth, _, _)| *depth < open.len());
                }
                Event::End(_) => {
                    let Some(at) = open.pop() else {
                        return Err("an end without a beginning".to_owned());
                    };
                    elements[at].end = elements.len();
                    namespaces.retain(|(depth, _, _)| *depth < open.len());
                }
                Event::Eof if open.is_empty() => return Ok(Self { elements }),
                Event::Eof => return Err("it ends too early".to_owned()),
                _ => {}
            }
            if elements.len() > ELEMENTS_MAX || open.len() > DEPTH_MAX {
                return Err(format!(
                    "it has more than {ELEMENTS_MAX} elements, or more than {DEPTH_MAX} inside of each other"
                ));
            }
        }
    }

    pub(super) fn root(&self) -> Option<Element<'_>> {
        self.element(0)
    }

    fn element(&self, at: usize) -> Option<Element<'_>> {
        let node = self.elements.get(at)?;
        Some(Element {
            page: self,
            at,
            name: &node.name,
        })
    }
}

impl Node {
    /// Its end is not known yet.
    fn read(
        start: &BytesStart<'_>,
        depth: usize,
        namespaces: &mut Vec<(usize, String, String)>,
    ) -> Result<Self, String> {
        let mut attributes = Vec::new();
        for (n, attribute) in start.attributes().with_checks(false).enumerate() {
            if n == ATTRIBUTES_MAX || namespaces.len() > NAMESPACES_MAX {
                return Err("it has too many attributes".to_owned());
            }
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
            let Ok(value) = value else { continue };
            let name: &str = attribute.key.as_ref();
            match name.split_once(':') {
                None if name == "xmlns" => {
                    namespaces.push((depth, String::new(), value.into_owned()));
                }
                Some(("xmlns", prefix)) => {
                    namespaces.push((depth, prefix.to_owned(), value.into_owned()));
                }
                _ => attributes.push((name.to_owned(), value.into_owned())),
            }
        }
        let name = start.name();
        let name: &str = name.as_ref();
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let namespace = namespaces.iter().rfind(|(_, known, _)| known == prefix);
        Ok(Self {
            namespace: namespace.map_or(String::new(), |(_, _, namespace)| namespace.clone()),
            name: local.to_owned(),
            attributes,
            end: 0,
        })
    }
}

impl<'a> Element<'a> {
    fn node(self) -> &'a Node {
        &self.page.elements[self.at]
    }

    pub(super) fn is(self, namespace: &str, name: &str) -> bool {
        self.name == name && self.node().namespace == namespace
    }

    /// An attribute without prefix.
    pub(super) fn attribute(self, name: &str) -> Option<&'a str> {
        let mut attributes = self.node().attributes.iter();
        let found = attributes.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn children(self) -> impl Iterator<Item = Element<'a>> {
        let (page, end) = (self.page, self.node().end);
        let first = Some(self.at + 1).filter(|at| *at < end);
        let next = move |at: &usize| Some(page.elements[*at].end).filter(|at| *at < end);
        std::iter::successors(first, next).filter_map(move |at| page.element(at))
    }

    pub(super) fn child(self, namespace: &str, name: &str) -> Option<Element<'a>> {
        self.children().find(|child| child.is(namespace, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_know_their_namespaces_and_children() {
        let page = Page::read(
            "<?xml version='1.0'?><a xmlns='urn:a' xmlns:b='urn:b'><b:c x='1 &amp; 2' y='&bad;'><d/></b:c><e xmlns='urn:e'/><f/></a>",
        )
        .unwrap_or_else(|error| panic!("{error}"));
        let root = page.root().unwrap();
        assert!(root.is("urn:a", "a"));
        let names: Vec<&str> = root.children().map(|child| child.name).collect();
        assert_eq!(names, ["c", "e", "f"]);
        let c = root.child("urn:b", "c").unwrap();
        assert_eq!((c.attribute("x"), c.attribute("y")), (Some("1 & 2"), None));
        assert!(c.child("urn:a", "d").is_some());
        assert!(root.child("urn:e", "e").is_some() && root.child("urn:a", "f").is_some());
    }

    #[test]
    fn what_is_too_large_or_broken_is_refused() {
        assert!(Page::read(&"<a>".repeat(100)).is_err());
        assert!(Page::read(&format!("<r>{}</r>", "<a/>".repeat(ELEMENTS_MAX))).is_err());
        let declarations: String = (0..200).map(|n| format!(" xmlns:p{n}='u'")).collect();
        assert!(Page::read(&format!("<r{declarations}/>")).is_err());
        assert!(Page::read("<a><b></a>").is_err());
        assert!(Page::read("no xml").is_ok_and(|page| page.root().is_none()));
    }
}

//! One document as a flat list of its elements, borrowed from its text and read in a single pass.
//!
//! Cameras post several of these a second, and pictures of a megabyte within them: nothing is copied unless an entity
//! stands in a text. What is broken is no error here: what stood before the break is told, but for the texts of the
//! elements it fell into, since half a plate or half a picture would be a lie.

use std::borrow::Cow;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, Event};
use quick_xml::{Reader, XmlVersion};

use super::super::Undecodable;

/// Elements within elements; the deepest known document has ten.
const DEPTH_MAX: usize = 60;

/// Elements of a document, each of which takes more memory than its bytes; more is no camera's.
const ELEMENTS_MAX: usize = 100_000;

pub(super) struct Tree<'a> {
    /// In document order; the first is the root. Never empty.
    elements: Vec<Element<'a>>,
    /// Why reading ended before the document did.
    pub(super) broken: Option<String>,
    /// Whether there is text outside of the root.
    pub(super) has_stray_text: bool,
}

struct Element<'a> {
    /// Without prefix.
    name: &'a str,
    /// As they stand in the tag.
    attributes: &'a str,
    text: Cow<'a, str>,
    /// The first element that is not inside of this one.
    end: usize,
}

/// One element of a tree.
#[derive(Clone, Copy)]
pub(super) struct Node<'t> {
    elements: &'t [Element<'t>],
    at: usize,
}

impl<'a> Tree<'a> {
    /// Fails when there is no element at all, and when the document defines a type of its own: no camera needs one.
    pub(super) fn read(text: &'a str) -> Result<Self, Undecodable> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().allow_dangling_amp = true; // camera names are typed by people
        let mut reading = Reading::default();
        let broken = loop {
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) => break Some(error.to_string()),
            };
            let end = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let taken = match event {
                Event::Start(tag) => {
                    reading.begin(inside(text, end, 1, tag.len()), tag.name().as_ref().len())
                }
                Event::Empty(tag) => {
                    let begun =
                        reading.begin(inside(text, end, 2, tag.len()), tag.name().as_ref().len());
                    reading.end();
                    begun
                }
                Event::End(_) => {
                    reading.end();
                    Ok(())
                }
                Event::Text(told) => {
                    reading.say(told.xml10_content());
                    Ok(())
                }
                Event::CData(told) => {
                    reading.say(told.xml10_content());
                    Ok(())
                }
                Event::GeneralRef(name) => {
                    reading.say(entity(&name));
                    Ok(())
                }
                Event::DocType(_) => {
                    return Err(Undecodable::because(
                        "the XML has a DOCTYPE, which no camera sends; it is refused",
                    ));
                }
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => Ok(()),
                Event::Eof => break None,
            };
            if let Err(reason) = taken {
                break Some(reason);
            }
        };
        reading.finish(broken)
    }

    pub(super) fn root(&self) -> Node<'_> {
        Node {
            elements: &self.elements,
            at: 0,
        }
    }
}

/// What stands in a tag of `length` bytes whose closing mark of `mark` bytes ends at `end`.
fn inside(text: &str, end: usize, mark: usize, length: usize) -> &str {
    let stop = end.saturating_sub(mark);
    text.get(stop.saturating_sub(length)..stop)
        .unwrap_or_default()
}

fn entity(name: &BytesRef<'_>) -> Cow<'static, str> {
    if let Ok(Some(char)) = name.resolve_char_ref() {
        return char.to_string().into();
    }
    match resolve_xml_entity(name) {
        Some(text) => text.into(),
        None => format!("&{};", &**name).into(),
    }
}

#[derive(Default)]
struct Reading<'a> {
    elements: Vec<Element<'a>>,
    open: Vec<usize>,
    has_stray_text: bool,
}

impl<'a> Reading<'a> {
    fn begin(&mut self, tag: &'a str, name_length: usize) -> Result<(), String> {
        if self.open.is_empty() && !self.elements.is_empty() {
            return Err("a second element at the top".to_owned());
        }
        if self.open.len() == DEPTH_MAX {
            return Err(format!("elements stand more than {DEPTH_MAX} deep"));
        }
        if self.elements.len() == ELEMENTS_MAX {
            return Err(format!("more than {ELEMENTS_MAX} elements"));
        }
        let (name, attributes) = tag.split_at_checked(name_length).unwrap_or((tag, ""));
        let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
        self.open.push(self.elements.len());
        self.elements.push(Element {
            name: local,
            attributes,
            text: Cow::Borrowed(""),
            end: self.elements.len() + 1,
        });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(at) = self.open.pop() {
            self.elements[at].end = self.elements.len();
        }
    }

    fn say(&mut self, told: Cow<'a, str>) {
        let Some(at) = self.open.last() else {
            self.has_stray_text |= !told.trim().is_empty();
            return;
        };
        let text = &mut self.elements[*at].text;
        if !text.is_empty() {
            text.to_mut().push_str(&told);
        } else if !told.trim().is_empty() {
            *text = told;
        }
    }

    fn finish(mut self, broken: Option<String>) -> Result<Tree<'a>, Undecodable> {
        let broken = broken.or_else(|| {
            let at = self.open.last()?;
            let name = self.elements[*at].name;
            Some(format!("it ends inside of `{}`", name.escape_debug()))
        });
        if self.elements.is_empty() {
            return Err(Undecodable::because(match broken {
                Some(reason) => format!("the XML is broken: {reason}"),
                None => "there is no XML element".to_owned(),
            }));
        }
        let end = self.elements.len();
        for at in self.open {
            self.elements[at].end = end;
            self.elements[at].text = Cow::Borrowed("");
        }
        Ok(Tree {
            elements: self.elements,
            broken,
            has_stray_text: self.has_stray_text,
        })
    }
}

impl<'t> Node<'t> {
    fn element(self) -> &'t Element<'t> {
        &self.elements[self.at]
    }

    pub(super) fn name(self) -> &'t str {
        self.element().name
    }

    /// Whether it is called so, in any case: firmware writes `Width` and `width`, `SN` and `sn`.
    pub(super) fn is(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// Its own text without white space around it; `None` when nothing is left.
    pub(super) fn text(self) -> Option<&'t str> {
        let text = self.element().text.trim();
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        let end = self.element().end;
        let mut next = self.at + 1;
        std::iter::from_fn(move || {
            let child = (next < end).then_some(Self { at: next, ..self })?;
            next = child.element().end;
            Some(child)
        })
    }

    /// This element and all inside of it.
    pub(super) fn all(self) -> impl Iterator<Item = Self> {
        (self.at..self.element().end).map(move |at| Self { at, ..self })
    }

    pub(super) fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.is(name))
    }

    /// The text of a child.
    pub(super) fn value(self, name: &str) -> Option<&'t str> {
        self.child(name)?.text()
    }

    /// The entries of the list that is a child of that name.
    pub(super) fn items(self, list: &str) -> impl Iterator<Item = Self> {
        let list = self.child(list);
        list.into_iter()
            .flat_map(|list| list.children().filter(|child| child.is("item")))
    }

    pub(super) fn attribute(self, name: &str) -> Option<Cow<'t, str>> {
        self.attributes()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    pub(super) fn attributes(self) -> impl Iterator<Item = (&'t str, Cow<'t, str>)> {
        let mut told = Attributes::new(self.element().attributes, 0);
        told.with_checks(false); // which compares each with all before it
        told.map_while(Result::ok).map(|attribute| {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            (attribute.key.0, value.unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "<?xml version='1.0' ?>\n<!-- a -- b --><t:c version=\"1.0\">\n\
        <N.>a &amp; b & c &odd; <![CDATA[<d>]]></N.><e count=\"9&lt;\"/><list><item>1</item><x/><item>2</item></list>\n</t:c> <!-- end -->";

    #[test]
    fn elements_texts_and_attributes_are_found() {
        let tree = Tree::read(TEXT).unwrap();
        assert!(tree.broken.is_none() && !tree.has_stray_text);
        let root = tree.root();
        assert_eq!(root.name(), "c");
        assert_eq!(root.attribute("version").as_deref(), Some("1.0"));
        assert_eq!(root.text(), None);
        assert_eq!(root.value("n."), Some("a & b & c &odd; <d>"));
        let e = root.child("e").unwrap();
        assert_eq!(
            (e.text(), e.attribute("count").as_deref()),
            (None, Some("9<"))
        );
        let items: Vec<_> = root.items("LIST").map(Node::text).collect();
        assert_eq!(items, [Some("1"), Some("2")]);
        assert_eq!(root.children().count(), 3);
        assert_eq!(root.all().count(), 7);
    }

    #[test]
    fn plain_text_is_not_copied() {
        let tree = Tree::read("<a><b>\n text </b><c><![CDATA[cdata]]></c></a>").unwrap();
        for element in &tree.elements {
            assert!(matches!(element.text, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn what_stands_before_a_break_is_told_and_half_texts_are_not() {
        for (cut, reason) in [
            ("<a><b>whole</b><l><i><c>hal", "ends inside of `c`"),
            ("<a><b>whole</b><l><i><c><![CDATA[hal", "CDATA"),
            ("<a><b>whole</b><l><i><c", "tag"),
            ("<a><b>whole</b></l>", "`</"),
            ("<a><b>whole</b></a><a/>", "second element"),
        ] {
            let tree = Tree::read(cut).unwrap();
            let broken = tree.broken.as_deref().unwrap();
            assert!(broken.contains(reason), "{cut}: {broken}");
            assert_eq!(tree.root().value("b"), Some("whole"), "{cut}");
            assert!(
                tree.root()
                    .all()
                    .all(|node| node.text().is_none_or(|text| text == "whole"))
            );
        }
        for nothing in ["", "hello", "<!-- a -->", "<"] {
            assert!(Tree::read(nothing).is_err(), "{nothing}");
        }
    }

    #[test]
    fn hostile_documents_stay_small() {
        let laughs = "<!DOCTYPE a [<!ENTITY b 'ha'>]><a>&b;</a>";
        let error = Tree::read(laughs).err().unwrap();
        assert!(error.reason.contains("DOCTYPE"));
        let deep = "<a>".repeat(10_000);
        assert_eq!(Tree::read(&deep).unwrap().elements.len(), DEPTH_MAX);
        let many = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
        assert_eq!(Tree::read(&many).unwrap().elements.len(), ELEMENTS_MAX);
    }

    #[test]
    fn text_outside_of_the_root_is_noticed() {
        let tree = Tree::read("abc<a>1</a>def").unwrap();
        assert!(tree.has_stray_text);
        assert_eq!(tree.root().text(), Some("1"));
    }
}

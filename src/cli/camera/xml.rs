//! The XML of a camera's API as a tree that is written back as it was read: names, order, attributes and CDATA are kept.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::{escape, resolve_xml_entity};
use quick_xml::events::{BytesRef, BytesStart, Event};

/// Elements within elements; settings of cameras stand some eight deep.
const DEPTH_MAX: usize = 32;
/// Elements of one answer; a page of plates has about a thousand.
const ELEMENTS_MAX: usize = 100_000;

/// The family's one namespace.
const NAMESPACE: &str = "http://www.ipc.com/ver10";

/// An element: either it has children, or it says something.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    text: String,
    /// Some firmware writes texts as CDATA, and may read them only so.
    is_cdata: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(String);

impl Element {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// The root of what is sent.
    pub(super) fn config(version: &str) -> Self {
        Self::new("config")
            .attribute("version", version)
            .attribute("xmlns", NAMESPACE)
    }

    pub(super) fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Says a number, a switch or a word of the camera's.
    pub(super) fn plain(mut self, text: &str) -> Self {
        self.text = text.to_owned();
        self
    }

    /// Says what people choose freely; as CDATA, as in all of the vendor's examples.
    pub(super) fn cdata(mut self, text: &str) -> Self {
        self.text = text.to_owned();
        self.is_cdata = true;
        self
    }

    /// Reads an answer. What defines a type of its own is refused: no camera needs one.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Broken> {
        let text = std::str::from_utf8(bytes).map_err(|_| Broken("it is not UTF-8".to_owned()))?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim_start());
        reader.config_mut().allow_dangling_amp = true; // camera names are typed by people
        let mut reading = Reading::default();
        loop {
            match reader
                .read_event()
                .map_err(|error| Broken(error.to_string()))?
            {
                Event::Start(tag) => reading.begin(&tag)?,
                Event::Empty(tag) => {
                    reading.begin(&tag)?;
                    reading.end();
                }
                Event::End(_) => reading.end(),
                Event::Text(told) => reading.say(&told.xml10_content(), false),
                Event::CData(told) => reading.say(&told.xml10_content(), true),
                Event::GeneralRef(name) => reading.say(&entity(&name), false),
                Event::DocType(_) => return Err(Broken("it has a DOCTYPE".to_owned())),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        match reading.root {
            Some(root) if reading.open.is_empty() => Ok(root),
            Some(_) | None => Err(Broken("it ends in the middle, or is no XML".to_owned())),
        }
    }

    /// The whole document.
    pub(super) fn document(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            out.push_str(&escape(value.as_str()));
            out.push('"');
        }
        out.push('>');
        for child in &self.children {
            child.write(out);
        }
        if self.is_cdata {
            out.push_str("<![CDATA[");
            out.push_str(&self.text.replace("]]>", "]]]]><![CDATA[>"));
            out.push_str("]]>");
        } else {
            out.push_str(&escape(self.text.as_str()));
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }

    /// What it says, without the white space around it.
    pub(super) fn said(&self) -> &str {
        self.text.trim()
    }

    /// Says something else, in the form in which it said the old.
    pub(super) fn say(&mut self, text: &str) {
        if self.said() != text {
            self.text = text.to_owned();
        }
    }

    pub(super) fn get(&self, attribute: &str) -> Option<&str> {
        let found = self
            .attributes
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        found.map(|(_, value)| value.trim())
    }

    pub(super) fn put(&mut self, attribute: &str, value: &str) {
        let known = self
            .attributes
            .iter_mut()
            .find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        match known {
            Some((_, known)) => value.clone_into(known),
            None => self
                .attributes
                .push((attribute.to_owned(), value.to_owned())),
        }
    }

    /// Whether it has this name; the case of names differs between firmwares.
    pub(super) fn is(&self, name: &str) -> bool {
        let local = self
            .name
            .rsplit_once(':')
            .map_or(self.name.as_str(), |(_, local)| local);
        local.eq_ignore_ascii_case(name)
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(name))
    }

    pub(super) fn child_mut(&mut self, name: &str) -> Option<&mut Self> {
        self.children.iter_mut().find(|child| child.is(name))
    }

    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |element, name| element.child(name))
    }

    /// What the child of this name says; nothing if it is empty or not there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.child(name)
            .map(Self::said)
            .filter(|said| !said.is_empty())
    }

    /// The items of a list.
    pub(super) fn items(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(|child| child.is("item"))
    }

    /// Itself and all below it.
    pub(super) fn all(&self) -> Vec<&Self> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(element) = found.get(next) {
            found.extend(&element.children);
            next += 1;
        }
        found
    }

    /// Whether both mean the same: names and texts in their order. Types and CDATA are the firmware's affair.
    pub(super) fn means(&self, other: &Self) -> bool {
        self.is(&other.name)
            && self.said() == other.said()
            && self.children.len() == other.children.len()
            && self
                .children
                .iter()
                .zip(&other.children)
                .all(|(a, b)| a.means(b))
    }
}

#[derive(Default)]
struct Reading {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Reading {
    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), Broken> {
        self.elements += 1;
        if self.open.len() == DEPTH_MAX || self.elements > ELEMENTS_MAX {
            return Err(Broken("it is larger than any camera's".to_owned()));
        }
        if self.root.is_some() {
            return Err(Broken("it has two roots".to_owned()));
        }
        let mut element = Element::new(tag.name().as_ref());
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| Broken(error.to_string()))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| Broken(error.to_string()))?;
            let name: &str = attribute.key.as_ref();
            element = element.attribute(name, &value);
        }
        self.open.push(element);
        Ok(())
    }

    /// The reader has seen to it that an end tag closes what is open.
    fn end(&mut self) {
        let Some(mut element) = self.open.pop() else {
            return;
        };
        if !element.children.is_empty() && element.said().is_empty() {
            element.text.clear();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn say(&mut self, text: &str, is_cdata: bool) {
        if let Some(element) = self.open.last_mut() {
            // White space around CDATA is layout, not what is said.
            if is_cdata && !element.is_cdata && element.said().is_empty() {
                element.text.clear();
            } else if !is_cdata && element.is_cdata && text.trim().is_empty() {
                return;
            }
            element.is_cdata |= is_cdata;
            element.text.push_str(text);
        }
    }
}

fn entity(name: &BytesRef<'_>) -> String {
    if let Ok(Some(char)) = name.resolve_char_ref() {
        return char.to_string();
    }
    match resolve_xml_entity(name) {
        Some(text) => text.to_owned(),
        None => format!("&{};", &**name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_it_was_read() {
        let text = "<config version=\"1.7\" xmlns=\"http://www.ipc.com/ver10\"><a type=\"list\" count=\"1\"><item>x &amp; y</item></a>\
                    <b><![CDATA[<&>]]></b><DeviceNo.>1</DeviceNo.><c k=\"&quot;\"></c></config>";
        let read = Element::read(
            format!("\u{feff} <?xml version=\"1.0\" ?>\n{text}<!-- end -->").as_bytes(),
        )
        .unwrap();
        let written = read.document();
        assert_eq!(written.split_once('\n').unwrap().1, text);
        assert_eq!(Element::read(written.as_bytes()).unwrap(), read);
        assert_eq!(read.at(&["A", "item"]).unwrap().said(), "x & y");
        assert_eq!(read.text("b"), Some("<&>"));
    }

    #[test]
    fn layout_is_not_said() {
        let read = Element::read(b"<a>\n  <b>\n <![CDATA[x]]>\n </b>\n</a>").unwrap();
        assert_eq!(read, Element::new("a").with(Element::new("b").cdata("x")));
        assert!(read.means(&Element::new("a").with(Element::new("b").plain("x"))));
    }

    #[test]
    fn nothing_that_is_said_can_end_its_element() {
        for text in ["]]>", "</a><b>", "\"'&amp;", "a]]>b]]>"] {
            for element in [Element::new("a").cdata(text), Element::new("a").plain(text)] {
                let read = Element::read(element.document().as_bytes()).unwrap();
                assert_eq!(read.said(), text);
                assert!(read.children.is_empty());
            }
        }
    }

    #[test]
    fn refuses_what_no_camera_sends() {
        let deep = "<a>".repeat(5_000);
        for text in [
            "",
            "Not found",
            "<a>",
            "<a></b>",
            "<!DOCTYPE a><a/>",
            "<a/><b/>",
            deep.as_str(),
        ] {
            assert!(Element::read(text.as_bytes()).is_err(), "{text:.20}");
        }
        assert!(Element::read(b"<a>\xff</a>").is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_was_read_is_written_so_that_it_reads_the_same(
            pieces in proptest::collection::vec("<a>|</a>|<b k=\"&lt;\">|</b>|<c/>|<!\\[CDATA\\[|\\]\\]>|&amp;|&x;|&#65;|[ <>&x\n]", 0..12)
        ) {
            let text = format!("<r>{}</r>", pieces.concat());
            if let Ok(read) = Element::read(text.as_bytes()) {
                let again = Element::read(read.document().as_bytes()).unwrap();
                proptest::prop_assert!(again.means(&read), "{text:?} became {:?}", read.document());
            }
        }
    }
}

//! XML as a tree of JSON, for documents of any schema.
//!
//! An element is a key of its parent, without its namespace's prefix; the root is the one key at the top. Attributes are
//! keys beginning with `@`, their prefixes kept, since two may differ in nothing else. An element that has only text is
//! that text; beside attributes or children, text is under `#text`. An element that comes again under the same parent
//! makes a list. Every value is text, and white space around it is dropped.
//!
//! What is not well-formed is refused with its line and column, so that nothing cut off passes for whole. Nothing outside
//! the document is ever read, no entity but XML's own five is known, and a document that defines its own is refused:
//! text never grows beyond what was sent.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, BytesText, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value};

use super::Undecodable;

/// Elements within elements. As JSON each may be an object in a list, and readers of JSON give up at 128 levels.
const DEPTH_MAX: usize = 60;

/// Elements and attributes of a document, each of which takes much more memory than its bytes; more is no camera's.
pub(super) const NODES_MAX: usize = 100_000;

/// Bytes in which an XML declaration must end for its encoding to be heard.
const DECLARATION_BYTES_MAX: usize = 256;

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Whether bytes are meant to be XML, by how they start.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    match Encoding::for_bom(bytes) {
        Some((_, mark)) => matches!(bytes[mark..].trim_ascii_start(), [b'<', ..] | [0, b'<', ..]),
        None => bytes.trim_ascii_start().starts_with(b"<"),
    }
}

/// The tree of a well-formed document in the encoding that it declares (UTF-8 if none).
pub(super) fn read(bytes: &[u8]) -> Result<Value, Undecodable> {
    let mut nodes = NODES_MAX;
    read_within(bytes, &mut nodes)
}

/// As [`read`], for one of several documents that share what they may hold: `nodes` is what is left of it.
pub(super) fn read_within(bytes: &[u8], nodes: &mut usize) -> Result<Value, Undecodable> {
    let text = text(bytes)?;
    if let Some((at, char)) = text.char_indices().find(|(_, char)| !is_allowed(*char)) {
        let reason = format!("the character {} is not allowed", char.escape_unicode());
        return Err(broken(&text, at, &reason));
    }
    let mut reader = Reader::from_str(&text);
    reader.config_mut().check_comments = true;
    let mut tree = Tree::new(nodes);
    loop {
        let at = offset(reader.buffer_position());
        let event = reader
            .read_event()
            .map_err(|error| broken(&text, offset(reader.error_position()), &error.to_string()))?;
        if matches!(event, Event::Eof) {
            break;
        }
        tree.take(event, at)
            .map_err(|reason| broken(&text, at, &reason))?;
    }
    if let Some(open) = tree.open.last() {
        return Err(broken(&text, open.at, "this element is never closed"));
    }
    let root = tree
        .root
        .ok_or_else(|| broken(&text, text.len(), "there is no element"))?;
    Ok(Value::Object(root))
}

/// The text of a document in the encoding that it declares, without marks and white space before it.
pub(super) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Undecodable> {
    let (encoding, bytes) = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => (encoding, &bytes[mark..]),
        None => {
            let bytes = bytes.trim_ascii_start();
            (declared_encoding(bytes)?, bytes)
        }
    };
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map(|text| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_start_matches(BLANKS)),
            text @ Cow::Owned(_) => text,
        })
        .ok_or_else(|| {
            let name = encoding.name();
            Undecodable::because(format!("the XML is in no readable {name}, as it must be"))
        })
}

fn declared_encoding(bytes: &[u8]) -> Result<&'static Encoding, Undecodable> {
    match bytes {
        [b'<', 0, ..] => return Ok(UTF_16LE),
        [0, b'<', ..] => return Ok(UTF_16BE),
        _ => {}
    }
    let start = &bytes[..bytes.len().min(DECLARATION_BYTES_MAX)];
    let Some(end) = memchr::memmem::find(start, b"?>") else {
        return Ok(UTF_8);
    };
    let Ok(declaration) = std::str::from_utf8(&start[..end + 2]) else {
        return Ok(UTF_8);
    };
    let Ok(Event::Decl(declaration)) = Reader::from_str(declaration).read_event() else {
        return Ok(UTF_8);
    };
    let Some(Ok(label)) = declaration.encoding() else {
        return Ok(UTF_8);
    };
    let encoding = Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        let label = label.escape_debug();
        Undecodable::because(format!("the XML's encoding `{label}` is not known here"))
    })?;
    // .NET calls its strings UTF-16 and then writes them in UTF-8; that this could be read proves it.
    let is_wide = encoding == UTF_16LE || encoding == UTF_16BE;
    Ok(if is_wide { UTF_8 } else { encoding })
}

struct Tree<'n> {
    version: Option<XmlVersion>,
    has_begun: bool,
    /// How many more there may be.
    nodes: &'n mut usize,
    open: Vec<Element>,
    root: Option<Map<String, Value>>,
}

struct Element {
    /// Without prefix.
    name: String,
    /// Byte of its start tag.
    at: usize,
    content: Map<String, Value>,
    text: String,
}

impl<'n> Tree<'n> {
    fn new(nodes: &'n mut usize) -> Self {
        Self {
            version: None,
            has_begun: false,
            nodes,
            open: Vec::new(),
            root: None,
        }
    }

    /// One piece of the document at byte `at`; the reason if it may not stand there.
    fn take(&mut self, event: Event<'_>, at: usize) -> Result<(), String> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let version = self.version.unwrap_or(XmlVersion::Implicit1_0);
        match event {
            Event::Start(tag) => self.begin(&tag, at)?,
            Event::Empty(tag) => {
                self.begin(&tag, at)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) if text.contains("]]>") => {
                return Err("`]]>` is not allowed in text".to_owned());
            }
            Event::Text(text) => self.say(&text.xml_content(version))?,
            Event::CData(text) if self.open.is_empty() => {
                return Err(outside(&text));
            }
            Event::CData(text) => self.say(&text.xml_content(version))?,
            Event::GeneralRef(name) => self.say(&entity(&name)?)?,
            Event::DocType(told) => self.check_doctype(&told)?,
            Event::Decl(declaration) if is_first => {
                let version = declaration.xml_version();
                self.version = Some(version.map_err(|error| error.to_string())?);
            }
            Event::Decl(_) => return Err("an XML declaration may only begin it".to_owned()),
            Event::Comment(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn begin(&mut self, tag: &BytesStart<'_>, at: usize) -> Result<(), String> {
        if self.open.is_empty() && self.root.is_some() {
            return Err("a second element at the top".to_owned());
        }
        if self.open.len() == DEPTH_MAX {
            return Err(format!("elements stand more than {DEPTH_MAX} deep"));
        }
        check_name(tag.name().as_ref())?;
        self.count()?;
        let mut content = Map::new();
        let version = self.version.unwrap_or(XmlVersion::Implicit1_0);
        // Twice the same is found here, in the map: the reader compares each with all before it.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let name: &str = attribute.key.as_ref();
            check_name(name)?;
            self.count()?;
            if attribute.value.contains('<') {
                return Err(format!("`<` is not allowed in the attribute `{name}`"));
            }
            let value = attribute
                .normalized_value(version)
                .map_err(|error| error.to_string())?;
            if !value.chars().all(is_allowed) {
                return Err(format!("the attribute `{name}` refers to no character"));
            }
            let known = content.insert(format!("@{name}"), Value::from(value));
            if known.is_some() {
                return Err(format!("the attribute `{name}` comes twice"));
            }
        }
        self.open.push(Element {
            name: tag.local_name().as_ref().to_owned(),
            at,
            content,
            text: String::new(),
        });
        Ok(())
    }

    /// The reader has seen to it that an end tag closes what is open.
    fn end(&mut self) {
        let Some(element) = self.open.pop() else {
            return;
        };
        let name = element.name.clone();
        let value = element.value();
        match self.open.last_mut() {
            Some(parent) => parent.put(name, value),
            None => self.root = Some(Map::from_iter([(name, value)])),
        }
    }

    fn say(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_matches(BLANKS).is_empty() => {}
            None => return Err(outside(text)),
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), String> {
        *self.nodes = self
            .nodes
            .checked_sub(1)
            .ok_or_else(|| format!("more than {NODES_MAX} elements and attributes"))?;
        Ok(())
    }

    fn check_doctype(&self, told: &BytesText<'_>) -> Result<(), String> {
        if self.root.is_some() || !self.open.is_empty() {
            return Err("a DOCTYPE may only come before the element".to_owned());
        }
        if told.contains("<!ENTITY") {
            return Err("entities of the document's own are refused".to_owned());
        }
        Ok(())
    }
}

impl Element {
    fn put(&mut self, name: String, value: Value) {
        match self.content.get_mut(&name) {
            None => {
                self.content.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(known) => *known = Value::Array(vec![known.take(), value]),
        }
    }

    fn value(mut self) -> Value {
        let text = self.text.trim_matches(BLANKS);
        if self.content.is_empty() {
            return text.into();
        }
        if !text.is_empty() {
            self.content.insert("#text".to_owned(), text.into());
        }
        Value::Object(self.content)
    }
}

fn entity(name: &BytesRef<'_>) -> Result<String, String> {
    match name.resolve_char_ref().map_err(|error| error.to_string())? {
        Some(char) if is_allowed(char) => return Ok(char.to_string()),
        Some(_) => return Err(format!("`&{};` is no character", &**name)),
        None => {}
    }
    resolve_xml_entity(name)
        .map(str::to_owned)
        .ok_or_else(|| format!("the entity `&{};` is not known", &**name))
}

fn outside(text: &str) -> String {
    let start: String = text.trim_start().chars().take(20).collect();
    format!("the text `{}` is in no element", start.escape_debug())
}

/// A character that XML 1.0 lets a document hold.
fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn check_name(name: &str) -> Result<(), String> {
    let mut chars = name.chars();
    let is_name = chars.next().is_some_and(begins_a_name)
        && chars.all(|char| {
            begins_a_name(char)
                || matches!(char, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
        });
    if is_name {
        return Ok(());
    }
    let start: String = name.chars().take(20).collect();
    Err(format!("`{}` is no name", start.escape_debug()))
}

fn begins_a_name(char: char) -> bool {
    matches!(char,
        ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

fn broken(text: &str, at: usize, reason: &str) -> Undecodable {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[start..].chars().count() + 1;
    Undecodable::because(format!(
        "the XML is broken in line {line}, column {column}: {reason}"
    ))
}

/// In documents that lie in memory it always fits.
fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::json;

    use super::*;

    const ALERT: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!DOCTYPE alert SYSTEM \"http://x/a.dtd\">\n\
        <!-- one -->\n<t:alert version='2.0' xmlns:t=\"http://x\">\n  <ip>10.0.0.9</ip>\n  <t:item id=\"1\">a &amp; &#x62;</t:item>\n\
        <item/><text><![CDATA[<é> & ]]>\r\nend</text>\n  <item><deep a=\"&lt;&quot;\n\"/></item>\n</t:alert>\n<?done?>\n";

    fn reason(text: &[u8]) -> String {
        match read(text) {
            Ok(value) => panic!("{}: {value}", String::from_utf8_lossy(text)),
            Err(error) => error.reason,
        }
    }

    #[test]
    fn a_document_becomes_a_tree() {
        assert_eq!(
            read(ALERT.as_bytes()).unwrap(),
            json!({ "alert": {
                "@version": "2.0", "@xmlns:t": "http://x", "ip": "10.0.0.9",
                "item": [{ "@id": "1", "#text": "a & b" }, "", { "deep": { "@a": "<\" " } }],
                "text": "<é> & \nend"
            } })
        );
        assert_eq!(read(b"<a/>").unwrap(), json!({ "a": "" }));
        assert_eq!(read(b" <a> x <b/> y </a>").unwrap()["a"]["#text"], "x  y");
    }

    #[test]
    fn what_is_not_well_formed_is_refused_where_it_breaks() {
        for (text, expected) in [
            (
                "<a><b></a>",
                "line 1, column 7: ill-formed document: expected `</b>`",
            ),
            ("<a>\n <b>\n", "line 2, column 2: this element is never"),
            ("<a></a></a>", "does not match any open tag"),
            ("<a/>\n<b/>", "line 2, column 1: a second element"),
            ("<a/>b", "the text `b` is in no element"),
            ("<a/>&amp;", "the text `&` is in no element"),
            ("<![CDATA[]]><a/>", "is in no element"),
            ("hello", "the text `hello`"),
            ("<!-- a -->", "there is no element"),
            ("", "there is no element"),
            ("<a", "tag not closed"),
            ("<a b></a>", "column 1"),
            ("<a b=1/>", "column 1"),
            ("<a b='1' b='2'/>", "`b` comes twice"),
            ("<a b='<'/>", "`<` is not allowed"),
            ("<a b='&x;'/>", "column 1"),
            ("<a b='&#1;'/>", "refers to no character"),
            ("<a>&nbsp;</a>", "entity `&nbsp;` is not known"),
            ("<a>&#0;</a>", "column 4"),
            ("<a>&#xb;</a>", "`&#xb;` is no character"),
            ("<a>x & y</a>", "not closed"),
            ("<a>\u{1}</a>", "column 4: the character \\u{1}"),
            ("<a>]]></a>", "`]]>`"),
            ("<a><!-- -- --></a>", "`--`"),
            ("<1/>", "`1` is no name"),
            ("<#text/>", "is no name"),
            ("< a/>", "is no name"),
            ("<a/ >", "is no name"),
            ("<a/><?xml version=\"1.0\"?>", "declaration may only begin"),
            ("<?xml version=\"7\"?><a/>", "version"),
            ("<a/><!DOCTYPE a>", "DOCTYPE may only"),
        ] {
            let reason = reason(text.as_bytes());
            assert!(reason.contains(expected), "{text}: {reason}");
        }
    }

    #[test]
    fn no_document_grows_beyond_what_was_sent() {
        let laughs = "<!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY c '&b;&b;'>]><a>&c;</a>";
        assert!(reason(laughs.as_bytes()).contains("own are refused"));
        let outside = "<!DOCTYPE a [<!ENTITY % b SYSTEM 'file:///etc/passwd'>%b;]><a/>";
        assert!(reason(outside.as_bytes()).contains("own are refused"));
        assert!(reason("<a>".repeat(50_000).as_bytes()).contains("more than 60 deep"));
        let many = format!("<a>{}</a>", "<b/>".repeat(NODES_MAX));
        assert!(reason(many.as_bytes()).contains("more than 100000"));
    }

    #[test]
    fn the_deepest_tree_can_be_read_back() {
        let (begin, end) = ("<a b=''><a/>", "</a>");
        let text = format!(
            "{}{}",
            begin.repeat(DEPTH_MAX - 1),
            end.repeat(DEPTH_MAX - 1)
        );
        let tree = json!({ "event": { "raw": read(text.as_bytes()).unwrap() } });
        assert_eq!(
            serde_json::from_str::<Value>(&tree.to_string()).unwrap(),
            tree
        );
    }

    #[test]
    fn encodings_are_heard() {
        let plate = json!({ "p": "京A" });
        let wide = |unit: fn(u16) -> [u8; 2], text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(unit).collect()
        };
        for bytes in [
            b"<?xml version=\"1.0\" encoding=\"GB2312\"?><p>\xbe\xa9A</p>".to_vec(),
            wide(
                u16::to_le_bytes,
                "\u{feff}<?xml version='1.0' encoding='utf-16'?><p>京A</p>",
            ),
            wide(u16::to_be_bytes, "\u{feff}<p>京A</p>"),
            wide(u16::to_le_bytes, "<?xml version='1.0'?><p>京A</p>"),
            "<?xml version='1.0' encoding='utf-16'?><p>京A</p>".into(),
            "<?xml version='1.0'?><p>京A</p>".into(),
        ] {
            assert!(looks_like(&bytes), "{bytes:?}");
            assert_eq!(read(&bytes).unwrap(), plate, "{bytes:?}");
        }
        assert!(reason(b"<a>\xff</a>").contains("no readable UTF-8"));
        let strange = b"<?xml version='1.0' encoding='klingon'?><a/>";
        assert!(reason(strange).contains("`klingon` is not known"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "(<[?!/]?|[?/]?>|a|b|:|=|'|\"|&#?x?|;|<!\\[CDATA\\[|\\]\\]>|<!--|-->|<!DOCTYPE |\\[|<\\?xml version='1.0' encoding='|é|\n| ){0,40}"
                    .prop_map(String::into_bytes),
            ],
        ) {
            if let Ok(tree) = read(&bytes) {
                prop_assert_eq!(serde_json::from_str::<Value>(&tree.to_string()).unwrap(), tree);
            }
        }

        #[test]
        fn no_damage_makes_it_panic(
            damage in proptest::collection::vec((any::<Index>(), any::<u8>(), 0_usize..4), 1..6),
        ) {
            let mut text = ALERT.as_bytes().to_vec();
            for (at, byte, how) in damage {
                if text.is_empty() {
                    break;
                }
                let at = at.index(text.len());
                match how {
                    0 => text[at] = byte,
                    1 => text.insert(at, byte),
                    2 => drop(text.remove(at)),
                    _ => text.truncate(at),
                }
            }
            let _ = read(&text);
        }

        #[test]
        fn a_document_cut_anywhere_is_refused(at in any::<Index>()) {
            let end = ALERT.find("</t:alert>").unwrap() + "</t:alert>".len();
            let cut = &ALERT.as_bytes()[..at.index(end)];
            prop_assert!(read(cut).is_err());
        }

        #[test]
        fn text_comes_back_as_it_was_told(text in "[ -~é京\n]{0,30}") {
            let told = quick_xml::escape::escape(text.as_str());
            let tree = read(format!("<a b=\"{told}\"><c>{told}</c></a>").as_bytes()).unwrap();
            prop_assert_eq!(&tree["a"]["c"], text.trim_matches(BLANKS));
            prop_assert_eq!(&tree["a"]["@b"], &text.replace('\n', " "));
        }
    }
}

//! The XML of S3's responses, read as a tree.
//!
//! More is accepted than XML 1.0 allows: servers that do not know `encoding-type=url` write keys with control characters
//! as they are, or as references to characters that no document may hold. Entities other than the five of XML are an
//! error, so nothing expands.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

/// S3's responses have four levels.
const MAX_DEPTH: usize = 16;

/// An element without its attributes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Without its namespace's prefix.
    pub(super) name: String,
    /// All text and CDATA directly in it, not trimmed: a key may consist of blanks.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

/// A document that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the response is not well-formed XML")]
pub(super) struct NotXml;

impl Element {
    /// The root of a document.
    pub(super) fn parse(document: &[u8]) -> Result<Self, NotXml> {
        let mut reader = Reader::from_reader(document.trim_ascii_start());
        reader.config_mut().expand_empty_elements = true;
        // The elements that are open, around them the document itself.
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().map_err(|_| NotXml)? {
                Event::Start(tag) if open.len() <= MAX_DEPTH => {
                    let name = str::from_utf8(tag.local_name().into_inner()).map_err(|_| NotXml)?.to_owned();
                    open.push(Self { name, ..Self::default() });
                }
                Event::Start(_) | Event::Empty(_) => return Err(NotXml),
                // The reader has compared its name with that of the element that it ends.
                Event::End(_) => {
                    let (ended, parent) = (open.pop(), open.last_mut());
                    let (ended, parent) = ended.zip(parent).ok_or(NotXml)?;
                    parent.children.push(ended);
                }
                Event::Text(text) => push(&mut open, &text.decode().map_err(|_| NotXml)?),
                Event::CData(text) => push(&mut open, &text.decode().map_err(|_| NotXml)?),
                Event::GeneralRef(reference) => push(&mut open, &resolve(&reference)?),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
                Event::Eof => break,
            }
        }
        let document = open.pop().filter(|_| open.is_empty()).ok_or(NotXml)?;
        document.children.into_iter().next().ok_or(NotXml)
    }

    /// The first child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| &*child.text)
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, NotXml> {
    let name = reference.decode().map_err(|_| NotXml)?;
    let character = match name.strip_prefix('#') {
        None => return resolve_xml_entity(&name).map(str::to_owned).ok_or(NotXml),
        Some(number) => match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        },
    };
    character.ok().and_then(char::from_u32).map(String::from).ok_or(NotXml)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(xml: &str) -> Option<String> {
        let document = format!("<?xml version=\"1.0\"?>\n<List xmlns=\"x\"><Key>{xml}</Key></List>\n");
        Element::parse(document.as_bytes()).ok()?.text_of("Key").map(str::to_owned)
    }

    #[test]
    fn text_is_what_xml_means_by_it() {
        for (xml, text) in [
            ("a&amp;b&lt;&gt;&quot;&apos;", "a&b<>\"'"),
            ("<![CDATA[a&b.png]]>", "a&b.png"),
            ("x/<![CDATA[a&b.png]]>y", "x/a&b.pngy"),
            ("a<!-- c -->b", "ab"),
            ("a<?pi?>b", "ab"),
            ("a&#9;&#x41;&#10;", "a\tA\n"),
            ("  ", "  "),
            ("", ""),
        ] {
            assert_eq!(key_of(xml).as_deref(), Some(text), "{xml}");
        }
    }

    #[test]
    fn characters_that_xml_cannot_hold_are_read_where_a_server_writes_them() {
        for (xml, text) in [("a&#1;b", "a\u{1}b"), ("a\u{1}b", "a\u{1}b"), ("&#0;", "\0"), ("\u{fffe}", "\u{fffe}")] {
            assert_eq!(key_of(xml).as_deref(), Some(text), "{xml:?}");
        }
    }

    #[test]
    fn a_document_that_is_cut_or_expands_entities_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bb\">]><a><c>&b;</c></a>";
        let deep = format!("{}{}", "<a>".repeat(20), "</a>".repeat(20));
        for document in ["", "Bad Gateway", "<a>", "<a><b></a>", "<a>&#xD800;</a>", "<a>&;</a>", bomb, &deep] {
            assert!(Element::parse(document.as_bytes()).is_err(), "{document}");
        }
    }

    #[test]
    fn namespaces_and_empty_elements_are_read() {
        let root = Element::parse(b"<s3:A xmlns:s3='x'><s3:B/><B>2</B><C>3</C></s3:A>").expect("well-formed");
        assert_eq!((&*root.name, root.text_of("B"), root.text_of("C")), ("A", Some(""), Some("3")));
        assert_eq!(root.all("B").count(), 2);
    }
}

//! Media types as they are in use: the syntax of RFC 9110 (8.3.1), and what browsers make of the rest (WHATWG MIME Sniffing,
//! 4.4): blanks around a `;`, parameters without a value, values that would need quotes (`codecs=vp9,opus`).

/// A media type, taken apart. Its text is stored as it was given: browsers read it by the same rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaType<'a> {
    kind: &'a str,
    subtype: &'a str,
    parameters: &'a str,
}

impl<'a> MediaType<'a> {
    /// None for what has no type and subtype, or has characters that would end the header or that no client reads.
    pub fn parse(text: &'a str) -> Option<Self> {
        let is_printable = |byte: u8| byte == b'\t' || (0x20..0x7f).contains(&byte);
        if !text.bytes().all(is_printable) {
            return None;
        }
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let (kind, subtype) = essence.trim_matches(is_blank).split_once('/')?;
        let is_sound = is_token(kind) && is_token(subtype) && has_closed_quotes(parameters);
        is_sound.then_some(Self { kind, subtype, parameters })
    }

    /// Without parameters, in lower case: `text/html`.
    pub fn essence(self) -> String {
        format!("{}/{}", self.kind, self.subtype).to_ascii_lowercase()
    }

    /// What is before the slash, in lower case.
    pub fn kind(self) -> String {
        self.kind.to_ascii_lowercase()
    }

    /// What is behind the last `+`, in lower case: `xml` of `image/svg+xml`.
    pub fn suffix(self) -> Option<String> {
        self.subtype.rsplit_once('+').map(|(_, suffix)| suffix.to_ascii_lowercase())
    }

    /// Whether there is a parameter of this name, given in lower case.
    pub fn has_parameter(self, name: &str) -> bool {
        let names = self.parameters.split(';').filter_map(|parameter| parameter.split('=').next());
        names.into_iter().any(|given| given.trim_matches(is_blank).eq_ignore_ascii_case(name))
    }
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// An open quote would take in whatever a proxy appends to the header.
fn has_closed_quotes(parameters: &str) -> bool {
    let mut is_quoted = false;
    let mut bytes = parameters.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted && bytes.next().is_none() => return false,
            _ => {}
        }
    }
    !is_quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_in_use_are_accepted() {
        for (text, essence) in [
            ("image/png", "image/png"),
            ("IMAGE/PNG", "image/png"),
            ("video/webm;codecs=vp9,opus", "video/webm"),
            ("video/mp4; codecs=\"avc1.42E01E, mp4a.40.2\"", "video/mp4"),
            ("video/x-matroska;codecs=avc1,opus", "video/x-matroska"),
            ("text/plain ; charset=utf-8", "text/plain"),
            ("text/plain\t;\tcharset=utf-8", "text/plain"),
            (" text/plain; charset=utf-8 ", "text/plain"),
            ("text/plain;", "text/plain"),
            ("text/plain;;charset=utf-8", "text/plain"),
            ("text/plain; charset", "text/plain"),
            ("text/plain; charset=", "text/plain"),
            ("application/pdf;name=a b.pdf", "application/pdf"),
            ("application/pdf;name=\"a;\\\"b.pdf\"", "application/pdf"),
            ("application/vnd.ms-excel.sheet.macroEnabled.12", "application/vnd.ms-excel.sheet.macroenabled.12"),
            ("multipart/related; boundary=\"--x\"; type=text/xml", "multipart/related"),
            ("application/json; profile=\"https://example.org/a\"", "application/json"),
            ("x-custom/*", "x-custom/*"),
        ] {
            assert_eq!(MediaType::parse(text).map(MediaType::essence).as_deref(), Some(essence), "{text}");
        }
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        for text in [
            "",
            " ",
            "image",
            "image/",
            "/png",
            "png",
            "image png",
            "image/png/x",
            "im age/png",
            "image/p ng",
            "a/b\r\nx: y",
            "a/b\n",
            "a/b\0",
            "a/b;\u{7f}",
            "a/b; n=\"",
            "a/b; n=\"a\\",
            "ä/b",
            "a/b; n=ä",
            "\"a\"/b",
            "a,b/c",
        ] {
            assert_eq!(MediaType::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn parts_are_known_without_regard_to_case() {
        let svg = MediaType::parse("Image/SVG+XML; Charset=utf-8").expect("sound");
        assert_eq!((svg.kind().as_str(), svg.suffix().as_deref()), ("image", Some("xml")));
        assert!(svg.has_parameter("charset") && !svg.has_parameter("boundary"));
    }
}

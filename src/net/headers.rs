//! Headers of responses.

use http::header::{AsHeaderName, HeaderMap, HeaderValue};

/// A header's value, if it is there and ASCII: for what has a syntax.
pub fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// A header's value as text in any language: for what people wrote.
pub fn decoded(headers: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    headers.get(name).map(decode)
}

/// UTF-8 if it is valid as such, which text in another encoding hardly ever is; else Latin-1, which headers of HTTP have by
/// RFC 2616.
pub fn decode(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    match str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_in_utf8_or_latin_1_are_text() {
        for (bytes, text) in [
            (&b"plain"[..], "plain"),
            ("résumé 漢".as_bytes(), "résumé 漢"),
            (b"r\xe9sum\xe9", "résumé"),
            (b"\xc3", "Ã"),
            (b"caf\xc3\xa9 \xff", "cafÃ© ÿ"),
        ] {
            assert_eq!(decode(&HeaderValue::from_bytes(bytes).expect("a value")), text);
        }
    }
}

//! Whatever is stored with an object goes into the request as exactly one header, and comes back as it was.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use reliable_r2::storage::HeaderOptions;
use reliable_r2::store::ObjectHeaders;

use super::lines;

pub fn check(data: &[u8]) {
    let Some([name, content_type, disposition, cache_control, other, value]) = lines(data) else { return };
    for value in [value, disposition, cache_control, other] {
        metadata(name, value);
    }
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let options = HeaderOptions {
        content_type: some(content_type),
        values: [("contentDisposition", disposition), ("cacheControl", cache_control)]
            .into_iter()
            .filter_map(|(option, value)| Some((option.to_owned(), some(value)?)))
            .collect(),
        headers: if other.is_empty() { BTreeMap::new() } else { one(name, other) },
        ..HeaderOptions::default()
    };
    let Ok(checked) = options.check() else { return };
    let ObjectHeaders { content_type, values, metadata, write } =
        checked.complete(|given| given.unwrap_or("image/png").to_owned());
    assert!(write.is_none());
    for value in [content_type].into_iter().chain(values.into_values()).chain(metadata.into_values()) {
        one_line(&value);
    }
}

fn metadata(name: &str, value: &str) {
    let options = HeaderOptions { metadata: one(name, value), ..HeaderOptions::default() };
    let Ok(checked) = options.check() else {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let sound = !name.is_empty() && name.bytes().all(plain) && !value.chars().any(char::is_control);
        let prefixed = name.to_ascii_lowercase().starts_with("x-amz-meta-");
        // Two thirds of the limit are encoded to what is below it.
        assert!(!sound || prefixed || name.len() + value.len() > 4500, "refused without a reason: {name:?} {value:?}");
        return;
    };
    let stored = checked.complete(|_| "image/png".to_owned()).metadata;
    let (stored_name, sent) = stored.iter().next().expect("one was given");
    assert_eq!(stored.len(), 1);
    let header = HeaderName::try_from(format!("x-amz-meta-{stored_name}")).expect("a header's name");
    assert!(header.as_str().len() > "x-amz-meta-".len());
    one_line(sent);
    assert!(!sent.contains("  ") && sent.trim() == sent, "changed on the way: {sent:?}");
    assert!(stored_name.len() + sent.len() <= 8192);
    assert_eq!(decode(sent), value, "comes back as it was: {sent}");
}

fn one_line(value: &str) {
    let header = HeaderValue::from_str(value).expect("a header's value");
    assert_eq!(header.to_str().ok(), Some(value), "ASCII: {value:?}");
}

/// RFC 2047 by the book: neighbouring encoded words are one text.
fn decode(sent: &str) -> String {
    if !sent.contains("=?") {
        return sent.to_owned();
    }
    let mut bytes = Vec::new();
    for word in sent.split(' ') {
        assert!(word.len() <= 75, "too long for an encoded word: {word}");
        let text = word.strip_prefix("=?UTF-8?B?").and_then(|rest| rest.strip_suffix("?=")).expect("an encoded word");
        let piece = base64(text);
        assert!(std::str::from_utf8(&piece).is_ok(), "each word is whole: {word}");
        bytes.extend(piece);
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert!(text.len().is_multiple_of(4), "padded: {text}");
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let padding = four.iter().rev().take_while(|&&b| b == b'=').count();
        let digit = |&b: &u8| DIGITS.iter().position(|&digit| digit == b).unwrap_or(0) as u32;
        let bits = four.iter().map(digit).fold(0, |bits, digit| bits << 6 | digit);
        bytes.extend(&bits.to_be_bytes()[1..4 - padding]);
    }
    bytes
}

fn one(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

//! Values that must never be printed, and their removal from the text of others: a server, a gateway or a debugging proxy may
//! send back what it was sent.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use aws_smithy_types::base64;

/// Holds a secret; `Debug` and `Display` print `***`. Only [`Secret::expose`] gives the value back, so
/// that a search for `expose` finds every use.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Removes secrets from text of others: by their value, also where it is cut, in another case, or encoded (percent, base64,
/// hex); and what has the shape of a signature or of a header that holds one.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Every run of [`WINDOW`] bytes of a secret, in lower case.
    windows: HashSet<[u8; WINDOW]>,
    /// Secrets that are too short for one.
    short: Vec<Vec<u8>>,
}

/// So many bytes of a secret in a row are no accident.
const WINDOW: usize = 8;
const SHORTEST: usize = 4;
/// What is kept of a text of others is much shorter.
const LONGEST_TEXT: usize = 4096;
/// Of hex or base64 without a slash: a signature has 64, identifiers of requests have fewer.
const LONGEST_TOKEN: usize = 40;
const HIDDEN: &str = "***";

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for secret in secrets {
            all.add(secret.as_bytes());
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            all.add(hex.as_bytes());
            // Inside of other bytes, a secret begins at one of three places of a group.
            for before in 0..3 {
                let padded = [&vec![0; before], secret.as_bytes()].concat();
                let encoded = base64::encode(padded);
                let whole = encoded.get(if before == 0 { 0 } else { 4 }..encoded.len().saturating_sub(4));
                all.add(whole.unwrap_or_default().as_bytes());
            }
        }
        all
    }

    fn add(&mut self, secret: &[u8]) {
        let folded = secret.to_ascii_lowercase();
        if folded.len() >= WINDOW {
            self.windows.extend(folded.windows(WINDOW).filter_map(|window| <[u8; WINDOW]>::try_from(window).ok()));
        } else if folded.len() >= SHORTEST {
            self.short.push(folded);
        }
    }

    /// The text without secrets. What follows the name of a header or a parameter that holds one is left out.
    pub fn clean(&self, text: &str) -> String {
        let end = text.char_indices().nth(LONGEST_TEXT).map_or(text.len(), |(at, _)| at);
        let text = &text[..end];
        let named = named_secret(text).unwrap_or(text.len());
        let mut clean = self.without_values(&text[..named]);
        if named < text.len() {
            clean.push('…');
        }
        clean
    }

    fn without_values(&self, text: &str) -> String {
        let folded = fold(text);
        let mut hidden = vec![false; text.len()];
        let mut hide = |found: &[(u8, Range<usize>)]| {
            for (_, place) in found {
                hidden[place.clone()].fill(true);
            }
        };
        let bytes = |found: &[(u8, Range<usize>)]| found.iter().map(|(byte, _)| *byte).collect::<Vec<_>>();
        for found in folded.windows(WINDOW) {
            let window = <[u8; WINDOW]>::try_from(bytes(found).as_slice()).unwrap_or_default();
            if self.windows.contains(&window) {
                hide(found);
            }
        }
        for short in &self.short {
            folded.windows(short.len()).filter(|found| bytes(found) == *short).for_each(&mut hide);
        }
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'=' | b'_' | b'-');
        for token in folded.chunk_by(|(a, _), (b, _)| is_token(*a) == is_token(*b)) {
            let is_long = token.len() >= LONGEST_TOKEN && token.iter().all(|(byte, _)| is_token(*byte));
            if is_long && token.iter().any(|(byte, _)| byte.is_ascii_digit()) {
                hide(token);
            }
        }
        let mut clean = String::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            match hidden[at] {
                false => clean.push(c),
                true if !clean.ends_with(HIDDEN) => clean.push_str(HIDDEN),
                true => {}
            }
        }
        clean
    }
}

/// The bytes of a text in lower case, percent-decoded however often it was encoded, each with its place.
fn fold(text: &str) -> Vec<(u8, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut folded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let mut byte = bytes[at];
        at += 1;
        if byte == b'%' {
            while bytes[at..].starts_with(b"25") {
                at += 2;
            }
            let digits = text.get(at..at + 2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            if let Some(decoded) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                byte = decoded;
                at += 2;
            }
        }
        folded.push((byte.to_ascii_lowercase(), start..at));
    }
    folded
}

/// Where a text begins to speak of what holds a secret.
fn named_secret(text: &str) -> Option<usize> {
    const NAMES: &[&str] = &[
        "authorization",
        "awsaccesskeyid",
        "stringtosign",
        "signature=",
        "credential=",
        "x-amz-security-token",
        "bearer ",
        "canonical",
    ];
    let folded = text.to_ascii_lowercase();
    NAMES.iter().filter_map(|name| folded.find(name)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "*** ***");
        assert_eq!(*secret.expose(), "hunter2");
    }

    #[test]
    fn secrets_are_removed_whole_cut_and_encoded() {
        let (key, token) = ("SECRETKEYCANARY", "SESSIONTOKENCANARY/abc+def==");
        let redactor = Redactor::new([key, token]);
        let hex: String = key.bytes().map(|byte| format!("{byte:02X}")).collect();
        let percent: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let twice: String = key.bytes().map(|byte| format!("%25{byte:02x}")).collect();
        let texts = [
            key.to_owned(),
            key.to_ascii_lowercase(),
            token[..18].to_owned(),
            token.replace('/', "%2F"),
            key[3..12].to_owned(),
            percent,
            twice,
            base64::encode(format!("user:{key}:x")),
            base64::encode(format!("AB{token}")),
            hex,
            "a".repeat(20) + &"0123456789abcdef".repeat(4),
            "Authorization: Basic dTpw".to_owned(),
        ];
        for text in texts {
            let clean = redactor.clean(&format!("the server says <{text}> and é"));
            // From its middle: in base64, what stands before it may be of other bytes.
            let left: String = text.chars().skip(text.len() / 2 - WINDOW / 2).take(WINDOW).collect();
            assert!(!clean.contains(&text) && !clean.contains(&left), "{text}: {clean}");
            assert!(clean.starts_with("the server says <"), "{clean}");
        }
        assert_eq!(
            redactor.clean("The specified key does not exist: a/b.png"),
            "The specified key does not exist: a/b.png"
        );
        assert_eq!(redactor.clean("tx0000000000000000000a1-0065a1b2c3-default"), "***".to_owned());
        assert_eq!(Redactor::default().clean("fine"), "fine");
    }
}

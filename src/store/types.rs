//! The types of a store, valid by construction.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use percent_encoding::utf8_percent_encode;

use super::digest::Payload;
use super::identity::WriteIdentity;
use super::object_header::HeaderValues;
use super::uri_encoding::{PATH, URL_SEGMENT};
use crate::error::{Error, Result, code};

/// The name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// R2's and S3's limit, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// The key of an object that is to be written: one that every HTTP stack on the way takes as it is.
    ///
    /// # Errors
    /// `ERR_INVALID_KEY` with what is allowed.
    pub fn parse(key: &str) -> Result<Self> {
        let invalid = |why: String| Error::invalid(code::INVALID_KEY, "key", format!("key {why}"));
        // Nobody sees such a key in a list, and people who lose one cannot name it.
        if key.trim().is_empty() {
            return Err(invalid("must not be empty, nor consist of blanks only".into()));
        }
        if key.len() > Self::MAX_BYTES {
            return Err(invalid(format!(
                "must be at most {} bytes of UTF-8; this one has {}",
                Self::MAX_BYTES,
                key.len()
            )));
        }
        if key.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(invalid("must not hold control characters".into()));
        }
        if key.contains('\\') {
            return Err(invalid("must not hold a backslash; use / between folders".into()));
        }
        // HTTP stacks, proxies and browsers rewrite such paths, each in its own way, so that the object
        // would be stored under one name and asked for under another.
        if key.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(invalid("must not start or end with /, nor hold //, nor have . or .. as a segment".into()));
        }
        Ok(Self(key.to_owned()))
    }

    /// The key of an object that exists, whichever client has stored it. Its path is signed and sent as it is, so what
    /// rewrites the path on the way gets an error from the store and never another object.
    ///
    /// # Errors
    /// `ERR_INVALID_KEY` for what no store can hold: nothing, or more than [`Self::MAX_BYTES`].
    pub fn existing(key: &str) -> Result<Self> {
        let invalid = |why: String| Error::invalid(code::INVALID_KEY, "key", format!("key {why}"));
        match key.len() {
            0 => Err(invalid("must not be empty".into())),
            1..=Self::MAX_BYTES => Ok(Self(key.to_owned())),
            length => {
                Err(invalid(format!("must be at most {} bytes of UTF-8; this one has {length}", Self::MAX_BYTES)))
            }
        }
    }

    /// A key that the store itself has named.
    pub fn as_listed(key: &str) -> Self {
        Self(key.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its path in a request, as it is signed: with the bucket in front, escaped.
    pub fn path_in(&self, bucket: &BucketName) -> String {
        ["/", bucket.as_str(), "/"].into_iter().chain(utf8_percent_encode(&self.0, PATH)).collect()
    }

    /// Its path for a URL that others open. Browsers and most HTTP clients remove `.` and `..` segments before they send
    /// a request, so the slashes beside these are escaped, too: the segment is then part of a longer one, which stays.
    ///
    /// # Errors
    /// `ERR_INVALID_KEY` for the keys `.` and `..`, which no URL can hold.
    pub fn url_path(&self) -> Result<String> {
        let is_dots = |segment: &str| matches!(segment, "." | "..");
        if is_dots(&self.0) {
            let detail = format!("key {} cannot be written as a URL: clients of HTTP remove it", self.0);
            return Err(Error::invalid(code::INVALID_KEY, "key", detail));
        }
        let mut path = String::with_capacity(self.0.len() + 16);
        let mut before = None;
        for segment in self.0.split('/') {
            match before {
                None => {}
                Some(before) if is_dots(before) || is_dots(segment) => path.push_str("%2F"),
                Some(_) => path.push('/'),
            }
            path.extend(utf8_percent_encode(segment, URL_SEGMENT));
            before = Some(segment);
        }
        Ok(path)
    }

    /// The last segment.
    pub fn filename(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

/// A bucket's name by R2's rule: 3 to 63 lower-case letters, digits and hyphens, no hyphen at the ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketName(String);

impl BucketName {
    /// # Errors
    /// `ERR_INVALID_OPTION` naming `bucket`.
    pub fn parse(name: &str) -> Result<Self> {
        let sound = (3..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
            && !name.starts_with(['-', '.'])
            && !name.ends_with(['-', '.'])
            && !name.contains("..");
        if sound {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::invalid_option(
                "bucket",
                "3 to 63 characters: lower-case letters, digits and hyphens, the first and last a letter or digit",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its path in a request.
    pub fn path(&self) -> String {
        ["/", self.as_str()].concat()
    }
}

/// What is stored with the bytes. Every value is checked: no line breaks reach a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectHeaders {
    pub content_type: String,
    /// Every other header.
    pub values: HeaderValues,
    /// The caller's. Names in lower case without the `x-amz-meta-` prefix; values ready for the wire.
    pub metadata: BTreeMap<String, String>,
    /// Sent as one more metadata entry.
    pub write: Option<WriteIdentity>,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the attempts under way, and of the parts that are done, that were handed to the connection.
    pub sent: u64,
    /// Of the whole; 0 where that is not known.
    pub total: u64,
    /// The part that moved; 1 for an object in one request.
    pub part: u32,
}

/// Called on the I/O path: must be quick.
#[derive(Clone)]
pub struct ProgressSink(pub Arc<dyn Fn(Progress) + Send + Sync>);

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressSink")
    }
}

/// When a write may replace what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteCondition {
    /// Only where there is nothing (`If-None-Match: *`).
    Absent,
    /// Only what has this ETag (`If-Match`).
    Etag(String),
    /// Only this version: the same bytes stored again are another one.
    Version(ObjectVersion),
}

/// An object as it was seen, in the terms of a condition; each of them only where the server knows such conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectVersion {
    pub etag: Option<String>,
    /// In whole seconds.
    pub last_modified: Option<SystemTime>,
}

#[derive(Debug, Clone)]
pub struct PutObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub body: Payload,
    pub headers: ObjectHeaders,
    pub condition: Option<WriteCondition>,
    /// Whether the response's `ETag` must be the MD5 of the body, where it has the form of one.
    pub verify_integrity: bool,
    pub progress: Option<ProgressSink>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutOutcome {
    /// Without its quotes.
    pub etag: Option<String>,
    pub request_id: Option<String>,
    /// Whether no response said so, but a look at what is stored.
    pub confirmed_by_head: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_in_bytes() {
        assert!(ObjectKey::parse(&"a".repeat(1024)).is_ok());
        assert!(ObjectKey::parse(&"a".repeat(1025)).is_err());
        assert!(ObjectKey::parse(&"€".repeat(341)).is_ok());
        assert!(ObjectKey::parse(&"€".repeat(342)).is_err());
    }

    #[test]
    fn any_key_that_a_store_can_hold_may_exist() {
        let longest = "/".repeat(1024);
        for key in ["a/b/", "/", "//", "a//", "a/../b", "..", " ", "a\0b\n", "\u{fffe}", &longest] {
            assert_eq!(ObjectKey::existing(key).expect(key).as_str(), key);
        }
        for key in ["", &"a".repeat(1025)] {
            assert_eq!(ObjectKey::existing(key).expect_err("too short or too long").code, code::INVALID_KEY);
        }
    }

    #[test]
    fn urls_name_the_key_also_after_a_client_has_normalized_them() {
        for key in [
            "a b/é.png",
            "/a",
            "a//b",
            "a/",
            "//",
            "./x",
            "../x",
            "a/./b",
            "a/../../b",
            "a/..",
            "a/.",
            ".../a",
            "%2e%2e/x",
            "a\\..\\b",
            "a\tb\n",
            "a?b#c",
            " ",
            "a;b=c&d+e",
            "^|`{}\"<>",
        ] {
            let path = ObjectKey::existing(key).and_then(|key| key.url_path()).expect(key);
            let text = format!("https://images.example.com/base/{path}");
            let url = url::Url::parse(&text).expect("a URL");
            assert_eq!(url.as_str(), text, "it is normal already");
            let named = url.path().strip_prefix("/base/").expect("below the base");
            assert_eq!(percent_encoding::percent_decode_str(named).decode_utf8().expect("UTF-8"), key);
        }
        for key in [".", ".."] {
            assert_eq!(ObjectKey::existing(key).and_then(|key| key.url_path()).expect_err(key).code, code::INVALID_KEY);
        }
    }

    #[test]
    fn keys_that_would_be_rewritten_on_the_way_are_refused() {
        for key in [
            "",
            " ",
            "\u{3000} ",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/./b",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "a\\b",
            "a\u{2028}",
        ] {
            assert!(ObjectKey::parse(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn odd_but_sound_keys_are_taken_as_they_are() {
        for key in ["%2e%2e/x", "a b", "a+b&c=d?e#f", "é", "😀/…", ".htaccess", "a..b", "!*'()~", " a/ ", "\u{feff}"]
        {
            assert_eq!(ObjectKey::parse(key).expect(key).as_str(), key);
        }
        assert_eq!(ObjectKey::parse("a/b/c.png").expect("a key").filename(), "c.png");
    }

    #[test]
    fn bucket_names() {
        for name in ["abc", "my-bucket-1", &"a".repeat(63)] {
            assert!(BucketName::parse(name).is_ok(), "{name}");
        }
        for name in ["", "ab", "UPPER", "a_b", "-ab", "ab-", "a..b", "a/b", &"a".repeat(64)] {
            assert!(BucketName::parse(name).is_err(), "{name}");
        }
    }
}

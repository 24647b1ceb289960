//! The nouns of a store, valid by construction.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use percent_encoding::utf8_percent_encode;

use super::digest::Payload;
use super::s3_sign::PATH;
use crate::error::{Error, Result, code};

/// A key that every HTTP stack on the way takes as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// R2's and S3's limit, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// # Errors
    /// `ERR_INVALID_KEY` with what is allowed.
    pub fn parse(key: &str) -> Result<Self> {
        let invalid = |why: String| Error::invalid(code::INVALID_KEY, "key", format!("key {why}"));
        // The SDK, which reads and deletes, takes blanks for nothing.
        if key.trim().is_empty() {
            return Err(invalid("must not be empty, nor hold nothing but blanks".into()));
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

    /// A key of what is there already: it may end in a slash, as a folder does that a dashboard has made. The rest stays
    /// refused: a path that is rewritten on its way would delete another object.
    ///
    /// # Errors
    /// As of [`Self::parse`].
    pub fn of_stored(key: &str) -> Result<Self> {
        match key.strip_suffix('/') {
            Some(bare) if key.len() <= Self::MAX_BYTES => Self::parse(bare).map(|_| Self(key.to_owned())),
            _ => Self::parse(key),
        }
    }

    /// A key that the store itself has named: others may be less careful with theirs.
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
}

/// What is stored with the bytes. Every value is checked: no line breaks reach a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectHeaders {
    pub content_type: String,
    pub content_disposition: Option<String>,
    pub cache_control: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub storage_class: Option<String>,
    /// When caches must have forgotten it.
    pub expires: Option<SystemTime>,
    /// Names in lower case without the `x-amz-meta-` prefix; values ready for the wire.
    pub metadata: BTreeMap<String, String>,
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
}

#[derive(Debug, Clone)]
pub struct PutObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub body: Payload,
    pub headers: ObjectHeaders,
    pub condition: Option<WriteCondition>,
    /// Whether the answer's `ETag` must be the MD5 of the body, where it has the form of one.
    pub verify_etag: bool,
    pub progress: Option<ProgressSink>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutOutcome {
    /// Without its quotes.
    pub etag: Option<String>,
    pub request_id: Option<String>,
    /// Whether no answer said so, but a look at what is stored.
    pub settled_by_head: bool,
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
    fn what_is_stored_may_be_a_folder() {
        assert_eq!(ObjectKey::of_stored("a/b/").expect("a folder").as_str(), "a/b/");
        for key in ["/", "//", "a//", "/a/", "a/../b", &format!("{}/", "a".repeat(1024))] {
            assert!(ObjectKey::of_stored(key).is_err(), "{key}");
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

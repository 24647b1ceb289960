//! What callers may store with an object, checked before anything is sent: a line break in a value would
//! be a header of somebody else's making.

use std::collections::BTreeMap;

use crate::error::{Error, Result, code};
use crate::net::codings;
use crate::net::encoded_words;
use crate::store::identity::{self, WriteIdentity};
use crate::store::object_header::{ROWS, header_value};
use crate::store::objects::ObjectInfo;
use crate::store::{HeaderValues, ObjectHeader, ObjectHeaders};
use crate::transfer::media_type::MediaType;

/// R2's limit for all metadata together, names and values, less what our own entry needs.
const MAX_METADATA_BYTES: usize = 8192 - identity::MAX_ENTRY_BYTES;
const CONTENT_TYPE: &str = "content-type";
const METADATA_PREFIX: &str = "x-amz-meta-";

/// As a caller writes them. A header may be named by its option or in `headers`; the option wins.
#[derive(Debug, Clone, Default)]
pub struct HeaderOptions {
    pub content_type: Option<String>,
    /// The `Content-Encoding` that the body came with; one in `headers` wins.
    pub declared_encoding: Option<String>,
    /// The type that the body came with, written by whoever sent it.
    pub declared_type: Option<String>,
    /// By the names of their options; see [`ROWS`].
    pub values: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub metadata: BTreeMap<String, String>,
}

/// Checked; only the content type may still be open, since it may depend on the bytes.
#[derive(Debug, Clone)]
pub struct CheckedHeaders {
    headers: ObjectHeaders,
    content_type: Option<String>,
    declared_type: Option<String>,
}

impl CheckedHeaders {
    /// As an object has them, of the write that is given.
    pub(super) fn stored(info: &ObjectInfo, write: WriteIdentity) -> Self {
        let headers = ObjectHeaders {
            content_type: String::new(),
            values: info.headers.clone(),
            metadata: info.metadata.clone(),
            write: Some(write),
        };
        Self { headers, content_type: info.content_type.clone(), declared_type: None }
    }

    /// Makes them those of a write.
    pub(super) fn identify(&mut self, write: WriteIdentity) {
        self.headers.write = Some(write);
    }

    pub(super) const fn write(&self) -> Option<&WriteIdentity> {
        self.headers.write.as_ref()
    }

    /// Whether the bytes are coded, so that their beginning says nothing of what they are.
    pub fn are_coded(&self) -> bool {
        self.headers.values.contains_key(&ObjectHeader::ContentEncoding)
    }

    /// What whoever sent the body says that it is; not to be trusted.
    pub fn declared_type(&self) -> Option<&str> {
        self.declared_type.as_deref()
    }

    pub fn complete(&self, choose_type: impl FnOnce(Option<&str>) -> String) -> ObjectHeaders {
        ObjectHeaders { content_type: choose_type(self.content_type.as_deref()), ..self.headers.clone() }
    }
}

impl HeaderOptions {
    fn names(&self, name: &str) -> bool {
        self.headers.keys().any(|given| given.eq_ignore_ascii_case(name))
    }

    /// Whether the caller says how the body is coded.
    pub(super) fn names_coding(&self) -> bool {
        self.values.contains_key("contentEncoding") || self.names("content-encoding")
    }

    pub(super) fn is_declared_as_coded(&self) -> bool {
        matches!(self.declared_coding(), Ok(Some(_)))
    }

    fn declared_coding(&self) -> Result<Option<String>> {
        match self.declared_encoding.as_deref().and_then(codings::of_value) {
            Some(coding) if !codings::is_decodable(&coding) => {
                let detail =
                    "body came with a Content-Encoding that clients cannot decode; decode it, and pass its bytes";
                Err(Error::invalid(code::INVALID_BODY, "body", detail))
            }
            coding => Ok(coding),
        }
    }

    /// # Errors
    /// `ERR_INVALID_OPTION` or `ERR_INVALID_METADATA`, naming the option.
    pub fn check(&self) -> Result<CheckedHeaders> {
        let mut given: BTreeMap<String, (String, String)> = BTreeMap::new();
        let mut metadata = BTreeMap::new();
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            let option = format!("headers[{name:?}]");
            if let Some(meta) = lower.strip_prefix(METADATA_PREFIX) {
                add_metadata(&mut metadata, meta, value, &option)?;
            } else if settable().any(|settable| settable == lower) {
                if given.insert(lower, (option.clone(), value.clone())).is_some() {
                    return Err(Error::invalid_option(option, "given once (header names ignore case)"));
                }
            } else {
                let allowed = format!("one of {}, {METADATA_PREFIX}*", settable().collect::<Vec<_>>().join(", "));
                return Err(Error::invalid_option(option, allowed));
            }
        }
        for (name, value) in &self.metadata {
            let lower = name.to_ascii_lowercase();
            let bare = lower.strip_prefix(METADATA_PREFIX).unwrap_or(&lower);
            add_metadata(&mut metadata, bare, value, &format!("metadata[{name:?}]"))?;
        }
        let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > MAX_METADATA_BYTES {
            let detail = format!("metadata must be at most {MAX_METADATA_BYTES} bytes together; this is {size}");
            return Err(Error::invalid(code::INVALID_METADATA, "metadata", detail));
        }
        let content_type = match (&self.content_type, given.remove(CONTENT_TYPE)) {
            (Some(value), _) => Some(("contentType".to_owned(), value.clone())),
            (None, given) => given,
        };
        let content_type = content_type.map(|(option, value)| content_type_value(&option, &value)).transpose()?;
        let mut values = HeaderValues::new();
        for row in ROWS {
            let value = match (self.values.get(row.option), given.remove(row.name)) {
                (Some(value), _) => Some(row.checked(row.option, value)?),
                (None, Some((option, value))) => Some(row.checked(&option, &value)?),
                (None, None) if row.header == ObjectHeader::ContentEncoding => self.declared_coding()?,
                (None, None) => row.default.map(str::to_owned),
            };
            values.extend(value.map(|value| (row.header, value)));
        }
        let headers = ObjectHeaders { content_type: String::new(), values, metadata, write: None };
        Ok(CheckedHeaders { headers, content_type, declared_type: self.declared_type.clone() })
    }
}

/// The names that `headers` may have.
fn settable() -> impl Iterator<Item = &'static str> {
    let rows = ROWS.iter().filter(|row| row.is_settable_by_name).map(|row| row.name);
    rows.chain([CONTENT_TYPE])
}

fn content_type_value(option: &str, value: &str) -> Result<String> {
    let value = header_value(option, value)?;
    let allowed = "a media type: type/subtype and perhaps parameters, such as video/webm; codecs=vp9";
    MediaType::parse(&value).map(drop).ok_or_else(|| Error::invalid_option("contentType", allowed))?;
    Ok(value)
}

fn add_metadata(all: &mut BTreeMap<String, String>, name: &str, value: &str, option: &str) -> Result<()> {
    let invalid = |detail: &str| Error::invalid(code::INVALID_METADATA, option, format!("{option} {detail}"));
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(invalid("has a name that is not a valid header name (use letters, digits, - and _)"));
    }
    if name == identity::METADATA_NAME {
        return Err(invalid("has a name that this package keeps for itself; choose another"));
    }
    if value.chars().any(char::is_control) {
        return Err(invalid("has a value with line breaks or control characters"));
    }
    if all.insert(name.to_owned(), encoded_words::encode(value)).is_some() {
        return Err(invalid("is given twice (names are case-insensitive)"));
    }
    Ok(())
}

/// As a caller reads it: with metadata as it was given, not as it is on the wire.
pub(super) fn readable(info: ObjectInfo) -> ObjectInfo {
    let metadata = info.metadata.iter().map(|(name, value)| (name.clone(), encoded_words::decode(value))).collect();
    ObjectInfo { metadata, ..info }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    fn checked(options: HeaderOptions) -> Result<ObjectHeaders> {
        options.check().map(|headers| headers.complete(|given| given.unwrap_or("a/b").to_owned()))
    }

    #[test]
    fn the_option_wins_over_the_header_and_inline_is_the_default() {
        let headers = checked(HeaderOptions {
            values: one("cacheControl", "no-store"),
            headers: one("Cache-Control", "public"),
            ..HeaderOptions::default()
        })
        .expect("sound");
        assert_eq!(headers.values[&ObjectHeader::CacheControl], "no-store");
        assert_eq!(headers.values[&ObjectHeader::ContentDisposition], "inline");
    }

    #[test]
    fn immutable_is_said_in_full_and_storage_classes_are_those_of_r2() {
        let options = |cache: &str, class: &str| HeaderOptions {
            values: [("cacheControl", cache), ("storageClass", class)]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            ..HeaderOptions::default()
        };
        let headers = checked(options("immutable", "STANDARD_IA")).expect("sound");
        assert_eq!(headers.values[&ObjectHeader::CacheControl], "public, max-age=31536000, immutable");
        assert_eq!(headers.values[&ObjectHeader::StorageClass], "STANDARD_IA");
        let headers = checked(options("no-store", "STANDARD")).expect("sound");
        assert_eq!(headers.values[&ObjectHeader::CacheControl], "no-store");
        let error = checked(options("no-store", "GLACIER")).expect_err("not R2's");
        assert_eq!(error.option.as_deref(), Some("storageClass"));
    }

    #[test]
    fn nothing_smuggles_a_header_in() {
        for value in ["a\r\nX-Evil: 1", "a\nb", "a\0b", "", " ", "é"] {
            let options = HeaderOptions { values: one("cacheControl", value), ..HeaderOptions::default() };
            assert!(checked(options).is_err(), "{value:?}");
        }
        for (name, value) in [("a", "b\r\nc"), ("a b", "c"), ("a:b", "c"), ("", "c"), ("é", "c")] {
            let options = HeaderOptions { metadata: one(name, value), ..HeaderOptions::default() };
            assert_eq!(checked(options).expect_err(name).code, code::INVALID_METADATA);
        }
        for name in ["Host", "Authorization", "Content-Length", "x-amz-acl", "Transfer-Encoding"] {
            let options = HeaderOptions { headers: one(name, "x"), ..HeaderOptions::default() };
            assert!(checked(options).is_err(), "{name}");
        }
    }

    #[test]
    fn the_entry_of_a_write_s_identity_cannot_be_set() {
        for name in ["reliable-r2", "Reliable-R2", "x-amz-meta-reliable-r2", "X-Amz-Meta-RELIABLE-R2"] {
            let metadata = HeaderOptions { metadata: one(name, "x"), ..HeaderOptions::default() };
            assert_eq!(checked(metadata).expect_err(name).code, code::INVALID_METADATA);
            let options = HeaderOptions { headers: one(name, "x"), ..HeaderOptions::default() };
            assert!(checked(options).is_err(), "{name}");
        }
        let other = HeaderOptions { metadata: one("reliable-r2-note", "x"), ..HeaderOptions::default() };
        assert!(checked(other).is_ok());
    }

    #[test]
    fn metadata_in_any_language_becomes_ascii() {
        let headers = checked(HeaderOptions { metadata: one("Prompt", "Überraschung"), ..HeaderOptions::default() });
        assert_eq!(headers.expect("sound").metadata["prompt"], "=?UTF-8?B?w5xiZXJyYXNjaHVuZw==?=");
    }

    #[test]
    fn header_values_have_four_kibibytes_and_an_error_says_so() {
        let options = |length| HeaderOptions {
            values: one("contentDisposition", &"x".repeat(length)),
            ..HeaderOptions::default()
        };
        assert!(checked(options(4096)).is_ok());
        let error = checked(options(4097)).expect_err("too long");
        assert!(error.detail.contains("4096") && error.detail.contains("4097"), "{}", error.detail);
    }

    #[test]
    fn metadata_has_the_limit_of_r2() {
        let size =
            |n: usize| checked(HeaderOptions { metadata: one("ab", &"x".repeat(n)), ..HeaderOptions::default() });
        // "ab" and the entry of ours.
        assert!(size(8030).is_ok());
        assert!(size(8031).is_err());
    }

    #[test]
    fn content_types_are_media_types() {
        for (value, sound) in [
            ("image/png", true),
            ("video/webm;codecs=vp9,opus", true),
            ("text/plain ; charset=utf-8", true),
            ("image", false),
        ] {
            let options = HeaderOptions { content_type: Some(value.into()), ..HeaderOptions::default() };
            assert_eq!(checked(options).is_ok(), sound, "{value}");
        }
    }
}

//! What callers may store with an object, checked before anything is sent: a line break in a value would
//! be a header of somebody else's making.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::limits;
use crate::error::{Error, Result, code};
use crate::net::encoded_words;
use crate::store::ObjectHeaders;
use crate::store::objects::ObjectInfo;

/// R2's limit for all metadata together, names and values.
const MAX_METADATA_BYTES: usize = 8192;
const DEFAULT_DISPOSITION: &str = "inline";
/// `cacheControl: 'immutable'`: for a year, by everybody, without asking again. By itself the word would say
/// nothing (RFC 8246), so no one means only that.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// What R2 has.
const STORAGE_CLASSES: &[&str] = &["STANDARD", "STANDARD_IA"];
const SETTABLE: &[&str] =
    &["cache-control", "content-disposition", "content-encoding", "content-language", "content-type"];
const METADATA_PREFIX: &str = "x-amz-meta-";

/// As a caller writes them. A header may be named by its option or in `headers`; the option wins.
#[derive(Debug, Clone, Default)]
pub struct HeaderOptions {
    pub content_type: Option<String>,
    pub disposition: Option<String>,
    pub cache_control: Option<String>,
    pub storage_class: Option<String>,
    /// Since the epoch, in milliseconds.
    pub expires_ms: Option<f64>,
    pub headers: BTreeMap<String, String>,
    pub metadata: BTreeMap<String, String>,
}

/// Checked; only the content type may still be open, since it may depend on the bytes.
#[derive(Debug, Clone)]
pub struct CheckedHeaders {
    headers: ObjectHeaders,
    content_type: Option<String>,
}

impl CheckedHeaders {
    /// As an object has them, without the metadata of one name.
    pub(super) fn stored(info: &ObjectInfo, without: &str) -> Self {
        let mut metadata = info.metadata.clone();
        metadata.remove(without);
        let headers = ObjectHeaders {
            content_type: String::new(),
            content_disposition: info.content_disposition.clone(),
            cache_control: info.cache_control.clone(),
            content_encoding: info.content_encoding.clone(),
            content_language: info.content_language.clone(),
            storage_class: info.storage_class.clone(),
            expires: info.expires.as_deref().and_then(|text| httpdate::parse_http_date(text).ok()),
            metadata,
        };
        Self { headers, content_type: info.content_type.clone() }
    }

    /// Adds metadata of ours.
    pub(super) fn mark(&mut self, name: &str, value: String) {
        self.headers.metadata.insert(name.to_owned(), value);
    }

    pub fn complete(&self, choose_type: impl FnOnce(Option<&str>) -> String) -> ObjectHeaders {
        ObjectHeaders { content_type: choose_type(self.content_type.as_deref()), ..self.headers.clone() }
    }
}

impl HeaderOptions {
    /// Whether `headers` has one of this name, given in lower case.
    pub(super) fn names(&self, name: &str) -> bool {
        self.headers.keys().any(|given| given.eq_ignore_ascii_case(name))
    }

    /// # Errors
    /// `ERR_INVALID_OPTION` or `ERR_INVALID_METADATA`, naming the option.
    pub fn check(&self) -> Result<CheckedHeaders> {
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        let mut metadata = BTreeMap::new();
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            let option = format!("headers[{name:?}]");
            if let Some(meta) = lower.strip_prefix(METADATA_PREFIX) {
                add_metadata(&mut metadata, meta, value, &option)?;
            } else if SETTABLE.contains(&lower.as_str()) {
                if given.insert(lower, header_value(&option, value)?).is_some() {
                    return Err(Error::invalid_option(option, "given once (header names ignore case)"));
                }
            } else {
                let allowed = format!("one of {}, {METADATA_PREFIX}*", SETTABLE.join(", "));
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
        let mut pick = |option: &str, value: &Option<String>, header: &str| match value {
            Some(value) => header_value(option, value).map(Some),
            None => Ok(given.remove(header)),
        };
        let content_type = pick("contentType", &self.content_type, "content-type")?;
        if let Some(value) = &content_type {
            check_content_type(value)?;
        }
        let headers = ObjectHeaders {
            content_type: String::new(),
            content_disposition: pick("disposition", &self.disposition, "content-disposition")?
                .or_else(|| Some(DEFAULT_DISPOSITION.to_owned())),
            cache_control: pick("cacheControl", &self.cache_control, "cache-control")?
                .map(|value| if value == "immutable" { IMMUTABLE.to_owned() } else { value }),
            storage_class: self.storage_class.as_deref().map(storage_class).transpose()?,
            expires: self.expires_ms.map(expires).transpose()?,
            content_encoding: given.remove("content-encoding"),
            content_language: given.remove("content-language"),
            metadata,
        };
        Ok(CheckedHeaders { headers, content_type })
    }
}

pub(super) fn header_value(option: &str, value: &str) -> Result<String> {
    let printable = value.bytes().all(|b| (0x20..0x7f).contains(&b));
    if printable && !value.trim().is_empty() && value.len() <= 1024 {
        Ok(value.trim().to_owned())
    } else {
        Err(Error::invalid_option(option, "1 to 1024 printable ASCII characters on one line"))
    }
}

fn storage_class(name: &str) -> Result<String> {
    if STORAGE_CLASSES.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(Error::invalid_option("storageClass", limits::one_of(STORAGE_CLASSES)))
    }
}

/// HTTP's dates count seconds, and end with the year 9999.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked just before")]
fn expires(since_epoch_ms: f64) -> Result<SystemTime> {
    const LAST_MS: f64 = 253_402_300_799_000.0;
    if (0.0..=LAST_MS).contains(&since_epoch_ms) {
        Ok(UNIX_EPOCH + Duration::from_secs((since_epoch_ms / 1000.0) as u64))
    } else {
        Err(Error::invalid_option("expires", "a valid date of the years 1970 to 9999"))
    }
}

fn check_content_type(value: &str) -> Result<()> {
    match value.parse::<mime_guess::mime::Mime>() {
        Ok(_) if value.len() <= 255 => Ok(()),
        _ => Err(Error::invalid_option("contentType", "a media type such as image/png")),
    }
}

fn add_metadata(all: &mut BTreeMap<String, String>, name: &str, value: &str, option: &str) -> Result<()> {
    let invalid = |detail: &str| Error::invalid(code::INVALID_METADATA, option, format!("{option} {detail}"));
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(invalid("has a name that is no HTTP token (letters, digits, - and _ are)"));
    }
    if value.chars().any(char::is_control) {
        return Err(invalid("has a value with line breaks or control characters"));
    }
    if all.insert(name.to_owned(), encoded_words::encode(value)).is_some() {
        return Err(invalid("stands there twice (names ignore case)"));
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
            cache_control: Some("no-store".into()),
            headers: one("Cache-Control", "public"),
            ..HeaderOptions::default()
        })
        .expect("sound");
        assert_eq!(headers.cache_control.as_deref(), Some("no-store"));
        assert_eq!(headers.content_disposition.as_deref(), Some("inline"));
    }

    #[test]
    fn immutable_is_said_in_full_and_storage_classes_are_those_of_r2() {
        let options = |cache: &str, class: &str| HeaderOptions {
            cache_control: Some(cache.into()),
            storage_class: Some(class.into()),
            ..HeaderOptions::default()
        };
        let headers = checked(options("immutable", "STANDARD_IA")).expect("sound");
        assert_eq!(headers.cache_control.as_deref(), Some("public, max-age=31536000, immutable"));
        assert_eq!(headers.storage_class.as_deref(), Some("STANDARD_IA"));
        let headers = checked(options("no-store", "STANDARD")).expect("sound");
        assert_eq!(headers.cache_control.as_deref(), Some("no-store"));
        let error = checked(options("no-store", "GLACIER")).expect_err("not R2's");
        assert_eq!(error.option.as_deref(), Some("storageClass"));
    }

    #[test]
    fn nothing_smuggles_a_header_in() {
        for value in ["a\r\nX-Evil: 1", "a\nb", "a\0b", "", " ", "é"] {
            let options = HeaderOptions { cache_control: Some(value.into()), ..HeaderOptions::default() };
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
    fn metadata_in_any_language_becomes_ascii() {
        let headers = checked(HeaderOptions { metadata: one("Prompt", "Überraschung"), ..HeaderOptions::default() });
        assert_eq!(headers.expect("sound").metadata["prompt"], "=?UTF-8?B?w5xiZXJyYXNjaHVuZw==?=");
    }

    #[test]
    fn metadata_has_the_limit_of_r2() {
        let size =
            |n: usize| checked(HeaderOptions { metadata: one("ab", &"x".repeat(n)), ..HeaderOptions::default() });
        assert!(size(8190).is_ok());
        assert!(size(8191).is_err());
    }

    #[test]
    fn content_types_are_media_types() {
        for (value, sound) in
            [("image/png", true), ("text/plain; charset=utf-8", true), ("image", false), ("png", false)]
        {
            let options = HeaderOptions { content_type: Some(value.into()), ..HeaderOptions::default() };
            assert_eq!(checked(options).is_ok(), sound, "{value}");
        }
    }
}

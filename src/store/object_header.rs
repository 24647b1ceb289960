//! The headers that are stored with an object, a row for each: to add one, add its row here and its option to `types/`.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// Of one header. The name of a file of 255 letters, each of three bytes that are escaped, takes 2300.
const MAX_VALUE_BYTES: usize = 4096;
/// `cacheControl: 'immutable'`: for a year, by everybody, without revalidation. The word alone has no effect without a
/// lifetime (RFC 8246).
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// What R2 has. A response to HEAD leaves the first one out.
const STORAGE_CLASSES: &[&str] = &["STANDARD", "STANDARD_IA"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectHeader {
    CacheControl,
    ContentDisposition,
    ContentEncoding,
    ContentLanguage,
    Expires,
    StorageClass,
}

/// The headers of an object, but for its `Content-Type`.
pub type HeaderValues = BTreeMap<ObjectHeader, String>;

#[derive(Debug)]
pub struct Row {
    pub header: ObjectHeader,
    /// As the option of an upload, and as the property of a stored object.
    pub option: &'static str,
    /// In requests and responses.
    pub name: &'static str,
    /// Whether the option `headers` may have it.
    pub is_settable_by_name: bool,
    /// Where the option is absent.
    pub default: Option<&'static str>,
    check: fn(&str, &str) -> Result<String>,
}

pub const ROWS: &[Row] = &[
    Row { check: cache_control, ..by_name(ObjectHeader::CacheControl, "cacheControl", "cache-control") },
    Row {
        default: Some("inline"),
        ..by_name(ObjectHeader::ContentDisposition, "contentDisposition", "content-disposition")
    },
    by_name(ObjectHeader::ContentEncoding, "contentEncoding", "content-encoding"),
    by_name(ObjectHeader::ContentLanguage, "contentLanguage", "content-language"),
    Row { is_settable_by_name: false, check: expires, ..by_name(ObjectHeader::Expires, "expires", "expires") },
    Row {
        is_settable_by_name: false,
        check: storage_class,
        ..by_name(ObjectHeader::StorageClass, "storageClass", "x-amz-storage-class")
    },
];

const fn by_name(header: ObjectHeader, option: &'static str, name: &'static str) -> Row {
    Row { header, option, name, is_settable_by_name: true, default: None, check: header_value }
}

impl Row {
    /// The value as it is sent. `option` is its path as the caller wrote it.
    ///
    /// # Errors
    /// `ERR_INVALID_OPTION`.
    pub fn checked(&self, option: &str, value: &str) -> Result<String> {
        (self.check)(option, value)
    }
}

/// Whether two objects have the same headers.
pub fn are_equal(some: &HeaderValues, others: &HeaderValues) -> bool {
    let value = |values: &HeaderValues, header| match (header, values.get(&header).cloned()) {
        (ObjectHeader::StorageClass, None) => STORAGE_CLASSES.first().map(|&name| name.to_owned()),
        (_, value) => value,
    };
    ROWS.iter().all(|row| value(some, row.header) == value(others, row.header))
}

/// # Errors
/// `ERR_INVALID_OPTION`: a line break would begin another header.
pub fn header_value(option: &str, value: &str) -> Result<String> {
    let printable = value.bytes().all(|b| (0x20..0x7f).contains(&b));
    let allowed = format!("1 to {MAX_VALUE_BYTES} printable ASCII characters on one line");
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::invalid_option(option, format!("{allowed}; this one has {} bytes", value.len())));
    }
    if printable && !value.trim().is_empty() {
        Ok(value.trim().to_owned())
    } else {
        Err(Error::invalid_option(option, allowed))
    }
}

fn cache_control(option: &str, value: &str) -> Result<String> {
    header_value(option, if value == "immutable" { IMMUTABLE } else { value })
}

fn storage_class(option: &str, value: &str) -> Result<String> {
    if STORAGE_CLASSES.contains(&value) {
        return Ok(value.to_owned());
    }
    let names: Vec<_> = STORAGE_CLASSES.iter().map(|name| format!("'{name}'")).collect();
    Err(Error::invalid_option(option, format!("one of {}", names.join(", "))))
}

/// HTTP's dates have whole seconds and end with the year 9999.
fn expires(option: &str, value: &str) -> Result<String> {
    let date = httpdate::parse_http_date(value).map(httpdate::fmt_http_date);
    date.map_err(|_| Error::invalid_option(option, "a valid date of the years 1970 to 9999"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_has_its_row() {
        use ObjectHeader::{CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Expires, StorageClass};
        let headers: Vec<_> = ROWS.iter().map(|row| row.header).collect();
        assert_eq!(
            headers,
            [CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Expires, StorageClass]
        );
    }

    #[test]
    fn an_absent_storage_class_is_the_standard_one() {
        let with = |class: &str| HeaderValues::from([(ObjectHeader::StorageClass, class.to_owned())]);
        assert!(are_equal(&HeaderValues::new(), &with("STANDARD")));
        assert!(!are_equal(&HeaderValues::new(), &with("STANDARD_IA")));
        let other = HeaderValues::from([(ObjectHeader::Expires, "Thu, 01 Jan 1970 00:00:09 GMT".to_owned())]);
        assert!(!are_equal(&HeaderValues::new(), &other));
    }
}

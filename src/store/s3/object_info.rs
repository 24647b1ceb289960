//! What the response to a HEAD or a GET says of an object. Other clients may have stored it with any header: what cannot be
//! read costs that field, never the call.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED};

use super::settings::unquoted;
use crate::net::headers::{decode, decoded, text};
use crate::store::identity;
use crate::store::object_header::ROWS;
use crate::store::objects::ObjectInfo;

const METADATA_PREFIX: &str = "x-amz-meta-";

/// `size` is not always the response's length.
pub(super) fn info_of(headers: &HeaderMap, size: u64) -> ObjectInfo {
    let mut info = ObjectInfo {
        size,
        etag: text(headers, ETAG).map(unquoted),
        content_type: decoded(headers, CONTENT_TYPE),
        headers: ROWS.iter().filter_map(|row| Some((row.header, decoded(headers, row.name)?))).collect(),
        last_modified: text(headers, LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok()),
        ..ObjectInfo::default()
    };
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(METADATA_PREFIX).filter(|name| !name.is_empty()) else { continue };
        // A field that comes twice is one whose values are joined (RFC 9110, 5.3).
        let joined = info.metadata.entry(name.to_owned());
        joined.and_modify(|all| *all = format!("{all},{}", decode(value))).or_insert_with(|| decode(value));
    }
    info.write = identity::take_from(&mut info.metadata);
    info
}

/// The length of the response's body, where it is known from the beginning.
pub(super) fn length_of(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH)?.trim().parse().ok()
}

/// Whether a response may be of other bytes than those that are stored. Cloudflare decompresses objects that were stored
/// compressed for clients that do not say that they can do so themselves: without their length, under a weak ETag.
pub(super) fn may_be_decompressed(headers: &HeaderMap) -> bool {
    length_of(headers).is_none() || text(headers, ETAG).is_some_and(|etag| etag.trim_start().starts_with("W/"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::store::ObjectHeader;

    fn headers(fields: &[(&str, &[u8])]) -> HeaderMap {
        let field = |(name, value): &(&str, &[u8])| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            (name, HeaderValue::from_bytes(value).expect("a value"))
        };
        fields.iter().map(field).fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        })
    }

    #[test]
    fn without_a_length_or_under_a_weak_etag_it_may_be_something_else() {
        let may = |fields: &[(&str, &[u8])]| may_be_decompressed(&headers(fields));
        assert!(!may(&[("content-length", b"0")]));
        assert!(!may(&[("content-length", b"5"), ("etag", b"\"abc\"")]));
        assert!(may(&[("etag", b"\"abc\"")]));
        assert!(may(&[("content-length", b"5"), ("etag", b"W/\"abc\"")]));
    }

    #[test]
    fn a_malformed_field_costs_that_field() {
        let info = info_of(
            &headers(&[
                ("etag", b"\"abc\""),
                ("content-type", b"text/plain; name=\"\xe9\""),
                ("last-modified", b"yesterday"),
                ("expires", b"0"),
                ("x-amz-meta-title", "café".as_bytes()),
                ("x-amz-meta-a", b"1"),
                ("x-amz-meta-a", b"2"),
                ("x-amz-meta-", b"no name"),
            ]),
            5,
        );
        assert_eq!((info.size, info.etag.as_deref(), info.last_modified), (5, Some("abc"), None));
        assert_eq!(info.content_type.as_deref(), Some("text/plain; name=\"é\""));
        assert_eq!(info.headers[&ObjectHeader::Expires], "0");
        let metadata: Vec<_> = info.metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(metadata, [("a", "1,2"), ("title", "café")]);
        let dated = info_of(&headers(&[("last-modified", b"Thu, 01 Jan 1970 00:00:09 GMT")]), 0);
        assert_eq!(dated.last_modified, Some(UNIX_EPOCH + Duration::from_secs(9)));
    }
}

//! Whether a response is the storage's own: the one check of every operation.
//!
//! Captive portals, proxies, load balancers and web servers respond requests that were meant for the storage, many of
//! them with a success. Each operation has one exact shape of success in S3's API; a response of another shape says
//! nothing about the object, and nothing is learned from it.

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RANGE};
use http::{HeaderMap, Method, StatusCode};

use crate::net::content_range;
use crate::net::headers::text;
use crate::store::etag;

/// The range of bytes that a GET asks for: the first, and the last where it is not the object's.
pub(super) type Range = (u64, Option<u64>);

/// The operations of S3's API that this client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum S3Operation {
    PutObject,
    UploadPart,
    CreateMultipartUpload,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
    ListMultipartUploads,
    ListObjects,
    HeadObject,
    GetObject(Option<Range>),
    DeleteObject,
}

impl S3Operation {
    /// Of a request. `query` is as it is sent.
    pub(super) fn of(method: &Method, query: &str, headers: &[(HeaderName, HeaderValue)]) -> Self {
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let range = || headers.iter().find(|(name, _)| name == RANGE).and_then(|(_, value)| value.to_str().ok());
        match *method {
            Method::PUT if has("uploadId") => Self::UploadPart,
            Method::PUT => Self::PutObject,
            Method::POST if has("uploads") => Self::CreateMultipartUpload,
            Method::POST if has("uploadId") => Self::CompleteMultipartUpload,
            Method::DELETE if has("uploadId") => Self::AbortMultipartUpload,
            Method::DELETE => Self::DeleteObject,
            Method::HEAD => Self::HeadObject,
            Method::GET if has("uploadId") => Self::ListParts,
            Method::GET if has("uploads") => Self::ListMultipartUploads,
            Method::GET if has("list-type") => Self::ListObjects,
            _ => Self::GetObject(range().and_then(requested_range)),
        }
    }

    const fn has_status(self, status: StatusCode) -> bool {
        match self {
            Self::DeleteObject | Self::AbortMultipartUpload => matches!(status.as_u16(), 200 | 204),
            Self::GetObject(_) => matches!(status.as_u16(), 200 | 206),
            _ => status.as_u16() == 200,
        }
    }
}

/// What is wrong with a response that is not the storage's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Foreign(pub(super) String);

impl Foreign {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Checks the head of a success (any 2xx). `request_was_sent`: whether its request had been sent to its end.
pub(super) fn check_head(
    operation: S3Operation,
    status: StatusCode,
    headers: &HeaderMap,
    request_was_sent: bool,
) -> Result<(), Foreign> {
    if !operation.has_status(status) {
        return Err(Foreign::new(format!("its status is {}", status.as_u16())));
    }
    if !request_was_sent {
        return Err(Foreign::new("it came before the request was sent to its end"));
    }
    match operation {
        S3Operation::PutObject | S3Operation::UploadPart => strong_etag(headers).map(drop),
        S3Operation::HeadObject => check_object(headers),
        S3Operation::GetObject(range) => {
            check_object(headers)?;
            check_range(range, status, headers)
        }
        _ => Ok(()),
    }
}

/// Checks the body of a success that has none: whoever sends a page or an error with it does not know the operation.
pub(super) fn check_empty(body: &[u8]) -> Result<(), Foreign> {
    if body.trim_ascii().is_empty() { Ok(()) } else { Err(Foreign::new("it has a body")) }
}

/// Checks a refusal without S3's XML: whether it may say that an object is not there. `body` is absent where it broke off.
pub(super) fn check_absence(
    operation: S3Operation,
    status: StatusCode,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> Result<(), Foreign> {
    let is_page = || text(headers, CONTENT_TYPE.as_str()).is_some_and(is_html);
    let is_others = match operation {
        S3Operation::HeadObject => is_page(),
        S3Operation::GetObject(_) => is_page() || body.is_some_and(|body| !body.trim_ascii().is_empty()),
        _ => false,
    };
    if status == StatusCode::NOT_FOUND && is_others {
        return Err(Foreign::new("its status is 404, without the reason that S3 gives"));
    }
    Ok(())
}

/// The ETag of a stored object: strong (S3 has no other), well formed, with or without its quotes.
pub(super) fn strong_etag(headers: &HeaderMap) -> Result<&str, Foreign> {
    let mut all = headers.get_all(ETAG).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return Err(Foreign::new("it lacks the ETag of an object"));
    };
    value.to_str().ok().and_then(etag::strong).ok_or_else(|| Foreign::new("its ETag is not one of an object"))
}

/// What HEAD and GET say of an object.
fn check_object(headers: &HeaderMap) -> Result<(), Foreign> {
    let etag = match strong_etag(headers) {
        Ok(etag) => etag,
        // Cloudflare weakens the ETag of what it decompresses on the way: the stored bytes are asked for then.
        Err(foreign) => {
            let weakened = text(headers, "etag").map(etag::opaque).filter(|etag| etag::is_digest(etag));
            return weakened.map(drop).ok_or(foreign);
        }
    };
    // A stored page has the ETag of an object, or at least one header that only S3 has.
    let is_page = text(headers, CONTENT_TYPE.as_str()).is_some_and(is_html);
    let is_of_s3 = || headers.keys().any(|name| name.as_str().starts_with("x-amz-"));
    if is_page && !etag::is_digest(etag) && !is_of_s3() {
        return Err(Foreign::new("it is a page of a web server"));
    }
    Ok(())
}

/// Whether a Content-Type is that of a web page.
fn is_html(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/html") || essence.eq_ignore_ascii_case("application/xhtml+xml")
}

/// Bytes must not be put together from ranges that nobody asked for.
fn check_range(requested: Option<Range>, status: StatusCode, headers: &HeaderMap) -> Result<(), Foreign> {
    let wrong = || Foreign::new("its Content-Range is not the range that was requested");
    let mut ranges = headers.get_all(CONTENT_RANGE).iter();
    let given = match (ranges.next(), ranges.next()) {
        (None, _) => None,
        (Some(range), None) => Some(range.to_str().ok().and_then(content_range::parse).ok_or_else(wrong)?),
        (Some(_), Some(_)) => return Err(wrong()),
    };
    let Some(given) = given else {
        return if status == StatusCode::PARTIAL_CONTENT {
            Err(Foreign::new("it is a part of the object and does not say which (206 without Content-Range)"))
        } else {
            Ok(())
        };
    };
    // Some servers (rclone) respond to a request for a range with 200; the Content-Range says what it is.
    if status != StatusCode::PARTIAL_CONTENT && requested.is_none() {
        return Err(wrong());
    }
    let is_requested = match requested {
        Some((first, last)) => given.first == first && last.is_none_or(|last| given.last <= last),
        // Nothing was requested but the whole.
        None => given.first == 0 && given.complete == Some(given.last + 1),
    };
    let length = text(headers, CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<u64>().ok());
    let has_length = length.is_none_or(|length| length == given.last - given.first + 1);
    if is_requested && has_length { Ok(()) } else { Err(wrong()) }
}

/// `bytes=5-9` or `bytes=5-`, as this client writes it.
fn requested_range(header: &str) -> Option<Range> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
    Some((first.parse().ok()?, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
    const WEAK: &str = "W/\"5d41402abc4b2a76b9719d911017c592\"";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let of = |&(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        };
        fields.iter().map(of).collect()
    }

    fn head(operation: S3Operation, status: u16, fields: &[(&'static str, &str)]) -> bool {
        check_head(operation, StatusCode::from_u16(status).expect("a status"), &headers(fields), true).is_ok()
    }

    #[test]
    fn each_operation_has_its_status() {
        let whole = S3Operation::GetObject(None);
        let accepted: [(S3Operation, &[u16]); 11] = [
            (S3Operation::PutObject, &[200]),
            (S3Operation::UploadPart, &[200]),
            (S3Operation::CreateMultipartUpload, &[200]),
            (S3Operation::CompleteMultipartUpload, &[200]),
            (S3Operation::AbortMultipartUpload, &[200, 204]),
            (S3Operation::ListParts, &[200]),
            (S3Operation::ListMultipartUploads, &[200]),
            (S3Operation::ListObjects, &[200]),
            (S3Operation::HeadObject, &[200]),
            (whole, &[200]),
            (S3Operation::DeleteObject, &[200, 204]),
        ];
        for (operation, accepted) in accepted {
            for status in 200..300 {
                assert_eq!(
                    head(operation, status, &[("etag", MD5)]),
                    accepted.contains(&status),
                    "{operation:?} {status}"
                );
            }
        }
    }

    #[test]
    fn a_stored_object_has_a_strong_etag() {
        for (etag, is_strong) in [
            (MD5, true),
            ("5d41402abc4b2a76b9719d911017c592", true),
            ("\"5d41402abc4b2a76b9719d911017c592-12\"", true),
            ("\"opaque\"", true),
            (WEAK, false),
            ("W/5d41402abc4b2a76b9719d911017c592", false),
            ("w/\"a\"", false),
            ("\"\"", false),
            ("", false),
            ("\"   \"", false),
            ("\"a b\"", false),
            ("\"a", false),
            ("a\"", false),
            ("\"a\", \"b\"", false),
            ("\"é\"", false),
        ] {
            for operation in [S3Operation::PutObject, S3Operation::UploadPart] {
                assert_eq!(head(operation, 200, &[("etag", etag)]), is_strong, "{etag}");
            }
        }
        assert!(!head(S3Operation::PutObject, 200, &[]));
        assert!(!head(S3Operation::PutObject, 200, &[("etag", "\"a\""), ("etag", "\"b\"")]));
    }

    #[test]
    fn a_page_is_no_object() {
        let page = ("content-type", "text/html; charset=utf-8");
        for operation in [S3Operation::HeadObject, S3Operation::GetObject(None)] {
            assert!(!head(operation, 200, &[page]), "no ETag");
            assert!(!head(operation, 200, &[page, ("etag", "W/\"2f-abc\"")]));
            assert!(!head(operation, 200, &[page, ("etag", "\"5f1a2b3c-264\"")]), "of a web server");
            assert!(head(operation, 200, &[page, ("etag", MD5)]), "stored");
            assert!(head(operation, 200, &[page, ("etag", "\"opaque\""), ("x-amz-request-id", "1")]), "stored");
            assert!(head(operation, 200, &[("etag", "\"opaque\"")]));
            assert!(head(operation, 200, &[("etag", WEAK)]), "decompressed on the way");
        }
    }

    #[test]
    fn ranges_are_those_that_were_requested() {
        let get = |requested, status, range: Option<&str>, length: Option<&str>| {
            let mut fields = vec![("etag", MD5)];
            fields.extend(range.map(|range| ("content-range", range)));
            fields.extend(length.map(|length| ("content-length", length)));
            head(S3Operation::GetObject(requested), status, &fields)
        };
        assert!(get(None, 200, None, Some("10")));
        assert!(!get(None, 206, None, Some("10")), "an unrequested part");
        assert!(get(None, 206, Some("bytes 0-9/10"), Some("10")), "the whole");
        assert!(!get(None, 206, Some("bytes 0-8/10"), Some("9")));
        assert!(!get(None, 206, Some("bytes 0-9/*"), Some("10")));
        assert!(!get(None, 200, Some("bytes 0-9/10"), Some("10")));
        let some = Some((5, Some(7)));
        assert!(get(some, 206, Some("bytes 5-7/10"), Some("3")));
        assert!(get(some, 206, Some("bytes 5-6/7"), None), "the object ends before");
        assert!(get(some, 200, None, Some("10")), "the server has no ranges");
        assert!(get(some, 200, Some("bytes 5-7/10"), Some("3")), "as rclone responds");
        assert!(!get(some, 200, Some("bytes 4-7/10"), Some("4")));
        for (range, length) in [
            ("bytes 5-8/10", "4"),
            ("bytes 4-7/10", "4"),
            ("bytes 5-7/10", "4"),
            ("bytes 7-5/10", "3"),
            ("items 5-7/10", "3"),
            ("", "3"),
        ] {
            assert!(!get(some, 206, Some(range), Some(length)), "{range}");
        }
        assert!(get(Some((5, None)), 206, Some("bytes 5-9/10"), None));
        assert!(!get(Some((5, None)), 206, None, None));
    }

    #[test]
    fn operations_without_a_result_have_no_body() {
        for body in ["", " \r\n"] {
            assert_eq!(check_empty(body.as_bytes()), Ok(()));
        }
        for body in ["{}", "ok", "<html></html>", "<Error/>"] {
            assert!(check_empty(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_page_does_not_say_that_an_object_is_not_there() {
        let page = headers(&[("content-type", "text/html; charset=utf-8")]);
        let absent = |operation, status, fields: &HeaderMap, body: &[u8]| {
            check_absence(operation, StatusCode::from_u16(status).expect("a status"), fields, Some(body)).is_ok()
        };
        let (get, head, none) = (S3Operation::GetObject(None), S3Operation::HeadObject, HeaderMap::new());
        assert!(absent(head, 404, &none, b""));
        assert!(absent(get, 404, &none, b""));
        assert!(!absent(head, 404, &page, b""));
        assert!(!absent(get, 404, &page, b""));
        assert!(!absent(get, 404, &none, b"Not Found"));
        assert!(absent(get, 403, &page, b"no"), "a refusal all the same");
        assert!(absent(S3Operation::PutObject, 404, &page, b"no"));
    }

    #[test]
    fn operations_are_known_by_method_and_query() {
        let of = |method: Method, query: &str| S3Operation::of(&method, query, &[]);
        assert_eq!(of(Method::PUT, "x-id=PutObject"), S3Operation::PutObject);
        assert_eq!(of(Method::PUT, "partNumber=1&uploadId=a&x-id=UploadPart"), S3Operation::UploadPart);
        assert_eq!(of(Method::POST, "uploads"), S3Operation::CreateMultipartUpload);
        assert_eq!(of(Method::POST, "uploads="), S3Operation::CreateMultipartUpload);
        assert_eq!(of(Method::POST, "uploadId=a"), S3Operation::CompleteMultipartUpload);
        assert_eq!(of(Method::DELETE, "x-id=AbortMultipartUpload&uploadId=a"), S3Operation::AbortMultipartUpload);
        assert_eq!(of(Method::DELETE, "x-id=DeleteObject"), S3Operation::DeleteObject);
        assert_eq!(of(Method::GET, "x-id=ListParts&uploadId=a"), S3Operation::ListParts);
        assert_eq!(of(Method::GET, "uploads&prefix=uploadId"), S3Operation::ListMultipartUploads);
        assert_eq!(of(Method::GET, "list-type=2&prefix=uploads"), S3Operation::ListObjects);
        assert_eq!(of(Method::HEAD, ""), S3Operation::HeadObject);
        assert_eq!(of(Method::GET, "x-id=GetObject"), S3Operation::GetObject(None));
        let ranged = [(RANGE, HeaderValue::from_static("bytes=5-"))];
        assert_eq!(S3Operation::of(&Method::GET, "", &ranged), S3Operation::GetObject(Some((5, None))));
    }
}

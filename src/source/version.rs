//! What an origin calls the version of what it sent, so that the rest can be asked for of that version only.

use std::time::Duration;

use http::header::{DATE, ETAG, HeaderMap, LAST_MODIFIED};

use crate::net::headers::text;

/// Within it a file may have changed twice and have one date.
const SETTLED: Duration = Duration::from_secs(60);

/// What `If-Range` takes: a strong ETag, or a date that is old enough to stand for one version (RFC 9110, 8.8.2.2).
pub fn of(headers: &HeaderMap) -> Option<&str> {
    // Also one that is no text: a date must not stand in for an ETag (RFC 9110, 13.1.5).
    if let Some(etag) = headers.get(ETAG) {
        return etag.to_str().ok().filter(|etag| is_strong(etag));
    }
    let time = |name| httpdate::parse_http_date(text(headers, name)?).ok();
    let age = time(DATE)?.duration_since(time(LAST_MODIFIED)?).ok()?;
    text(headers, LAST_MODIFIED).filter(|_| age >= SETTLED)
}

/// Between two quotes, with none inside.
fn is_strong(etag: &str) -> bool {
    let inner = etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    fn version(pairs: &[(HeaderName, &'static str)]) -> Option<String> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        of(&headers).map(str::to_owned)
    }

    #[test]
    fn a_strong_etag_is_one_and_nothing_that_resembles_it() {
        assert_eq!(version(&[(ETAG, "\"abc\"")]).as_deref(), Some("\"abc\""));
        for etag in ["W/\"abc\"", "abc", "\"", "\"abc", "abc\"", "\"a\"b\"", "\"a b\"", ""] {
            assert_eq!(version(&[(ETAG, etag)]), None, "{etag}");
        }
    }

    #[test]
    fn an_etag_that_is_no_text_is_no_version_and_no_date_stands_in_for_it() {
        let (etag, date) = (HeaderValue::from_bytes(b"\xf3").expect("a value"), HeaderValue::from_static);
        let modified = (LAST_MODIFIED, date("Sun, 06 Nov 1994 08:49:37 GMT"));
        let later = (DATE, date("Sun, 06 Nov 1994 09:49:37 GMT"));
        assert_eq!(of(&[(ETAG, etag), modified, later].into_iter().collect()), None);
    }

    #[test]
    fn a_date_is_one_once_it_is_settled() {
        let modified = (LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT");
        let at = |date| version(&[modified.clone(), (DATE, date)]);
        assert_eq!(at("Sun, 06 Nov 1994 08:50:37 GMT").as_deref(), Some(modified.1));
        assert_eq!(at("Sun, 06 Nov 1994 08:50:36 GMT"), None);
        assert_eq!(at("Sun, 06 Nov 1994 08:00:00 GMT"), None);
        assert_eq!(version(&[modified]), None, "by whose clock?");
    }
}

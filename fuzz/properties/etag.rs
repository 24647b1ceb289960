//! An ETag, however it is written, can be asked for again: no quote of it ends the header's own.

use http::header::{DATE, ETAG, HeaderMap, HeaderValue, LAST_MODIFIED};
use reliable_r2::source::version;
use reliable_r2::store::etag::{is_opaque, opaque};

use super::lines;

pub fn check(data: &[u8]) {
    let Some([etag, modified, date]) = lines(data) else { return };
    let bare = opaque(etag);
    assert!(etag.contains(bare));
    assert!(!bare.starts_with('"') && !bare.ends_with('"'), "{etag:?}");
    if is_opaque(bare) {
        let quoted = format!("\"{bare}\"");
        assert!(HeaderValue::from_str(&quoted).is_ok(), "{etag:?}");
        assert_eq!((opaque(&quoted), opaque(&format!("W/{quoted}"))), (bare, bare), "{etag:?}");
    }

    let headers: HeaderMap = [(ETAG, etag), (LAST_MODIFIED, modified), (DATE, date)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?)))
        .collect();
    let Some(found) = version::of(&headers) else { return };
    assert!(HeaderValue::from_str(found).is_ok(), "goes into If-Range");
    if headers.contains_key(ETAG) {
        assert_eq!(found, etag, "an ETag outweighs a date");
        assert!(found.len() >= 2 && found.matches('"').count() == 2, "strong and whole: {found}");
    } else {
        let time = |text| httpdate::parse_http_date(text).expect("a date");
        assert!(time(date).duration_since(time(found)).expect("older").as_secs() >= 60, "{found} by {date}");
    }
}

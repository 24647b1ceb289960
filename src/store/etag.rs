//! ETags (RFC 9110, 8.8.3), as S3 and people write them.

use super::digest::is_md5;

/// Its opaque part: without its quotes, and without the `W/` that a proxy on the way has put before it. S3 has strong
/// ETags only.
pub fn opaque(etag: &str) -> &str {
    let etag = etag.trim();
    let strong = etag.strip_prefix("W/").filter(|rest| rest.starts_with('"')).unwrap_or(etag);
    strong.trim_matches('"')
}

/// The opaque part of a strong ETag, with or without quotes. None for a weak one, and for what is none.
pub fn strong(etag: &str) -> Option<&str> {
    let etag = etag.trim();
    let opaque = match etag.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => etag,
    };
    let is_weak = opaque.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("W/"));
    (is_opaque(opaque) && !is_weak).then_some(opaque)
}

/// Whether it has the form that S3 gives the ETags of objects: an MD5, or one of MD5s and the number of parts.
pub fn is_digest(opaque: &str) -> bool {
    let (digest, parts) = opaque.split_once('-').unwrap_or((opaque, "1"));
    is_md5(digest) && !parts.is_empty() && parts.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it can stand between quotes.
pub fn is_opaque(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opaque_part_is_what_stands_between_the_quotes() {
        for etag in ["abc", "\"abc\"", "W/\"abc\"", " \"abc\" "] {
            assert_eq!(opaque(etag), "abc", "{etag}");
        }
        assert_eq!(opaque("W/abc"), "W/abc", "no weak ETag, that one has quotes");
        assert_eq!(opaque("\"\""), "");
    }

    #[test]
    fn strong_etags_have_both_quotes_or_none() {
        for etag in ["abc", "\"abc\"", " \"abc\" "] {
            assert_eq!(strong(etag), Some("abc"), "{etag}");
        }
        for etag in ["W/\"abc\"", "W/abc", "w/abc", "\"abc", "abc\"", "", "\"\"", "\" \"", "\"a\"b\""] {
            assert_eq!(strong(etag), None, "{etag}");
        }
    }

    #[test]
    fn digests_are_md5s_and_those_of_parts() {
        let md5 = "5d41402abc4b2a76b9719d911017c592";
        assert!(is_digest(md5) && is_digest(&format!("{md5}-12")));
        for other in ["", "abc", "5f1a2b3c-264", &format!("{md5}-"), &format!("{md5}-x"), &format!("{md5}-1-2")] {
            assert!(!is_digest(other), "{other}");
        }
    }

    #[test]
    fn a_quote_or_a_space_would_end_it() {
        assert!(is_opaque("5d41402abc4b2a76b9719d911017c592-12"));
        for text in ["", "a\"b", "a b", "a\n", "é"] {
            assert!(!is_opaque(text), "{text:?}");
        }
    }
}

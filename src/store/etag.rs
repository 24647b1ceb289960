//! ETags (RFC 9110, 8.8.3), as S3 and people write them.

/// Its opaque part: without its quotes, and without the `W/` that a proxy on the way has put before it. S3 has strong
/// ETags only.
pub fn opaque(etag: &str) -> &str {
    let etag = etag.trim();
    let strong = etag.strip_prefix("W/").filter(|rest| rest.starts_with('"')).unwrap_or(etag);
    strong.trim_matches('"')
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
    fn a_quote_or_a_space_would_end_it() {
        assert!(is_opaque("5d41402abc4b2a76b9719d911017c592-12"));
        for text in ["", "a\"b", "a b", "a\n", "é"] {
            assert!(!is_opaque(text), "{text:?}");
        }
    }
}

//! A range that is read is a range: what is put together by it has no gap and no overlap.

use reliable_r2::net::content_range::parse;

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(range) = parse(text) else { return };
    assert!(range.first <= range.last, "{text}");
    assert!(range.complete.is_none_or(|complete| range.last < complete), "{text}");
    let complete = range.complete.map_or("*".to_owned(), |complete| complete.to_string());
    let written = format!("bytes {}-{}/{complete}", range.first, range.last);
    assert_eq!(parse(&written), Some(range), "{text}");
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    assert!(digits(text) >= digits(&written) && !text.contains('+'), "{text}");
}

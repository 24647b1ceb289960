//! The `Content-Range` of a response (RFC 9110, 14.4): which bytes of the whole it holds.

/// Bytes `first..=last` of `complete`, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    pub first: u64,
    pub last: u64,
    pub complete: Option<u64>,
}

/// Reads `bytes 5-9/10` or `bytes 5-9/*`. None for everything else, also for what contradicts itself: bytes must not
/// be put together by a range that cannot be.
pub fn parse(text: &str) -> Option<ContentRange> {
    let (unit, rest) = text.split_once(' ')?;
    let (range, complete) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let complete = if complete == "*" { None } else { Some(digits(complete)?) };
    let found = ContentRange { first: digits(first)?, last: digits(last)?, complete };
    let sound = unit.eq_ignore_ascii_case("bytes")
        && found.first <= found.last
        && found.complete.is_none_or(|complete| found.last < complete);
    sound.then_some(found)
}

/// `u64`'s own parser takes a plus sign, too.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
        let range = |first, last, complete| Some(ContentRange { first, last, complete });
        assert_eq!(parse("bytes 5-9/10"), range(5, 9, Some(10)));
        assert_eq!(parse("Bytes 0-0/*"), range(0, 0, None));
        assert_eq!(parse(&format!("bytes 0-{}/{}", u64::MAX - 1, u64::MAX)), range(0, u64::MAX - 1, Some(u64::MAX)));
    }

    #[test]
    fn nothing_that_contradicts_itself_is_a_range() {
        for text in [
            "",
            "bytes",
            "bytes 5-9",
            "bytes */10",
            "items 5-9/10",
            "bytes 9-5/10",
            "bytes 5-9/9",
            "bytes 5-9/0",
            "bytes +5-9/10",
            "bytes 5-+9/10",
            "bytes 5-9/+10",
            "bytes -5/10",
            "bytes 5-/10",
            "bytes 5-9/",
            "bytes 5-9/ten",
            "bytes  5-9/10",
            "bytes 5-9/18446744073709551616",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

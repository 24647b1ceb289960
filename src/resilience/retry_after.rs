//! The `Retry-After` header: seconds or an HTTP date (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

/// A day: what a server may ask for in earnest. Anything longer still means "not within this call".
const LONGEST: Duration = Duration::from_secs(86_400);

/// How long to wait. A date is measured against the response's own `Date` where it has one, since this
/// machine's clock may be wrong. Nonsense (negative, not a number, a date in the past) counts as absent.
pub fn parse(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    // Of a header: spaces and tabs, no others.
    let trim = |text| str::trim_matches(text, [' ', '\t']);
    let value = trim(value);
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than u64 holds is nonsense, not a long wait.
        let seconds: u64 = value.parse().ok()?;
        return Some(Duration::from_secs(seconds).min(LONGEST)).filter(|wait| !wait.is_zero());
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let now = date.and_then(|date| httpdate::parse_http_date(trim(date)).ok()).unwrap_or(now);
    at.duration_since(now).ok().map(|wait| wait.min(LONGEST)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(value: &str) -> Option<u64> {
        parse(value, None, SystemTime::UNIX_EPOCH).map(|d| d.as_secs())
    }

    #[test]
    fn reads_seconds() {
        assert_eq!(seconds("2"), Some(2));
        assert_eq!(seconds(" 60 "), Some(60));
        assert_eq!(seconds("999999999"), Some(86_400));
    }

    #[test]
    fn nonsense_counts_as_absent() {
        for value in ["", "-1", "nan", "1e309", "99999999999999999999", "0", "1.5", "soon"] {
            assert_eq!(seconds(value), None, "{value}");
        }
    }

    #[test]
    fn dates_are_measured_by_the_servers_clock() {
        let at = "Sun, 06 Nov 1994 08:49:37 GMT";
        let wait = parse(at, Some("Sun, 06 Nov 1994 08:49:30 GMT"), SystemTime::now());
        assert_eq!(wait, Some(Duration::from_secs(7)));
        assert_eq!(parse(at, None, SystemTime::now()), None, "a date in the past");
    }
}

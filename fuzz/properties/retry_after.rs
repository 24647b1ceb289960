//! Whatever a server writes into `Retry-After`, the wait is one that it may ask for.

use std::time::{Duration, SystemTime};

use reliable_r2::resilience::retry_after::parse;

use super::lines;

const DAY: Duration = Duration::from_secs(86_400);

pub fn check(data: &[u8]) {
    let Some([value, date]) = lines(data) else { return };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let wait = parse(value, None, now);
    for found in [wait, parse(value, Some(date), now), parse(value, Some(date), SystemTime::UNIX_EPOCH)] {
        assert!(found.is_none_or(|wait| !wait.is_zero() && wait <= DAY), "{value:?} by {date:?}: {found:?}");
    }
    let trimmed = value.trim_matches([' ', '\t']);
    if let Ok(seconds) = trimmed.parse::<u64>() {
        let plain = trimmed.bytes().all(|b| b.is_ascii_digit());
        let expected = (plain && seconds > 0).then(|| Duration::from_secs(seconds).min(DAY));
        assert_eq!(wait, expected, "{value:?}");
        assert_eq!(parse(value, Some(date), now), wait, "seconds are not measured by a date");
    } else if let Ok(at) = httpdate::parse_http_date(trimmed) {
        assert_eq!(wait.is_some(), at > now, "{value:?}");
        // A date is as far away as the server's own clock says.
        assert_eq!(parse(value, Some(value), now), None, "{value:?} is now");
    } else {
        assert_eq!(wait, None, "{value:?} is nonsense");
    }
}

//! Which of two writes to a key is the newer one (docs/adr/0018).
//!
//! A write takes effect when a server stores it. So one is newer only where it is known to have been stored later: by
//! their writer, which had ended the one before it started the other, or by the primary's clock, where the latest time
//! at which one may have been stored comes before the earliest of the other. When a write started does not count: a slow
//! one may be stored after many that started later.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use crate::error::{Category, Error, Retryability};
use crate::store::clock::TimeRange;
use crate::store::identity::WriteIdentity;
use crate::store::objects::ObjectInfo;

/// The resolution of `Last-Modified`.
const RESOLUTION: Duration = Duration::from_secs(1);
/// Between two times of one server: its machines' clocks differ by less.
const MARGIN: Duration = Duration::from_secs(1);
/// `Last-Modified` of an object in parts may be when its upload began (Amazon S3). An upload that is open for longer is
/// removed by the storage (R2's default).
const LONGEST_MULTIPART: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the primary's object is, seen from a spare's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Of the same write.
    Same,
    Older,
    Newer,
    Unknown,
}

/// How two writes are ordered. Tests show that the other rule loses writes.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OrderRule {
    #[default]
    Identity,
    /// By `Last-Modified` of both endpoints' objects, and equal ETags as the same write.
    LastModified,
}

/// Both endpoints keep what they have, and a person has to say which one counts.
pub(super) fn conflict(detail: impl Into<String>) -> Error {
    Error::new("Conflict", Category::Service, Retryability::Permanent, detail)
}

/// How the primary's object relates to a pending one at a spare, which was stored before `stored_by` by the primary's
/// clock.
pub(super) fn of_primary(primary: &ObjectInfo, pending: &WriteIdentity, stored_by: Option<SystemTime>) -> Order {
    let write = primary.write.as_ref();
    if write.is_some_and(|write| write.id == pending.id) {
        return Order::Same;
    }
    let is_before = |high: Option<SystemTime>, low: Option<SystemTime>| {
        high.zip(low).is_some_and(|(high, low)| high.checked_add(MARGIN).is_some_and(|high| high <= low))
    };
    let starts = write.filter(|write| write.primary == pending.primary).and_then(|write| write.not_before);
    let is_older = write.is_some_and(|write| pending.follows(write))
        || is_before(stored_at_primary_by(primary), pending.not_before);
    let is_newer = write.is_some_and(|write| write.follows(pending)) || is_before(stored_by, starts);
    match (is_older, is_newer) {
        (true, false) => Order::Older,
        (false, true) => Order::Newer,
        // Both: a clock was set.
        _ => Order::Unknown,
    }
}

/// The rule that this module replaced, for the tests that show why.
pub(super) fn by_last_modified(primary: &ObjectInfo, spare: &ObjectInfo) -> Order {
    if primary.etag == spare.etag {
        return Order::Same;
    }
    match primary.last_modified.cmp(&spare.last_modified) {
        Ordering::Less => Order::Older,
        Ordering::Greater => Order::Newer,
        Ordering::Equal => Order::Unknown,
    }
}

/// The latest time at which the primary's object may have been stored, by the primary's clock.
fn stored_at_primary_by(primary: &ObjectInfo) -> Option<SystemTime> {
    // Of a copy it is the time of the copy: still after the write.
    let by_server = primary.last_modified.and_then(|time| time.checked_add(latest_after(primary)));
    let by_copier = primary.write.as_ref().and_then(|write| write.not_after);
    [by_server, by_copier].into_iter().flatten().min()
}

/// The latest time at which a spare's object may have been stored, by the primary's clock. The spare's own clock says
/// how long ago that was.
pub(super) fn stored_at_spare_by(
    info: &ObjectInfo,
    spare_now: Option<TimeRange>,
    primary_now: Option<TimeRange>,
) -> Option<SystemTime> {
    let by_copier = info.write.as_ref().and_then(|write| write.not_after);
    let by_server = || {
        let latest = info.last_modified?.checked_add(latest_after(info))?;
        let age = spare_now?.low.duration_since(latest).unwrap_or_default();
        primary_now?.high.checked_sub(age)
    };
    by_copier.or_else(by_server)
}

/// How long after its `Last-Modified` an object may have been stored.
fn latest_after(info: &ObjectInfo) -> Duration {
    let in_parts = info.etag.as_deref().is_some_and(|etag| etag.contains('-'));
    if in_parts { LONGEST_MULTIPART + RESOLUTION } else { RESOLUTION }
}

/// Whether `other` is to be preferred to `than`, both at spares and found in an outage of the primary.
pub(super) fn is_preferred(other: &ObjectInfo, than: &ObjectInfo) -> bool {
    match (&other.write, &than.write) {
        (Some(other), Some(than)) if other.follows(than) || than.follows(other) => other.follows(than),
        (Some(other), Some(than)) => other.not_before > than.not_before,
        (other, than) => other.is_some() && than.is_none(),
    }
}

/// Sorts objects of one key by the age of their writes, the oldest first, as far as they say it themselves.
pub(super) fn age_key(info: &ObjectInfo) -> impl Ord + use<> {
    info.write.as_ref().map(|write| (write.not_before, write.id.sequence))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::store::identity::{ObjectState, PrimaryId, WriteId};

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn write(writer: u64, sequence: u64, not_before: Option<u64>) -> WriteIdentity {
        WriteIdentity {
            id: WriteId { writer, sequence },
            ended_before: sequence,
            primary: PrimaryId::of("https://a.example", "pictures"),
            not_before: not_before.map(at),
            not_after: None,
            state: ObjectState::Pending,
            copy: None,
        }
    }

    fn object(etag: &str, last_modified: u64, write: Option<WriteIdentity>) -> ObjectInfo {
        ObjectInfo { etag: Some(etag.into()), last_modified: Some(at(last_modified)), write, ..ObjectInfo::default() }
    }

    #[test]
    fn writes_are_ordered_by_when_they_were_stored() {
        let pending = write(1, 5, Some(100));
        let order = |primary: &ObjectInfo, stored_by: Option<u64>| of_primary(primary, &pending, stored_by.map(at));
        let cases = [
            ("the same write", object("a", 500, Some(write(1, 5, Some(100)))), None, Order::Same),
            ("stored before it started", object("a", 98, Some(write(2, 9, Some(90)))), None, Order::Older),
            ("stored by another tool before it started", object("a", 98, None), None, Order::Older),
            ("stored in the second before", object("a", 99, None), None, Order::Unknown),
            ("started before, stored later", object("a", 140, Some(write(2, 9, Some(90)))), None, Order::Unknown),
            ("stored by another tool later", object("a", 500, None), Some(110), Order::Unknown),
            ("started when it was stored", object("a", 500, Some(write(2, 1, Some(111)))), Some(110), Order::Newer),
            ("started too close", object("a", 500, Some(write(2, 1, Some(110)))), Some(110), Order::Unknown),
            ("ended before, by the same writer", object("a", 500, Some(write(1, 4, None))), None, Order::Older),
            (
                "started after its end, by the same writer",
                object("a", 500, Some(write(1, 6, None))),
                None,
                Order::Newer,
            ),
            ("in parts, begun before it started", object("a-2", 90, None), None, Order::Unknown),
            ("in parts, long ago", object("a-2", 100, None), None, Order::Unknown),
        ];
        for (what, primary, stored_by, expected) in cases {
            assert_eq!(order(&primary, stored_by), expected, "{what}");
        }
        let running = WriteIdentity { ended_before: 4, ..write(1, 6, None) };
        assert_eq!(order(&object("a", 500, Some(running)), None), Order::Unknown, "beside each other");
        let copied = WriteIdentity { not_after: Some(at(99)), copy: Some(1), ..write(2, 1, Some(90)) };
        assert_eq!(order(&object("a", 5000, Some(copied)), None), Order::Older, "a copy of an older write");
        let elsewhere = WriteIdentity { primary: PrimaryId::of("https://b.example", "b"), ..write(2, 1, Some(111)) };
        assert_eq!(order(&object("a", 500, Some(elsewhere)), Some(110)), Order::Unknown, "by another server's clock");
        let old = at(100) - LONGEST_MULTIPART - Duration::from_secs(3);
        let in_parts = ObjectInfo { last_modified: Some(old), ..object("a-2", 0, None) };
        assert_eq!(order(&in_parts, None), Order::Older);
    }

    #[test]
    fn a_spare_s_object_is_as_old_as_its_own_clock_says() {
        let range = |low, high| Some(TimeRange { low: at(low), high: at(high) });
        let spare = object("a", 5000, Some(write(1, 1, None)));
        // Stored until 5001, at least 9 s ago.
        assert_eq!(stored_at_spare_by(&spare, range(5010, 5011), range(200, 201)), Some(at(192)));
        assert_eq!(stored_at_spare_by(&spare, range(4990, 4991), range(200, 201)), Some(at(201)), "of the future");
        assert_eq!(stored_at_spare_by(&spare, None, range(200, 201)), None);
        assert_eq!(stored_at_spare_by(&spare, range(5010, 5011), None), None);
        assert_eq!(stored_at_spare_by(&object("a-3", 5000, None), range(5010, 5011), range(200, 201)), Some(at(201)));
    }
}

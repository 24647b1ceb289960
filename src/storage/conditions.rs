//! Which conditions a server checks before it writes or deletes. One that it does not know it ignores, and what must
//! stay would be lost; so it is tried on an object that is there for nothing else (docs/adr/0019).

use bytes::Bytes;

use crate::error::Result;
use crate::store::identity::{self, WriteIdentity};
use crate::store::objects::ObjectRef;
use crate::store::{HeaderValues, ObjectHeader, ObjectHeaders, PutObject, WriteCondition};

/// What a server checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// `If-None-Match: *` and `If-Match` of PutObject.
    pub(super) put_etag: bool,
    /// `If-Unmodified-Since` of PutObject, as R2.
    pub(super) put_time: bool,
    /// `If-Match` of DeleteObject, as Amazon S3.
    pub(super) delete_etag: bool,
    /// `x-amz-if-match-last-modified-time` of DeleteObject, as R2.
    pub(super) delete_time: bool,
}

impl Conditions {
    pub(super) const fn can_delete(self) -> bool {
        self.delete_etag || self.delete_time
    }
}

/// An object without data of a caller's: a text that says what it is for. Each has another, and so another ETag.
pub(super) fn placeholder(
    object: &ObjectRef,
    text: &str,
    write: Option<WriteIdentity>,
    condition: Option<WriteCondition>,
) -> Result<PutObject> {
    let body = format!("{text} ({:016x}{:016x})\n", identity::random()?, identity::random()?);
    Ok(PutObject {
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        body: Bytes::from(body).into(),
        headers: ObjectHeaders {
            content_type: "text/plain".to_owned(),
            values: HeaderValues::from([(ObjectHeader::CacheControl, "no-store".to_owned())]),
            write,
            ..ObjectHeaders::default()
        },
        condition,
        verify_integrity: false,
        progress: None,
    })
}

/// A key that names the same object whatever is between us and the server: others are rewritten on the way by some
/// HTTP stacks, and lead into another bucket.
pub(super) fn is_plain_key(key: &str) -> bool {
    !key.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{BucketName, ObjectKey};

    #[test]
    fn placeholders_differ_and_carry_no_users_data() {
        let object =
            ObjectRef { bucket: BucketName::parse("pictures").expect("a name"), key: ObjectKey::as_listed("a") };
        let one = placeholder(&object, "x", None, None).expect("randomness");
        let other = placeholder(&object, "x", None, None).expect("randomness");
        assert_ne!(one.body.bytes(), other.body.bytes());
        assert_eq!(one.headers.values[&ObjectHeader::CacheControl], "no-store");
    }

    #[test]
    fn keys_with_dot_segments_are_not_plain() {
        for key in [".", "..", "a/../b", "../other/b", "a/.", "./a"] {
            assert!(!is_plain_key(key), "{key}");
        }
        for key in ["a", "a..b", ".a/b", "a/...", "a//b"] {
            assert!(is_plain_key(key), "{key}");
        }
    }
}

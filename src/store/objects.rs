//! Requests and results about objects that are stored already.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::Stream;

use super::identity::{ObjectState, WriteIdentity};
use super::object_header::{self, HeaderValues};
use super::pages::Position;
use super::types::{BucketName, ObjectHeaders, ObjectKey};
use crate::error::Result;
use crate::net::encoded_words;
use crate::secret::Secret;

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    pub bucket: BucketName,
    pub key: ObjectKey,
}

/// What is known of a stored object without its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectInfo {
    pub size: u64,
    /// Without its quotes.
    pub etag: Option<String>,
    pub content_type: Option<String>,
    /// Every other header that is stored with it.
    pub headers: HeaderValues,
    pub last_modified: Option<SystemTime>,
    /// Without the entry of [`Self::write`].
    pub metadata: BTreeMap<String, String>,
    /// Of an object that this package stored. A request stored it if its `ObjectHeaders::write` is equal.
    pub write: Option<WriteIdentity>,
}

impl ObjectInfo {
    /// Whether it is the object of this write. One without an identity may be anybody's.
    pub fn is_of(&self, write: &WriteIdentity) -> bool {
        let is_object = |state| matches!(state, ObjectState::Stored | ObjectState::Pending);
        self.write.as_ref().is_some_and(|there| there.id == write.id && is_object(there.state))
    }

    /// Whether it was stored with these, whichever write did so.
    pub fn has(&self, headers: &ObjectHeaders) -> bool {
        self.content_type.as_ref() == Some(&headers.content_type)
            && object_header::are_equal(&self.headers, &headers.values)
            && meant(&self.metadata) == meant(&headers.metadata)
    }
}

/// Stores write encoded words in ways of their own, and what needs none as it is.
fn meant(metadata: &BTreeMap<String, String>) -> BTreeMap<&str, String> {
    metadata.iter().map(|(name, value)| (name.as_str(), encoded_words::decode(value).trim().to_owned())).collect()
}

/// Which bytes of which object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetRequest {
    pub object: ObjectRef,
    /// The first byte and, if it is not the object's, the last.
    pub range: Option<(u64, Option<u64>)>,
    /// Only if the object has this ETag.
    pub if_match: Option<String>,
}

/// An object whose bytes are still to come.
pub struct StoredObject {
    /// `size` is of the whole, or 0.
    pub info: ObjectInfo,
    /// Whether the response says how large the whole is.
    pub is_whole_known: bool,
    /// The place of the first byte that comes.
    pub at: u64,
    pub bytes: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
}

impl fmt::Debug for StoredObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredObject").field("info", &self.info).field("at", &self.at).finish_non_exhaustive()
    }
}

/// A page of a bucket's objects, in the order of their keys.
#[derive(Debug, Clone)]
pub struct ListRequest {
    pub bucket: BucketName,
    pub prefix: String,
    /// Only keys behind this one.
    pub start_after: Option<String>,
    /// Where the page before ended.
    pub continuation: Option<String>,
    pub page_size: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub size: u64,
    pub etag: Option<String>,
    pub last_modified: Option<SystemTime>,
}

#[derive(Debug, Clone, Default)]
pub struct ListPage {
    pub objects: Vec<ListedObject>,
    /// None on the last page.
    pub continuation: Option<String>,
}

impl ListPage {
    /// Where its last object stands.
    pub fn last(&self) -> Option<Position<'_>> {
        self.objects.last().map(|object| (object.key.as_str(), ""))
    }
}

/// What whoever has the URL may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresignMethod {
    Get,
    Put,
}

impl PresignMethod {
    pub const NAMES: &[&str] = &["GET", "PUT"];

    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "GET" => Some(Self::Get),
            "PUT" => Some(Self::Put),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct PresignRequest {
    pub object: ObjectRef,
    pub method: PresignMethod,
    pub expires_in: Duration,
    /// Signed into a PUT: the sender must send the same. Of a GET: what the response is to say.
    pub content_type: Option<String>,
    /// Of a GET: what the response is to say.
    pub content_disposition: Option<String>,
}

/// A URL that is a key to one object for a while.
#[derive(Debug)]
pub struct Presigned {
    pub url: Secret<String>,
    /// The request must carry these.
    pub headers: BTreeMap<String, String>,
    pub expires_at: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_compared_by_what_it_means() {
        let of = |value: &str| BTreeMap::from([("prompt".to_owned(), value.to_owned())]);
        let there =
            |value| ObjectInfo { content_type: Some("a/b".into()), metadata: of(value), ..ObjectInfo::default() };
        let sent = ObjectHeaders {
            content_type: "a/b".into(),
            metadata: of(&encoded_words::encode("Überraschung  !")),
            ..ObjectHeaders::default()
        };
        assert!(there("=?utf-8?q?=C3=9Cberraschung__!?=").has(&sent), "written in another way");
        assert!(!there("=?utf-8?q?=C3=9Cberraschung?=").has(&sent));
        let plain = ObjectHeaders { metadata: of(&encoded_words::encode("a  b")), ..sent };
        assert!(there("a  b").has(&plain), "written as it is");
    }
}

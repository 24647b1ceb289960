//! The nouns of an object that is sent in parts.

use bytes::Bytes;

use super::objects::ObjectRef;
use super::types::{ObjectHeaders, ProgressSink};

/// An upload that was begun and is neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartUpload {
    pub object: ObjectRef,
    pub upload_id: String,
}

#[derive(Debug, Clone)]
pub struct CreateMultipart {
    pub object: ObjectRef,
    pub headers: ObjectHeaders,
}

#[derive(Debug, Clone)]
pub struct UploadPart {
    pub upload: MultipartUpload,
    /// From 1.
    pub number: u32,
    pub body: Bytes,
    /// Whether the answer's `ETag` must be the MD5 of the part, where it has the form of one.
    pub verify_etag: bool,
    pub progress: Option<ProgressSink>,
}

/// A part that the store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart {
    pub number: u32,
    /// Without its quotes.
    pub etag: String,
}

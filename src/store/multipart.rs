//! Requests and results of an object that is sent in parts.

use std::time::SystemTime;

use super::digest::Payload;
use super::objects::ObjectRef;
use super::pages::Position;
use super::types::{BucketName, ObjectHeaders, ProgressSink};

/// An upload that was begun and is neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartUpload {
    pub object: ObjectRef,
    pub upload_id: String,
    /// Whether it was begun with the promise of a checksum for each part.
    pub has_checksums: bool,
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
    pub body: Payload,
    /// Whether the response's `ETag` must be the MD5 of the part, where it has the form of one.
    pub verify_integrity: bool,
    pub progress: Option<ProgressSink>,
}

/// A part that the store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPart {
    pub number: u32,
    /// Without its quotes.
    pub etag: String,
}

/// A part as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPart {
    pub part: StoredPart,
    /// In bytes.
    pub size: u64,
}

/// A page of an upload's parts, in the order of their numbers.
#[derive(Debug, Clone, Default)]
pub struct PartPage {
    pub parts: Vec<ListedPart>,
    /// The number to continue after; none on the last page.
    pub continuation: Option<String>,
}

/// Which uploads that were neither completed nor aborted.
#[derive(Debug, Clone)]
pub struct ListUploads {
    pub bucket: BucketName,
    pub prefix: String,
    /// Where the page before ended: a key and an upload id.
    pub continuation: Option<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteUpload {
    /// As the store has it: others than we may have begun it.
    pub key: String,
    pub upload_id: String,
    pub initiated: Option<SystemTime>,
}

#[derive(Debug, Clone, Default)]
pub struct UploadPage {
    pub uploads: Vec<IncompleteUpload>,
    /// None on the last page.
    pub continuation: Option<(String, String)>,
}

impl UploadPage {
    /// Where its last upload stands.
    pub fn last(&self) -> Option<Position<'_>> {
        self.uploads.last().map(|upload| (upload.key.as_str(), upload.upload_id.as_str()))
    }

    /// The marker of the next page, in one text.
    pub fn marker(&self) -> Option<String> {
        self.continuation.as_ref().map(|(key, upload_id)| [key, "\0", upload_id].concat())
    }
}

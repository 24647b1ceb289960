//! What is needed to resume an upload in parts after the process has died.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::plan;
use crate::net::limits::MAX_ID_BYTES;
use crate::store::digest::hex;
use crate::store::identity::WriteIdentity;
use crate::store::multipart::{CreateMultipart, MultipartUpload};
use crate::store::objects::ObjectRef;

/// Which upload it is. The parts are the store's to list, and whether they are the source's is seen by their MD5s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub upload_id: String,
    /// Whether each part is to have one.
    pub has_checksums: bool,
    /// All parts but the last must be equal, also those of the next process.
    pub part_bytes: u64,
    /// Of the source, where it is known.
    pub total: Option<u64>,
    /// Of the object's name and headers, which are settled when an upload begins.
    pub fingerprint: String,
    /// What the upload was created with; absent in what an earlier version kept.
    pub write: Option<WriteIdentity>,
}

impl Checkpoint {
    pub fn of(upload: &MultipartUpload, part_bytes: u64, total: Option<u64>, request: &CreateMultipart) -> Self {
        let MultipartUpload { upload_id, has_checksums, .. } = upload;
        let fingerprint = fingerprint(request);
        Self {
            upload_id: upload_id.clone(),
            has_checksums: *has_checksums,
            part_bytes,
            total,
            fingerprint,
            write: request.headers.write.clone(),
        }
    }

    /// The upload that it is of.
    pub fn upload(&self, object: &ObjectRef) -> MultipartUpload {
        MultipartUpload { object: object.clone(), upload_id: self.upload_id.clone(), has_checksums: self.has_checksums }
    }

    /// Whether it is of the same upload of a source of that length. It was kept by somebody else and may have been
    /// harmed: one whose parts no upload could have fits nothing.
    pub fn fits(&self, request: &CreateMultipart, total: Option<u64>) -> bool {
        self.total == total
            && (1..=MAX_ID_BYTES).contains(&self.upload_id.len())
            && plan::is_sound(self.part_bytes, total)
            && self.fingerprint == fingerprint(request)
    }
}

/// The next process's write has another identity, but it is in the same state where it goes to the same endpoint.
fn fingerprint(request: &CreateMultipart) -> String {
    let mut request = request.clone();
    let state = request.headers.write.take().map(|write| write.state);
    hex(&Sha256::digest(format!("{request:?}{state:?}")))
}

/// Is notified of the upload once it has begun.
#[derive(Clone)]
pub struct CheckpointSink(pub Arc<dyn Fn(&Checkpoint) + Send + Sync>);

impl fmt::Debug for CheckpointSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckpointSink")
    }
}

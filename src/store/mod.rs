//! Where bytes go.

pub mod clock;
pub mod digest;
pub mod etag;
pub mod identity;
pub mod multipart;
pub mod object_header;
pub mod objects;
pub mod pages;
pub mod resilient;
pub mod s3;
pub mod types;
mod uri_encoding;

pub use object_header::{HeaderValues, ObjectHeader};
pub use resilient::{EndpointOptions, ResilientStore};
pub use s3::{S3Settings, S3Store};
pub use types::{
    BucketName, ObjectHeaders, ObjectKey, ObjectVersion, Progress, ProgressSink, PutObject, PutOutcome, WriteCondition,
};

use crate::error::Result;
use clock::TimeRange;
use multipart::{CreateMultipart, ListUploads, MultipartUpload, PartPage, StoredPart, UploadPage, UploadPart};
use objects::{GetRequest, ListPage, ListRequest, ObjectInfo, ObjectRef, PresignRequest, Presigned, StoredObject};

/// The operations of a store, each tried once. [`ResilientStore`] adds the retries.
pub trait ObjectStore: Send + Sync {
    /// Stores an object whole, or fails; storing the same bytes twice is the same as once.
    fn put_object(&self, request: &PutObject) -> impl Future<Output = Result<PutOutcome>> + Send;

    /// Begins an upload in parts. Not idempotent: each call begins another.
    fn create_multipart(&self, request: &CreateMultipart) -> impl Future<Output = Result<MultipartUpload>> + Send;

    /// Stores a part; the same part again replaces it.
    fn upload_part(&self, request: &UploadPart) -> impl Future<Output = Result<StoredPart>> + Send;

    /// Makes the object of its parts. Not idempotent: once it is made, the upload is unknown.
    fn complete_multipart(
        &self,
        upload: &MultipartUpload,
        parts: &[StoredPart],
        condition: Option<&WriteCondition>,
    ) -> impl Future<Output = Result<PutOutcome>> + Send;

    /// Removes an upload and its parts; one that is unknown is removed already.
    fn abort_multipart(&self, upload: &MultipartUpload) -> impl Future<Output = Result<()>> + Send;

    /// The parts that an upload has. An unknown upload is an error with the code `NoSuchUpload`.
    fn list_parts(
        &self,
        upload: &MultipartUpload,
        continuation: Option<&str>,
    ) -> impl Future<Output = Result<PartPage>> + Send;

    fn list_uploads(&self, request: &ListUploads) -> impl Future<Output = Result<UploadPage>> + Send;

    /// What is known of an object. One that is not there is an error with the code `NotFound`.
    fn head_object(&self, object: &ObjectRef) -> impl Future<Output = Result<ObjectInfo>> + Send;

    /// Opens an object for reading, or a range of it. One that is not there is an error as of
    /// [`Self::head_object`], one of another ETag than asked for has the status 412.
    fn get_object(&self, request: &GetRequest) -> impl Future<Output = Result<StoredObject>> + Send;

    /// Removes an object; one that is not there is removed already.
    fn delete_object(&self, object: &ObjectRef) -> impl Future<Output = Result<()>> + Send;

    /// Removes this version of an object. Where another one is there, or none, the error has the status 412 or 404. A
    /// server may ignore conditions that it does not know: find out first.
    fn delete_version(&self, object: &ObjectRef, version: &ObjectVersion) -> impl Future<Output = Result<()>> + Send;

    fn list_objects(&self, request: &ListRequest) -> impl Future<Output = Result<ListPage>> + Send;

    /// The server's time, as far as its responses have shown it. Sends nothing.
    fn server_time(&self) -> Option<TimeRange> {
        None
    }

    /// A URL that lets whoever has it do one thing with one object. Sends nothing.
    fn presign(&self, request: &PresignRequest) -> impl Future<Output = Result<Presigned>> + Send;
}

//! Where bytes go.

pub mod objects;
pub mod resilient;
pub mod s3;
mod s3_error;
mod s3_http;
mod s3_objects;
pub mod types;

pub use resilient::ResilientStore;
pub use s3::{S3Settings, S3Store};
pub use types::{BucketName, ObjectHeaders, ObjectKey, ProgressSink, PutObject, PutOutcome};

use crate::error::Result;
use objects::{ListPage, ListRequest, ObjectInfo, ObjectRef, PresignRequest, Presigned};

/// The verbs of a store, each tried once. [`ResilientStore`] adds the retries.
pub trait ObjectStore: Send + Sync {
    /// Stores an object whole, or fails; storing the same bytes twice is the same as once.
    fn put_object(&self, request: &PutObject) -> impl Future<Output = Result<PutOutcome>> + Send;

    /// What is known of an object. One that is not there is an error with the code `NotFound`.
    fn head_object(&self, object: &ObjectRef) -> impl Future<Output = Result<ObjectInfo>> + Send;

    /// Removes an object; one that is not there is removed already.
    fn delete_object(&self, object: &ObjectRef) -> impl Future<Output = Result<()>> + Send;

    fn list_objects(&self, request: &ListRequest) -> impl Future<Output = Result<ListPage>> + Send;

    /// A URL that lets whoever has it do one thing with one object. Sends nothing.
    fn presign(&self, request: &PresignRequest) -> impl Future<Output = Result<Presigned>> + Send;
}

//! Where bytes go.

pub mod resilient;
pub mod s3;
mod s3_error;
mod s3_http;
pub mod types;

pub use resilient::ResilientStore;
pub use s3::{S3Settings, S3Store};
pub use types::{BucketName, ObjectHeaders, ObjectKey, ProgressSink, PutObject, PutOutcome};

use crate::error::Result;

/// The verbs of a store, each tried once. [`ResilientStore`] adds the retries.
pub trait ObjectStore: Send + Sync {
    /// Stores an object whole, or fails; storing the same bytes twice is the same as once.
    fn put_object(&self, request: &PutObject) -> impl Future<Output = Result<PutOutcome>> + Send;
}

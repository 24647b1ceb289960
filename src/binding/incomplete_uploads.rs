//! The removal of uploads that nobody will finish, as JavaScript sees it.

use std::sync::Arc;

use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder, Either};
use napi::{Env, Result};
use napi_derive::napi;

use super::failure::{NativeFailure, outcome};
use super::object_info::since_epoch_ms;
use super::operation::NativeOperation;
use super::options::NativeRetryOptions;
use super::storage::NativeStorage;
use crate::storage::incomplete_uploads::{AbortIncompleteUploadsOptions, AbortedUploads};
use crate::store::multipart::IncompleteUpload;

#[napi(object, object_to_js = false)]
pub struct NativeAbortUploadsOptions {
    pub prefix: Option<String>,
    pub bucket: Option<String>,
    /// Since the epoch.
    pub older_than_ms: Option<f64>,
    pub retry: Option<NativeRetryOptions>,
}

impl From<NativeAbortUploadsOptions> for AbortIncompleteUploadsOptions {
    fn from(options: NativeAbortUploadsOptions) -> Self {
        Self {
            prefix: options.prefix,
            bucket: options.bucket,
            older_than_ms: options.older_than_ms,
            retry: options.retry.map(Into::into),
        }
    }
}

#[napi(object)]
pub struct NativeIncompleteUpload {
    pub key: String,
    pub upload_id: String,
    pub initiated_ms: Option<f64>,
}

impl From<IncompleteUpload> for NativeIncompleteUpload {
    fn from(upload: IncompleteUpload) -> Self {
        Self { key: upload.key, upload_id: upload.upload_id, initiated_ms: upload.initiated.map(since_epoch_ms) }
    }
}

#[napi(object)]
pub struct NativeAbortedUploads {
    pub removed: Vec<NativeIncompleteUpload>,
    pub kept: u32,
    pub attempts: u32,
}

impl From<AbortedUploads> for NativeAbortedUploads {
    fn from(cleaned: AbortedUploads) -> Self {
        let removed = cleaned.removed.into_iter().map(Into::into).collect();
        Self { removed, kept: cleaned.kept, attempts: cleaned.attempts }
    }
}

#[napi]
impl NativeStorage {
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeAbortedUploads>")]
    pub fn abort_incomplete_uploads(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeAbortUploadsOptions,
    ) -> Result<AsyncBlock<Either<NativeFailure, NativeAbortedUploads>>> {
        let (storage, call) = (Arc::clone(&self.inner), self.call(operation));
        AsyncBlockBuilder::new(async move { Ok(outcome(storage.abort_incomplete_uploads(options.into(), call).await)) })
            .build(env)
    }
}

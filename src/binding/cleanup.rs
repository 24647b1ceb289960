//! The removal of uploads that nobody will finish, as JavaScript sees it.

use std::sync::Arc;

use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder, Either};
use napi::{Env, Result};
use napi_derive::napi;

use super::failure::{NativeFailure, outcome};
use super::objects::since_epoch_ms;
use super::operation::NativeOperation;
use super::options::NativeRetryOptions;
use super::storage::NativeStorage;
use crate::storage::cleanup::{Cleaned, CleanupOptions};
use crate::store::multipart::OpenUpload;

#[napi(object, object_to_js = false)]
pub struct NativeCleanupOptions {
    pub prefix: Option<String>,
    pub bucket: Option<String>,
    /// Since the epoch.
    pub older_than_ms: Option<f64>,
    pub retry: Option<NativeRetryOptions>,
}

impl From<NativeCleanupOptions> for CleanupOptions {
    fn from(options: NativeCleanupOptions) -> Self {
        Self {
            prefix: options.prefix,
            bucket: options.bucket,
            older_than_ms: options.older_than_ms,
            retry: options.retry.map(Into::into),
        }
    }
}

#[napi(object)]
pub struct NativeOpenUpload {
    pub key: String,
    pub upload_id: String,
    pub initiated_ms: Option<f64>,
}

impl From<OpenUpload> for NativeOpenUpload {
    fn from(upload: OpenUpload) -> Self {
        Self { key: upload.key, upload_id: upload.upload_id, initiated_ms: upload.initiated.map(since_epoch_ms) }
    }
}

#[napi(object)]
pub struct NativeCleaned {
    pub removed: Vec<NativeOpenUpload>,
    pub kept: u32,
    pub attempts: u32,
}

impl From<Cleaned> for NativeCleaned {
    fn from(cleaned: Cleaned) -> Self {
        let removed = cleaned.removed.into_iter().map(Into::into).collect();
        Self { removed, kept: cleaned.kept, attempts: cleaned.attempts }
    }
}

#[napi]
impl NativeStorage {
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeCleaned>")]
    pub fn cleanup(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeCleanupOptions,
    ) -> Result<AsyncBlock<Either<NativeFailure, NativeCleaned>>> {
        let (storage, call) = (Arc::clone(&self.inner), self.call(operation));
        AsyncBlockBuilder::new(async move { Ok(outcome(storage.cleanup(options.into(), call).await)) }).build(env)
    }
}

//! The calls about objects that are stored already, as JavaScript sees them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder, Either};
use napi::{Env, Result};
use napi_derive::napi;

use super::download::NativeDownload;
use super::failure::{NativeFailure, milliseconds, outcome};
use super::object_info::{NativeObjectInfo, number, since_epoch_ms};
use super::operation::NativeOperation;
use super::options::NativeRetryOptions;
use super::storage::NativeStorage;
use crate::storage::ObjectOptions;
use crate::storage::download::RangeOptions;
use crate::storage::objects::{Found, ListOptions, PresignOptions};
use crate::store::objects::{ListPage, ListedObject, Presigned};
use crate::store::pages::Pages;

#[napi(object, object_to_js = false)]
pub struct NativeObjectOptions {
    pub key: String,
    pub bucket: Option<String>,
    pub retry: Option<NativeRetryOptions>,
}

impl From<NativeObjectOptions> for ObjectOptions {
    fn from(options: NativeObjectOptions) -> Self {
        Self { key: options.key, bucket: options.bucket, retry: options.retry.map(Into::into), ..Self::default() }
    }
}

#[napi(object, object_to_js = false)]
pub struct NativeListOptions {
    pub prefix: Option<String>,
    pub start_after: Option<String>,
    pub continuation: Option<String>,
    pub page_size: Option<f64>,
    pub bucket: Option<String>,
    pub retry: Option<NativeRetryOptions>,
}

impl From<NativeListOptions> for ListOptions {
    fn from(options: NativeListOptions) -> Self {
        Self {
            prefix: options.prefix,
            start_after: options.start_after,
            continuation: options.continuation,
            page_size: options.page_size,
            bucket: options.bucket,
            retry: options.retry.map(Into::into),
        }
    }
}

/// What is known of the pages of one list while it is read.
#[napi]
#[derive(Default)]
pub struct NativePages(Arc<Mutex<Pages>>);

#[napi]
impl NativePages {
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }
}

#[napi(object, object_to_js = false)]
pub struct NativePresignOptions {
    pub key: String,
    pub bucket: Option<String>,
    pub method: Option<String>,
    pub expires_in_seconds: Option<f64>,
    pub content_type: Option<String>,
    pub content_disposition: Option<String>,
}

impl From<NativePresignOptions> for PresignOptions {
    fn from(options: NativePresignOptions) -> Self {
        Self {
            key: options.key,
            bucket: options.bucket,
            method: options.method,
            expires_in_seconds: options.expires_in_seconds,
            content_type: options.content_type,
            content_disposition: options.content_disposition,
        }
    }
}

/// The places of the first byte and the last.
#[napi(object, object_to_js = false)]
pub struct NativeRange {
    pub start: Option<f64>,
    pub end: Option<f64>,
}

#[napi(object, object_to_js = false)]
pub struct NativeDownloadOptions {
    pub key: String,
    pub bucket: Option<String>,
    pub range: Option<NativeRange>,
    pub verify_integrity: Option<bool>,
    pub retry: Option<NativeRetryOptions>,
}

#[napi(object)]
pub struct NativeDeletion {
    pub bucket: String,
    pub attempts: u32,
    pub elapsed_ms: f64,
}

impl From<Found<()>> for NativeDeletion {
    fn from(found: Found<()>) -> Self {
        Self { bucket: found.bucket, attempts: found.attempts, elapsed_ms: milliseconds(found.elapsed) }
    }
}

#[napi(object)]
pub struct NativeListedObject {
    pub key: String,
    pub size: f64,
    pub etag: Option<String>,
    pub last_modified_ms: Option<f64>,
}

impl From<ListedObject> for NativeListedObject {
    fn from(object: ListedObject) -> Self {
        Self {
            key: object.key,
            size: number(object.size),
            etag: object.etag,
            last_modified_ms: object.last_modified.map(since_epoch_ms),
        }
    }
}

#[napi(object)]
pub struct NativeListPage {
    pub objects: Vec<NativeListedObject>,
    pub continuation: Option<String>,
}

impl From<ListPage> for NativeListPage {
    fn from(page: ListPage) -> Self {
        Self { objects: page.objects.into_iter().map(Into::into).collect(), continuation: page.continuation }
    }
}

#[napi(object)]
pub struct NativePresigned {
    pub url: String,
    pub headers: HashMap<String, String>,
    pub expires_at_ms: f64,
}

impl From<Presigned> for NativePresigned {
    fn from(presigned: Presigned) -> Self {
        Self {
            url: presigned.url.expose().clone(),
            headers: presigned.headers.into_iter().collect(),
            expires_at_ms: since_epoch_ms(presigned.expires_at),
        }
    }
}

#[napi]
impl NativeStorage {
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeObjectInfo>")]
    pub fn head(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeObjectOptions,
    ) -> Result<AsyncBlock<Either<NativeFailure, NativeObjectInfo>>> {
        let (storage, call) = (Arc::clone(&self.inner), self.call(operation));
        AsyncBlockBuilder::new(async move { Ok(outcome(storage.head(options.into(), call).await)) }).build(env)
    }

    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeDownload>")]
    pub fn download(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeDownloadOptions,
    ) -> Result<AsyncBlock<Either<NativeFailure, NativeDownload>>> {
        let (storage, call) = (Arc::clone(&self.inner), self.call(operation));
        let range = options
            .range
            .map_or_else(RangeOptions::default, |range| RangeOptions { start: range.start, end: range.end });
        let options = ObjectOptions {
            key: options.key,
            bucket: options.bucket,
            verify_integrity: options.verify_integrity,
            retry: options.retry.map(Into::into),
            ..ObjectOptions::default()
        };
        AsyncBlockBuilder::new(async move { Ok(outcome(storage.download(options, range, call).await)) }).build(env)
    }

    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeDeletion>")]
    pub fn delete(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeObjectOptions,
    ) -> Result<AsyncBlock<Either<NativeFailure, NativeDeletion>>> {
        let (storage, call) = (Arc::clone(&self.inner), self.call(operation));
        AsyncBlockBuilder::new(async move { Ok(outcome(storage.delete(options.into(), call).await)) }).build(env)
    }

    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeListPage>")]
    pub fn list(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeListOptions,
        pages: &NativePages,
    ) -> Result<AsyncBlock<Either<NativeFailure, NativeListPage>>> {
        let (storage, call, pages) = (Arc::clone(&self.inner), self.call(operation), Arc::clone(&pages.0));
        AsyncBlockBuilder::new(async move { Ok(outcome(storage.list(options.into(), &pages, call).await)) }).build(env)
    }

    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativePresigned>")]
    pub fn presign(
        &self,
        env: &Env,
        options: NativePresignOptions,
    ) -> Result<AsyncBlock<Either<NativeFailure, NativePresigned>>> {
        let storage = Arc::clone(&self.inner);
        AsyncBlockBuilder::new(async move { Ok(outcome(storage.presign(options.into()).await)) }).build(env)
    }

    #[napi(catch_unwind)]
    pub fn public_url(&self, key: String, bucket: Option<String>) -> Either<NativeFailure, String> {
        outcome(self.inner.public_url(&key, bucket.as_deref()))
    }
}

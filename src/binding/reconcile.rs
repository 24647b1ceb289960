//! Objects that another endpoint took, brought back, as JavaScript sees it.

use std::sync::Arc;

use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder, Either};
use napi::{Env, Result};
use napi_derive::napi;

use super::failure::{NativeFailure, outcome};
use super::operation::NativeOperation;
use super::options::NativeRetryOptions;
use super::storage::NativeStorage;
use crate::storage::reconcile::{ReconcileOptions, Reconciled};

#[napi(object, object_to_js = false)]
pub struct NativeReconcileOptions {
    pub prefix: Option<String>,
    pub keep: Option<bool>,
    pub retry: Option<NativeRetryOptions>,
}

impl From<NativeReconcileOptions> for ReconcileOptions {
    fn from(options: NativeReconcileOptions) -> Self {
        Self {
            prefix: options.prefix,
            keep: options.keep.unwrap_or(false),
            retry: options.retry.map(Into::into),
            ..Self::default()
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct NativeReconciled {
    pub copied: Vec<String>,
    pub superseded: Vec<String>,
    /// With their keys.
    pub failed: Vec<NativeFailure>,
}

impl From<Reconciled> for NativeReconciled {
    fn from(reconciled: Reconciled) -> Self {
        let failure =
            |(key, error): (String, crate::error::Error)| error.with(|failure| failure.key = Some(key)).into();
        Self {
            copied: reconciled.copied,
            superseded: reconciled.superseded,
            failed: reconciled.failed.into_iter().map(failure).collect(),
        }
    }
}

#[napi]
impl NativeStorage {
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeReconciled>")]
    pub fn reconcile(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeReconcileOptions,
    ) -> Result<AsyncBlock<Either<NativeFailure, NativeReconciled>>> {
        let (storage, call) = (Arc::clone(&self.inner), self.call(operation));
        AsyncBlockBuilder::new(async move { Ok(outcome(storage.reconcile(options.into(), call).await)) }).build(env)
    }
}

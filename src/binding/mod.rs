//! The N-API boundary to Node: the only `#[napi]` in the crate.
//!
//! Rules that keep it memory-safe, each learnt from a crash: no `async fn(&self)`, no JavaScript buffer held
//! across an await (a sync function copies the bytes, clones the `Arc`s and gives an `AsyncBlock`), a panic
//! is caught on every synchronous export. Failures cross as values; `lib/errors.js` makes the errors.

#![expect(
    missing_debug_implementations,
    reason = "what crosses the N-API boundary may hold secrets; it is never printed"
)]

mod current_thread;
pub mod download;
pub mod events;
pub mod failure;
pub mod incomplete_uploads;
pub mod metrics;
pub mod object_info;
pub mod objects;
pub mod operation;
pub mod options;
pub mod receipt;
pub mod reconcile;
pub mod retry;
mod runtime;
pub mod source;
pub mod status;
pub mod storage;
mod upload_results;

use napi_derive::napi;

#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The codes that are ours, for the types and the documents to be checked against.
#[napi(catch_unwind)]
pub fn error_codes() -> Vec<String> {
    crate::error::code::ALL.iter().map(|&code| code.to_owned()).collect()
}

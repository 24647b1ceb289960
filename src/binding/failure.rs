//! Errors as values: JavaScript distinguishes them from results by `isFailure`.

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use serde::Serialize;

use crate::error::{self, Category, Error, Retryability};

#[napi(object)]
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeFailure {
    #[napi(ts_type = "true")]
    pub is_failure: bool,
    pub code: String,
    pub category: String,
    pub message: String,
    pub user_message: String,
    pub retryable: bool,
    pub attempts: u32,
    pub elapsed_ms: f64,
    pub operation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    pub causes: Vec<String>,
}

impl From<Error> for NativeFailure {
    fn from(error: Error) -> Self {
        Self {
            is_failure: true,
            code: error.code.to_string(),
            category: error.category.as_str().to_owned(),
            message: error.to_string(),
            user_message: error.user_message().to_owned(),
            retryable: error.retryability != Retryability::Permanent,
            attempts: error.attempts,
            elapsed_ms: milliseconds(error.elapsed),
            operation: error.operation.map_or("", |operation| operation.as_str()).to_owned(),
            key: error.key.clone(),
            status: error.status,
            request_id: error.request_id.clone(),
            host: error.host.clone(),
            retry_after_ms: error.retry_after.map(milliseconds),
            option: error.option.clone(),
            causes: error.causes(),
        }
    }
}

/// A result, as JavaScript gets it.
pub(super) fn outcome<T, N: From<T>>(result: error::Result<T>) -> Either<NativeFailure, N> {
    match result {
        Ok(value) => Either::B(value.into()),
        Err(error) => Either::A(error.into()),
    }
}

/// JavaScript's number; a duration of a call is far below where it loses milliseconds.
pub(super) fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round()
}

/// The sentence for the user of failures that JavaScript itself finds.
#[napi(catch_unwind)]
pub fn user_message(category: String, code: String) -> String {
    let category = Category::parse(&category).unwrap_or(Category::Internal);
    error::user_message(category, &code).to_owned()
}

//! What an upload resolves to.

use serde::Serialize;

use super::failure::milliseconds;
use crate::transfer::Receipt;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NativeReceipt {
    pub endpoint: String,
    pub failed_over: bool,
    pub location: String,
    pub bucket: String,
    pub key: String,
    pub filename: String,
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    pub size: f64,
    pub content_type: String,
    pub attempts: u32,
    pub parts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_parts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    pub elapsed_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_by_head: Option<bool>,
}

impl From<Receipt> for NativeReceipt {
    #[expect(clippy::cast_precision_loss, reason = "objects end at 5 TiB, far below 2^53")]
    fn from(receipt: Receipt) -> Self {
        Self {
            endpoint: receipt.endpoint,
            failed_over: receipt.failed_over,
            location: receipt.location,
            bucket: receipt.bucket,
            key: receipt.key,
            filename: receipt.filename,
            url: receipt.url,
            etag: receipt.etag,
            size: receipt.size as f64,
            content_type: receipt.content_type,
            attempts: receipt.attempts,
            parts: receipt.parts,
            resumed_parts: receipt.resumed_parts,
            sha256: receipt.sha256,
            content_encoding: receipt.content_encoding,
            elapsed_ms: milliseconds(receipt.elapsed),
            request_id: receipt.request_id,
            settled_by_head: receipt.settled_by_head.then_some(true),
        }
    }
}

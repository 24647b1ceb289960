//! What is known of a stored object, as JavaScript gets it.

use std::time::{SystemTime, UNIX_EPOCH};

use napi_derive::napi;

use super::failure::milliseconds;
use crate::storage::objects::Found;
use crate::store::object_header::{HeaderValues, ObjectHeader, ROWS, Row};
use crate::store::objects::ObjectInfo;

#[napi(object)]
pub struct NativeObjectInfo {
    pub endpoint: String,
    pub failed_over: bool,
    pub bucket: String,
    pub size: f64,
    pub etag: Option<String>,
    pub content_type: Option<String>,
    /// Every other header, as names of options and values.
    pub headers: Vec<Vec<String>>,
    pub last_modified_ms: Option<f64>,
    /// Names and values. An object made here would lose the name `__proto__`.
    pub metadata: Vec<Vec<String>>,
    pub attempts: u32,
    pub elapsed_ms: f64,
}

impl From<Found<ObjectInfo>> for NativeObjectInfo {
    fn from(found: Found<ObjectInfo>) -> Self {
        let info = found.value;
        Self {
            endpoint: found.endpoint,
            failed_over: found.failed_over,
            bucket: found.bucket,
            size: number(info.size),
            etag: info.etag,
            content_type: info.content_type,
            headers: named(&info.headers),
            last_modified_ms: info.last_modified.map(since_epoch_ms),
            metadata: info.metadata.into_iter().map(|(name, value)| vec![name, value]).collect(),
            attempts: found.attempts,
            elapsed_ms: milliseconds(found.elapsed),
        }
    }
}

fn named(headers: &HeaderValues) -> Vec<Vec<String>> {
    let present = ROWS.iter().filter_map(|row| Some(vec![row.option.to_owned(), headers.get(&row.header)?.clone()]));
    present.collect()
}

/// An option that becomes a header of an object.
#[napi(object)]
pub struct NativeObjectHeader {
    pub option: String,
    /// Whether its value is an HTTP date.
    pub is_date: bool,
}

#[napi(catch_unwind)]
pub fn object_headers() -> Vec<NativeObjectHeader> {
    let row =
        |row: &Row| NativeObjectHeader { option: row.option.to_owned(), is_date: row.header == ObjectHeader::Expires };
    ROWS.iter().map(row).collect()
}

/// The millisecond that it is in, as JavaScript counts: the nearest one may be later than it is.
pub(super) fn since_epoch_ms(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    number(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "objects end at 5 TiB, far below 2^53")]
pub(super) const fn number(bytes: u64) -> f64 {
    bytes as f64
}

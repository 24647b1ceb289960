//! What a caller gets for a stored object.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Scheme, host and port of the S3 endpoint that has it.
    pub endpoint: String,
    /// Whether that is another than the primary.
    pub failed_over: bool,
    /// The object's address there.
    pub location: String,
    pub bucket: String,
    pub key: String,
    /// The key's last segment.
    pub filename: String,
    /// Under the public domain where one is set, else `location`.
    pub url: String,
    pub etag: Option<String>,
    pub size: u64,
    pub content_type: String,
    /// The first included; of an object in parts, those of the part that took most.
    pub attempts: u32,
    /// Requests that the bytes were sent in.
    pub parts: u32,
    /// Those of them that an earlier process had sent, where there was a checkpoint.
    pub resumed_parts: Option<u32>,
    /// Of the stored bytes, where it was asked for.
    pub sha256: Option<String>,
    /// How the stored bytes are compressed, if we compressed them.
    pub content_encoding: Option<String>,
    pub elapsed: Duration,
    pub request_id: Option<String>,
    /// Whether no response said that it is stored, but a look at what is.
    pub confirmed_by_head: bool,
}

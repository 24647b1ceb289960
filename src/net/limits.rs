//! How much a server, a source or a reader may decide: the limits of every call, in one place.
//!
//! A slow but honest transfer reaches none of them. Time is bounded by the retry policy (`resilience::preset`) and by
//! `storage::config`; what is here bounds everything that time alone does not. docs/limits.md shows these numbers, and a
//! test compares them.

use std::time::Duration;

use thiserror::Error;

/// Headers in the head of one response. R2 stores 8 KiB of metadata, which can be several hundred entries.
pub const MAX_RESPONSE_HEADERS: usize = 500;
/// The head of a response of this size is accepted.
pub const MAX_RESPONSE_HEAD_BYTES: usize = 64 * 1024;
/// What the HTTP parser buffers while it searches for the end of a head: more than the largest head that is accepted.
pub const HTTP_BUFFER_BYTES: usize = 2 * MAX_RESPONSE_HEAD_BYTES;
/// Interim responses (1xx) before the final one. None of our requests asks for one.
pub const MAX_INTERIM_RESPONSES: u32 = 100;

/// The body of an error, and of a success that carries no list. S3's are a few hundred bytes.
pub const MAX_SMALL_BODY_BYTES: usize = 64 * 1024;
/// The XML of a page of 1000 objects: keys of 1024 bytes, each written as `%00` or as an XML entity, fit.
pub const MAX_LIST_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Pages in a row that bring nothing new. Servers may send empty pages (behind deleted objects), but not for ever.
pub const MAX_PAGES_WITHOUT_PROGRESS: u32 = 100;

/// The id of an upload, and the marker of a page: servers choose them, and requests repeat them in their URLs.
pub const MAX_ID_BYTES: usize = 4 * 1024;

/// Parts of one upload, as S3 and R2 number them.
pub const MAX_PARTS: usize = 10_000;

/// Redirects of one download.
pub const MAX_REDIRECTS: usize = 5;

/// Restarts of one download, and one more for each [`BYTES_PER_RESTART`]: a source that breaks off again and again,
/// with a little progress each time, ends.
pub const MAX_RESTARTS: u64 = 100;
pub const BYTES_PER_RESTART: u64 = 8 * 1024 * 1024;

/// Chunks of a body that are smaller than this cost more than they bring.
pub const SMALL_CHUNK_BYTES: usize = 512;
/// So many small chunks are read at once ...
pub const SMALL_CHUNK_BURST: u32 = 10_000;
/// ... and then so many each second: a few percent of a processor. A server that sends more is read more slowly.
pub const SMALL_CHUNKS_PER_SECOND: u32 = 10_000;

/// A lookup of a name that has not ended by then has failed.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(10);
/// Threads of each resolver that asks the system: for the names of one endpoint, or of hosts that are allowed by name.
pub const MAX_SYSTEM_LOOKUPS: usize = 16;
/// Lookups of names from outside at once, in one storage. They take a few hundred bytes each, and no thread.
pub const MAX_PUBLIC_LOOKUPS: usize = 4096;

/// A download's connection goes to another request that waits for one, if its reader has paused for so long.
pub const READER_PAUSE: Duration = Duration::from_millis(250);
/// How long a connection that was closed on purpose still counts.
pub const CLOSING: Duration = Duration::from_millis(100);

/// The longest `Retry-After` that a call without a deadline waits for. A longer one ends the call.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// A limit that a server or a source has exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} exceeds the limit of {limit}")]
pub struct LimitExceeded {
    /// What was counted, with what was seen of it.
    pub what: &'static str,
    /// With its unit.
    pub limit: String,
}

impl LimitExceeded {
    pub fn interim_responses() -> Self {
        Self {
            what: "the number of interim (1xx) responses before a response",
            limit: MAX_INTERIM_RESPONSES.to_string(),
        }
    }

    pub fn body(limit_bytes: usize) -> Self {
        Self {
            what: "the body of a response that should be a short XML document",
            limit: format!("{limit_bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../docs/limits.md");

    /// That the row of the page which begins with `name` says `limit`.
    fn says(name: &str, limit: &str) {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| {name}"))).unwrap_or_default();
        assert!(row.contains(limit), "docs/limits.md, {name}: {limit} expected in {row:?}");
    }

    #[test]
    fn the_page_says_what_holds() {
        says("headers of a response", &format!("{MAX_RESPONSE_HEADERS}, and {} KiB", MAX_RESPONSE_HEAD_BYTES / 1024));
        says("interim", &format!("| {MAX_INTERIM_RESPONSES} |"));
        says("body of an error", &format!("{} KiB", MAX_SMALL_BODY_BYTES / 1024));
        says("XML of a list", &format!("{} MiB", MAX_LIST_BODY_BYTES / 1024 / 1024));
        says("pages of a list", &format!("| {MAX_PAGES_WITHOUT_PROGRESS};"));
        says("the id of an upload", &format!("{} KiB", MAX_ID_BYTES / 1024));
        says("parts of an upload", &format!("| {MAX_PARTS} |"));
        says("redirects", &format!("| {MAX_REDIRECTS} |"));
        says("restarts", &format!("| {MAX_RESTARTS}, and one more for each {} MiB", BYTES_PER_RESTART / 1024 / 1024));
        says(
            &format!("chunks of less than {SMALL_CHUNK_BYTES} bytes"),
            &format!("{SMALL_CHUNK_BURST} at once, then {SMALL_CHUNKS_PER_SECOND} a second"),
        );
        says("`Retry-After`", &format!("{} s", MAX_RETRY_AFTER.as_secs()));
        says("one lookup", &format!("{} s", DNS_TIMEOUT.as_secs()));
        let text = PAGE.replace('\n', " ");
        for part in [
            format!("at most {MAX_SYSTEM_LOOKUPS} threads"),
            format!("at most {MAX_PUBLIC_LOOKUPS} at once"),
            format!("pauses for {} ms", READER_PAUSE.as_millis()),
        ] {
            assert!(text.contains(&part), "docs/limits.md: {part}");
        }
    }
}

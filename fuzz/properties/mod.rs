//! What must hold for any input whatever. Each `check` reads an input out of bytes and panics where a property does not
//! hold: libFuzzer searches for such inputs (`npm run task fuzz`), `tests/corpus.rs` tries those that are kept.

pub mod checkpoint;
pub mod content_range;
pub mod etag;
pub mod key;
pub mod metadata;
pub mod retry_after;
pub mod s3_error;
pub mod url_guard;

/// The name of a corpus and what must hold for each input of it.
pub type Property = (&'static str, fn(&[u8]));

pub const ALL: &[Property] = &[
    ("checkpoint", checkpoint::check),
    ("content_range", content_range::check),
    ("etag", etag::check),
    ("key", key::check),
    ("metadata", metadata::check),
    ("retry_after", retry_after::check),
    ("s3_error", s3_error::check),
    ("url_guard", url_guard::check),
];

/// The fields of an input, one a line; what is missing is empty. Half the work of reading a corpus is seeing what is
/// in it.
pub fn lines<const N: usize>(data: &[u8]) -> Option<[&str; N]> {
    let mut lines = std::str::from_utf8(data).ok()?.splitn(N, '\n');
    Some(std::array::from_fn(|_| lines.next().unwrap_or_default()))
}

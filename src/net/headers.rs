//! Headers of answers.

use http::header::{AsHeaderName, HeaderMap};

/// A header's value, if it is there and text.
pub fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

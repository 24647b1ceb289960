//! Where bytes come from.

pub mod buffers;
pub mod channel;
pub mod chunks;
pub mod file;
pub mod http;
pub mod resume;
pub mod url_guard;
pub mod version;

pub use http::{HttpDownload, HttpSource, SourceRequest};
pub use url_guard::GuardPolicy;

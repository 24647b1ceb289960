//! Where bytes come from.

pub mod buffers;
pub mod channel;
pub mod chunks;
pub mod file;
pub mod http;
mod http_client;
pub mod idle;
pub mod least;
pub mod resume;
mod small_chunks;
pub mod url_guard;
pub mod version;

pub use http::{HttpDownload, SourceRequest};
pub use http_client::HttpSource;
pub use url_guard::GuardPolicy;

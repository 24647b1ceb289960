//! Where bytes come from.

pub mod channel;
pub mod chunks;
pub mod http;
pub mod url_guard;

pub use http::{HttpSource, SourceRequest};
pub use url_guard::GuardPolicy;

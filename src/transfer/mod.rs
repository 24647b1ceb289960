//! One object, moved whole.

pub mod content_type;
pub mod download;
pub mod multipart;
pub mod plan;
pub mod receipt;
pub mod single;

pub use receipt::Receipt;

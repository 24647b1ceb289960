//! One object, moved whole.

pub mod checkpoint;
pub mod compress;
pub mod containers;
pub mod content_type;
pub mod declared_type;
pub mod download;
pub mod hashed;
pub mod media_type;
pub mod multipart;
pub mod plan;
pub mod receipt;
pub mod single;

pub use receipt::Receipt;

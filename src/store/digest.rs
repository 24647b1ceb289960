//! MD5, which is what ETags are made of.

use bytes::Bytes;
use md5::{Digest, Md5};

/// The MD5 of a body, computed beside the upload rather than before or after it.
#[derive(Debug)]
pub enum BodyDigest {
    Ready(String),
    Running(tokio::task::JoinHandle<String>),
}

impl BodyDigest {
    /// Below this, handing the work to another thread costs more than the work.
    const INLINE_BYTES: usize = 64 * 1024;

    pub fn of(body: Bytes) -> Self {
        if body.len() <= Self::INLINE_BYTES {
            Self::Ready(hex_md5(&body))
        } else {
            Self::Running(tokio::task::spawn_blocking(move || hex_md5(&body)))
        }
    }

    pub async fn hex(self) -> String {
        match self {
            Self::Ready(hex) => hex,
            // A digest that was lost (the runtime is going down) verifies nothing: the empty text is
            // no MD5, so the caller gets an error, never a false success.
            Self::Running(task) => task.await.unwrap_or_default(),
        }
    }
}

/// An MD5 as an ETag has it.
pub fn hex_md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// Whether an ETag may be the MD5 of the object. Others (of parts, of encrypted objects) say nothing of the bytes.
pub fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_bodies_are_digested_on_another_thread() {
        let body = Bytes::from(vec![7; BodyDigest::INLINE_BYTES + 1]);
        let expected = hex_md5(&body);
        let digest = BodyDigest::of(body);
        assert!(matches!(digest, BodyDigest::Running(_)));
        assert_eq!(digest.hex().await, expected);
    }
}

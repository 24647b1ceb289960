//! CRC-64/NVME, which R2 verifies, MD5, which is what ETags are made of, and SHA-256, which is what requests are
//! signed with.

use std::sync::{Arc, OnceLock};

use aws_smithy_types::base64;
use bytes::Bytes;
use crc_fast::CrcAlgorithm::Crc64Nvme;
use md5::{Digest, Md5};
use tokio::sync::SetOnce;

/// A body and what is known of it. Each digest is taken once, however often the body is sent.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    bytes: Bytes,
    crc64nvme: OnceLock<BodyDigest>,
    md5: OnceLock<BodyDigest>,
    sha256: OnceLock<BodyDigest>,
}

impl Payload {
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// In base64.
    pub fn crc64nvme(&self) -> &BodyDigest {
        self.crc64nvme.get_or_init(|| BodyDigest::of(&self.bytes, BodyDigest::INLINE_CHECKSUM_BYTES, base64_crc64nvme))
    }

    /// In lower-case hex, as [`Self::sha256`].
    pub fn md5(&self) -> &BodyDigest {
        self.md5.get_or_init(|| BodyDigest::of(&self.bytes, BodyDigest::INLINE_BYTES, hex_md5))
    }

    pub fn sha256(&self) -> &BodyDigest {
        self.sha256.get_or_init(|| BodyDigest::of(&self.bytes, BodyDigest::INLINE_BYTES, hex_sha256))
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, ..Self::default() }
    }
}

/// A digest that is computed beside the upload rather than before or after it.
#[derive(Debug, Clone)]
pub enum BodyDigest {
    Ready(String),
    Running(Arc<SetOnce<String>>),
}

impl BodyDigest {
    /// Below this, handing the work to another thread costs more than the work.
    const INLINE_BYTES: usize = 64 * 1024;
    /// A checksum is so much faster.
    const INLINE_CHECKSUM_BYTES: usize = 1024 * 1024;

    fn of(body: &Bytes, inline_bytes: usize, digest: fn(&[u8]) -> String) -> Self {
        if body.len() <= inline_bytes {
            return Self::Ready(digest(body));
        }
        let (body, digested) = (body.clone(), Arc::new(SetOnce::new()));
        let reported = Arc::clone(&digested);
        tokio::task::spawn_blocking(move || {
            let text = digest(&body);
            // First: whoever is notified of the digest may want the body's memory back.
            drop(body);
            let _ = reported.set(text);
        });
        Self::Running(digested)
    }

    /// Where the runtime goes down before it is there, so does the caller.
    pub async fn text(&self) -> &str {
        match self {
            Self::Ready(text) => text,
            Self::Running(digested) => digested.wait().await,
        }
    }
}

/// As `x-amz-checksum-crc64nvme` has it.
pub fn base64_crc64nvme(bytes: &[u8]) -> String {
    base64::encode(crc_fast::checksum(Crc64Nvme, bytes).to_be_bytes())
}

/// An MD5 as an ETag has it.
pub fn hex_md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

pub(super) fn hex_sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// Whether an ETag may be the MD5 of the object. Others (of parts, of encrypted objects) say nothing of the bytes.
pub fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = vec![0; 2 * bytes.len()];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    String::from_utf8(hex).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_bodies_are_digested_on_another_thread_and_once() {
        let body = Bytes::from(vec![7; BodyDigest::INLINE_BYTES + 1]);
        let expected = hex_md5(&body);
        let payload = Payload::from(body);
        let BodyDigest::Running(digested) = payload.md5().clone() else { panic!("on another thread") };
        assert_eq!(payload.md5().text().await, expected);
        let BodyDigest::Running(again) = payload.md5() else { panic!("on another thread") };
        assert!(Arc::ptr_eq(&digested, again));
    }

    #[tokio::test]
    async fn a_digested_body_s_memory_is_free_again() {
        let payload = Payload::from(Bytes::from(vec![7; BodyDigest::INLINE_BYTES + 1]));
        payload.md5().text().await;
        payload.sha256().text().await;
        assert!(payload.bytes().is_unique());
    }

    /// The check value of the catalogue of parametrised CRC algorithms.
    #[test]
    fn checksums_are_in_base64() {
        assert_eq!(crc_fast::checksum(Crc64Nvme, b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(base64_crc64nvme(b"123456789"), "rosUhgp5mIg=");
        assert_eq!(base64_crc64nvme(b""), "AAAAAAAAAAA=");
    }

    #[test]
    fn digests_are_in_lower_case_hex() {
        assert_eq!(hex_md5(b"hello"), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(hex_sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

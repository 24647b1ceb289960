//! What proves that the bytes have arrived: a checksum that the server has verified, else an ETag that is their MD5, else
//! the signature.
//!
//! R2 verifies CRC-64/NVME, of objects and of parts (its release notes of 2025-07-03), and says so by giving the header
//! back. A server that does not know it ignores it, or refuses the request; then it is not sent again.

use std::sync::atomic::{AtomicU8, Ordering};

use http::HeaderName;

use super::digest::{Payload, is_md5};
use super::s3_error::Origin;
use crate::error::{Category, Error, Result, Retryability, code};

pub(super) static CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-crc64nvme");

/// How a server's answers to one verb have proven it so far. What is known once lets the request go unsigned over TLS,
/// which keeps others from changing it: one digest for each upload instead of two.
#[derive(Debug, Default)]
pub(super) struct Proof {
    by_checksum: Habit,
    by_md5: Habit,
}

/// What an answer proves it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    Checksum,
    Md5,
}

impl Proof {
    pub(super) fn may_be_a_checksum(&self) -> bool {
        !self.by_checksum.is(Habit::NEVER)
    }

    /// What will prove it, by all that was seen.
    pub(super) fn expected(&self, with_checksum: bool) -> Option<Evidence> {
        if with_checksum && self.by_checksum.is(Habit::ALWAYS) {
            Some(Evidence::Checksum)
        } else {
            self.by_md5.is(Habit::ALWAYS).then_some(Evidence::Md5)
        }
    }

    /// `checksum`, `md5` or `signature`; none before an answer has shown it.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self.expected(true) {
            Some(Evidence::Checksum) => Some("checksum"),
            Some(Evidence::Md5) => Some("md5"),
            None => (self.by_checksum.is(Habit::NEVER) && self.by_md5.is(Habit::NEVER)).then_some("signature"),
        }
    }

    /// Asks `with_checksum`, and again without where that may be what the server refused.
    pub(super) async fn unless_refused<T, F>(&self, with_checksum: bool, ask: impl Fn(bool) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        // Boxed: whatever is around it would be larger by its kilobytes, and is moved from one future to the next.
        match Box::pin(ask(with_checksum)).await {
            Err(error) if with_checksum && self.may_have_refused(&error) => {
                // Boxed: it is rare and large, and every upload's future would contain it.
                let outcome = Box::pin(ask(false)).await?;
                self.by_checksum.saw(false);
                Ok(outcome)
            }
            other => other,
        }
    }

    /// Whether this may be for the checksum, which none of its requests was known to be stored with.
    fn may_have_refused(&self, error: &Error) -> bool {
        !self.by_checksum.is(Habit::ALWAYS) && may_be_about_the_header(error)
    }

    /// `verified`: whether the server gave the checksum back, where it had one.
    pub(super) fn saw(&self, verified: Option<bool>, etag: &str) {
        if let Some(verified) = verified {
            self.by_checksum.saw(verified);
        }
        self.by_md5.saw(is_md5(etag));
    }
}

/// Whether something is always so. Once it was not, it never counts as such again.
#[derive(Debug, Default)]
struct Habit(AtomicU8);

impl Habit {
    const UNKNOWN: u8 = 0;
    const ALWAYS: u8 = 1;
    const NEVER: u8 = 2;

    fn is(&self, habit: u8) -> bool {
        self.0.load(Ordering::Relaxed) == habit
    }

    fn saw(&self, it: bool) {
        if !it {
            self.0.store(Self::NEVER, Ordering::Relaxed);
        } else if self.is(Self::UNKNOWN) {
            let _ = self.0.compare_exchange(Self::UNKNOWN, Self::ALWAYS, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// What a server answers that will not have the header; R2 said 501 before it knew any. Some of it may be about
/// something else: then it is answered again where the header is left out.
fn may_be_about_the_header(error: &Error) -> bool {
    match error.status {
        Some(501) => true,
        Some(400) => matches!(&*error.code, "InvalidArgument" | "InvalidRequest" | "NotImplemented"),
        _ => false,
    }
}

pub(super) fn verify_checksum(verified: &[u8], sent: &str, origin: &Origin) -> Result<()> {
    if verified == sent.as_bytes() { Ok(()) } else { Err(other_bytes("its checksum is not theirs", origin)) }
}

/// Compares the ETag, where it is an MD5, with that of what was sent.
pub(super) async fn verify_etag(etag: &str, sent: &Payload, origin: &Origin) -> Result<()> {
    if !is_md5(etag) || etag.eq_ignore_ascii_case(sent.md5().text().await) {
        return Ok(());
    }
    Err(other_bytes("its ETag is not their MD5", origin))
}

fn other_bytes(why: &str, origin: &Origin) -> Error {
    let detail = format!("the storage holds other bytes than were sent ({why})");
    Error::new(code::INTEGRITY, Category::Service, Retryability::Once, detail)
        .with(|failure| origin.mark(failure, true))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use url::Url;

    use super::*;
    use crate::store::digest::hex_md5;

    /// Of "hello".
    const MD5: &str = "5d41402abc4b2a76b9719d911017c592";

    fn origin() -> Origin {
        Origin::of(&Url::parse("https://localhost:9000").expect("a URL"))
    }

    #[tokio::test]
    async fn an_etag_that_is_an_md5_must_match() {
        let hello = Payload::from(Bytes::from_static(b"hello"));
        assert!(verify_etag(&MD5.to_uppercase(), &hello, &origin()).await.is_ok());
        assert!(verify_etag(&hex_md5(b"other"), &hello, &origin()).await.is_err());
        assert!(verify_etag("abc-2", &hello, &origin()).await.is_ok());
    }

    #[test]
    fn a_checksum_must_match() {
        assert!(verify_checksum(b"rosUhgp5mIg=", "rosUhgp5mIg=", &origin()).is_ok());
        assert!(verify_checksum(b"AAAAAAAAAAA=", "rosUhgp5mIg=", &origin()).is_err());
    }

    #[test]
    fn nothing_is_known_before_the_first_answer() {
        let proof = Proof::default();
        assert!(proof.may_be_a_checksum() && proof.name().is_none());
        assert_eq!([true, false].map(|it| proof.expected(it)), [None, None]);
    }

    #[test]
    fn a_checksum_proves_it_until_one_is_not_given_back() {
        let proof = Proof::default();
        proof.saw(Some(true), "opaque");
        assert_eq!(proof.expected(true), Some(Evidence::Checksum));
        assert_eq!(proof.name(), Some("checksum"));
        assert_eq!(proof.expected(false), None, "a request without one has no proof then");
        proof.saw(None, MD5);
        assert_eq!(proof.expected(true), Some(Evidence::Checksum), "that one had none");
        proof.saw(Some(false), MD5);
        assert!(!proof.may_be_a_checksum());
        assert_eq!(proof.expected(true), None, "and one ETag was no MD5");
    }

    #[test]
    fn etags_prove_it_until_one_is_no_md5() {
        let proof = Proof::default();
        proof.saw(Some(false), MD5);
        assert!(!proof.may_be_a_checksum());
        assert_eq!(proof.expected(false), Some(Evidence::Md5));
        assert_eq!(proof.name(), Some("md5"));
        proof.saw(None, "opaque");
        assert_eq!(proof.expected(false), None);
        proof.saw(None, MD5);
        assert_eq!(proof.expected(false), None, "once is enough");
        assert_eq!(proof.name(), Some("signature"));
    }

    #[test]
    fn a_refusal_may_be_for_the_checksum_unless_one_was_given_back() {
        let error = |status: u16, code: &'static str| {
            Error::new(code, Category::Service, Retryability::Permanent, "no").with(|it| it.status = Some(status))
        };
        let proof = Proof::default();
        for (status, code) in
            [(501, "NotImplemented"), (501, "HTTP_501"), (400, "InvalidRequest"), (400, "InvalidArgument")]
        {
            assert!(proof.may_have_refused(&error(status, code)), "{status} {code}");
        }
        for (status, code) in [(400, "BadDigest"), (400, "HTTP_400"), (403, "AccessDenied"), (500, "InternalError")] {
            assert!(!proof.may_have_refused(&error(status, code)), "{status} {code}");
        }
        // An upload that was begun with checksums has them in its other parts, too.
        for (verified, may) in [(true, false), (false, true)] {
            let proof = Proof::default();
            proof.saw(Some(verified), MD5);
            assert_eq!(proof.may_have_refused(&error(501, "NotImplemented")), may, "{verified}");
        }
    }
}

//! What proves that the bytes have arrived: a checksum that the server has verified, else an ETag that is their MD5, else
//! the signature.
//!
//! R2 verifies CRC-64/NVME, of objects and of parts (its release notes of 2025-07-03), and says so by giving the header
//! back. A server that does not know it ignores it, or refuses the request. What an endpoint has shown once is required
//! afterwards, and given up only where the storage itself confirms the change: one response of something else on the
//! way must not weaken all later uploads.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use http::HeaderName;

use super::error::Origin;
use crate::error::{Category, Error, Result, Retryability, code};
use crate::store::digest::{Payload, is_md5};

pub(super) static CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-crc64nvme");

/// Refusals in a row after which the header is left out.
const REFUSALS: u32 = 2;
/// One in so many requests has the header all the same: the server may have been upgraded, or the refusals were not its own.
const PROBE_EVERY: u32 = 64;

/// How a server's responses to one operation have proven it so far. What is known once lets the request go unsigned over
/// TLS, which keeps others from changing it: one digest for each upload instead of two.
#[derive(Debug, Default)]
pub(super) struct Proof {
    by_checksum: Habit,
    by_md5: Habit,
    /// Refusals of the checksum since a request with one was accepted.
    refusals: AtomicU32,
    /// Requests without a checksum since it was given up.
    without: AtomicU32,
}

/// What a response proves it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    Checksum,
    Md5,
}

impl Proof {
    /// Whether a request should carry a checksum.
    pub(super) fn wants_checksum(&self) -> bool {
        !self.by_checksum.is(Habit::NEVER)
            || self.without.fetch_add(1, Ordering::Relaxed) % PROBE_EVERY == PROBE_EVERY - 1
    }

    /// What will prove it, by all that was seen.
    pub(super) fn expected(&self, with_checksum: bool) -> Option<Evidence> {
        if with_checksum && self.by_checksum.is(Habit::ALWAYS) {
            Some(Evidence::Checksum)
        } else {
            self.by_md5.is(Habit::ALWAYS).then_some(Evidence::Md5)
        }
    }

    /// `checksum`, `md5` or `signature`; none before a response has shown it.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self.expected(true) {
            Some(Evidence::Checksum) => Some("checksum"),
            Some(Evidence::Md5) => Some("md5"),
            None => (self.by_checksum.is(Habit::NEVER) && self.by_md5.is(Habit::NEVER)).then_some("signature"),
        }
    }

    /// Sends `with_checksum`, and again without where that may be what the server refused.
    pub(super) async fn unless_refused<T, F>(&self, with_checksum: bool, send: impl Fn(bool) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        // Boxed: whatever is around it would be larger by its kilobytes, and is moved from one future to the next.
        match Box::pin(send(with_checksum)).await {
            Err(error) if with_checksum && self.may_have_refused(&error) => {
                // Boxed: it is rare and large, and every upload's future would contain it.
                let outcome = Box::pin(send(false)).await?;
                self.refused();
                Ok(outcome)
            }
            other => other,
        }
    }

    /// Whether this may be for the checksum. Where the endpoint has verified one, it is about something else, unless it
    /// continues: then the server may have been replaced by one that knows no checksums.
    fn may_have_refused(&self, error: &Error) -> bool {
        let is_known = self.by_checksum.is(Habit::ALWAYS);
        if is_known && error.code == "NotImplemented" && self.refusals.fetch_add(1, Ordering::Relaxed) + 1 >= REFUSALS {
            self.by_checksum.set(Habit::UNKNOWN);
        }
        !is_known && may_be_about_the_header(error)
    }

    /// A request with a checksum was refused, and the same one without was not.
    fn refused(&self) {
        if self.refusals.fetch_add(1, Ordering::Relaxed) + 1 >= REFUSALS {
            self.by_checksum.set(Habit::NEVER);
        }
    }

    /// A response that is known to be the storage's has shown this. `verified`: whether it gave the checksum back, where
    /// the request had one.
    pub(super) fn saw(&self, verified: Option<bool>, etag: &str) {
        if let Some(verified) = verified {
            self.refusals.store(0, Ordering::Relaxed);
            self.by_checksum.set(if verified { Habit::ALWAYS } else { Habit::NEVER });
        }
        if !is_md5(etag) {
            self.by_md5.set(Habit::NEVER);
        } else if self.by_md5.is(Habit::UNKNOWN) {
            self.by_md5.set(Habit::ALWAYS);
        }
    }
}

/// Whether something is always so.
#[derive(Debug, Default)]
struct Habit(AtomicU8);

impl Habit {
    const UNKNOWN: u8 = 0;
    const ALWAYS: u8 = 1;
    const NEVER: u8 = 2;

    fn is(&self, habit: u8) -> bool {
        self.0.load(Ordering::Relaxed) == habit
    }

    fn set(&self, habit: u8) {
        self.0.store(habit, Ordering::Relaxed);
    }
}

/// What a server says that will not have the header; R2 said 501 before it knew any. Some of it may be about something
/// else: then it is said again where the header is left out. A 501 without S3's XML is not the storage's.
fn may_be_about_the_header(error: &Error) -> bool {
    match error.status {
        Some(501) => !error.code.starts_with("HTTP_"),
        Some(400) => matches!(&*error.code, "InvalidArgument" | "InvalidRequest" | "NotImplemented"),
        _ => false,
    }
}

pub(super) fn verify_checksum(verified: &[u8], sent: &str, origin: &Origin) -> Result<()> {
    if verified == sent.as_bytes() { Ok(()) } else { Err(other_bytes("its checksum is not theirs", origin)) }
}

/// Compares the ETag, where it is an MD5, with that of what was sent.
pub(super) async fn verify_integrity(etag: &str, sent: &Payload, origin: &Origin) -> Result<()> {
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
        assert!(verify_integrity(&MD5.to_uppercase(), &hello, &origin()).await.is_ok());
        assert!(verify_integrity(&hex_md5(b"other"), &hello, &origin()).await.is_err());
        assert!(verify_integrity("abc-2", &hello, &origin()).await.is_ok());
    }

    #[test]
    fn a_checksum_must_match() {
        assert!(verify_checksum(b"rosUhgp5mIg=", "rosUhgp5mIg=", &origin()).is_ok());
        assert!(verify_checksum(b"AAAAAAAAAAA=", "rosUhgp5mIg=", &origin()).is_err());
    }

    #[test]
    fn nothing_is_known_before_the_first_response() {
        let proof = Proof::default();
        assert!(proof.wants_checksum() && proof.name().is_none());
        assert_eq!([true, false].map(|it| proof.expected(it)), [None, None]);
    }

    #[test]
    fn a_checksum_proves_it_until_the_storage_gives_none_back() {
        let proof = Proof::default();
        proof.saw(Some(true), "opaque");
        assert_eq!(proof.expected(true), Some(Evidence::Checksum));
        assert_eq!(proof.name(), Some("checksum"));
        assert_eq!(proof.expected(false), None, "a request without one has no proof then");
        proof.saw(None, MD5);
        assert_eq!(proof.expected(true), Some(Evidence::Checksum), "that one had none");
        proof.saw(Some(false), MD5);
        assert!(!proof.wants_checksum());
        assert_eq!(proof.expected(true), None, "and one ETag was no MD5");
    }

    #[test]
    fn etags_prove_it_until_one_is_no_md5() {
        let proof = Proof::default();
        proof.saw(Some(false), MD5);
        assert!(!proof.wants_checksum());
        assert_eq!(proof.expected(false), Some(Evidence::Md5));
        assert_eq!(proof.name(), Some("md5"));
        proof.saw(None, "opaque");
        assert_eq!(proof.expected(false), None);
        proof.saw(None, MD5);
        assert_eq!(proof.expected(false), None, "once is enough");
        assert_eq!(proof.name(), Some("signature"));
    }

    #[test]
    fn a_checksum_that_was_given_up_is_tried_again_and_comes_back() {
        let proof = Proof::default();
        proof.saw(Some(false), MD5);
        let wanted = (0..2 * PROBE_EVERY).filter(|_| proof.wants_checksum()).count();
        assert_eq!(wanted, 2);
        proof.saw(Some(true), MD5);
        assert!(proof.wants_checksum());
        assert_eq!(proof.name(), Some("checksum"));
    }

    fn refusal(status: u16, code: &'static str) -> Error {
        Error::new(code, Category::Service, Retryability::Permanent, "no").with(|it| it.status = Some(status))
    }

    #[tokio::test]
    async fn one_refusal_does_not_give_up_the_checksum() {
        let proof = Proof::default();
        let refuse = async |with_checksum| if with_checksum { Err(refusal(501, "NotImplemented")) } else { Ok(()) };
        proof.unless_refused(true, refuse).await.expect("accepted without");
        assert!(proof.wants_checksum(), "it may have been something on the way");
        proof.unless_refused(true, refuse).await.expect("accepted without");
        assert!(!proof.wants_checksum(), "the second in a row");
        let fail = async |_| Err::<(), _>(refusal(501, "NotImplemented"));
        assert!(Proof::default().unless_refused(true, fail).await.is_err(), "refused for another reason");
    }

    #[tokio::test]
    async fn a_verified_checksum_is_given_up_where_refusals_continue() {
        let proof = Proof::default();
        let refuse = async |with_checksum| if with_checksum { Err(refusal(501, "NotImplemented")) } else { Ok(()) };
        proof.saw(Some(true), MD5);
        proof.unless_refused(true, refuse).await.expect_err("it has verified checksums before");
        proof.saw(Some(true), MD5);
        proof.unless_refused(true, refuse).await.expect_err("and afterwards");
        proof.unless_refused(true, refuse).await.expect_err("and does not any more");
        for _ in 0..2 {
            proof.unless_refused(true, refuse).await.expect("accepted without");
        }
        assert!(!proof.wants_checksum());
    }

    #[test]
    fn refusals_are_s3_s() {
        for (status, code) in [(501, "NotImplemented"), (400, "InvalidRequest"), (400, "InvalidArgument")] {
            assert!(may_be_about_the_header(&refusal(status, code)), "{status} {code}");
        }
        for (status, code) in
            [(501, "HTTP_501"), (400, "BadDigest"), (400, "HTTP_400"), (403, "AccessDenied"), (500, "InternalError")]
        {
            assert!(!may_be_about_the_header(&refusal(status, code)), "{status} {code}");
        }
    }
}

//! A download that continues where it broke off: whole, of one version, or an error.
//!
//! Where the origin can name its version (a strong ETag, mostly), the rest is asked for, of that version only
//! (RFC 9110, 13.1.5 and 14.2). Where it cannot, or has no ranges, all is fetched again, and what was given on
//! already is compared with what comes now.

use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep, timeout};

use super::chunks::Chunks;
use crate::error::{Category, Error, Result, Retryability, code};
use crate::net::limits::{BYTES_PER_RESTART, CLOSING, MAX_RESTARTS};
use crate::resilience::admission::Reading;
use crate::resilience::{Attempts, Gate};

use super::small_chunks::SmallChunks;

/// An attempt's time is for this many bytes; a larger download takes as many times as it has of them.
const BYTES_PER_TIMEOUT: u64 = 8 * 1024 * 1024;
/// A transfer that broke after so much is moving; its next failure is its first.
const MOVING_BYTES: u64 = 1024 * 1024;

/// Something that can be opened again, from any place on.
pub trait Reopen: Send + Sync {
    type Body: Chunks;
    /// What else the first response says.
    type Facts: Send;

    /// Opens at byte `at`, if the origin can, else at 0; of `version` only, if the origin supports that. Tried once.
    fn open(
        &self,
        at: u64,
        version: Option<&str>,
    ) -> impl Future<Output = Result<Opened<Self::Body, Self::Facts>>> + Send;
}

/// A response whose body is still to come.
#[derive(Debug)]
pub struct Opened<B, F> {
    pub body: B,
    /// The place of the body's first byte.
    pub at: u64,
    /// Of the whole.
    pub length: Option<u64>,
    /// Same name, same bytes.
    pub version: Option<String>,
    pub facts: F,
}

#[derive(Debug)]
pub struct Resuming<'a, R: Reopen> {
    origin: R,
    attempts: Attempts<'a>,
    /// Without a byte for so long, a body has stalled.
    stall: Duration,
    length: Option<u64>,
    version: Option<String>,
    body: Option<Body<'a, R::Body>>,
    restarts: u64,
    small_chunks: SmallChunks,
    /// Bytes that were given on, and their digest where no version vouches for them.
    given: u64,
    digest: Option<Sha256>,
    ended: bool,
}

#[derive(Debug)]
struct Body<'a, B> {
    inner: B,
    _reading: Option<Reading<'a>>,
    /// Bytes still to pass over, since they were given on before.
    skip: u64,
    skipped: Option<Sha256>,
    /// Time that is left for the next [`BYTES_PER_TIMEOUT`], and how many of those have come.
    left: Duration,
    in_window: u64,
    /// New bytes since it was opened.
    fresh: u64,
}

impl<'a, R: Reopen> Resuming<'a, R> {
    /// # Errors
    /// The last attempt's.
    pub async fn open(origin: R, mut attempts: Attempts<'a>, stall: Duration) -> Result<(Self, R::Facts)> {
        let (opened, reading, left) = loop {
            let attempt = attempts.begin().await?;
            match within(attempt.timeout, "no response", origin.open(0, None)).await {
                Ok(opened) => break (opened, attempts.responded(), attempt.timeout),
                Err(error) => attempts.failed(error).await?,
            }
        };
        let body = Body { inner: opened.body, _reading: reading, skip: 0, skipped: None, left, in_window: 0, fresh: 0 };
        let digest = opened.version.is_none().then(Sha256::new);
        let resuming = Self {
            origin,
            attempts,
            stall,
            length: opened.length,
            version: opened.version,
            body: Some(body),
            restarts: 0,
            small_chunks: SmallChunks::default(),
            given: 0,
            digest,
            ended: false,
        };
        Ok((resuming, opened.facts))
    }

    /// What opening took.
    pub fn attempts(&self) -> u32 {
        self.attempts.next().number
    }

    /// What stands before the endpoint that the bytes come from.
    pub const fn gate(&self) -> Option<&'a Gate> {
        self.attempts.gate()
    }

    /// Closes the connection until more is asked for, where the rest can be had by another. It counts a little longer:
    /// the server has it until it has seen the end of it.
    pub async fn release_connection(&mut self) {
        if self.version.is_none() {
            return;
        }
        if let Some(Body { inner, _reading: reading, .. }) = self.body.take() {
            drop(inner);
            sleep(CLOSING).await;
            drop(reading);
        }
    }

    async fn reopen(&mut self) -> Result<Body<'a, R::Body>> {
        let limit = self.attempts.next().timeout;
        // Without a version from its beginning: what was given can only be compared.
        let at = if self.version.is_some() { self.given } else { 0 };
        let opened = within(limit, "no response", self.origin.open(at, self.version.as_deref())).await?;
        let other_version = opened.version.is_some() && self.version.is_some() && opened.version != self.version;
        let other_length = opened.length.is_some() && self.length.is_some() && opened.length != self.length;
        if other_version || other_length {
            return Err(changed());
        }
        let mut body =
            Body { inner: opened.body, _reading: None, skip: 0, skipped: None, left: limit, in_window: 0, fresh: 0 };
        if opened.at == 0 {
            body.skip = self.given;
            body.skipped = self.digest.is_some().then(Sha256::new);
            if self.digest.is_none() && opened.version.is_none() && self.given > 0 {
                // The response before had a version to compare; this one says nothing.
                return Err(changed());
            }
        } else if opened.at != self.given {
            let detail = "the source responded with another range than was asked for";
            return Err(Error::new(code::PROTOCOL, Category::Network, Retryability::Transient, detail));
        }
        Ok(body)
    }

    /// The next new bytes of the body that is open.
    async fn pull(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(body) = &mut self.body else {
                let body = self.reopen().await?;
                self.body = Some(Body { _reading: self.attempts.responded(), ..body });
                continue;
            };
            let began = Instant::now();
            let stalled = self.stall < body.left;
            let what = if stalled { "stalled, no byte came" } else { "the download was too slow" };
            let piece = within(body.left.min(self.stall), what, body.inner.next()).await?;
            body.left = body.left.saturating_sub(began.elapsed());
            let Some(mut piece) = piece else { break };
            self.small_chunks.read(piece.len()).await;
            body.in_window += piece.len() as u64;
            if body.in_window >= BYTES_PER_TIMEOUT {
                body.in_window = 0;
                body.left = self.attempts.next().timeout;
            }
            if body.skip > 0 {
                let known = piece.split_to(usize::try_from(body.skip).unwrap_or(usize::MAX).min(piece.len()));
                body.skip -= known.len() as u64;
                if let Some(digest) = &mut body.skipped {
                    digest.update(&known);
                }
                if body.skip == 0 && !body.same_so_far(self.digest.as_ref()) {
                    return Err(changed());
                }
            }
            if self.length.is_some_and(|length| piece.len() as u64 > length.saturating_sub(self.given)) {
                let detail = "the source sent more than it said that there is";
                return Err(Error::new(code::PROTOCOL, Category::Network, Retryability::Permanent, detail));
            }
            if !piece.is_empty() {
                body.fresh += piece.len() as u64;
                return Ok(Some(piece));
            }
        }
        if self.body.as_ref().is_some_and(|body| body.skip > 0) {
            return Err(changed());
        }
        if self.length.is_none_or(|length| length == self.given) {
            return Ok(None);
        }
        let detail = format!("the download ended after {} bytes", self.given);
        Err(Error::new("ECONNRESET", Category::Network, Retryability::Transient, detail))
    }
}

impl<B> Body<'_, B> {
    fn same_so_far(&self, given: Option<&Sha256>) -> bool {
        match (&self.skipped, given) {
            (Some(now), Some(before)) => now.clone().finalize() == before.clone().finalize(),
            _ => true,
        }
    }
}

impl<R: Reopen> Chunks for Resuming<'_, R> {
    fn length(&self) -> Option<u64> {
        self.length
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.ended {
            if self.body.is_none() {
                self.attempts.begin().await?;
            }
            match self.pull().await {
                Ok(Some(piece)) => {
                    self.given += piece.len() as u64;
                    if let Some(digest) = &mut self.digest {
                        digest.update(&piece);
                    }
                    return Ok(Some(piece));
                }
                Ok(None) => {
                    self.ended = true;
                    self.body = None;
                }
                Err(error) => {
                    // Without a version each failure means all of it again, however far it came.
                    if self.body.take().is_some_and(|body| body.fresh >= MOVING_BYTES) && self.version.is_some() {
                        self.attempts.moved_on();
                    }
                    self.restarts += 1;
                    let error = if self.restarts > MAX_RESTARTS + self.given / BYTES_PER_RESTART {
                        too_many_restarts(self.restarts, error)
                    } else {
                        error
                    };
                    self.attempts.failed(error).await?;
                }
            }
        }
        Ok(None)
    }
}

async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(Error::timeout(what, limit)))
}

/// Each of them continued, and none came to the end.
fn too_many_restarts(restarts: u64, error: Error) -> Error {
    error.with(|failure| {
        failure.retryability = Retryability::Permanent;
        failure
            .detail
            .push_str(&format!(" (the transfer broke off {restarts} times, which is the limit for its size)"));
    })
}

/// What there is now is not what was begun with.
pub fn changed() -> Error {
    let detail = "the source changed while it was read";
    Error::new(code::SOURCE_CHANGED, Category::Source, Retryability::Permanent, detail)
}

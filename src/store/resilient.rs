//! A store that tries again, in front of one endpoint. The order of the policies is that of [`retry::run`]; around it
//! stands the lock of writers to a key.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::digest::is_md5;
use super::multipart::{ListUploads, ListedPart, MultipartUpload, StoredPart, UploadPage, UploadPart};
use super::objects::{GetRequest, ListPage, ListRequest, ObjectInfo, ObjectRef, StoredObject};
use super::pages::Pages;
use super::types::{BucketName, ObjectKey, ObjectVersion, PutObject, PutOutcome};
use super::{ObjectStore, S3Store};
use crate::error::{Category, Error, Result, Retryability, code};
use crate::net::limits::MAX_PARTS;
use crate::phase::Phase;
use crate::resilience::context::{Attempt, RetryContext};
use crate::resilience::key_lock::{Turn, Writers};
use crate::resilience::retry;
use crate::resilience::{Attempts, Gate};

/// How long and how often a failed write is looked up, and the wait between two looks. Little: in an outage every call
/// that has failed takes so much longer.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
const LOOKS: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What is particular to an endpoint.
#[derive(Debug, Clone, Default)]
pub struct EndpointOptions {
    /// As it is named to people.
    pub name: String,
    /// Between two writes to a key.
    pub write_spacing: Duration,
    /// Requests at once, each of which has a connection to itself. None is no limit.
    pub max_connections: Option<NonZeroUsize>,
}

#[derive(Debug)]
pub struct ResilientStore<S = S3Store> {
    inner: S,
    gate: Gate,
    writers: Writers,
}

/// An endpoint that is known not to respond is not asked.
pub fn should_verify(error: &Error) -> bool {
    error.code != code::CIRCUIT_OPEN
}

fn object_of(request: &PutObject) -> ObjectRef {
    ObjectRef { bucket: request.bucket.clone(), key: request.key.clone() }
}

/// Whether an object is what a request has stored. Another write may have had the same bytes.
async fn is_of(there: &ObjectInfo, request: &PutObject) -> bool {
    if let Some(write) = &request.headers.write {
        let is_damaged = async |etag: &str| {
            request.verify_integrity && is_md5(etag) && !etag.eq_ignore_ascii_case(request.body.md5().text().await)
        };
        return there.is_of(write) && !is_damaged(there.etag.as_deref().unwrap_or_default()).await;
    }
    there.etag.as_deref() == Some(request.body.md5().text().await) && there.has(&request.headers)
}

const fn found(etag: Option<String>) -> PutOutcome {
    PutOutcome { etag, request_id: None, confirmed_by_head: true }
}

impl<S: ObjectStore> ResilientStore<S> {
    pub fn new(inner: S, options: EndpointOptions) -> Self {
        Self::behind(Gate::new(options.name.clone(), options.max_connections), inner, &options)
    }

    /// With a gate of the caller's.
    pub fn behind(gate: Gate, inner: S, options: &EndpointOptions) -> Self {
        let gate = gate.with_spacing(options.write_spacing);
        Self { inner, gate, writers: Writers::new(options.write_spacing) }
    }

    pub const fn inner(&self) -> &S {
        &self.inner
    }

    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Runs an operation on the store with the retries of its endpoint.
    ///
    /// # Errors
    /// The last attempt's, or the first that no other attempt can fix.
    pub async fn run<T, F, Fut>(&self, context: RetryContext<'_>, operation: F) -> Result<(T, u32)>
    where
        F: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        retry::run(&self.gate, context, operation).await
    }

    /// The same loop for work that is not one future.
    pub fn attempts<'a>(&'a self, context: RetryContext<'a>) -> Attempts<'a> {
        Attempts::new(Some(&self.gate), context)
    }

    /// Stores an object, with the number of attempts it took.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn put_object(&self, request: &PutObject, context: RetryContext<'_>) -> Result<(PutOutcome, u32)> {
        let _turn = self.turn(&request.bucket, &request.key, context).await?;
        // Whether an attempt may have stored it, though it failed.
        let unsettled = AtomicBool::new(false);
        let outcome = self
            .run(context, async |_| {
                // An attempt that is dropped, at its timeout, does not come back to say what it was.
                let before = unsettled.swap(true, Ordering::Relaxed);
                match self.inner.put_object(request).await {
                    // Boxed: it is rare and large, and every upload's future would contain it.
                    Err(error) if before && error.status == Some(412) => Box::pin(self.settle(request, error)).await,
                    other => {
                        let may_be_there = before || other.as_ref().is_err_and(|error| error.unsettled);
                        unsettled.store(may_be_there, Ordering::Relaxed);
                        other
                    }
                }
            })
            .await;
        match outcome {
            Err(error) if unsettled.into_inner() && should_verify(&error) => {
                let found = Box::pin(self.verify_stored(request, context)).await;
                found.map(|outcome| (outcome, error.attempts)).ok_or(error)
            }
            other => other,
        }
    }

    /// A condition that failed after a response was lost may have failed because of ourselves: the object that
    /// is there now is the one that we sent.
    async fn settle(&self, request: &PutObject, error: Error) -> Result<PutOutcome> {
        match self.inner.head_object(&object_of(request)).await {
            Ok(there) if is_of(&there, request).await => Ok(found(there.etag)),
            Err(look) if look.retryability != Retryability::Permanent => Err(look),
            _ => Err(error),
        }
    }

    /// The response that was lost may have been of a success. It was, where what is there is what we sent.
    async fn verify_stored(&self, request: &PutObject, context: RetryContext<'_>) -> Option<PutOutcome> {
        let object = object_of(request);
        let there = self.look(context, || self.inner.head_object(&object)).await?;
        is_of(&there, request).await.then(|| found(there.etag))
    }

    /// Asks what is stored, after a call has failed and within the time that is left to it. None where that cannot be
    /// reported: the call's own error is what its caller needs to know.
    pub async fn look<T, F: Future<Output = Result<T>>>(
        &self,
        context: RetryContext<'_>,
        request: impl Fn() -> F,
    ) -> Option<T> {
        let left =
            context.deadline().map_or(LOOK_WITHIN, |deadline| deadline.saturating_duration_since(Instant::now()));
        let look = async {
            for looks in 1..=LOOKS {
                match request().await {
                    Ok(found) => return Some(found),
                    Err(error) if error.retryability == Retryability::Permanent => break,
                    Err(_) if looks < LOOKS => sleep(LOOK_AGAIN).await,
                    Err(_) => {}
                }
            }
            None
        };
        timeout(LOOK_WITHIN.min(left).min(context.policy.timeout), look).await.ok().flatten()
    }

    /// The right to write to a key.
    ///
    /// # Errors
    /// A timeout, where the deadline comes before the turn.
    pub async fn turn(&self, bucket: &BucketName, key: &ObjectKey, context: RetryContext<'_>) -> Result<Turn<'_>> {
        let name = (bucket.as_str(), key.as_str());
        if let Some(turn) = self.writers.try_turn(name) {
            return Ok(turn);
        }
        let asked = Instant::now();
        let turn = self.writers.turn(name);
        let turn = match context.deadline() {
            None => turn.await,
            Some(deadline) => timeout_at(deadline, turn).await.map_err(|_| {
                let limit = context.policy.deadline.unwrap_or_default();
                Error::timeout("earlier writes to the same key did not end", limit)
            })?,
        };
        context.observer.on_phase(Phase::Queue, asked.elapsed());
        Ok(turn)
    }

    /// # Errors
    /// As of [`Self::run`].
    pub async fn upload_part(&self, request: &UploadPart, context: RetryContext<'_>) -> Result<(StoredPart, u32)> {
        self.run(context, |_| self.inner.upload_part(request)).await
    }

    /// # Errors
    /// As of [`Self::run`].
    pub async fn head_object(&self, object: &ObjectRef, context: RetryContext<'_>) -> Result<(ObjectInfo, u32)> {
        self.run(context, |_| self.inner.head_object(object)).await
    }

    /// Opens an object, tried once: [`Self::attempts`] has the retries.
    ///
    /// # Errors
    /// The store's.
    pub async fn open_object(&self, request: &GetRequest) -> Result<StoredObject> {
        self.inner.get_object(request).await
    }

    /// # Errors
    /// As of [`Self::run`].
    pub async fn delete_object(&self, object: &ObjectRef, context: RetryContext<'_>) -> Result<((), u32)> {
        let _turn = self.turn(&object.bucket, &object.key, context).await?;
        self.run(context, |_| self.inner.delete_object(object)).await
    }

    /// Deletes a version of an object; false where another one is there, or none. An earlier attempt whose response was
    /// lost may have deleted it.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub async fn delete_version(
        &self,
        object: &ObjectRef,
        version: &ObjectVersion,
        context: RetryContext<'_>,
    ) -> Result<bool> {
        let _turn = self.turn(&object.bucket, &object.key, context).await?;
        match self.run(context, |_| self.inner.delete_version(object, version)).await {
            Err(error) if matches!(error.status, Some(404 | 412)) => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// # Errors
    /// As of [`Self::run`].
    pub async fn list_objects(&self, request: &ListRequest, context: RetryContext<'_>) -> Result<(ListPage, u32)> {
        self.run(context, |_| self.inner.list_objects(request)).await
    }

    /// All parts that an upload has.
    ///
    /// # Errors
    /// As of [`Self::run`]; `NoSuchUpload`.
    pub async fn list_parts(&self, upload: &MultipartUpload, context: RetryContext<'_>) -> Result<Vec<ListedPart>> {
        let mut parts = Vec::new();
        let mut continuation: Option<String> = None;
        let mut pages = Pages::default();
        loop {
            let page = |_| self.inner.list_parts(upload, continuation.as_deref());
            let (page, _) = self.run(context, page).await?;
            // Their numbers as text, so that they are in order.
            let last = page.parts.last().map(|it| format!("{:010}", it.part.number));
            pages.next(last.as_deref().map(|number| (number, "")), page.continuation.as_deref())?;
            parts.extend(page.parts);
            if parts.len() > MAX_PARTS {
                let detail = format!("the storage lists more than the {MAX_PARTS} parts that an upload can have");
                return Err(Error::new(code::PROTOCOL, Category::Service, Retryability::Permanent, detail));
            }
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok(parts);
            }
        }
    }

    /// # Errors
    /// As of [`Self::run`].
    pub async fn list_uploads(&self, request: &ListUploads, context: RetryContext<'_>) -> Result<(UploadPage, u32)> {
        self.run(context, |_| self.inner.list_uploads(request)).await
    }

    /// # Errors
    /// As of [`Self::run`].
    pub async fn abort_multipart(&self, upload: &MultipartUpload, context: RetryContext<'_>) -> Result<((), u32)> {
        self.run(context, |_| self.inner.abort_multipart(upload)).await
    }
}

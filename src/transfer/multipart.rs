//! An object in parts: several at a time, each tried again alone; whole or not at all.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, FuturesUnordered};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::checkpoint::{Checkpoint, CheckpointSink};
use super::plan;
use super::single::Stored;
use crate::error::{Category, Error, Result, Retryability, code};
use crate::resilience::RetryContext;
use crate::source::chunks::{Blocks, Chunks};
use crate::store::digest::{Payload, hex_md5};
use crate::store::identity::WriteIdentity;
use crate::store::multipart::{CreateMultipart, ListedPart, MultipartUpload, StoredPart, UploadPart};
use crate::store::objects::ObjectInfo;
use crate::store::resilient::should_verify;
use crate::store::{ObjectHeaders, ObjectStore, Progress, ProgressSink, PutOutcome, ResilientStore, WriteCondition};

/// How long an upload that failed is kept waiting for the removal of its parts. R2 removes them by itself
/// after seven days.
const ABORT_WITHIN: Duration = Duration::from_secs(10);
const ABORT_ATTEMPT: Duration = Duration::from_secs(3);

/// How an object is cut and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultipartOptions {
    /// Larger objects are sent in parts.
    pub threshold: u64,
    pub part_bytes: u64,
    /// Parts in flight at once.
    pub concurrency: usize,
}

/// What accompanies one upload in parts.
#[derive(Debug)]
pub struct Multipart<'a, S> {
    pub store: &'a Arc<ResilientStore<S>>,
    pub context: RetryContext<'a>,
    pub options: MultipartOptions,
    pub verify_integrity: bool,
    pub condition: Option<WriteCondition>,
    pub progress: Option<ProgressSink>,
    /// Where an earlier process left off.
    pub resume: Option<Checkpoint>,
    /// With one, an upload that fails stays to be resumed.
    pub checkpoint: Option<CheckpointSink>,
}

/// An upload that was begun, by this process or by an earlier one.
struct Begun<S: ObjectStore + 'static> {
    cleanup: Cleanup<S>,
    part_bytes: u64,
    /// What it was created with: of the earlier process where it was resumed.
    write: Option<WriteIdentity>,
    /// What the store has of it, by number.
    there: BTreeMap<u32, ListedPart>,
    attempts: u32,
}

impl<S: ObjectStore + 'static> Begun<S> {
    const fn upload(&self) -> &MultipartUpload {
        &self.cleanup.upload
    }
}

/// What the parts of an upload came to.
#[derive(Default)]
struct Sent {
    parts: Vec<StoredPart>,
    size: u64,
    /// Of the part that took most.
    attempts: u32,
    resumed: u32,
}

impl<S: ObjectStore + 'static> Multipart<'_, S> {
    /// Sends `source` in parts. Memory holds the parts in flight and the next one.
    ///
    /// # Errors
    /// The source's; else the first part's that no other attempt could fix. The parts that were sent are
    /// removed, also when this is dropped, unless there is a checkpoint to continue from.
    pub async fn upload<C: Chunks>(self, request: &CreateMultipart, source: Blocks<C>) -> Result<Stored> {
        let mut begun = self.begin(request, source.length()).await?;
        let outcome = self.send(&begun, request, source).await;
        // With a checkpoint it stays, to be resumed; not if its parts are of a source that is no more, or too large.
        let is_vain = |error: &Error| matches!(&*error.code, code::SOURCE_CHANGED | code::TOO_LARGE | code::TOO_SMALL);
        let remove_it = |error: &Error| self.checkpoint.is_none() || is_vain(error);
        if outcome.as_ref().is_err_and(remove_it) {
            // The upload's own error is what the caller needs to know.
            let _ = timeout(ABORT_WITHIN, remove(self.store, begun.upload())).await;
        }
        begun.cleanup.armed = false;
        outcome
    }

    async fn begin(&self, request: &CreateMultipart, total: Option<u64>) -> Result<Begun<S>> {
        if let Some(earlier) = &self.resume {
            let upload = earlier.upload(&request.object);
            if !earlier.fits(request, total) {
                let _ = timeout(ABORT_WITHIN, remove(self.store, &upload)).await;
            } else if let Some(there) = self.parts_of(&upload).await? {
                let there = there.into_iter().map(|listed| (listed.part.number, listed)).collect();
                let cleanup = Cleanup { store: Arc::clone(self.store), upload, armed: self.checkpoint.is_none() };
                let write = earlier.write.clone();
                return Ok(Begun { cleanup, part_bytes: earlier.part_bytes, write, there, attempts: 1 });
            }
        }
        let create = |_| create_or_remove(Arc::clone(self.store), request.clone());
        let (mut cleanup, attempts) = self.store.run(self.context, create).await?;
        let part_bytes = plan::part_bytes(total, self.options.part_bytes);
        if let Some(sink) = &self.checkpoint {
            (sink.0)(&Checkpoint::of(&cleanup.upload, part_bytes, total, request));
            cleanup.armed = false;
        }
        let write = request.headers.write.clone();
        Ok(Begun { cleanup, part_bytes, write, there: BTreeMap::new(), attempts })
    }

    /// None if the store has no parts to list: the upload was completed or aborted, has expired, or its id is none of
    /// this store's. A store that refuses the list for another reason says so when the next upload is created.
    ///
    /// # Errors
    /// What is no response of the store says nothing of the upload: its parts and its checkpoint stay.
    async fn parts_of(&self, upload: &MultipartUpload) -> Result<Option<Vec<ListedPart>>> {
        match self.store.list_parts(upload, self.context).await {
            Err(error) if error.retryability == Retryability::Permanent && &*error.code != code::PROTOCOL => Ok(None),
            parts => parts.map(Some),
        }
    }

    async fn send<C: Chunks>(&self, begun: &Begun<S>, request: &CreateMultipart, source: Blocks<C>) -> Result<Stored> {
        let sent = self.send_parts(begun, source).await?;
        let (outcome, complete_attempts) = self.complete(begun, request, &sent).await?;
        Ok(Stored {
            outcome,
            attempts: begun.attempts.max(sent.attempts).max(complete_attempts),
            size: sent.size,
            parts: u32::try_from(sent.parts.len()).unwrap_or(u32::MAX),
            resumed_parts: self.checkpoint.is_some().then_some(sent.resumed),
        })
    }

    async fn send_parts<C: Chunks>(&self, begun: &Begun<S>, source: Blocks<C>) -> Result<Sent> {
        let (total, spares) = (source.length(), source.spares());
        let part_bytes = usize::try_from(begun.part_bytes).unwrap_or(usize::MAX);
        // A stream, so that a block which is half read is still so when a part ends before it.
        let blocks = stream::try_unfold(source, |mut source| async move {
            Ok(source.block(part_bytes).await?.map(|block| (block, source)))
        });
        let mut blocks = pin!(blocks);
        let progress_of_all = Arc::new(AtomicU64::new(0));
        let mut in_flight = FuturesUnordered::new();
        let (mut sent, mut ended, mut number) = (Sent::default(), false, 0);
        loop {
            let capacity = !ended && in_flight.len() < self.options.concurrency;
            tokio::select! {
                block = blocks.next(), if capacity => match block.transpose()? {
                    None => ended = true,
                    Some(_) if u64::from(number) == plan::MAX_PARTS => return Err(too_many(part_bytes)),
                    Some(body) => {
                        number += 1;
                        sent.size += body.len() as u64;
                        let progress = self.progress.clone();
                        let progress = progress.map(|sink| share(sink, &progress_of_all, total.unwrap_or(0), number));
                        let kept = body.clone();
                        let part = self.part(begun, number, body.into(), progress);
                        let spares = &spares;
                        in_flight.push(async move {
                            let sent = part.await;
                            spares.give(kept);
                            sent
                        });
                    }
                },
                Some(part) = in_flight.next() => {
                    let (part, took): (StoredPart, u32) = part?;
                    sent.attempts = sent.attempts.max(took);
                    sent.resumed += u32::from(took == 0);
                    sent.parts.push(part);
                }
                else => break,
            }
        }
        sent.parts.sort_by_key(|part| part.number);
        Ok(sent)
    }

    /// The part, and the attempts it took: none where the store has it already.
    async fn part(
        &self,
        begun: &Begun<S>,
        number: u32,
        body: Payload,
        progress: Option<ProgressSink>,
    ) -> Result<(StoredPart, u32)> {
        if let Some(there) = begun.there.get(&number).filter(|there| there.size == body.bytes().len() as u64)
            && body.md5().text().await.eq_ignore_ascii_case(&there.part.etag)
        {
            if let Some(progress) = progress {
                (progress.0)(Progress { sent: there.size, total: there.size, part: number });
            }
            return Ok((there.part.clone(), 0));
        }
        let upload = begun.upload().clone();
        let request = UploadPart { upload, number, body, verify_integrity: self.verify_integrity, progress };
        self.store.upload_part(&request, self.context).await
    }

    /// Completing twice is an error the second time. So once a response was lost, a failure is settled by what
    /// the store holds.
    async fn complete(&self, begun: &Begun<S>, request: &CreateMultipart, sent: &Sent) -> Result<(PutOutcome, u32)> {
        let (upload, parts) = (begun.upload(), &sent.parts);
        let write = begun.write.as_ref();
        let object = Finished { etag: expected_etag(parts), size: sent.size, headers: &request.headers, write };
        let store = self.store.inner();
        // Whether the store has the upload no more, which it had.
        let gone = AtomicBool::new(false);
        let already_there = async || match store.head_object(&upload.object).await {
            Ok(there) => {
                let ours = object.is(&there, gone.load(Ordering::Relaxed));
                Ok(ours.then_some(PutOutcome { etag: there.etag, request_id: None, confirmed_by_head: true }))
            }
            // What it is asked for has an error of its own.
            Err(error) if error.retryability == Retryability::Permanent => Ok(None),
            Err(error) => Err(error),
        };
        let _turn = self.store.turn(&upload.object.bucket, &upload.object.key, self.context).await?;
        // Whether what is there counts: an attempt may have completed it, though it failed; or nobody minds who stored it.
        let counts = AtomicBool::new(self.condition.is_none());
        let completed = self.store.run(self.context, async |attempt| {
            // An attempt that is dropped, at its timeout, does not come back to say what it was.
            let before = counts.swap(true, Ordering::Relaxed);
            let error = match store.complete_multipart(upload, parts, self.condition.as_ref()).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => error,
            };
            // The parts were there: somebody has put them together.
            let is_gone = attempt.number > 1 && error.code == "NoSuchUpload";
            gone.fetch_or(is_gone, Ordering::Relaxed);
            counts.store(before || error.unsettled || is_gone, Ordering::Relaxed);
            let is_final = attempt.number > 1 && error.retryability == Retryability::Permanent;
            if !is_final || !(before || is_gone) {
                return Err(error);
            }
            already_there().await?.ok_or_else(|| {
                if !is_gone {
                    return error;
                }
                // The object is not there: an earlier Complete that we gave up may still be at it.
                error.with(|failure| failure.retryability = Retryability::Transient)
            })
        });
        let (outcome, attempts) = match completed.await {
            // The last response may have been lost, too.
            Err(error)
                if error.retryability != Retryability::Permanent && should_verify(&error) && counts.into_inner() =>
            {
                match self.store.look(self.context, already_there).await.flatten() {
                    Some(outcome) => (outcome, error.attempts),
                    None => return Err(error),
                }
            }
            other => other?,
        };
        if self.verify_integrity {
            check(object.etag.as_deref(), outcome.etag.as_deref())?;
        }
        if outcome.confirmed_by_head && !gone.into_inner() {
            // It may be an earlier object of the same bytes, and these parts would stay.
            drop(Cleanup { store: Arc::clone(self.store), upload: upload.clone(), armed: true });
        }
        Ok((outcome, attempts))
    }
}

/// What the parts of an upload make.
struct Finished<'a> {
    /// None where that cannot be determined from the parts'.
    etag: Option<String>,
    size: u64,
    headers: &'a ObjectHeaders,
    write: Option<&'a WriteIdentity>,
}

impl Finished<'_> {
    /// `is_gone`: whether the store has the upload no more. Then little must speak for it, else the ETag: there may be an
    /// earlier object.
    fn is(&self, there: &ObjectInfo, is_gone: bool) -> bool {
        // Another write may have had the same bytes.
        if let Some(write) = self.write {
            return there.is_of(write);
        }
        let same = match &self.etag {
            Some(etag) => there.etag.as_ref() == Some(etag),
            None => is_gone && there.size == self.size,
        };
        same && there.has(self.headers)
    }
}

/// Begins an upload. Nobody knows of one whose caller has gone (aborted, or tired of waiting) before the response came:
/// the response is waited for all the same, and the upload removed, wherever on its way to the caller it is lost.
async fn create_or_remove<S: ObjectStore + 'static>(
    store: Arc<ResilientStore<S>>,
    request: CreateMultipart,
) -> Result<Cleanup<S>> {
    let (mut report, reported) = oneshot::channel();
    tokio::spawn(async move {
        let mut create = pin!(store.inner().create_multipart(&request));
        let created = tokio::select! {
            created = &mut create => created,
            () = report.closed() => match timeout(ABORT_WITHIN, create).await {
                Ok(created) => created,
                Err(_) => return,
            },
        };
        let store = Arc::clone(&store);
        drop(report.send(created.map(|upload| Cleanup { store, upload, armed: true })));
    });
    reported.await.unwrap_or_else(|_| Err(Error::internal("the upload could not be begun")))
}

/// What S3 and R2 call an object of these parts: the MD5 of their MD5s, and their number. None where their
/// ETags are no MD5s.
fn expected_etag(parts: &[StoredPart]) -> Option<String> {
    let digests: Option<Vec<_>> = parts.iter().map(|part| md5_bytes(&part.etag)).collect();
    let hex = hex_md5(digests?.as_flattened());
    Some(format!("{hex}-{}", parts.len()))
}

fn md5_bytes(etag: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    if etag.len() != 32 || !etag.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(&etag[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A finished object with another ETag of this form has other bytes.
fn check(expected: Option<&str>, etag: Option<&str>) -> Result<()> {
    let (Some(expected), Some(etag)) = (expected, etag) else { return Ok(()) };
    let comparable = etag.split_once('-').is_some_and(|(md5, _)| md5_bytes(md5).is_some());
    if !comparable || etag.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let detail = "the storage put the parts together to something else (its ETag is not that of the parts)";
    Err(Error::new(code::INTEGRITY, Category::Service, Retryability::Permanent, detail))
}

fn too_many(part_bytes: usize) -> Error {
    let detail = format!(
        "the source has more than {} parts of {part_bytes} bytes; give its length, or a larger partSizeBytes",
        plan::MAX_PARTS
    );
    Error::invalid(code::TOO_LARGE, "partSizeBytes", detail)
}

/// A part's progress, reported as the whole object's. A part that starts over takes its bytes back.
fn share(sink: ProgressSink, sent_by_all: &Arc<AtomicU64>, total: u64, part: u32) -> ProgressSink {
    let (sent_by_all, before) = (Arc::clone(sent_by_all), AtomicU64::new(0));
    ProgressSink(Arc::new(move |Progress { sent, .. }| {
        let earlier = before.swap(sent, Ordering::Relaxed);
        // Wrapping: the difference may be negative, the sum never is.
        let difference = sent.wrapping_sub(earlier);
        let sent = sent_by_all.fetch_add(difference, Ordering::Relaxed).wrapping_add(difference);
        (sink.0)(Progress { sent, total, part });
    }))
}

/// Removes the parts of an upload that was dropped: aborted by its caller, or closed.
struct Cleanup<S: ObjectStore + 'static> {
    store: Arc<ResilientStore<S>>,
    upload: MultipartUpload,
    armed: bool,
}

impl<S: ObjectStore + 'static> Drop for Cleanup<S> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        // Without a runtime the process is going down.
        let Ok(runtime) = Handle::try_current() else { return };
        let (store, upload) = (Arc::clone(&self.store), self.upload.clone());
        runtime.spawn(async move {
            let _ = timeout(ABORT_WITHIN, remove(&store, &upload)).await;
        });
    }
}

/// Parts that were on their way when the upload was aborted may arrive afterwards, so a failed removal is
/// tried again for as long as its time lasts, unless no attempt can succeed.
async fn remove<S: ObjectStore>(store: &ResilientStore<S>, upload: &MultipartUpload) {
    let mut wait = Duration::from_millis(100);
    // One that hangs must not take the time of the others.
    loop {
        match timeout(ABORT_ATTEMPT, store.inner().abort_multipart(upload)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) if error.retryability == Retryability::Permanent => return,
            Ok(Err(_)) | Err(_) => {}
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};

    use super::*;

    fn part(number: u32, etag: &str) -> StoredPart {
        StoredPart { number, etag: etag.to_owned() }
    }

    #[test]
    fn the_etag_of_parts_is_the_md5_of_their_md5s() {
        // md5("hello") and md5("world"), then md5 of the 32 bytes that they are.
        let parts = [part(1, "5d41402abc4b2a76b9719d911017c592"), part(2, "7d793037a0760186574b0282f2f435e7")];
        let both: Vec<u8> = parts.iter().flat_map(|part| md5_bytes(&part.etag).expect("an MD5")).collect();
        let expected = Md5::digest(&both).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(expected_etag(&parts), Some(format!("{expected}-2")));
        assert_eq!(expected_etag(&[part(1, "not an MD5")]), None);
    }

    #[test]
    fn what_is_there_is_ours_by_its_etag_and_headers_or_where_the_upload_is_gone() {
        let headers = ObjectHeaders { content_type: "image/png".into(), ..ObjectHeaders::default() };
        let there = |etag: &str, content_type: &str| ObjectInfo {
            size: 7,
            etag: Some(etag.into()),
            content_type: Some(content_type.into()),
            ..ObjectInfo::default()
        };
        let of_md5s = Finished { etag: Some("a-2".into()), size: 7, headers: &headers, write: None };
        assert!(of_md5s.is(&there("a-2", "image/png"), false));
        assert!(!of_md5s.is(&there("b-2", "image/png"), true), "other bytes");
        assert!(!of_md5s.is(&there("a-2", "image/jpeg"), true), "stored before, as something else");
        let opaque = Finished { etag: None, ..of_md5s };
        assert!(opaque.is(&there("x", "image/png"), true));
        assert!(!opaque.is(&there("x", "image/png"), false), "any other object of this size");
        assert!(!Finished { size: 8, ..opaque }.is(&there("x", "image/png"), true));
    }

    #[test]
    fn another_etag_of_that_form_is_another_object() {
        let (ours, other) = (format!("{}-2", "a".repeat(32)), format!("{}-2", "b".repeat(32)));
        assert!(check(Some(&ours), Some(&ours)).is_ok());
        assert!(check(Some(&ours), Some(&other)).is_err());
        assert!(check(Some(&ours), Some("opaque")).is_ok());
        assert!(check(None, Some(&other)).is_ok());
    }

    #[test]
    fn progress_of_parts_adds_up_and_takes_back() {
        let received = Arc::new(std::sync::Mutex::new(Vec::new()));
        let keep = Arc::clone(&received);
        let sink = ProgressSink(Arc::new(move |progress: Progress| keep.lock().expect("mine").push(progress)));
        let sent = Arc::default();
        let (first, second) = (share(sink.clone(), &sent, 100, 1), share(sink, &sent, 100, 2));
        let report = |part: &ProgressSink, sent| (part.0)(Progress { sent, total: 50, part: 1 });
        report(&first, 40);
        report(&second, 30);
        report(&first, 10);
        report(&first, 50);
        let received: Vec<_> = received.lock().expect("mine").iter().map(|it| (it.sent, it.total, it.part)).collect();
        assert_eq!(received, [(40, 100, 1), (70, 100, 2), (40, 100, 1), (80, 100, 1)]);
    }
}

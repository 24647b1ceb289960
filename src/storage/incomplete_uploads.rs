//! Uploads in parts that nobody will finish: begun by a process that was killed, or by a response that was lost.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::objects::check_key_part;
use super::run::Running;
use super::{Call, RetryOptions, Storage};
use crate::error::{Error, Operation, Result};
use crate::resilience::RetryContext;
use crate::store::multipart::{IncompleteUpload, ListUploads, MultipartUpload};
use crate::store::objects::ObjectRef;
use crate::store::pages::Pages;
use crate::store::{ObjectKey, ObjectStore, ResilientStore};

/// What is younger may still be under way.
const DEFAULT_AGE: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Default)]
pub struct AbortIncompleteUploadsOptions {
    pub prefix: Option<String>,
    pub bucket: Option<String>,
    /// Since the epoch, in milliseconds.
    pub older_than_ms: Option<f64>,
    pub retry: Option<RetryOptions>,
}

#[derive(Debug)]
pub struct AbortedUploads {
    pub removed: Vec<IncompleteUpload>,
    /// Uploads that are younger.
    pub kept: u32,
    pub attempts: u32,
}

impl<S: ObjectStore + 'static> Storage<S> {
    /// Removes uploads in parts that were begun before a time and not ended since, at every endpoint.
    ///
    /// # Errors
    /// Bad input before anything is sent; else the last attempt's. What was removed before it stays removed.
    pub async fn abort_incomplete_uploads(
        &self,
        options: AbortIncompleteUploadsOptions,
        call: Call,
    ) -> Result<AbortedUploads> {
        let call = self.counted(Operation::AbortIncompleteUploads, call);
        let running = Running { operation: Operation::AbortIncompleteUploads, key: None, started: Instant::now() };
        self.run(running, &call, |_| 0, self.abort_all(running, &options, &call)).await
    }

    async fn abort_all(
        &self,
        running: Running<'_>,
        options: &AbortIncompleteUploadsOptions,
        call: &Call,
    ) -> Result<AbortedUploads> {
        let prefix = options.prefix.clone().unwrap_or_default();
        check_key_part("prefix", &prefix)?;
        let older_than = older_than(options.older_than_ms)?;
        let policy = self.policy(options.retry.as_ref())?;
        let context = running.context(&policy, &prefix, call.observer.as_ref());
        let given = self.bucket(options.bucket.as_deref())?;
        let is_default = given == self.primary().config.bucket;
        let mut aborted = AbortedUploads { removed: Vec::new(), kept: 0, attempts: 1 };
        for target in &self.targets {
            let bucket = if is_default { target.config.bucket.clone() } else { given.clone() };
            let request = ListUploads { bucket, prefix: prefix.clone(), continuation: None };
            abort_in_bucket(&target.store, request, older_than, context, &mut aborted).await?;
        }
        Ok(aborted)
    }
}

async fn abort_in_bucket<S: ObjectStore>(
    store: &ResilientStore<S>,
    mut request: ListUploads,
    older_than: Option<SystemTime>,
    context: RetryContext<'_>,
    aborted: &mut AbortedUploads,
) -> Result<()> {
    let mut pages = Pages::default();
    loop {
        let (page, took) = store.list_uploads(&request, context).await?;
        pages.next(page.last(), page.marker().as_deref())?;
        aborted.attempts = aborted.attempts.max(took);
        // The server dates its uploads, so their age is by its clock. This machine's may be days ahead.
        let by_server = || store.inner().server_time().and_then(|now| now.low.checked_sub(DEFAULT_AGE));
        let older_than = older_than.or_else(by_server);
        for open in page.uploads {
            // One without a date, or whose age cannot be determined, may be under way.
            if open.initiated.zip(older_than).is_none_or(|(begun, older_than)| begun >= older_than) {
                aborted.kept += 1;
                continue;
            }
            let object = ObjectRef { bucket: request.bucket.clone(), key: ObjectKey::as_listed(&open.key) };
            let upload = MultipartUpload { object, upload_id: open.upload_id.clone(), has_checksums: false };
            let ((), took) = store.abort_multipart(&upload, context).await?;
            aborted.attempts = aborted.attempts.max(took);
            aborted.removed.push(open);
        }
        request.continuation = page.continuation;
        if request.continuation.is_none() {
            return Ok(());
        }
    }
}

/// None without a time of the caller's.
fn older_than(since_epoch_ms: Option<f64>) -> Result<Option<SystemTime>> {
    let Some(since_epoch_ms) = since_epoch_ms else { return Ok(None) };
    let time =
        Duration::try_from_secs_f64(since_epoch_ms / 1000.0).ok().and_then(|since| UNIX_EPOCH.checked_add(since));
    time.map(Some).ok_or_else(|| Error::invalid_option("olderThan", "a valid date"))
}

//! Uploads in parts that nobody will finish: begun by a process that was killed, or by an answer that was lost.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::objects::check_key_part;
use super::{Call, RetryOptions, Storage};
use crate::error::{Error, Operation, Result};
use crate::resilience::RetryContext;
use crate::store::multipart::{ListUploads, MultipartUpload, OpenUpload};
use crate::store::objects::ObjectRef;
use crate::store::{ObjectKey, ResilientStore};

/// What is younger may still be under way.
const DEFAULT_AGE: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Default)]
pub struct CleanupOptions {
    pub prefix: Option<String>,
    pub bucket: Option<String>,
    /// Since the epoch, in milliseconds.
    pub older_than_ms: Option<f64>,
    pub retry: Option<RetryOptions>,
}

#[derive(Debug)]
pub struct Cleaned {
    pub removed: Vec<OpenUpload>,
    /// Uploads that are younger.
    pub kept: u32,
    pub attempts: u32,
}

impl Storage {
    /// Removes uploads in parts that were begun before a time and not ended since, at every endpoint.
    ///
    /// # Errors
    /// Bad input before anything is sent; else the last attempt's. What was removed before it stays removed.
    pub async fn cleanup(&self, options: CleanupOptions, call: Call) -> Result<Cleaned> {
        let mark = |error: Error| error.with(|failure| failure.operation = Some(Operation::Cleanup));
        let (started, call) = (Instant::now(), self.counted(Operation::Cleanup, call));
        let outcome = self.clean(&options, &call).await;
        self.count(Operation::Cleanup, started, outcome, |_| 0).map_err(mark)
    }

    async fn clean(&self, options: &CleanupOptions, call: &Call) -> Result<Cleaned> {
        self.refuse_if_closed()?;
        let prefix = options.prefix.clone().unwrap_or_default();
        check_key_part("prefix", &prefix)?;
        let older_than = older_than(options.older_than_ms)?;
        let policy = self.policy(options.retry.as_ref())?;
        let context = RetryContext {
            policy: &policy,
            started: Instant::now(),
            operation: Operation::Cleanup,
            key: &prefix,
            has_alternative: false,
            observer: call.observer.as_ref(),
        };
        let given = self.bucket(options.bucket.as_deref())?;
        let is_default = given == self.primary().config.bucket;
        self.race(call, async {
            let mut cleaned = Cleaned { removed: Vec::new(), kept: 0, attempts: 1 };
            for target in &self.targets {
                let bucket = if is_default { target.config.bucket.clone() } else { given.clone() };
                let request = ListUploads { bucket, prefix: prefix.clone(), continuation: None };
                clean_bucket(&target.store, request, older_than, context, &mut cleaned).await?;
            }
            Ok(cleaned)
        })
        .await
    }
}

async fn clean_bucket(
    store: &ResilientStore,
    mut request: ListUploads,
    older_than: SystemTime,
    context: RetryContext<'_>,
    cleaned: &mut Cleaned,
) -> Result<()> {
    loop {
        let (page, took) = store.list_uploads(&request, context).await?;
        cleaned.attempts = cleaned.attempts.max(took);
        for open in page.uploads {
            // One without a date may be under way.
            if open.initiated.is_none_or(|begun| begun >= older_than) {
                cleaned.kept += 1;
                continue;
            }
            let object = ObjectRef { bucket: request.bucket.clone(), key: ObjectKey::as_listed(&open.key) };
            let upload = MultipartUpload { object, upload_id: open.upload_id.clone(), has_checksums: false };
            let ((), took) = store.abort_multipart(&upload, context).await?;
            cleaned.attempts = cleaned.attempts.max(took);
            cleaned.removed.push(open);
        }
        request.continuation = page.continuation;
        if request.continuation.is_none() {
            return Ok(());
        }
    }
}

fn older_than(since_epoch_ms: Option<f64>) -> Result<SystemTime> {
    let Some(since_epoch_ms) = since_epoch_ms else { return Ok(SystemTime::now() - DEFAULT_AGE) };
    let time =
        Duration::try_from_secs_f64(since_epoch_ms / 1000.0).ok().and_then(|since| UNIX_EPOCH.checked_add(since));
    time.ok_or_else(|| Error::invalid_option("olderThan", "a valid date"))
}

//! Objects that another endpoint took while the primary was out, brought back.

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::failover::{MARK, is_the_endpoints};
use super::headers::CheckedHeaders;
use super::objects::check_key_part;
use super::target::Target;
use super::{Call, Prepared, RetryOptions, Storage};
use crate::error::{Category, Error, Operation, Result, Retryability};
use crate::resilience::{RetryContext, RetryPolicy};
use crate::source::resume::Resuming;
use crate::store::objects::{ListRequest, ListedObject, ObjectInfo, ObjectRef};
use crate::store::{ObjectKey, WriteCondition};
use crate::transfer::content_type::Author;
use crate::transfer::download::{ObjectDownload, Verified};

/// S3's page.
const PAGE: u32 = 1000;
/// Of an object that is written to meanwhile.
const TRIES: u32 = 5;

#[derive(Debug, Clone, Default)]
pub struct ReconcileOptions {
    pub prefix: Option<String>,
    /// Whether what was copied stays at the other endpoint, too.
    pub keep: bool,
    pub retry: Option<RetryOptions>,
}

/// What became of the objects that others had taken.
#[derive(Debug, Default)]
pub struct Reconciled {
    pub copied: Vec<String>,
    /// The primary has got a newer one meanwhile.
    pub superseded: Vec<String>,
    /// With the reason; they are where they were.
    pub failed: Vec<(String, Error)>,
}

enum Fate {
    /// Not one that was taken in place of the primary.
    NotOurs,
    Copied,
    Superseded,
    /// Somebody has written to it at the other endpoint meanwhile.
    Changed,
}

/// Which of two is the newer one, it takes somebody else to say.
fn unclear(why: &str) -> Error {
    Error::new("Conflict", Category::Service, Retryability::Permanent, why)
}

/// What one run has in common.
struct Run<'a> {
    storage: &'a Storage,
    from: &'a Target,
    call: &'a Call,
    policy: &'a RetryPolicy,
    started: Instant,
    keep: bool,
}

impl Storage {
    /// Copies back to the primary what other endpoints took in its place, and removes it there. An object that the
    /// primary has got since stays as it is. Safe to run again, and at several places at once.
    ///
    /// # Errors
    /// Bad input; an endpoint's failure, which ends the run. What was copied before it stays copied.
    pub async fn reconcile(&self, options: ReconcileOptions, call: Call) -> Result<Reconciled> {
        let mark = |error: Error| error.with(|failure| failure.operation = Some(Operation::Reconcile));
        let (started, call) = (Instant::now(), self.counted(Operation::Reconcile, call));
        let outcome = self.bring_back(&options, started, &call).await;
        self.count(Operation::Reconcile, started, outcome, |_| 0).map_err(mark)
    }

    async fn bring_back(&self, options: &ReconcileOptions, started: Instant, call: &Call) -> Result<Reconciled> {
        self.refuse_if_closed()?;
        let prefix = options.prefix.clone().unwrap_or_default();
        check_key_part("prefix", &prefix)?;
        let policy = self.policy(options.retry.as_ref())?;
        self.race(call, async {
            let mut reconciled = Reconciled::default();
            for from in &self.targets[1..] {
                let run = Run { storage: self, from, call, policy: &policy, started, keep: options.keep };
                run.all(&prefix, &mut reconciled).await?;
            }
            Ok(reconciled)
        })
        .await
    }
}

impl Run<'_> {
    async fn all(&self, prefix: &str, reconciled: &mut Reconciled) -> Result<()> {
        let mut request = ListRequest {
            bucket: self.from.config.bucket.clone(),
            prefix: prefix.to_owned(),
            start_after: None,
            continuation: None,
            page_size: PAGE,
        };
        loop {
            let (page, _) = self.from.store.list_objects(&request, self.context(prefix)).await?;
            let fates = page.objects.into_iter().map(|object| async move {
                let fate = Box::pin(self.one(&object)).await;
                (object.key, fate)
            });
            let mut fates = stream::iter(fates).buffer_unordered(self.storage.config.concurrency as usize);
            while let Some((key, fate)) = fates.next().await {
                match fate {
                    // The latter is never told from outside.
                    Ok(Fate::NotOurs | Fate::Changed) => {}
                    Ok(Fate::Copied) => reconciled.copied.push(key),
                    Ok(Fate::Superseded) => reconciled.superseded.push(key),
                    Err(error) if is_the_endpoints(&error) => return Err(error),
                    Err(error) => reconciled.failed.push((key, error)),
                }
            }
            request.continuation = page.continuation;
            if request.continuation.is_none() {
                return Ok(());
            }
        }
    }

    async fn one(&self, listed: &ListedObject) -> Result<Fate> {
        let mut copied = None;
        for _ in 0..TRIES {
            let fate = self.try_one(listed, &mut copied).await?;
            if !matches!(fate, Fate::Changed) {
                return Ok(fate);
            }
        }
        Err(unclear("it is written to at the other endpoint all the time"))
    }

    /// `copied`: the ETag that the primary's has had since this run, and then the one that it has.
    async fn try_one(&self, listed: &ListedObject, copied: &mut Option<String>) -> Result<Fate> {
        let (key, context) = (ObjectKey::as_listed(&listed.key), self.context(&listed.key));
        let there = ObjectRef { bucket: self.from.config.bucket.clone(), key: key.clone() };
        let info = match self.from.store.head_object(&there, context).await {
            Err(error) if error.status == Some(404) => return Ok(Fate::NotOurs),
            found => found?.0,
        };
        let primary = self.storage.primary();
        let home = format!("{}/{}", primary.store.gate().name(), primary.config.bucket.as_str());
        if info.metadata.get(MARK) != Some(&home) {
            return Ok(Fate::NotOurs);
        }
        let here = ObjectRef { bucket: primary.config.bucket.clone(), key };
        let condition = match primary.store.head_object(&here, context).await {
            Err(error) if error.status == Some(404) => Some(WriteCondition::Absent),
            Err(error) => return Err(error),
            Ok((same, _)) if same.etag.is_some() && same.etag == info.etag => None,
            // Later than what it is to give way to, and yet an older one.
            Ok((ours, _)) if copied.is_some() && ours.etag == *copied => ours.etag.map(WriteCondition::Etag),
            Ok((newer, _)) if newer.last_modified > info.last_modified => None,
            // Times have whole seconds.
            Ok((other, _)) if other.last_modified == info.last_modified => {
                return Err(unclear(
                    "both endpoints have it since the same second, with other bytes: delete the older one",
                ));
            }
            Ok((older, _)) => Some(older.etag.map(WriteCondition::Etag).ok_or_else(|| unclear("it has no ETag"))?),
        };
        let fate = match condition {
            None => Fate::Superseded,
            Some(condition) => match self.copy(&there, &here, condition).await {
                // Somebody has written to it in this moment.
                Err(error) if error.status == Some(412) => Fate::Superseded,
                done => {
                    *copied = done?;
                    Fate::Copied
                }
            },
        };
        // The primary may have failed again meanwhile, and a newer one come here.
        if !self.keep && !self.from.store.delete_unless_changed(&there, &info, context).await? {
            return Ok(Fate::Changed);
        }
        Ok(fate)
    }

    /// Gives the copy's ETag.
    async fn copy(&self, from: &ObjectRef, to: &ObjectRef, condition: WriteCondition) -> Result<Option<String>> {
        let context = self.context(from.key.as_str());
        let origin = ObjectDownload { store: &self.from.store, object: from.clone(), first: 0, last: None };
        let attempts = self.from.store.attempts(context);
        let (source, info) = Resuming::open(origin, attempts, self.storage.config.stall_timeout).await?;
        let source = Verified::by_etag(source, info.etag.as_deref());
        let prepared = self.prepared(to, &info, condition);
        Ok(self.storage.put_chunks(&prepared, source, Author::Caller, self.call).await?.etag)
    }

    /// The write to the primary.
    fn prepared(&self, to: &ObjectRef, info: &ObjectInfo, condition: WriteCondition) -> Prepared {
        Prepared {
            target: 0,
            has_alternative: false,
            key: to.key.clone(),
            bucket: to.bucket.clone(),
            headers: CheckedHeaders::stored(info, MARK),
            condition: Some(condition),
            compression: None,
            sha256: false,
            resume: None,
            policy: self.policy.clone(),
            verify_etag: self.storage.config.verify_etag,
            started: self.started,
            operation: Operation::Reconcile,
        }
    }

    fn context<'k>(&'k self, key: &'k str) -> RetryContext<'k> {
        RetryContext {
            policy: self.policy,
            started: self.started,
            operation: Operation::Reconcile,
            key,
            has_alternative: false,
            observer: self.call.observer.as_ref(),
        }
    }
}

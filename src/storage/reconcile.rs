//! Objects that a spare endpoint took while the primary was out, copied back. `copy_back` has the steps for one key.

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::conditions::is_plain_key;
use super::copy_back::{CopyBack, Fate, Run};
use super::failover::is_the_endpoints;
use super::objects::check_key_part;
pub use super::order::OrderRule;
use super::order::conflict;
use super::run::Running;
use super::{Call, RetryOptions, Storage};
use crate::error::{Error, Operation, Result, code};
use crate::store::ObjectStore;
use crate::store::objects::ListRequest;
use crate::store::pages::Pages;

/// S3's page.
const PAGE: u32 = 1000;
/// Of a key that is written to meanwhile.
const TRIES: u32 = 8;

#[derive(Debug, Clone, Default)]
pub struct ReconcileOptions {
    pub prefix: Option<String>,
    /// Whether what was copied stays at the spare, too.
    pub keep: bool,
    pub retry: Option<RetryOptions>,
    #[doc(hidden)]
    pub rule: OrderRule,
}

/// What became of the objects that spares had taken.
#[derive(Debug, Default)]
pub struct Reconciled {
    pub copied: Vec<String>,
    /// The primary has a newer write.
    pub superseded: Vec<String>,
    /// With the reason; they are where they were.
    pub failed: Vec<(String, Error)>,
}

impl<S: ObjectStore + 'static> Storage<S> {
    /// Copies back to the primary what spares took in its place, and removes it there. An object stays where it is
    /// unless the primary holds the same write or one that is known to be newer. Safe to run again, and at several places
    /// at once.
    ///
    /// # Errors
    /// Bad input; an endpoint's failure, which ends the run. What was copied before it stays copied.
    pub async fn reconcile(&self, options: ReconcileOptions, call: Call) -> Result<Reconciled> {
        let call = self.counted(Operation::Reconcile, call);
        let running = Running { operation: Operation::Reconcile, key: None, started: Instant::now() };
        self.run(running, &call, |_| 0, self.reconcile_all(&options, running.started, &call)).await
    }

    async fn reconcile_all(&self, options: &ReconcileOptions, started: Instant, call: &Call) -> Result<Reconciled> {
        let prefix = options.prefix.clone().unwrap_or_default();
        check_key_part("prefix", &prefix)?;
        let policy = self.policy(options.retry.as_ref())?;
        let mut reconciled = Reconciled::default();
        for (index, from) in self.targets.iter().enumerate().skip(1) {
            let ReconcileOptions { keep, rule, .. } = *options;
            let run = Run { storage: self, index, from, call, policy: &policy, started, keep, rule };
            run.all(&prefix, &mut reconciled).await?;
        }
        Ok(reconciled)
    }
}

impl<S: ObjectStore + 'static> Run<'_, S> {
    async fn all(&self, prefix: &str, reconciled: &mut Reconciled) -> Result<()> {
        let mut request = ListRequest {
            bucket: self.from.config.bucket.clone(),
            prefix: prefix.to_owned(),
            start_after: None,
            continuation: None,
            page_size: PAGE,
        };
        let mut pages = Pages::default();
        loop {
            let (page, _) = self.from.store.list_objects(&request, self.context(prefix)).await?;
            pages.next(page.last(), page.continuation.as_deref())?;
            let fates = page.objects.into_iter().map(|object| async move {
                let fate = Box::pin(self.one(&object.key)).await;
                (object.key, fate)
            });
            let mut fates = stream::iter(fates).buffer_unordered(self.storage.config.upload_concurrency as usize);
            while let Some((key, fate)) = fates.next().await {
                match fate {
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

    async fn one(&self, key: &str) -> Result<Fate> {
        if !is_plain_key(key) {
            let detail = "key has . or .. as a segment: HTTP clients rewrite such paths, so that another object would \
                          be written; rename the object at its endpoint";
            return Err(Error::invalid(code::INVALID_KEY, "key", detail));
        }
        let mut steps = CopyBack::new(self, key);
        for _ in 0..TRIES {
            match steps.attempt().await {
                Ok(Fate::Changed) => {}
                outcome => return steps.end(outcome).await,
            }
        }
        let error =
            conflict("the object kept changing at an endpoint; call reconcile again when its writers have stopped");
        steps.end(Err(error)).await
    }
}

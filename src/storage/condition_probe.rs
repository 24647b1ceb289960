//! Finds out which conditions a server checks, by trying them on an object of its own, and names the version of an
//! object for them (docs/adr/0019).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use super::conditions::{Conditions, placeholder};
use super::target::Target;
use crate::error::{Error, Result, Retryability};
use crate::resilience::RetryContext;
use crate::store::identity;
use crate::store::objects::{ObjectInfo, ObjectRef};
use crate::store::{ObjectKey, ObjectStore, ObjectVersion, WriteCondition};

/// `Last-Modified` has whole seconds: only when its second is over can no other write have the same. A second more,
/// since a server's machines have their own clocks.
const SECOND_IS_OVER: Duration = Duration::from_secs(2);
/// Of a key that is written to all the time.
const LOOKS: u32 = 3;
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl<S: ObjectStore> Target<S> {
    /// # Errors
    /// The endpoint's; it is tried again the next time.
    pub(super) async fn conditions(&self, context: RetryContext<'_>) -> Result<Conditions> {
        let probe = || Probe { target: self, context }.run();
        self.conditions.get_or_try_init(probe).await.copied()
    }

    /// Looks at an object until its version can be named for a condition, by its ETag, its time or both. None where it is
    /// not there, or is written to all the time.
    ///
    /// # Errors
    /// The endpoint's.
    pub(super) async fn version(
        &self,
        object: &ObjectRef,
        (by_etag, by_time): (bool, bool),
        context: RetryContext<'_>,
    ) -> Result<Option<(ObjectInfo, ObjectVersion)>> {
        for _ in 0..LOOKS {
            let before = self.store.inner().server_time();
            let info = match self.store.head_object(object, context).await {
                Err(error) if error.status == Some(404) => return Ok(None),
                found => found?.0,
            };
            let etag = info.etag.clone().filter(|_| by_etag);
            let Some(modified) = info.last_modified.filter(|_| by_time) else {
                let version = ObjectVersion { etag, last_modified: None };
                return Ok(version.etag.is_some().then_some((info, version)));
            };
            let is_over = modified + SECOND_IS_OVER;
            match before.map(|now| is_over.duration_since(now.low)) {
                Some(Err(_)) => return Ok(Some((info, ObjectVersion { etag, last_modified: Some(modified) }))),
                Some(Ok(left)) => sleep(left.min(LONGEST_WAIT) + Duration::from_millis(1)).await,
                None => {}
            }
        }
        Ok(None)
    }
}

struct Probe<'a, S> {
    target: &'a Target<S>,
    context: RetryContext<'a>,
}

impl<S: ObjectStore> Probe<'_, S> {
    async fn run(self) -> Result<Conditions> {
        let key = format!("reliable-r2-conditions-{:016x}", identity::random()?);
        let object = ObjectRef { bucket: self.target.config.bucket.clone(), key: ObjectKey::as_listed(&key) };
        self.put(&object, None).await?;
        let found = self.ask(&object).await;
        // What is found out does not depend on it.
        let _ = self.target.store.delete_object(&object, self.context).await;
        found
    }

    async fn ask(&self, object: &ObjectRef) -> Result<Conditions> {
        let other_etag = "0".repeat(32);
        let long_ago = UNIX_EPOCH + Duration::from_secs(24 * 3600);
        let before = |time: SystemTime| ObjectVersion { etag: None, last_modified: Some(time) };
        let etag = ObjectVersion { etag: Some(other_etag.clone()), last_modified: None };
        Ok(Conditions {
            put_etag: self.refuses_to_put(object, WriteCondition::Absent).await?
                && self.refuses_to_put(object, WriteCondition::Etag(other_etag)).await?,
            put_time: self.refuses_to_put(object, WriteCondition::Version(before(long_ago))).await?,
            delete_etag: self.refuses_to_delete(object, &etag).await?,
            delete_time: self.refuses_to_delete(object, &before(long_ago)).await?,
        })
    }

    async fn put(&self, object: &ObjectRef, condition: Option<WriteCondition>) -> Result<()> {
        let text = "reliable-r2 tries which conditional requests this server knows; this can be deleted";
        let request = placeholder(object, text, None, condition)?;
        self.target.store.put_object(&request, self.context).await.map(drop)
    }

    async fn refuses_to_put(&self, object: &ObjectRef, condition: WriteCondition) -> Result<bool> {
        is_condition(self.put(object, Some(condition)).await)
    }

    async fn refuses_to_delete(&self, object: &ObjectRef, version: &ObjectVersion) -> Result<bool> {
        let deleted = self.target.store.delete_version(object, version, self.context).await;
        let refuses = matches!(deleted, Ok(false));
        if !refuses {
            self.put(object, None).await?;
        }
        match deleted {
            Err(error) if is_unknown(&error) => Ok(false),
            other => other.map(|_| refuses),
        }
    }
}

/// Whether a write was refused for its condition.
fn is_condition(outcome: Result<()>) -> Result<bool> {
    match outcome {
        Ok(()) => Ok(false),
        Err(error) if matches!(error.status, Some(404 | 412)) => Ok(true),
        Err(error) if is_unknown(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a server refused a header that it does not implement.
fn is_unknown(error: &Error) -> bool {
    error.status == Some(501) || error.status.is_some() && error.retryability == Retryability::Permanent
}

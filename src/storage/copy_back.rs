//! One pending object of a spare, copied back to the primary (docs/adr/0019).
//!
//! Each step can be the last one of its process, and another process may be at the same key. So every write is
//! conditional on what was seen, and:
//!
//! - Where the primary has nothing, a placeholder comes first, and the pending object is looked at again before the copy
//!   replaces the placeholder. A delete removes the pending object and then whatever the primary has: either it removes
//!   the placeholder, and the copy fails, or the pending object is found to be gone.
//! - The spare's object goes last, only as the version that was seen, and only once the primary was seen to hold the same
//!   write or a newer one.

use std::time::SystemTime;

use tokio::time::Instant;

use super::conditions::placeholder;
use super::headers::CheckedHeaders;
use super::lookup::is_pending;
use super::order::{self, Order, OrderRule, conflict};
use super::target::Target;
use super::{Call, Prepared, Storage};
use crate::error::{Category, Error, Operation, Result, Retryability, code};
use crate::resilience::{RetryContext, RetryPolicy};
use crate::source::resume::Resuming;
use crate::store::identity::{self, ObjectState, WriteIdentity};
use crate::store::objects::{ObjectInfo, ObjectRef};
use crate::store::{ObjectKey, ObjectStore, ObjectVersion, WriteCondition};
use crate::transfer::content_type::Author;
use crate::transfer::download::{ObjectDownload, Verified};

pub(super) enum Fate {
    /// Not pending for this primary, or another reconcile is copying it.
    NotOurs,
    Copied,
    Superseded,
    /// One of the endpoints has another object meanwhile: to be looked at again.
    Changed,
}

/// What one run has in common at one spare.
pub(super) struct Run<'a, S> {
    pub(super) storage: &'a Storage<S>,
    /// The spare's place among the endpoints.
    pub(super) index: usize,
    pub(super) from: &'a Target<S>,
    pub(super) call: &'a Call,
    pub(super) policy: &'a RetryPolicy,
    pub(super) started: Instant,
    pub(super) keep: bool,
    pub(super) rule: OrderRule,
}

impl<S> Run<'_, S> {
    pub(super) fn context<'k>(&'k self, key: &'k str) -> RetryContext<'k> {
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

pub(super) struct CopyBack<'a, S> {
    run: &'a Run<'a, S>,
    primary: &'a Target<S>,
    /// The object at the spare, and at the primary.
    there: ObjectRef,
    here: ObjectRef,
    /// The ETag of the placeholder that this run has stored, until a copy replaces it.
    placeholder: Option<String>,
    /// The copies that this run has made.
    copies: Vec<u64>,
}

impl<'a, S: ObjectStore + 'static> CopyBack<'a, S> {
    pub(super) fn new(run: &'a Run<'a, S>, key: &str) -> Self {
        let (key, primary) = (ObjectKey::as_listed(key), run.storage.primary());
        Self {
            run,
            primary,
            there: ObjectRef { bucket: run.from.config.bucket.clone(), key: key.clone() },
            here: ObjectRef { bucket: primary.config.bucket.clone(), key },
            placeholder: None,
            copies: Vec::new(),
        }
    }

    /// # Errors
    /// An endpoint's; `Conflict`.
    pub(super) async fn attempt(&mut self) -> Result<Fate> {
        let Some((pending, write)) = self.pending().await? else { return Ok(Fate::NotOurs) };
        let Some(held) = head(self.primary, &self.here, self.run).await? else {
            return self.reserve(WriteCondition::Absent, &write).await;
        };
        if held.write.as_ref().is_some_and(|write| write.state == ObjectState::Reserved) {
            return match (held.etag, &self.placeholder) {
                (Some(etag), Some(ours)) if etag == *ours => self.replace_placeholder(&pending, etag).await,
                // Another run has taken it over from this one.
                (_, Some(_)) => {
                    self.placeholder = None;
                    Ok(Fate::NotOurs)
                }
                (Some(etag), None) => self.reserve(WriteCondition::Etag(etag), &write).await,
                (None, None) => Err(conflict("the primary's placeholder has no ETag; delete it there")),
            };
        }
        self.placeholder = None;
        match self.order(&held, &pending, &write) {
            Order::Same => self.settle(&pending, Fate::Copied).await,
            Order::Newer => self.settle(&pending, Fate::Superseded).await,
            Order::Older => self.replace_older(&held, &pending).await,
            Order::Unknown => Err(conflict(format!(
                "the primary and {} both have this object, and which one was stored last cannot be determined: upload it \
                 again, or delete the one that is not wanted at its endpoint",
                self.run.from.config.origin()
            ))),
        }
    }

    /// Removes a placeholder that no copy has replaced.
    pub(super) async fn end(&mut self, outcome: Result<Fate>) -> Result<Fate> {
        if self.placeholder.is_some() {
            let removed = self.remove_placeholder().await;
            // The first failure is the one that counts.
            return outcome.and_then(|fate| removed.map(|()| fate));
        }
        outcome
    }

    async fn pending(&self) -> Result<Option<(ObjectInfo, WriteIdentity)>> {
        let home = self.run.storage.primary_id(self.here.bucket.as_str());
        let info = head(self.run.from, &self.there, self.run).await?;
        Ok(info.filter(|info| is_pending(info, home)).and_then(|info| info.write.clone().map(|write| (info, write))))
    }

    fn order(&self, held: &ObjectInfo, pending: &ObjectInfo, write: &WriteIdentity) -> Order {
        let order = match self.run.rule {
            OrderRule::Identity => order::of_primary(held, write, self.stored_by(pending)),
            OrderRule::LastModified => order::by_last_modified(held, pending),
        };
        let copy = held.write.as_ref().and_then(|write| write.copy);
        // What this run copied from the spare, the spare has replaced since.
        if order == Order::Unknown && copy.is_some_and(|copy| self.copies.contains(&copy)) {
            return Order::Older;
        }
        order
    }

    fn stored_by(&self, pending: &ObjectInfo) -> Option<SystemTime> {
        let (spare, primary) = (self.run.from.store.inner(), self.primary.store.inner());
        order::stored_at_spare_by(pending, spare.server_time(), primary.server_time())
    }

    async fn reserve(&mut self, condition: WriteCondition, write: &WriteIdentity) -> Result<Fate> {
        let text = "reliable-r2 is copying this object from another endpoint; run reconcile again if this stays";
        let write = WriteIdentity { copy: Some(identity::random()?), ..write.in_state(ObjectState::Reserved) };
        let request = placeholder(&self.here, text, Some(write), Some(condition))?;
        let stored = self.primary.store.put_object(&request, self.run.context(self.here.key.as_str())).await;
        if let Some((outcome, _)) = unless_changed(stored)? {
            self.placeholder = outcome.etag;
        }
        // The next attempt looks at both endpoints again, which is the point of it.
        Ok(Fate::Changed)
    }

    async fn replace_placeholder(&mut self, pending: &ObjectInfo, etag: String) -> Result<Fate> {
        self.require_conditional_writes().await?;
        // Its ETag is like no other's.
        if self.copy_to_primary(pending, WriteCondition::Etag(etag)).await? {
            self.placeholder = None;
            return self.settle(pending, Fate::Copied).await;
        }
        Ok(Fate::Changed)
    }

    async fn replace_older(&mut self, held: &ObjectInfo, pending: &ObjectInfo) -> Result<Fate> {
        self.require_conditional_writes().await?;
        let context = self.run.context(self.here.key.as_str());
        let by_time = self.primary.conditions(context).await?.put_time;
        let Some((seen, version)) = self.primary.version(&self.here, (true, by_time), context).await? else {
            return Ok(Fate::Changed);
        };
        if (&seen.write, &seen.etag, seen.last_modified) != (&held.write, &held.etag, held.last_modified) {
            return Ok(Fate::Changed);
        }
        if self.copy_to_primary(pending, WriteCondition::Version(version)).await? {
            return self.settle(pending, Fate::Copied).await;
        }
        Ok(Fate::Changed)
    }

    async fn require_conditional_writes(&self) -> Result<()> {
        let context = self.run.context(self.here.key.as_str());
        if self.primary.conditions(context).await?.put_etag {
            return Ok(());
        }
        let detail = "the primary's server ignores If-Match and If-None-Match, so that a copy could replace a newer \
                      object; copy it by hand, and delete it at the other endpoint";
        Err(Error::new(code::UNSUPPORTED, Category::Service, Retryability::Permanent, detail))
    }

    async fn copy_to_primary(&mut self, pending: &ObjectInfo, condition: WriteCondition) -> Result<bool> {
        let nonce = identity::random()?;
        let copied = self.copy(pending, (0, &self.here), nonce, condition).await?;
        if copied {
            self.copies.push(nonce);
        }
        Ok(copied)
    }

    /// Writes the spare's object to an endpoint, as one that is settled. False where the spare has another one meanwhile,
    /// or the condition does not hold.
    async fn copy(
        &self,
        pending: &ObjectInfo,
        (index, to): (usize, &ObjectRef),
        nonce: u64,
        condition: WriteCondition,
    ) -> Result<bool> {
        let (storage, from, context) = (self.run.storage, self.run.from, self.run.context(to.key.as_str()));
        let origin = ObjectDownload { store: &from.store, object: self.there.clone(), first: 0, last: None };
        let opened = Resuming::open(origin, from.store.attempts(context), storage.config.stall_timeout).await;
        let Some((source, info)) = unless_changed(opened)? else { return Ok(false) };
        let Some(write) = info.write.clone().filter(|_| info.write == pending.write) else { return Ok(false) };
        let source = Verified::by_etag(source, info.etag.as_deref());
        let write = WriteIdentity {
            not_after: self.stored_by(pending),
            copy: Some(nonce),
            ..write.in_state(ObjectState::Stored)
        };
        let prepared = Prepared {
            target: index,
            has_alternative: false,
            key: to.key.clone(),
            bucket: to.bucket.clone(),
            headers: CheckedHeaders::stored(&info, write),
            condition: Some(condition),
            compression: None,
            min_bytes: 0,
            sha256: false,
            resume: None,
            policy: self.run.policy.clone(),
            verify_integrity: storage.config.verify_integrity,
            started: self.run.started,
            operation: Operation::Reconcile,
            ticket: None,
        };
        let stored = storage.put_chunks(&prepared, source, Author::Caller, self.run.call).await;
        Ok(unless_changed(stored)?.is_some())
    }

    /// Ends the pending state of the spare's object, whose write the primary holds, or a newer one.
    async fn settle(&self, pending: &ObjectInfo, fate: Fate) -> Result<Fate> {
        let (from, context) = (self.run.from, self.run.context(self.there.key.as_str()));
        let conditions = from.conditions(context).await?;
        let stays = self.run.keep && matches!(fate, Fate::Copied);
        let deletes = conditions.can_delete() && !stays;
        let by = match (deletes, conditions.put_etag) {
            (true, _) => (conditions.delete_etag, conditions.delete_time),
            (false, true) => (true, conditions.put_time),
            // Whatever was done to it could be done to a newer one: it stays as it is.
            (false, false) => return Ok(if self.copies.is_empty() { Fate::NotOurs } else { fate }),
        };
        let Some((seen, version)) = from.version(&self.there, by, context).await? else { return Ok(Fate::Changed) };
        if seen.write != pending.write {
            return Ok(Fate::Changed);
        }
        let is_settled = if deletes {
            from.store.delete_version(&self.there, &version, context).await?
        } else if stays {
            self.copy(pending, (self.run.index, &self.there), identity::random()?, WriteCondition::Version(version))
                .await?
        } else {
            self.mark_settled(pending, version).await?
        };
        Ok(if is_settled { fate } else { Fate::Changed })
    }

    /// Empties the spare's object, at a server that cannot delete one version only.
    async fn mark_settled(&self, pending: &ObjectInfo, version: ObjectVersion) -> Result<bool> {
        let text =
            "reliable-r2 has copied this object to its primary endpoint, and this server cannot delete it safely";
        let write = pending.write.as_ref().map(|write| write.in_state(ObjectState::Settled));
        let request = placeholder(&self.there, text, write, Some(WriteCondition::Version(version)))?;
        let stored = self.run.from.store.put_object(&request, self.run.context(self.there.key.as_str())).await;
        Ok(unless_changed(stored)?.is_some())
    }

    async fn remove_placeholder(&mut self) -> Result<()> {
        let context = self.run.context(self.here.key.as_str());
        let conditions = self.primary.conditions(context).await?;
        if !conditions.can_delete() {
            return Ok(());
        }
        let by = (conditions.delete_etag, conditions.delete_time);
        let Some((seen, version)) = self.primary.version(&self.here, by, context).await? else { return Ok(()) };
        if seen.etag == self.placeholder {
            self.primary.store.delete_version(&self.here, &version, context).await?;
        }
        Ok(())
    }
}

async fn head<S: ObjectStore + 'static>(
    target: &Target<S>,
    object: &ObjectRef,
    run: &Run<'_, S>,
) -> Result<Option<ObjectInfo>> {
    match target.store.head_object(object, run.context(object.key.as_str())).await {
        Err(error) if error.status == Some(404) => Ok(None),
        found => found.map(|(info, _)| Some(info)),
    }
}

/// None where another object is there than was expected, or none.
fn unless_changed<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Err(error) if error.code == code::SOURCE_CHANGED => Ok(None),
        Err(error) if matches!(error.status, Some(404 | 409 | 412)) && error.code != "NoSuchBucket" => Ok(None),
        other => other.map(Some),
    }
}

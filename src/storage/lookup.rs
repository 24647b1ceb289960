//! Which endpoint has the object that a read is of.
//!
//! The primary responds. Where it has nothing, what a spare holds for it is the object. While it is out, a spare's object
//! is the best that can be had, and its absence there says nothing: the read fails with the primary's error.

use std::borrow::Cow;

use super::failover::is_the_endpoints;
use super::order::is_preferred;
use super::{Call, Prepared, Storage};
use crate::error::{Category, Error, Result, Retryability};
use crate::resilience::RetryContext;
use crate::store::ObjectStore;
use crate::store::identity::{ObjectState, PrimaryId};
use crate::store::objects::ObjectInfo;

/// An object can be copied to the primary and removed at the spare between two looks.
const ROUNDS: u32 = 3;

impl<S: ObjectStore + 'static> Storage<S> {
    /// Opens an object wherever it is.
    ///
    /// # Errors
    /// `NotFound` where it is nowhere; the primary's where it is out and no spare has the object; else that of the
    /// endpoint which could not say.
    pub(super) async fn open_at_any<'a, T, F>(
        &self,
        places: &'a [Cow<'a, Prepared>],
        call: &Call,
        open: impl Fn(&'a Prepared) -> F,
    ) -> Result<(&'a Prepared, T, ObjectInfo)>
    where
        F: Future<Output = Result<(T, ObjectInfo)>>,
    {
        let [primary, spares @ ..] = places else { return Err(Error::internal("there is no endpoint")) };
        let home = self.primary_id(primary.bucket.as_str());
        let mut failed: Option<Error> = None;
        for _ in 0..ROUNDS {
            let error = match open(primary).await {
                Ok((opened, info)) if is_object(&info) => return Ok((primary, opened, info)),
                Ok(_) => not_found(),
                Err(error) if spares.is_empty() => return Err(error),
                Err(error) => error,
            };
            let is_out = is_the_endpoints(&error);
            if !is_out && error.status != Some(404) {
                return Err(error);
            }
            if !is_out && failed.as_ref().is_some_and(|before| before.status == Some(404)) {
                // Still nowhere: nothing was on its way from a spare to the primary.
                return Err(error);
            }
            if is_out && let Some(spare) = spares.first() {
                call.observer.on_failover(self.store(spare).gate().name(), &error);
            }
            let found = self.newest_at_spares(spares, call, home, is_out).await;
            let place = match found {
                Ok(Some(place)) => place,
                Ok(None) if is_out => return Err(error),
                Ok(None) => {
                    failed = Some(error);
                    continue;
                }
                // What the spare's error says of the object counts less than what the primary's does.
                Err(_) if is_out => return Err(error),
                Err(spare_s) => return Err(spare_s.caused_by(error)),
            };
            match open(place).await {
                Ok((opened, info)) if is_object(&info) => return Ok((place, opened, info)),
                Ok(_) => {}
                Err(spare_s) if spare_s.status == Some(404) => {}
                Err(_) if is_out => return Err(error),
                Err(spare_s) => return Err(spare_s.caused_by(error)),
            }
            failed = Some(error).filter(|_| is_out);
        }
        Err(failed.unwrap_or_else(not_found))
    }

    /// The spare with the newest object, as far as that can be determined.
    ///
    /// # Errors
    /// A spare's, where no other has the object.
    async fn newest_at_spares<'a>(
        &self,
        spares: &'a [Cow<'a, Prepared>],
        call: &Call,
        home: PrimaryId,
        primary_is_out: bool,
    ) -> Result<Option<&'a Prepared>> {
        let mut newest: Option<(&Prepared, ObjectInfo)> = None;
        let mut failed = None;
        for spare in spares {
            let context = RetryContext { has_alternative: false, ..spare.context(call.observer.as_ref()) };
            let info = match self.store(spare).head_object(&spare.object(), context).await {
                Ok((info, _)) => info,
                Err(error) if error.status == Some(404) => continue,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            let counts = if primary_is_out { is_object(&info) } else { is_pending(&info, home) };
            if counts && newest.as_ref().is_none_or(|(_, before)| is_preferred(&info, before)) {
                newest = Some((spare, info));
            }
        }
        match (newest, failed) {
            (Some((place, _)), _) => Ok(Some(place)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }
}

/// Whether it is an object of a caller's, and not a placeholder of ours.
fn is_object(info: &ObjectInfo) -> bool {
    let state = info.write.as_ref().map(|write| write.state);
    !matches!(state, Some(ObjectState::Reserved | ObjectState::Settled))
}

pub(super) fn is_pending(info: &ObjectInfo, home: PrimaryId) -> bool {
    info.write.as_ref().is_some_and(|write| write.state == ObjectState::Pending && write.primary == home)
}

/// What a HEAD says of a key without an object.
fn not_found() -> Error {
    let error = Error::new("NotFound", Category::Service, Retryability::Permanent, "the object does not exist");
    error.with(|failure| failure.status = Some(404))
}

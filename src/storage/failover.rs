//! Where a call goes when an endpoint fails: to the next one, whole. Never request by request: an upload in parts belongs
//! to one bucket.

use std::borrow::Cow;
use std::time::Duration;

use super::{Call, Prepared, Storage};
use crate::error::{Category, Error, Result, Retryability, code};
use crate::resilience::circuit_breaker::BreakerState;
use crate::store::ObjectStore;
use crate::store::identity::ObjectState;

impl<S: ObjectStore + 'static> Storage<S> {
    /// The call as each endpoint is to get it, the primary first.
    ///
    /// A conditional write is for the primary alone: what a spare holds says nothing of the condition.
    pub(super) fn places<'a>(&self, prepared: &'a Prepared) -> Vec<Cow<'a, Prepared>> {
        let all = if prepared.condition.is_some() { 1 } else { self.targets.len() };
        let place = |target| if all == 1 { Cow::Borrowed(prepared) } else { Cow::Owned(self.place(prepared, target)) };
        (0..all).map(place).collect()
    }

    /// Runs `work` at the first of the places and, where that fails by no fault of the caller's, at the next one, and
    /// so on. `work` must be able to begin anew.
    pub(super) async fn at_each<'a, T, F>(
        &self,
        places: &'a [Cow<'a, Prepared>],
        call: &Call,
        continues: impl Fn(&Error) -> bool,
        work: impl Fn(&'a Prepared) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut before: Option<Error> = None;
        for here in places {
            if let Some(error) = &before {
                call.observer.on_failover(self.store(here).gate().name(), error);
            }
            match (work(here).await, before.take()) {
                (Err(error), _) if here.has_alternative && continues(&error) => before = Some(error),
                (Err(error), Some(before)) => return Err(error.caused_by(before)),
                (outcome, _) => return outcome,
            }
        }
        Err(before.unwrap_or_else(|| Error::internal("there is no endpoint")))
    }

    /// For a source that can be read once: the first place that is not known to be out.
    pub(super) fn one_place<'a>(&self, prepared: &'a Prepared) -> Cow<'a, Prepared> {
        let is_well = |here: &Cow<'_, Prepared>| self.store(here).gate().snapshot().breaker == BreakerState::Closed;
        let mut places = self.places(prepared);
        let mut here = places.swap_remove(places.iter().position(is_well).unwrap_or(0));
        if here.has_alternative {
            let here = here.to_mut();
            (here.has_alternative, here.policy.deadline) = (false, prepared.policy.deadline);
        }
        here
    }

    fn place(&self, prepared: &Prepared, target: usize) -> Prepared {
        let mut here = Prepared { target, has_alternative: target + 1 < self.targets.len(), ..prepared.clone() };
        here.policy.deadline = here.policy.deadline.map(|deadline| share(deadline, target, self.targets.len()));
        if target > 0 {
            let primary = self.primary();
            // [`Storage::reconcile`] copies back what is pending.
            if let Some(write) = prepared.headers.write() {
                here.headers.identify(write.in_state(ObjectState::Pending));
            }
            if prepared.bucket == primary.config.bucket {
                here.bucket = self.targets[target].config.bucket.clone();
            }
        }
        here
    }
}

/// Until when an endpoint may try: each has an equal part of the time, and what those before it have left.
fn share(deadline: Duration, target: usize, all: usize) -> Duration {
    let part = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    deadline / part(all) * part(target + 1)
}

/// Whether a write that failed so may succeed elsewhere: the endpoint's fault, not the caller's nor the source's.
pub(super) fn is_the_endpoints(error: &Error) -> bool {
    let theirs =
        matches!(error.category, Category::Network | Category::Timeout | Category::Throttled | Category::Service);
    theirs && !error.of_source && error.retryability != Retryability::Permanent && error.code != code::INTEGRITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_share_the_time_that_is_left() {
        let s = Duration::from_secs;
        assert_eq!([0, 1].map(|target| share(s(120), target, 2)), [s(60), s(120)]);
        assert_eq!([0, 1, 2].map(|target| share(s(120), target, 3)), [s(40), s(80), s(120)]);
    }

    #[test]
    fn only_the_endpoints_own_failures_go_elsewhere() {
        let error = |category, retryability| Error::new("X", category, retryability, "x");
        assert!(is_the_endpoints(&error(Category::Network, Retryability::Transient)));
        assert!(is_the_endpoints(&Error::circuit_open("x", Duration::ZERO)));
        let of_source = error(Category::Network, Retryability::Transient).with(|failure| failure.of_source = true);
        assert!(!is_the_endpoints(&of_source));
        for (category, retryability) in [
            (Category::Auth, Retryability::Permanent),
            (Category::Network, Retryability::Permanent),
            (Category::Source, Retryability::Transient),
            (Category::Aborted, Retryability::Permanent),
        ] {
            assert!(!is_the_endpoints(&error(category, retryability)), "{category:?}");
        }
    }
}

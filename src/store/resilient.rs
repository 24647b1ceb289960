//! A store that tries again. The order of the policies is visible here and nowhere else:
//! `deadline( retry( attempt timeout( request )))`, all by [`retry::run`].

use super::types::{PutObject, PutOutcome};
use super::{ObjectStore, S3Store};
use crate::error::Result;
use crate::resilience::retry::{self, RetryContext};

#[derive(Debug)]
pub struct ResilientStore<S = S3Store> {
    inner: S,
}

impl<S: ObjectStore> ResilientStore<S> {
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Stores an object, with the number of attempts it took.
    ///
    /// # Errors
    /// The last attempt's, or the first that no other attempt can mend.
    pub async fn put_object(&self, request: &PutObject, context: RetryContext<'_>) -> Result<(PutOutcome, u32)> {
        retry::run(context, |_| self.inner.put_object(request)).await
    }
}

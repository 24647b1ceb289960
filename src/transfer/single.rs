//! An object in one request.

use crate::error::Result;
use crate::resilience::RetryContext;
use crate::store::{ObjectStore, PutObject, PutOutcome, ResilientStore};

/// What one upload came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub outcome: PutOutcome,
    /// Of the step that took most.
    pub attempts: u32,
    /// In bytes.
    pub size: u64,
    pub parts: u32,
    /// Those of them that an earlier process had sent, where there was a checkpoint.
    pub resumed_parts: Option<u32>,
}

/// Stores a body that is in memory. Every attempt sends the same bytes.
///
/// # Errors
/// See [`ResilientStore::put_object`].
pub async fn upload<S: ObjectStore>(
    store: &ResilientStore<S>,
    request: &PutObject,
    context: RetryContext<'_>,
) -> Result<Stored> {
    let (outcome, attempts) = store.put_object(request, context).await?;
    Ok(Stored { outcome, attempts, size: request.body.bytes().len() as u64, parts: 1, resumed_parts: None })
}

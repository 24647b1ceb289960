//! When to try again, and for how long. Pure: no I/O, no S3, no Node; time comes from `tokio::time`, so
//! that tests run on a paused clock.

pub mod admission;
pub mod attempts;
pub mod backoff;
pub mod circuit_breaker;
pub mod classify;
pub mod context;
pub mod external_error;
mod hot_keys;
pub mod key_lock;
pub mod policy;
pub mod preset;
pub mod rate_limiter;
mod rate_meter;
pub mod retry;
pub mod retry_after;
pub mod retry_budget;
pub mod schedule;

pub use admission::Gate;
pub use attempts::Attempts;
pub use context::{Attempt, RetryContext, RetryEvent, RetryObserver};
pub use policy::RetryPolicy;
pub use preset::Preset;

//! When to try again, and for how long. Pure: no I/O, no S3, no Node; time comes from `tokio::time`, so
//! that tests run on a paused clock.

pub mod attempts;
pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod classify;
pub mod foreign;
pub mod gate;
pub mod hedge;
mod meter;
pub mod pacing;
pub mod policy;
pub mod preset;
pub mod retry;
pub mod retry_after;
pub mod schedule;
pub mod writers;

pub use attempts::Attempts;
pub use gate::Gate;
pub use policy::RetryPolicy;
pub use preset::Preset;
pub use retry::{Attempt, RetryContext, RetryEvent, RetryObserver};

//! Uploads to Cloudflare R2 that succeed.
//!
//! The crate has layers. A module imports from its own folder or from a lower layer, never from a sibling;
//! `tests/architecture.rs` checks it.
//!
//! | layer | modules | concern |
//! |---|---|---|
//! | 0 | [`error`], [`phase`], [`secret`], [`net`], [`cpu`], `allocator` | errors, the names of network faults, the machine |
//! | 1 | [`resilience`] | when to try again; no I/O, no S3 |
//! | 2 | [`source`], [`store`] | where bytes come from and where they go |
//! | 3 | [`transfer`] | one object, moved whole |
//! | 4 | [`storage`] | the product: configuration, validation, calls |
//! | 6 | `binding` | the only place with `#[napi]` (feature `binding`) |

#[cfg(feature = "allocator")]
mod allocator;
#[cfg(feature = "allocator")]
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

pub mod cpu;
pub mod error;
pub mod net;
pub mod phase;
pub mod secret;

pub mod metrics;
pub mod resilience;

pub mod source;
pub mod store;

pub mod transfer;

pub mod storage;

#[cfg(feature = "binding")]
#[doc(hidden)]
pub mod binding;

//! An endpoint at run time: its configuration and the way to it.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::conditions::Conditions;
use super::config::ResolvedConfig;
use super::endpoint_config::TargetConfig;
use crate::store::resilient::EndpointOptions;
use crate::store::{ObjectStore, ResilientStore, S3Store};

/// An endpoint and the way to it.
#[derive(Debug)]
pub(super) struct Target<S = S3Store> {
    pub(super) config: TargetConfig,
    pub(super) store: Arc<ResilientStore<S>>,
    /// Found out when they are needed first.
    pub(super) conditions: OnceCell<Conditions>,
}

impl<S: ObjectStore> Target<S> {
    pub(super) fn new(config: TargetConfig, store: S, common: &ResolvedConfig) -> Self {
        let options = EndpointOptions {
            name: config.origin(),
            write_spacing: config.write_spacing,
            max_connections: NonZeroUsize::new(common.max_connections),
        };
        Self { store: Arc::new(ResilientStore::new(store, options)), config, conditions: OnceCell::new() }
    }
}

//! The endpoints as they are now: what stands before each, and how it goes.

use std::sync::Arc;

use super::Storage;
use crate::error::{Error, Result};
use crate::resilience::admission::{BreakerWatcher, GateSnapshot};
use crate::resilience::circuit_breaker::BreakerState;

#[derive(Debug, Clone, PartialEq)]
pub struct EndpointStatus {
    /// Scheme, host and port.
    pub endpoint: String,
    pub bucket: String,
    pub is_primary: bool,
    pub gate: GateSnapshot,
    /// Connections that could not be made and were tried again within an attempt.
    pub reconnects: u64,
    /// How it is proven that an object's bytes have arrived, and a part's.
    pub proofs: [Option<&'static str>; 2],
}

impl Storage {
    /// The primary first.
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        let status = |(index, target): (usize, &super::target::Target)| EndpointStatus {
            endpoint: target.store.gate().name().to_owned(),
            bucket: target.config.bucket.as_str().to_owned(),
            is_primary: index == 0,
            gate: target.store.gate().snapshot(),
            reconnects: target.store.inner().reconnects(),
            proofs: target.store.inner().proofs(),
        };
        self.targets.iter().enumerate().map(status).collect()
    }

    /// Whom to report the breakers' changes; the first one stays.
    pub fn watch_breakers(&self, watcher: &Arc<dyn BreakerWatcher>) {
        for target in &self.targets {
            target.store.gate().watch(Arc::clone(watcher));
        }
    }

    /// Opens or closes the breaker of an endpoint by hand; without a name, the primary's.
    ///
    /// # Errors
    /// An unknown state or endpoint.
    pub fn set_breaker(&self, state: &str, endpoint: Option<&str>) -> Result<()> {
        let state = BreakerState::parse(state)
            .ok_or_else(|| Error::invalid_option("state", super::limits::one_of(BreakerState::NAMES)))?;
        let names = || self.targets.iter().map(|target| target.store.gate().name()).collect::<Vec<_>>();
        let target = match endpoint {
            None => Some(self.primary()),
            Some(name) => self.targets.iter().find(|target| target.store.gate().name() == name),
        };
        let target = target.ok_or_else(|| Error::invalid_option("endpoint", super::limits::one_of(&names())))?;
        target.store.gate().set_breaker(state);
        Ok(())
    }
}

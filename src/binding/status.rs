//! The endpoints as they are now, as JavaScript sees them.

use napi_derive::napi;

use super::failure::{NativeFailure, milliseconds};
use super::object_info::number;
use super::storage::NativeStorage;
use crate::storage::status::EndpointStatus;

#[napi(object, object_from_js = false)]
pub struct NativeEndpointStatus {
    pub endpoint: String,
    pub bucket: String,
    pub is_primary: bool,
    pub breaker_state: String,
    pub retry_after_ms: Option<f64>,
    pub opened: f64,
    pub requests_per_second: Option<f64>,
    pub concurrency: Option<f64>,
    pub in_flight: u32,
    pub queued: u32,
    pub reconnects: f64,
    pub objects_verified_by: Option<String>,
    pub parts_verified_by: Option<String>,
}

impl From<EndpointStatus> for NativeEndpointStatus {
    fn from(status: EndpointStatus) -> Self {
        let EndpointStatus { endpoint, bucket, is_primary, gate, reconnects, proofs } = status;
        let [objects, parts] = proofs.map(|proof| proof.map(str::to_owned));
        Self {
            endpoint,
            bucket,
            is_primary,
            breaker_state: gate.breaker.as_str().to_owned(),
            retry_after_ms: gate.retry_after.map(milliseconds),
            opened: number(gate.opened),
            requests_per_second: gate.pace.map(|(rate, _)| (rate * 10.0).round() / 10.0),
            concurrency: gate.pace.map(|(_, concurrency)| concurrency.floor()),
            in_flight: gate.in_flight,
            queued: gate.queued,
            reconnects: number(reconnects),
            objects_verified_by: objects,
            parts_verified_by: parts,
        }
    }
}

#[napi]
impl NativeStorage {
    /// The primary first.
    #[napi(catch_unwind)]
    pub fn endpoints(&self) -> Vec<NativeEndpointStatus> {
        self.inner.endpoints().into_iter().map(Into::into).collect()
    }

    /// Opens or closes a breaker by hand; without an endpoint, the primary's.
    #[napi(catch_unwind)]
    pub fn set_breaker(&self, state: String, endpoint: Option<String>) -> Option<NativeFailure> {
        self.inner.set_breaker(&state, endpoint.as_deref()).err().map(Into::into)
    }
}

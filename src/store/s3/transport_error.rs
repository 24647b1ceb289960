//! Why a request got no response.

use std::fmt;
use std::time::Duration;

use crate::error::code;
use crate::net::limits::LimitExceeded;
use crate::net::node_code;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request that got no response.
#[derive(Debug)]
pub(super) struct TransportError {
    pub(super) code: &'static str,
    pub(super) detail: String,
    /// False only where it is certain that no byte of the request left: name, connection, TLS.
    pub(super) maybe_sent: bool,
    pub(super) source: Option<BoxError>,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl TransportError {
    /// Name, TCP or TLS.
    pub(super) fn connecting(source: BoxError) -> Self {
        let (code, detail) = match node_code::name(&*source) {
            // A handshake that ends early is what Node calls by this name, and people search for it.
            Some(fault) if fault.code == "ECONNRESET" => (
                fault.code,
                "the server closed the connection before the secure TLS connection was established".to_owned(),
            ),
            Some(fault) => (fault.code, fault.detail),
            None => ("ECONNREFUSED", "no connection could be made".to_owned()),
        };
        Self { code, detail, maybe_sent: false, source: Some(source) }
    }

    pub(super) fn no_connection_in_time() -> Self {
        let detail = "timeout: no connection in time".to_owned();
        Self { code: "ETIMEDOUT", detail, maybe_sent: false, source: None }
    }

    pub(super) fn sending(source: hyper::Error, maybe_sent: bool) -> Self {
        let (code, detail) = match node_code::name(&source) {
            Some(fault) => (fault.code, fault.detail),
            None => ("ECONNRESET", "the connection broke".to_owned()),
        };
        Self { code, detail, maybe_sent, source: Some(source.into()) }
    }

    /// The server sends more than a response may have.
    pub(super) fn limit(exceeded: LimitExceeded) -> Self {
        let detail = node_code::name(&exceeded).map_or_else(|| exceeded.to_string(), |fault| fault.detail);
        Self { code: code::PROTOCOL, detail, maybe_sent: true, source: Some(exceeded.into()) }
    }

    pub(super) fn stalled(limit: Duration) -> Self {
        let detail = format!("timeout: stalled, the server took no byte for {} ms", limit.as_millis());
        Self { code: "ETIMEDOUT", detail, maybe_sent: true, source: None }
    }
}

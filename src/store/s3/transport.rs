//! The HTTP client under everything that speaks S3: HTTP/1.1 over rustls, with its own resolver and timeouts, and
//! errors that know whether anything was sent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::DATE;
use http::{Extensions, HeaderValue, Request, Response};

use super::connection_pool::{Pool, PooledBody};
use super::connector::Connector;
use super::request_body::UploadBody;
use super::transport_error::TransportError;
use crate::net::headers::text;
use crate::net::interim::InterimResponses;
use crate::store::clock::{Moment, ServerClock};

/// The `Date` of a response, and when its request was sent.
#[derive(Debug, Clone, Copy)]
struct DateSeen {
    date: SystemTime,
    sent: Moment,
}

#[derive(Clone, Debug)]
pub(super) struct Transport {
    pool: Arc<Pool>,
    host: HeaderValue,
    stall_timeout: Duration,
    clock: Arc<ServerClock>,
}

impl Transport {
    /// `host` is what the endpoint is called in requests.
    pub(super) fn new(connector: Connector, host: HeaderValue, stall_timeout: Duration) -> Self {
        Self { pool: Arc::new(Pool::new(connector)), host, stall_timeout, clock: Arc::default() }
    }

    pub(super) const fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The endpoint's.
    pub(super) fn clock(&self) -> &ServerClock {
        &self.clock
    }

    /// Takes in the `Date` of a response that is the storage's.
    pub(super) fn learn_time(&self, response: &Extensions) {
        if let Some(&DateSeen { date, sent }) = response.get() {
            self.clock.learn(date, sent);
        }
    }

    /// How often a connection that could not be made was tried again.
    pub(super) fn reconnects(&self) -> u64 {
        self.pool.connector().reconnects()
    }

    /// Closes the connections that are kept.
    pub(super) fn close(&self) {
        self.pool.close();
    }

    /// `request` is for the endpoint: its URI has no more than a path and a query, its headers name the host.
    pub(super) async fn send(&self, mut request: Request<UploadBody>) -> Result<Response<PooledBody>, TransportError> {
        let (motion, sent) = (request.body().motion(), self.clock.moment());
        let interim = InterimResponses::count(&mut request);
        let mut response = tokio::select! {
            biased;
            outcome = interim.limit(self.pool.send(request)) => outcome.map_err(TransportError::limit)??,
            () = motion.stalled(self.stall_timeout) => return Err(TransportError::stalled(self.stall_timeout)),
        };
        response.body_mut().set_request_was_sent(motion.has_ended());
        if let Some(date) = text(response.headers(), DATE).and_then(|date| httpdate::parse_http_date(date).ok()) {
            response.extensions_mut().insert(DateSeen { date, sent });
        }
        Ok(response)
    }
}

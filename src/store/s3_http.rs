//! The HTTP client under everything that speaks S3: HTTP/1.1 over rustls, with its own resolver and timeouts, and
//! errors that know whether anything was sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector as SmithyConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::{Response as SmithyResponse, StatusCode};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};

use super::s3_body::UploadBody;
use super::s3_connect::Connector;
use super::s3_pool::{AnswerBody, Pool};
use crate::net::fault;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request that got no answer.
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
        let (code, detail) = match fault::name(&*source) {
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
        let (code, detail) = match fault::name(&source) {
            Some(fault) => (fault.code, fault.detail),
            None => ("ECONNRESET", "the connection broke".to_owned()),
        };
        Self { code, detail, maybe_sent, source: Some(source.into()) }
    }

    fn stalled(limit: Duration) -> Self {
        let detail = format!("timeout: stalled, the server took no byte for {} ms", limit.as_millis());
        Self { code: "ETIMEDOUT", detail, maybe_sent: true, source: None }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Transport {
    pool: Arc<Pool>,
    host: HeaderValue,
    stall_timeout: Duration,
}

impl Transport {
    /// `host` is what the endpoint is called in requests.
    pub(super) fn new(connector: Connector, host: HeaderValue, stall_timeout: Duration) -> Self {
        Self { pool: Arc::new(Pool::new(connector)), host, stall_timeout }
    }

    pub(super) const fn host(&self) -> &HeaderValue {
        &self.host
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
    pub(super) async fn send(&self, request: Request<UploadBody>) -> Result<Response<AnswerBody>, TransportError> {
        let motion = request.body().motion();
        tokio::select! {
            biased;
            outcome = self.pool.send(request) => outcome,
            () = motion.stalled(self.stall_timeout) => Err(TransportError::stalled(self.stall_timeout)),
        }
    }

    /// A request as the SDK has made and signed it.
    async fn send_foreign(&self, request: HttpRequest) -> Result<SmithyResponse<SdkBody>, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().cloned();
        parts.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        parts.headers.insert(HOST, self.host.clone());
        // Never a stream: what has one goes another way. The SDK's own bodies are XML.
        let bytes = body.bytes().map(Bytes::copy_from_slice).unwrap_or_default();
        let sent = self.send(Request::from_parts(parts, UploadBody::new(bytes, None))).await;
        let (parts, body) = sent.map_err(|error| ConnectorError::io(Box::new(error)))?.into_parts();
        let status =
            StatusCode::try_from(parts.status.as_u16()).map_err(|error| ConnectorError::other(error.into(), None))?;
        let mut answer = SmithyResponse::new(status, SdkBody::from_body_1_x(body));
        for (name, value) in &parts.headers {
            // Headers that are not text are nobody's we know; S3's are all ASCII.
            if let Ok(text) = value.to_str() {
                let _ = answer.headers_mut().try_append(name.as_str().to_owned(), text.to_owned());
            }
        }
        Ok(answer)
    }
}

impl SmithyConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let transport = self.clone();
        HttpConnectorFuture::new(async move { transport.send_foreign(request).await })
    }
}

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

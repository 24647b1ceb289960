//! The HTTP client under the SDK: HTTP/1.1 over rustls, with its own resolver and timeouts, and errors
//! that know whether anything was sent.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector as SmithyConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use super::s3_body::{BoxError, UploadBody};
use super::types::ProgressSink;
use crate::net::{dns, fault};

/// Idle connections are dropped before the server's side tires of them (20 s at some S3 servers, 400 s at
/// Cloudflare's edge): fewer uploads start on a connection that is already dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// What the kernel may hold of a body before it has begun to send it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 128 * 1024;

/// A request that got no answer.
#[derive(Debug)]
pub(super) struct TransportError {
    pub(super) code: &'static str,
    pub(super) detail: String,
    /// False only where it is certain that no byte of the request left: name, connection, TLS.
    pub(super) maybe_sent: bool,
    pub(super) source: Option<ClientError>,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

impl From<ClientError> for TransportError {
    fn from(source: ClientError) -> Self {
        let maybe_sent = !source.is_connect();
        let named = fault::name(&source);
        let (code, detail) = match named {
            Some(fault) => (fault.code, fault.detail),
            None if timed_out(&source) => ("ETIMEDOUT", "timeout: no connection in time".to_owned()),
            None if maybe_sent => ("ECONNRESET", "the connection broke".to_owned()),
            None => ("ECONNREFUSED", "no connection could be made".to_owned()),
        };
        // A handshake that ends early is what Node calls by this name, and people search for it.
        let detail = if code == "ECONNRESET" && !maybe_sent {
            "the server closed the connection before the secure TLS connection was established".to_owned()
        } else {
            detail
        };
        Self { code, detail, maybe_sent, source: Some(source) }
    }
}

impl TransportError {
    fn stalled(limit: Duration) -> Self {
        let detail = format!("timeout: stalled, the server took no byte for {} ms", limit.as_millis());
        Self { code: "ETIMEDOUT", detail, maybe_sent: true, source: None }
    }
}

fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut link = Some(error);
    while let Some(current) = link {
        if current.is::<ConnectTimeout>() {
            return true;
        }
        link = current.source();
    }
    false
}

type Pool = Client<Deadline<HttpsConnector<Tuned<HttpConnector<Resolver>>>>, UploadBody>;

#[derive(Clone, Debug)]
pub(super) struct Transport {
    pool: Pool,
    stall_timeout: Duration,
}

impl Transport {
    pub(super) fn new(tls: rustls::ClientConfig, connect_timeout: Duration, stall_timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Shared out over the addresses of the name by hyper-util, so that one dead address does not
        // take the time of the others.
        tcp.set_connect_timeout(Some(connect_timeout));
        let mut tls = tls;
        tls.alpn_protocols.clear(); // hyper-rustls sets them
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(Tuned(tcp));
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            // Only for a request of which not one byte was written: its pooled connection was found dead.
            .retry_canceled_requests(true)
            .build(Deadline { inner: https, limit: connect_timeout });
        Self { pool, stall_timeout }
    }
}

impl SmithyConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (pool, stall_timeout) = (self.pool.clone(), self.stall_timeout);
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let progress = request.extensions().get::<ProgressSink>().cloned();
            let request = request.map(|inner| UploadBody::new(inner, progress));
            let motion = request.body().motion();
            let outcome = tokio::select! {
                outcome = pool.request(request) => outcome.map_err(TransportError::from),
                () = motion.stalled(stall_timeout) => Err(TransportError::stalled(stall_timeout)),
            };
            let response = outcome.map_err(|error| ConnectorError::io(Box::new(error)))?;
            let (parts, body) = response.into_parts();
            let status = StatusCode::try_from(parts.status.as_u16())
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut answer = Response::new(status, SdkBody::from_body_1_x(body));
            for (name, value) in &parts.headers {
                // Headers that are not text are nobody's we know; S3's are all ASCII.
                if let Ok(text) = value.to_str() {
                    let _ = answer.headers_mut().try_append(name.as_str().to_owned(), text.to_owned());
                }
            }
            Ok(answer)
        })
    }
}

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Bounds name, connection and TLS together; hyper-util's own timeout covers the TCP part alone.
#[derive(Clone, Debug)]
struct Deadline<C> {
    inner: C,
    limit: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("timeout: no connection in time")]
struct ConnectTimeout;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<C> Service<http::Uri> for Deadline<C>
where
    C: Service<http::Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = BoxFuture<Result<C::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.inner.call(uri));
        Box::pin(async move { connecting.await.unwrap_or_else(|_| Err(ConnectTimeout.into())) })
    }
}

/// Has the kernel ask for more of a body when it has sent what it has, not when a third of megabytes of buffer
/// is free: else a slow line looks like one that stalls.
#[derive(Clone, Debug)]
struct Tuned<C>(C);

impl<C> Service<http::Uri> for Tuned<C>
where
    C: Service<http::Uri, Response = TokioIo<TcpStream>>,
    C::Future: Send + 'static,
    C::Error: 'static,
{
    type Response = C::Response;
    type Error = C::Error;
    type Future = BoxFuture<Result<C::Response, C::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            let stream = connecting.await?;
            // A hint: where the system has no such option, the line has to be a little faster.
            #[cfg(any(target_os = "linux", target_os = "android"))]
            let _ = socket2::SockRef::from(stream.inner()).set_tcp_notsent_lowat(UNSENT_BYTES);
            Ok(stream)
        })
    }
}

#[derive(Clone, Debug)]
struct Resolver;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = dns::DnsError;
    type Future = BoxFuture<Result<Self::Response, dns::DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move { dns::lookup(name.as_str()).await.map(IntoIterator::into_iter) })
    }
}

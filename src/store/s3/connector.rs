//! A connection to the server, made: name, TCP, TLS. What fails on the way there has sent nothing, so it is made
//! again at once, within the time that the attempt has for it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use super::transport_error::TransportError;
use crate::error::Retryability;
use crate::net::dns::{DnsError, SystemResolver};
use crate::net::root_certs::{self, Trust, TrustError};
use crate::resilience::backoff::{self, Jitter};
use crate::resilience::classify;

/// How often a connection that could not be made is tried again before the attempt has failed.
const RECONNECTS: u32 = 2;
/// Before the first of them; the second waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// What the kernel may hold of a body before it has begun to send it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 128 * 1024;

type Layers = HttpsConnector<Tuned<HttpConnector<Resolver>>>;
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

#[derive(Debug)]
pub(super) struct Connector {
    layers: OnceCell<Layers>,
    trust: Trust,
    /// Of its own: lookups of names from outside never stand before those of the endpoint.
    names: Arc<SystemResolver>,
    endpoint: Uri,
    limit: Duration,
    reconnects: AtomicU64,
}

impl Connector {
    /// `limit` is for name, TCP and TLS together, and for trying them again.
    pub(super) fn new(endpoint: Uri, trust: Trust, limit: Duration) -> Self {
        Self { layers: OnceCell::new(), trust, names: Arc::default(), endpoint, limit, reconnects: AtomicU64::new(0) }
    }

    async fn layers(&self) -> Result<Layers, TransportError> {
        let make = async || {
            let is_tls = self.endpoint.scheme() == Some(&Scheme::HTTPS);
            let mut tls = if is_tls { self.trust.client_config().await? } else { root_certs::without_tls()? };
            tls.alpn_protocols.clear(); // hyper-rustls sets them
            let mut tcp = HttpConnector::new_with_resolver(Resolver(Arc::clone(&self.names)));
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            // Shared out over the addresses of the name by hyper-util, so that one dead address does not take the
            // time of the others.
            tcp.set_connect_timeout(Some(self.limit));
            let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
            Ok::<_, TrustError>(builder.wrap_connector(Tuned(tcp)))
        };
        self.layers.get_or_try_init(make).await.cloned().map_err(|error| TransportError::connecting(error.into()))
    }

    /// How often a connection was tried again.
    pub(super) fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    pub(super) async fn connect(&self) -> Result<Stream, TransportError> {
        let connecting = timeout(self.limit, self.connect_until_final());
        connecting.await.unwrap_or_else(|_| Err(TransportError::no_connection_in_time()))
    }

    async fn connect_until_final(&self) -> Result<Stream, TransportError> {
        let mut layers = self.layers().await?;
        let mut failed = 0;
        loop {
            // The name is asked for afresh each time.
            let error = match layers.call(self.endpoint.clone()).await {
                Ok(stream) => return Ok(stream),
                Err(source) => TransportError::connecting(source),
            };
            failed += 1;
            if failed > RECONNECTS || !may_pass_quickly(&error) {
                return Err(error);
            }
            self.reconnects.fetch_add(1, Ordering::Relaxed);
            let longest = FIRST_WAIT * RECONNECTS;
            sleep(backoff::wait_after(failed, FIRST_WAIT, longest, Jitter::Bounded, backoff::random_unit())).await;
        }
    }
}

/// A name that does not exist may well exist later, but not in a tenth of a second.
fn may_pass_quickly(error: &TransportError) -> bool {
    let verdict = classify::by_node_code(error.code);
    error.code != "ENOTFOUND" && verdict.is_some_and(|verdict| verdict.retryability != Retryability::Permanent)
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Has the kernel ask for more of a body when it has sent what it has, not when a third of megabytes of buffer
/// is free: else a slow line looks like one that stalls.
#[derive(Clone, Debug)]
struct Tuned<C>(C);

impl<C> Service<Uri> for Tuned<C>
where
    C: Service<Uri, Response = TokioIo<TcpStream>>,
    C::Future: Send + 'static,
    C::Error: 'static,
{
    type Response = C::Response;
    type Error = C::Error;
    type Future = BoxFuture<Result<C::Response, C::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
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
struct Resolver(Arc<SystemResolver>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = DnsError;
    type Future = BoxFuture<Result<Self::Response, DnsError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let names = Arc::clone(&self.0);
        Box::pin(async move { names.lookup(name.as_str()).await.map(|found| Vec::from(&*found).into_iter()) })
    }
}

//! The HTTP client of sources: HTTP/1.1 over rustls, without proxies, which would resolve names past the guard, and without
//! redirects, which are followed under the guard, hop by hop.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tower_service::Service;
use url::Url;

use super::url_guard;
use crate::error::{Category, Error, Result};
use crate::net::dns::SystemResolver;
use crate::net::interim::InterimResponses;
use crate::net::limits::{HTTP_BUFFER_BYTES, MAX_RESPONSE_HEADERS};
use crate::net::node_code;
use crate::net::public_dns::PublicResolver;
use crate::net::root_certs::Trust;
use crate::resilience::classify::{self, Verdict};

const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

type BoxError = Box<dyn StdError + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type HttpClient = Client<TimeLimited<HttpsConnector<HttpConnector<Resolver>>>, Empty<Bytes>>;

/// The client of sources. Two of them in fact: one resolves names under the guard, one takes them as they
/// come, for hosts that the caller vouches for. Their connections are never mixed.
#[derive(Debug, Clone)]
pub struct HttpSource {
    clients: Arc<OnceCell<Clients>>,
    trust: Trust,
    connect_timeout: Duration,
}

#[derive(Debug)]
struct Clients {
    guarded: HttpClient,
    open: HttpClient,
}

impl HttpSource {
    pub fn new(trust: Trust, connect_timeout: Duration) -> Self {
        Self { clients: Arc::default(), trust, connect_timeout }
    }

    async fn clients(&self) -> Result<&Clients> {
        self.clients.get_or_try_init(async || Clients::new(&self.trust, self.connect_timeout).await).await
    }

    /// Sends one request, to a `guarded` host or to one that the caller vouches for.
    pub(super) async fn get(
        &self,
        url: &Url,
        mut headers: HeaderMap,
        guarded: bool,
        host: &str,
    ) -> Result<Response<Incoming>> {
        let clients = self.clients().await?;
        let client = if guarded { &clients.guarded } else { &clients.open };
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!("reliable-r2/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let uri = Uri::try_from(url.as_str())
            .map_err(|error| Error::internal("the URL of the source is no URI").caused_by(error))?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let interim = InterimResponses::count(&mut request);
        let response =
            interim.limit(client.request(request)).await.map_err(|exceeded| network_error(host, exceeded))?;
        response.map_err(|error| network_error(host, error))
    }
}

impl Clients {
    async fn new(trust: &Trust, connect_timeout: Duration) -> Result<Self> {
        let tls = trust.client_config().await;
        let mut tls = tls.map_err(|error| Error::internal("the download client could not be made").caused_by(error))?;
        tls.alpn_protocols.clear(); // hyper-rustls sets them
        let names = Names::default();
        let client = |guarded| {
            let mut tcp = HttpConnector::new_with_resolver(Resolver { guarded, names: names.clone() });
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            tcp.set_connect_timeout(Some(connect_timeout));
            let https = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_http1();
            let connector = TimeLimited { inner: https.wrap_connector(tcp), limit: connect_timeout };
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .http1_max_headers(MAX_RESPONSE_HEADERS)
                .http1_max_buf_size(HTTP_BUFFER_BYTES)
                .build(connector)
        };
        Ok(Self { guarded: client(true), open: client(false) })
    }
}

/// A source that could not be reached, or that broke off.
pub(super) fn network_error(host: &str, error: impl StdError + Send + Sync + 'static) -> Error {
    let mut link: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(current) = link {
        if current.is::<Blocked>() {
            return url_guard::blocked();
        }
        link = current.source();
    }
    let (code, detail) = match node_code::name(&error) {
        Some(fault) => (fault.code, fault.detail),
        None => ("ECONNRESET", "the connection broke".to_owned()),
    };
    let verdict = classify::by_node_code(code).unwrap_or(Verdict::retry(Category::Network));
    Error::new(code, verdict.category, verdict.retryability, format!("source: {detail}"))
        .with(|failure| failure.host = Some(host.to_owned()))
        .caused_by(error)
}

/// Marks a name that the guard condemned, inside hyper's chain of causes.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that is not allowed")]
struct Blocked;

/// Who is asked for names. Nothing of it is shared with the endpoints of the storage.
#[derive(Debug, Clone)]
struct Names {
    public: Arc<PublicResolver>,
    system: Arc<SystemResolver>,
}

impl Default for Names {
    fn default() -> Self {
        let system = Arc::<SystemResolver>::default();
        Self { public: Arc::new(PublicResolver::new(Arc::clone(&system))), system }
    }
}

#[derive(Debug, Clone)]
struct Resolver {
    guarded: bool,
    names: Names,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<std::result::Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { guarded, names } = self.clone();
        Box::pin(async move {
            let addresses = match names.public.lookup(name.as_str()).await {
                // A name of the caller's own may be one that only the system knows (nsswitch.conf).
                Err(error) if !guarded && error.code == "ENOTFOUND" => names.system.lookup(name.as_str()).await?,
                found => found?,
            };
            if guarded && url_guard::check_addresses(addresses.iter().map(SocketAddr::ip)).is_err() {
                return Err(Blocked.into());
            }
            Ok(Vec::from(&*addresses).into_iter())
        })
    }
}

/// Bounds name, TCP and TLS together.
#[derive(Debug, Clone)]
struct TimeLimited<C> {
    inner: C,
    limit: Duration,
}

impl<C> Service<Uri> for TimeLimited<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
    C::Response: 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = BoxFuture<std::result::Result<C::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = timeout(self.limit, self.inner.call(uri));
        Box::pin(
            async move { connecting.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())) },
        )
    }
}

//! Fetches a URL, often a provider's temporary one, under the guard.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, IF_RANGE, LOCATION,
    RANGE, RETRY_AFTER,
};
use reqwest::redirect;
use tokio::sync::OnceCell;
use url::Url;

use super::chunks::Chunks;
use super::resume::{Opened, Reopen, changed};
use super::url_guard::{self, GuardPolicy};
use super::version;
use crate::error::{Category, Error, Result, Retryability, code};
use crate::net::content_range::{self, ContentRange};
use crate::net::headers::text;
use crate::net::trust::Trust;
use crate::net::{dns, fault};
use crate::resilience::classify::{self, Verdict};
use crate::resilience::retry_after;

const MAX_REDIRECTS: usize = 5;
const USER_AGENT: &str = concat!("reliable-r2/", env!("CARGO_PKG_VERSION"));

/// What to fetch and how much of it at most.
#[derive(Clone)]
pub struct SourceRequest {
    pub url: Url,
    /// Of the request; their values are the caller's secrets.
    pub headers: HeaderMap,
    pub max_bytes: u64,
    pub guard: GuardPolicy,
}

/// Its URL may hold a signature.
impl fmt::Debug for SourceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceRequest").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

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
    guarded: reqwest::Client,
    open: reqwest::Client,
}

impl HttpSource {
    pub fn new(trust: Trust, connect_timeout: Duration) -> Self {
        Self { clients: Arc::default(), trust, connect_timeout }
    }

    async fn clients(&self) -> Result<&Clients> {
        self.clients.get_or_try_init(async || Clients::new(&self.trust, self.connect_timeout).await).await
    }

    /// Asks for a URL, following its redirects.
    async fn get(&self, request: &SourceRequest, range: &HeaderMap) -> Result<(reqwest::Response, String)> {
        let clients = self.clients().await?;
        let mut url = request.url.clone();
        for hop in 0..=MAX_REDIRECTS {
            let host = url_guard::check(&url, &request.guard)?;
            let client = if request.guard.opens(&host) { &clients.open } else { &clients.guarded };
            // What the caller sends (a token, perhaps) is for the host that they named, not for others.
            let same_origin = url.origin() == request.url.origin();
            let headers = if same_origin { request.headers.clone() } else { HeaderMap::new() };
            let response = client
                .get(url.clone())
                .headers(headers)
                .headers(range.clone())
                .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
                .send()
                .await
                .map_err(|error| network_error(error, &host))?;
            if !response.status().is_redirection() {
                return Ok((response, host));
            }
            if hop < MAX_REDIRECTS {
                url = next_hop(&url, response.headers(), &host)?;
            }
        }
        Err(redirect_error("the source redirects too often"))
    }
}

impl Clients {
    async fn new(trust: &Trust, connect_timeout: Duration) -> Result<Self> {
        let tls = trust.client_config().await;
        let tls = tls.map_err(|error| Error::internal("the download client could not be made").caused_by(error))?;
        let client = |guarded| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                // A proxy would resolve the name itself, past the guard.
                .no_proxy()
                // Every hop is judged by the guard, so redirects are followed by hand.
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .user_agent(USER_AGENT)
                .connect_timeout(connect_timeout)
                .pool_idle_timeout(Duration::from_secs(15))
                .dns_resolver(Resolver { guarded })
                .build()
                .map_err(|error| Error::internal("the download client could not be made").caused_by(error))
        };
        Ok(Self { guarded: client(true)?, open: client(false)? })
    }
}

/// One URL, to be opened as often as it takes.
#[derive(Debug)]
pub struct HttpDownload<'a> {
    pub client: &'a HttpSource,
    pub request: SourceRequest,
}

impl Reopen for HttpDownload<'_> {
    type Body = HttpBody;
    /// The content type as the source's answer says; not to be trusted.
    type Facts = Option<String>;

    /// # Errors
    /// `ERR_BLOCKED_URL`, `ERR_TOO_LARGE`, `ERR_SOURCE_*`, `ERR_REDIRECT`, or the network's own code.
    async fn open(&self, at: u64, version: Option<&str>) -> Result<Opened<HttpBody, Option<String>>> {
        let max_bytes = self.request.max_bytes;
        let (response, host) = self.client.get(&self.request, &range_headers(at, version)).await?;
        let (status, headers) = (response.status().as_u16(), response.headers());
        let (at, length) = match (status, text(headers, CONTENT_RANGE).and_then(content_range::parse)) {
            (200, _) => (0, response.content_length()),
            (206, Some(ContentRange { first, complete, .. })) if at > 0 => (first, complete),
            // Not satisfiable: it is shorter now.
            (416, _) if at > 0 => return Err(changed()),
            _ => return Err(status_error(status, headers, &host)),
        };
        if text(headers, CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            // Decoding would store something else than the source's bytes, and a few of those can unpack to
            // gigabytes; storing them as they are would need a Content-Encoding that nobody asked for.
            return Err(source_error(code::SOURCE_ENCODING, "the source sent a compressed answer unasked"));
        }
        if length.is_some_and(|length| length > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let (version, content_type) =
            (version::of(headers).map(str::to_owned), text(headers, CONTENT_TYPE).map(str::to_owned));
        let body = HttpBody { response, host, at, max_bytes };
        Ok(Opened { body, at, length, version, facts: content_type })
    }
}

/// The body of one answer. One that ends early is an error, never a shorter file.
pub struct HttpBody {
    response: reqwest::Response,
    host: String,
    at: u64,
    max_bytes: u64,
}

impl fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpBody")
    }
}

impl Chunks for HttpBody {
    fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.response.chunk().await.map_err(|error| network_error(error, &self.host))?;
        self.at += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        match piece {
            Some(_) if self.at > self.max_bytes => Err(too_large(self.max_bytes)),
            None if self.at == 0 => Err(source_error(code::SOURCE_EMPTY, "the source is empty")),
            piece => Ok(piece),
        }
    }
}

/// Asks for the rest, if it is still of that version; without one, for all of it.
fn range_headers(at: u64, version: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if at > 0
        && let Some(version) = version
        && let (Ok(range), Ok(version)) =
            (HeaderValue::from_str(&format!("bytes={at}-")), HeaderValue::from_str(version))
    {
        headers.insert(RANGE, range);
        headers.insert(IF_RANGE, version);
    }
    headers
}

fn next_hop(url: &Url, headers: &HeaderMap, host: &str) -> Result<Url> {
    let location = text(headers, LOCATION)
        .filter(|text| !text.contains(['\\', '\t', ' ']))
        .ok_or_else(|| redirect_error("the source redirects to nowhere"))?;
    let next = url.join(location).map_err(|_| redirect_error("the source redirects to something that is no URL"))?;
    if url.scheme() == "https" && next.scheme() == "http" {
        return Err(redirect_error("the source redirects from https to http")
            .with(|failure| failure.host = Some(host.to_owned())));
    }
    Ok(next)
}

fn too_large(max_bytes: u64) -> Error {
    Error::invalid(code::TOO_LARGE, "maxBytes", format!("the source is larger than maxBytes ({max_bytes} bytes)"))
}

fn source_error(code: &'static str, detail: &str) -> Error {
    Error::new(code, Category::Source, Retryability::Permanent, detail)
}

fn redirect_error(detail: &str) -> Error {
    source_error(code::REDIRECT, detail)
}

fn status_error(status: u16, headers: &HeaderMap, host: &str) -> Error {
    // Whatever the source's trouble is, it is not the storage's: nobody is to be told so, and no other endpoint helps.
    let retryability = classify::by_status(status).retryability;
    let retry_after =
        text(headers, RETRY_AFTER).and_then(|value| retry_after::parse(value, text(headers, DATE), SystemTime::now()));
    let detail = format!("the source answered with status {status}");
    Error::new(code::SOURCE_STATUS, Category::Source, retryability, detail).with(|failure| {
        failure.status = Some(status);
        failure.host = Some(host.to_owned());
        failure.retry_after = retry_after;
    })
}

fn network_error(error: reqwest::Error, host: &str) -> Error {
    // reqwest's errors carry the URL, whose query may be a signature.
    let error = error.without_url();
    let mut link: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = link {
        if current.is::<Blocked>() {
            return url_guard::blocked();
        }
        link = current.source();
    }
    let timed_out = error.is_timeout();
    let fault = fault::name(&error);
    let (code, detail) = match &fault {
        Some(fault) => (fault.code, fault.detail.clone()),
        None if timed_out => ("ETIMEDOUT", "timeout: the source did not answer in time".to_owned()),
        None if error.is_connect() => ("ECONNREFUSED", "no connection to the source".to_owned()),
        None => ("ECONNRESET", "the connection to the source broke".to_owned()),
    };
    let verdict = classify::by_node_code(code).unwrap_or(Verdict::retry(Category::Network));
    Error::new(code, verdict.category, verdict.retryability, format!("source: {detail}"))
        .with(|failure| failure.host = Some(host.to_owned()))
        .caused_by(error)
}

/// Marks a name that the guard condemned, inside reqwest's chain of causes.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that is not allowed")]
struct Blocked;

#[derive(Debug, Clone)]
struct Resolver {
    guarded: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guarded = self.guarded;
        Box::pin(async move {
            let addresses = dns::lookup(name.as_str()).await?;
            if guarded && url_guard::check_addresses(addresses.iter().map(SocketAddr::ip)).is_err() {
                return Err(Blocked.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

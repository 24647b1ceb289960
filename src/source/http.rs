//! Fetches a URL, often a provider's temporary one, under the guard.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::redirect;
use url::Url;

use super::url_guard::{self, GuardPolicy};
use crate::error::{Category, Error, Result, Retryability, code};
use crate::net::{dns, fault};
use crate::resilience::classify::{self, Verdict};
use crate::resilience::retry_after;

const MAX_REDIRECTS: usize = 5;
const USER_AGENT: &str = concat!("reliable-r2/", env!("CARGO_PKG_VERSION"));

/// What to fetch and how much of it at most.
#[derive(Debug, Clone)]
pub struct SourceRequest {
    pub url: Url,
    pub headers: BTreeMap<String, String>,
    pub max_bytes: u64,
    pub guard: GuardPolicy,
}

/// A source that arrived whole.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub bytes: Bytes,
    /// As the source's answer says; not to be trusted.
    pub content_type: Option<String>,
}

/// The client of sources. Two of them in fact: one resolves names under the guard, one takes them as they
/// come, for hosts that the caller vouches for. Their connections are never mixed.
#[derive(Debug, Clone)]
pub struct HttpSource {
    guarded: reqwest::Client,
    open: reqwest::Client,
}

impl HttpSource {
    /// # Errors
    /// `ERR_INTERNAL` when the TLS settings cannot be used.
    pub fn new(tls: &rustls::ClientConfig, connect_timeout: Duration) -> Result<Self> {
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

    /// Fetches the whole of a URL once. No retry: that is the caller's.
    ///
    /// # Errors
    /// `ERR_BLOCKED_URL`, `ERR_TOO_LARGE`, `ERR_SOURCE_*`, `ERR_REDIRECT`, or the network's own code. A body
    /// that ends early is an error, never a shorter file.
    pub async fn fetch(&self, request: &SourceRequest) -> Result<Fetched> {
        let mut url = request.url.clone();
        for hop in 0..=MAX_REDIRECTS {
            let host = url_guard::check(&url, &request.guard)?;
            let client = if request.guard.opens(&host) { &self.open } else { &self.guarded };
            // What the caller sends (a token, perhaps) is for the host that they named, not for others.
            let same_origin = url.origin() == request.url.origin();
            let headers = if same_origin { header_map(&request.headers)? } else { HeaderMap::new() };
            let response = client
                .get(url.clone())
                .headers(headers)
                .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
                .send()
                .await
                .map_err(|error| network_error(error, &host))?;
            if !response.status().is_redirection() {
                return read(response, request.max_bytes, &host).await;
            }
            if hop < MAX_REDIRECTS {
                url = next_hop(&url, response.headers(), &host)?;
            }
        }
        Err(redirect_error("the source redirects too often"))
    }
}

fn next_hop(url: &Url, headers: &HeaderMap, host: &str) -> Result<Url> {
    let location = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .filter(|text| !text.contains(['\\', '\t', ' ']))
        .ok_or_else(|| redirect_error("the source redirects to nowhere"))?;
    let next = url.join(location).map_err(|_| redirect_error("the source redirects to something that is no URL"))?;
    if url.scheme() == "https" && next.scheme() == "http" {
        return Err(redirect_error("the source redirects from https to http")
            .with(|failure| failure.host = Some(host.to_owned())));
    }
    Ok(next)
}

async fn read(mut response: reqwest::Response, max_bytes: u64, host: &str) -> Result<Fetched> {
    let status = response.status().as_u16();
    if status != 200 {
        return Err(status_error(status, response.headers(), host));
    }
    let text = |name: HeaderName| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    if text(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        // Decoding would store something else than the source's bytes, and a few of those can unpack to
        // gigabytes; storing them as they are would need a Content-Encoding that nobody asked for.
        return Err(source_error(code::SOURCE_ENCODING, "the source sent a compressed answer unasked"));
    }
    let content_type = text(CONTENT_TYPE);
    if response.content_length().is_some_and(|length| length > max_bytes) {
        return Err(too_large(max_bytes));
    }
    let expected = response.content_length().unwrap_or(0).min(max_bytes);
    let mut bytes = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
    while let Some(chunk) = response.chunk().await.map_err(|error| network_error(error, host))? {
        if (bytes.len() + chunk.len()) as u64 > max_bytes {
            return Err(too_large(max_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.is_empty() {
        return Err(source_error(code::SOURCE_EMPTY, "the source is empty"));
    }
    Ok(Fetched { bytes: bytes.freeze(), content_type })
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
    let Verdict { category, retryability } = classify::by_status(status);
    // A source that refuses is a matter between it and its URL (an expired one, mostly).
    let category = if retryability == Retryability::Permanent { Category::Source } else { category };
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let retry_after = text(RETRY_AFTER).and_then(|value| retry_after::parse(value, text(DATE), SystemTime::now()));
    Error::new(code::SOURCE_STATUS, category, retryability, format!("the source answered with status {status}")).with(
        |failure| {
            failure.status = Some(status);
            failure.host = Some(host.to_owned());
            failure.retry_after = retry_after;
        },
    )
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

fn header_map(headers: &BTreeMap<String, String>) -> Result<HeaderMap> {
    headers
        .iter()
        .map(|(name, value)| {
            let key = HeaderName::from_bytes(name.as_bytes());
            let text = HeaderValue::from_str(value);
            key.ok().zip(text.ok()).ok_or_else(|| {
                Error::invalid_option(format!("sourceHeaders[{name:?}]"), "a valid HTTP header name and value")
            })
        })
        .collect()
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

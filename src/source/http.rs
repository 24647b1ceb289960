//! Fetches a URL, often a provider's temporary one, under the guard.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, IF_RANGE, LOCATION, RANGE, RETRY_AFTER};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use url::Url;

use super::chunks::Chunks;
use super::http_client::{HttpSource, network_error};
use super::resume::{Opened, Reopen, changed};
use super::url_guard::{self, GuardPolicy};
use super::version;
use crate::error::{Category, Error, Result, Retryability, code, printable};
use crate::net::codings;
use crate::net::content_range::{self, ContentRange};
use crate::net::headers::{decode, text};
use crate::net::limits::MAX_REDIRECTS;
use crate::resilience::{classify, retry_after};
use crate::secret::Redactor;

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

/// One URL, to be opened as often as it takes.
#[derive(Debug)]
pub struct HttpDownload<'a> {
    pub client: &'a HttpSource,
    pub request: SourceRequest,
}

impl HttpDownload<'_> {
    /// Asks for the URL, following its redirects. Every hop is judged by the guard.
    async fn get(&self, range: &HeaderMap) -> Result<(Response<Incoming>, String)> {
        let SourceRequest { guard, headers, .. } = &self.request;
        let mut url = self.request.url.clone();
        for hop in 0..=MAX_REDIRECTS {
            let host = url_guard::check(&url, guard)?;
            // What the caller sends (a token, perhaps) is for the host that they named, not for others.
            let same_origin = url.origin() == self.request.url.origin();
            let mut headers = if same_origin { headers.clone() } else { HeaderMap::new() };
            headers.extend(range.iter().map(|(name, value)| (name.clone(), value.clone())));
            let guarded = !guard.opens(&host);
            // A source may put what it was sent into the name of the next host.
            let host = if url.host() == self.request.url.host() { host } else { self.redacted(&host) };
            let response = self.client.get(&url, headers, guarded, &host).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((response, host));
            }
            if hop < MAX_REDIRECTS {
                url = next_hop(&url, response.headers(), &host)?;
            }
        }
        Err(redirect_error(&format!("the source redirects more than {MAX_REDIRECTS} times, which is the limit")))
    }

    /// A text of the source without what the caller sends to it.
    fn redacted(&self, text: &str) -> String {
        let SourceRequest { url, headers, .. } = &self.request;
        let parameters: Vec<_> = url.query_pairs().map(|(_, value)| value).collect();
        let headers = headers.values().filter_map(|value| value.to_str().ok());
        Redactor::new(headers.chain(parameters.iter().map(AsRef::as_ref))).clean(text)
    }
}

impl Reopen for HttpDownload<'_> {
    type Body = HttpBody;
    /// The content type as the source's response says; not to be trusted.
    type Facts = Option<String>;

    /// # Errors
    /// `ERR_BLOCKED_URL`, `ERR_TOO_LARGE`, `ERR_SOURCE_*`, `ERR_REDIRECT`, or the network's own code.
    async fn open(&self, at: u64, version: Option<&str>) -> Result<Opened<HttpBody, Option<String>>> {
        let max_bytes = self.request.max_bytes;
        let (response, host) = self.get(&range_headers(at, version)).await?;
        let (status, headers) = (response.status().as_u16(), response.headers());
        let (at, length) = match (status, text(headers, CONTENT_RANGE).and_then(content_range::parse)) {
            (200, _) => (0, response.body().size_hint().exact()),
            (206, Some(ContentRange { first, complete, .. })) if at > 0 => (first, complete),
            // Not satisfiable: it is shorter now.
            (416, _) if at > 0 => return Err(changed()),
            _ => return Err(status_error(status, headers, &host)),
        };
        // Decoding would store something else than the source's bytes, and a few of those can expand to gigabytes;
        // storing them as they are would need a Content-Encoding that nobody asked for.
        if let Some(coding) = codings::content_coding(headers).or_else(|| codings::transfer_coding(headers)) {
            let detail = format!(
                "the source sent its bytes encoded ({}) though the request asked for identity; download it, decode it \
                 and pass it to uploadFile",
                printable(&self.redacted(&coding), 60)
            );
            return Err(source_error(code::SOURCE_ENCODING, &detail));
        }
        if length.is_some_and(|length| length > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let (version, content_type) =
            (version::of(headers).map(str::to_owned), text(headers, CONTENT_TYPE).map(str::to_owned));
        let body = HttpBody { response: response.into_body(), host, at, max_bytes };
        Ok(Opened { body, at, length, version, facts: content_type })
    }
}

/// The body of one response. One that ends early is an error, never a shorter file.
pub struct HttpBody {
    response: Incoming,
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
        self.response.size_hint().exact()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = loop {
            match self.response.frame().await.transpose().map_err(|error| network_error(&self.host, error))? {
                None => break None,
                // Trailers say nothing of the bytes.
                Some(frame) => match frame.into_data() {
                    Ok(piece) if !piece.is_empty() => break Some(piece),
                    _ => {}
                },
            }
        };
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

/// Where a redirect leads, as browsers read it (WHATWG URL): relative to the URL that was asked for, with blanks and letters
/// of any language escaped. The parsed URL is what is judged and what is asked for, so no other parser has a say.
fn next_hop(url: &Url, headers: &HeaderMap, host: &str) -> Result<Url> {
    let mut all = headers.get_all(LOCATION).iter();
    let location = all.next().ok_or_else(|| redirect_error("the source redirects to nowhere"))?;
    if all.any(|other| other != location) {
        return Err(redirect_error("the source redirects to more than one URL"));
    }
    let mut next =
        url.join(&decode(location)).map_err(|_| redirect_error("the source redirects to something that is no URL"))?;
    next.set_fragment(None);
    if next.as_str().len() > url_guard::MAX_URL_BYTES {
        return Err(redirect_error("the source redirects to a URL that is longer than 8 KiB"));
    }
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
    // Whatever the source's trouble is, it is not the storage's: the caller must not read so, and no other endpoint helps.
    let retryability = classify::by_status(status).retryability;
    let retry_after =
        text(headers, RETRY_AFTER).and_then(|value| retry_after::parse(value, text(headers, DATE), SystemTime::now()));
    let detail = format!("the source responded with status {status}");
    Error::new(code::SOURCE_STATUS, Category::Source, retryability, detail).with(|failure| {
        failure.status = Some(status);
        failure.host = Some(host.to_owned());
        failure.retry_after = retry_after;
    })
}

//! The calls that read: a URL whose bytes are stored, and a stored object.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::failover::is_the_endpoints;
use super::objects::Found;
use super::{Call, ObjectOptions, Prepared, Storage, headers, hosts, limits};
use crate::error::{Category, Error, Operation, Result, Retryability, code, printable};
use crate::net::limits::READER_PAUSE;
use crate::resilience::Attempts;
use crate::source::channel::{Channel, Pusher, channel};
use crate::source::chunks::Chunks;
use crate::source::resume::{Reopen, Resuming};
use crate::source::{GuardPolicy, HttpDownload, SourceRequest, url_guard};
use crate::store::ObjectStore;
use crate::store::objects::ObjectInfo;
use crate::transfer::Receipt;
use crate::transfer::content_type::Author;
use crate::transfer::download::{ObjectDownload, Verified};

/// Where a download comes from.
#[derive(Clone, Default)]
pub struct SourceOptions {
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub max_bytes: Option<f64>,
    pub allow_private_networks: Option<bool>,
    pub allowed_hosts: Option<Vec<String>>,
}

/// A URL may hold a signature, a header a token.
impl fmt::Debug for SourceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceOptions").field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}

/// Which bytes of an object, by the places of the first and the last.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RangeOptions {
    pub start: Option<f64>,
    pub end: Option<f64>,
}

/// A stored object whose bytes are on their way.
#[derive(Debug)]
pub struct Downloading {
    pub info: ObjectInfo,
    pub bytes: Channel,
}

impl<S: ObjectStore + 'static> Storage<S> {
    /// Fetches a URL and stores what it gave, as it comes. Nothing is stored of a source that did not arrive
    /// whole.
    ///
    /// # Errors
    /// Bad input before anything is sent; the source's; else the upload's last attempt's.
    pub async fn download_and_upload(
        &self,
        source: SourceOptions,
        options: ObjectOptions,
        call: Call,
    ) -> Result<Receipt> {
        let (prepared, call) = self.begin(Operation::DownloadAndUpload, options, call)?;
        let request = self.source_request(source).map_err(|error| prepared.running().tag(error))?;
        let places = self.places(&prepared);
        let work = self.at_each(&places, &call, is_the_endpoints, async |here| {
            let copy = || Box::pin(self.copy(here, &request, &call));
            match copy().await {
                // Of the version that was begun with nothing is kept; the other one is stored instead.
                Err(error) if error.code == code::SOURCE_CHANGED => copy().await,
                outcome => outcome,
            }
        });
        self.run(prepared.running(), &call, |receipt| receipt.size, self.within_deadline(&prepared, work)).await
    }

    async fn copy(&self, prepared: &Prepared, request: &SourceRequest, call: &Call) -> Result<Receipt> {
        let client = self.source()?;
        let origin = HttpDownload { client: &client, request: request.clone() };
        let attempts = Attempts::new(None, prepared.context(call.observer.as_ref()));
        let opened = Resuming::open(origin, attempts, self.config.stall_timeout).await;
        let (source, declared) = opened.map_err(of_source)?;
        let author = Author::Untrusted { declared: declared.as_deref() };
        self.put_chunks(prepared, OfSource(source), author, call).await
    }

    /// Opens a stored object for reading. Its bytes come as they are read; where the transfer breaks, it goes
    /// on. A whole object whose ETag is its MD5 is checked at its end.
    ///
    /// # Errors
    /// Bad input before anything is sent; `NotFound`; else the last attempt's.
    pub async fn download(
        self: &Arc<Self>,
        options: ObjectOptions,
        range: RangeOptions,
        call: Call,
    ) -> Result<Found<Downloading>> {
        let (prepared, call) = self.begin(Operation::Download, options, call)?;
        let (first, last) = range.check().map_err(|error| prepared.running().tag(error))?;
        let (report, reported) = oneshot::channel();
        let (pusher, bytes) = channel(None);
        let storage = Arc::clone(self);
        tokio::spawn(async move {
            let mut report = Some(report);
            let work = async {
                tokio::select! {
                    outcome = storage.read(&prepared, first, last, &call, &mut report, &pusher) => outcome,
                    () = pusher.closed() => Ok(()),
                }
            };
            // Counted at its end: a body that breaks for good is a failed download.
            let outcome = storage.run(prepared.running(), &call, |()| 0, work).await;
            match (outcome, report) {
                (Err(error), Some(report)) => drop(report.send(Err(error))),
                (Err(error), None) => pusher.fail(error).await,
                (Ok(()), _) => pusher.finish().await,
            }
        });
        let lost = || Err(Error::internal("the download task ended without a result"));
        let Found { endpoint, failed_over, bucket, value: info, attempts, elapsed } =
            reported.await.unwrap_or_else(|_| lost())?;
        Ok(Found { endpoint, failed_over, bucket, value: Downloading { info, bytes }, attempts, elapsed })
    }

    async fn read(
        &self,
        prepared: &Prepared,
        first: u64,
        last: Option<u64>,
        call: &Call,
        report: &mut Option<oneshot::Sender<Result<Found<ObjectInfo>>>>,
        pusher: &Pusher,
    ) -> Result<()> {
        let places = self.places(prepared);
        let work = self.open_at_any(&places, call, |here| {
            let origin = ObjectDownload { store: self.store(here), object: here.object(), first, last };
            let attempts = self.store(here).attempts(here.context(call.observer.as_ref()));
            Resuming::open(origin, attempts, self.config.stall_timeout)
        });
        let (place, source, info) = work.await?;
        let attempts = source.attempts();
        let whole = first == 0 && last.is_none() && prepared.verify_integrity;
        let mut source = Verified::by_etag(source, info.etag.as_deref().filter(|_| whole));
        if let Some(report) = report.take() {
            let _ = report.send(Ok(self.found(place, headers::readable(info), attempts)));
        }
        while let Some(piece) = source.next().await? {
            if !self.deliver(piece, &mut source, pusher).await? {
                break;
            }
        }
        Ok(())
    }

    /// Hands a piece to the reader; false if it has gone. While the reader pauses, the connection goes to another
    /// request that waits for one: of all connections at work, a copy from a download to an upload would wait for itself.
    async fn deliver<R: Reopen>(
        &self,
        piece: Bytes,
        source: &mut Verified<Resuming<'_, R>>,
        pusher: &Pusher,
    ) -> Result<bool> {
        if pusher.try_push(piece.clone()) {
            return Ok(true);
        }
        let limit = self.config.idle_timeout;
        let mut taken = pin!(pusher.push(piece));
        let mut idle = pin!(sleep(limit));
        let gate = source.inner().gate();
        let wanted = async {
            sleep(READER_PAUSE).await;
            match gate {
                Some(gate) => gate.connection_wanted().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            is_open = &mut taken => return Ok(is_open),
            () = wanted => {}
            () = &mut idle => return Err(not_read(limit)),
        }
        source.inner_mut().release_connection().await;
        tokio::select! {
            biased;
            is_open = &mut taken => Ok(is_open),
            () = &mut idle => Err(not_read(limit)),
        }
    }

    fn source_request(&self, source: SourceOptions) -> Result<SourceRequest> {
        let own = &self.config.guard;
        let allowed_hosts = match source.allowed_hosts {
            Some(hosts) => hosts::check("allowedHosts", hosts)?,
            None => own.allowed_hosts.clone(),
        };
        let guard = GuardPolicy {
            allow_private_networks: source.allow_private_networks.unwrap_or(own.allow_private_networks),
            allowed_hosts,
        };
        let max_bytes = match source.max_bytes {
            Some(value) => limits::bytes("maxBytes", value)?,
            None => self.config.max_download_bytes,
        };
        let url = url_guard::parse(&source.url)?;
        url_guard::check(&url, &guard)?;
        let headers = source_headers(&source.headers)?;
        Ok(SourceRequest { url, headers, max_bytes, guard })
    }
}

/// Bytes whose trouble is not the endpoint's that they go to.
struct OfSource<C>(C);

impl<C: Chunks> Chunks for OfSource<C> {
    fn length(&self) -> Option<u64> {
        self.0.length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.0.next().await.map_err(of_source)
    }
}

fn not_read(limit: Duration) -> Error {
    let detail = format!(
        "timeout: nobody read the body of the download for {} ms (idleTimeoutMs): read it to its end or cancel it",
        limit.as_millis()
    );
    Error::new("ETIMEDOUT", Category::Timeout, Retryability::Permanent, detail)
}

fn of_source(error: Error) -> Error {
    error.with(|failure| failure.of_source = true)
}

/// What the request to a source carries, a token perhaps: no Debug shows it.
fn source_headers(given: &BTreeMap<String, String>) -> Result<HeaderMap> {
    let checked = |(name, value): (&String, &String)| {
        let mut text = HeaderValue::from_str(value).ok()?;
        text.set_sensitive(true);
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, text))
    };
    let all = given.iter().map(|header| {
        let name = format!("sourceHeaders[{:?}]", printable(header.0, 60));
        checked(header).ok_or_else(|| Error::invalid_option(name, "a valid HTTP header name and value"))
    });
    all.collect()
}

impl RangeOptions {
    /// The places of the first byte and of the last, where it is not the object's.
    fn check(self) -> Result<(u64, Option<u64>)> {
        let place = |name, value: Option<f64>| value.map(|value| limits::place(name, value)).transpose();
        let (first, last) = (place("range.start", self.start)?.unwrap_or(0), place("range.end", self.end)?);
        if last.is_some_and(|last| last < first) {
            return Err(Error::invalid_option("range.end", "at least range.start"));
        }
        Ok((first, last))
    }
}

//! The product: what a caller configures and calls.

pub mod config;
pub mod endpoint;
pub mod headers;
pub mod limits;
pub mod objects;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub use config::{Environment, ResolvedConfig, StorageConfig};
pub use headers::HeaderOptions;
pub use limits::RetryOptions;

use crate::error::{Category, Error, Operation, Result, Retryability, code};
use crate::net::trust;
use crate::resilience::{RetryContext, RetryObserver, RetryPolicy, retry};
use crate::source::chunks::{Blocks, Chunks, Memory};
use crate::source::{GuardPolicy, HttpSource, SourceRequest, url_guard};
use crate::store::multipart::CreateMultipart;
use crate::store::{BucketName, ObjectKey, ProgressSink, PutObject, ResilientStore, S3Store, WriteCondition};
use crate::transfer::multipart::Multipart;
use crate::transfer::single::{self, Stored};
use crate::transfer::{Receipt, content_type};

/// Where an object goes and how: what every call has in common.
#[derive(Debug, Clone, Default)]
pub struct ObjectOptions {
    pub key: String,
    pub bucket: Option<String>,
    pub headers: HeaderOptions,
    pub retry: Option<RetryOptions>,
    pub verify_etag: Option<bool>,
    /// `*`: only where there is nothing.
    pub if_none_match: Option<String>,
    /// Only what has this ETag.
    pub if_match: Option<String>,
}

/// Where a download comes from.
#[derive(Debug, Clone, Default)]
pub struct SourceOptions {
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub max_bytes: Option<f64>,
    pub allow_private_networks: Option<bool>,
    pub allowed_hosts: Option<Vec<String>>,
}

/// What accompanies one call: who listens, and how it is called off.
#[derive(Clone)]
pub struct Call {
    pub observer: Arc<dyn RetryObserver>,
    pub progress: Option<ProgressSink>,
    pub cancel: CancellationToken,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// Uploads to one bucket with one policy. Cheap to share by `Arc`; everything that it holds open is closed
/// when it is dropped.
#[derive(Debug)]
pub struct Storage {
    config: ResolvedConfig,
    store: Arc<ResilientStore>,
    source: HttpSource,
    closed: CancellationToken,
}

/// A call whose options are checked.
struct Prepared {
    key: ObjectKey,
    bucket: BucketName,
    headers: headers::CheckedHeaders,
    condition: Option<WriteCondition>,
    policy: RetryPolicy,
    verify_etag: bool,
    started: Instant,
    operation: Operation,
}

impl Storage {
    /// # Errors
    /// Bad certificates in `caCertificates`.
    pub fn new(config: ResolvedConfig) -> Result<Self> {
        let tls = trust::client_config(&config.ca_certificates)
            .map_err(|error| Error::invalid_option("caCertificates", format_args!("PEM certificates, but {error}")))?;
        Ok(Self {
            source: HttpSource::new(&tls, config.s3.connect_timeout)?,
            store: Arc::new(ResilientStore::new(S3Store::new(&config.s3, tls))),
            closed: CancellationToken::new(),
            config,
        })
    }

    pub const fn config(&self) -> &ResolvedConfig {
        &self.config
    }

    /// Stores bytes that are in memory.
    ///
    /// # Errors
    /// Bad input before anything is sent; else the last attempt's.
    pub async fn upload(&self, options: ObjectOptions, body: Bytes, call: Call) -> Result<Receipt> {
        let prepared = self.prepare(options, Operation::UploadFile)?;
        self.until_called_off(&prepared, &call, self.put(&prepared, body, &call)).await
    }

    /// Fetches a URL and stores what it gave. Nothing is stored of a source that did not arrive whole.
    ///
    /// # Errors
    /// Bad input before anything is sent; the source's; else the upload's last attempt's.
    pub async fn download_and_upload(
        &self,
        source: SourceOptions,
        options: ObjectOptions,
        call: Call,
    ) -> Result<Receipt> {
        let prepared = self.prepare(options, Operation::DownloadAndUpload)?;
        let request = self.source_request(source).map_err(|error| prepared.mark(error))?;
        let work = async {
            let context = prepared.context(call.observer.as_ref());
            let (fetched, _) = retry::run(context, |_| self.source.fetch(&request)).await?;
            self.put(&prepared, fetched.bytes, &call).await
        };
        self.until_called_off(&prepared, &call, work).await
    }

    /// Ends what is in flight and refuses what comes later. Can be called twice.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Stores bytes that come as they come. Up to `multipartThresholdBytes` they are held for one request,
    /// beyond that they are sent in parts; every attempt has its bytes.
    ///
    /// # Errors
    /// Bad input before anything is sent; the source's; else the last attempt's.
    pub async fn upload_chunks(&self, options: ObjectOptions, source: impl Chunks, call: Call) -> Result<Receipt> {
        let prepared = self.prepare(options, Operation::UploadFile)?;
        let work = async {
            let mut blocks = Blocks::new(source);
            let threshold = usize::try_from(self.config.multipart.threshold).unwrap_or(usize::MAX - 1);
            let head = blocks.next(threshold + 1).await?.unwrap_or_default();
            if head.len() <= threshold {
                return self.put(&prepared, head, &call).await;
            }
            blocks.unread(head.clone());
            self.put_in_parts(&prepared, &head, blocks, &call).await
        };
        // The retry loops keep the deadline for themselves; this is for a source that hangs.
        let work = async {
            let Some(deadline) = prepared.policy.deadline else { return work.await };
            let rest = deadline.saturating_sub(prepared.started.elapsed());
            timeout(rest, work).await.unwrap_or_else(|_| Err(Error::timeout("the source did not end", deadline)))
        };
        self.until_called_off(&prepared, &call, work).await
    }

    async fn put(&self, prepared: &Prepared, body: Bytes, call: &Call) -> Result<Receipt> {
        if body.len() as u64 > self.config.multipart.threshold {
            return self.put_in_parts(prepared, &body.clone(), Blocks::new(Memory::new(body)), call).await;
        }
        let headers = prepared.headers.complete(|given| content_type::choose(given, &body, prepared.key.as_str()));
        let request = PutObject {
            bucket: prepared.bucket.clone(),
            key: prepared.key.clone(),
            body,
            headers,
            condition: prepared.condition.clone(),
            verify_etag: prepared.verify_etag,
            progress: call.progress.clone(),
        };
        let context = prepared.context(call.observer.as_ref());
        let stored = single::upload(&self.store, &request, context).await?;
        Ok(self.receipt(prepared, request.headers.content_type, stored))
    }

    /// `head` is how the bytes begin.
    async fn put_in_parts(
        &self,
        prepared: &Prepared,
        head: &[u8],
        source: Blocks<impl Chunks>,
        call: &Call,
    ) -> Result<Receipt> {
        let headers = prepared.headers.complete(|given| content_type::choose(given, head, prepared.key.as_str()));
        let request = CreateMultipart { object: prepared.object(), headers };
        let multipart = Multipart {
            store: &self.store,
            context: prepared.context(call.observer.as_ref()),
            options: self.config.multipart,
            verify_etag: prepared.verify_etag,
            condition: prepared.condition.clone(),
            progress: call.progress.clone(),
        };
        // Boxed: the state of parts in flight would make every small upload's larger.
        let stored = Box::pin(multipart.upload(&request, source)).await?;
        Ok(self.receipt(prepared, request.headers.content_type, stored))
    }

    fn receipt(&self, prepared: &Prepared, content_type: String, stored: Stored) -> Receipt {
        let key = prepared.key.as_str();
        let location = self.config.location(prepared.bucket.as_str(), key);
        Receipt {
            url: self.config.public_url(key).unwrap_or_else(|| location.clone()),
            location,
            bucket: prepared.bucket.as_str().to_owned(),
            key: key.to_owned(),
            filename: prepared.key.filename().to_owned(),
            etag: stored.outcome.etag,
            size: stored.size,
            content_type,
            attempts: stored.attempts,
            parts: stored.parts,
            elapsed: prepared.started.elapsed(),
            request_id: stored.outcome.request_id,
        }
    }

    fn prepare(&self, options: ObjectOptions, operation: Operation) -> Result<Prepared> {
        let started = Instant::now();
        let check = || -> Result<Prepared> {
            self.refuse_if_closed()?;
            Ok(Prepared {
                key: ObjectKey::parse(&options.key)?,
                bucket: self.bucket(options.bucket.as_deref())?,
                headers: options.headers.check()?,
                condition: options.condition()?,
                policy: self.policy(options.retry.as_ref())?,
                verify_etag: options.verify_etag.unwrap_or(self.config.verify_etag),
                started,
                operation,
            })
        };
        check().map_err(|error| {
            error.with(|failure| {
                failure.operation = Some(operation);
                failure.key = Some(options.key.clone());
            })
        })
    }

    fn source_request(&self, source: SourceOptions) -> Result<SourceRequest> {
        let own = &self.config.guard;
        let allowed_hosts = match source.allowed_hosts {
            Some(hosts) => config::check_hosts("allowedHosts", hosts)?,
            None => own.allowed_hosts.clone(),
        };
        let guard = GuardPolicy {
            allow_private_networks: source.allow_private_networks.unwrap_or(own.allow_private_networks),
            allowed_hosts,
        };
        let max_bytes = match source.max_bytes {
            Some(value) => limits::bytes("maxBytes", value)?,
            None => self.config.max_bytes,
        };
        let url = url_guard::parse(&source.url)?;
        url_guard::check(&url, &guard)?;
        Ok(SourceRequest { url, headers: source.headers, max_bytes, guard })
    }

    fn refuse_if_closed(&self) -> Result<()> {
        if self.closed.is_cancelled() { Err(closed()) } else { Ok(()) }
    }

    fn bucket(&self, given: Option<&str>) -> Result<BucketName> {
        given.map_or_else(|| Ok(self.config.bucket.clone()), BucketName::parse)
    }

    fn policy(&self, given: Option<&RetryOptions>) -> Result<RetryPolicy> {
        given.map_or_else(|| Ok(self.config.retry.clone()), |retry| retry.resolve("retry", &self.config.retry))
    }

    async fn until_called_off<T>(
        &self,
        prepared: &Prepared,
        call: &Call,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.race(call, work).await.map_err(|error| prepared.mark(error))
    }

    /// Runs `work` until it ends, the caller aborts or the storage is closed. Dropping the work closes its
    /// connection, whatever phase it is in.
    async fn race<T>(&self, call: &Call, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(aborted()),
            () = self.closed.cancelled() => Err(closed()),
            outcome = work => outcome,
        }
    }
}

impl ObjectOptions {
    fn condition(&self) -> Result<Option<WriteCondition>> {
        match (self.if_none_match.as_deref(), self.if_match.as_deref()) {
            (None, None) => Ok(None),
            (Some("*"), None) => Ok(Some(WriteCondition::Absent)),
            (None, Some(etag)) => {
                let etag = headers::header_value("ifMatch", etag)?;
                Ok(Some(WriteCondition::Etag(etag.trim_matches('"').to_owned())))
            }
            (Some(_), None) => Err(Error::invalid_option("ifNoneMatch", "'*': only where there is no object yet")),
            (Some(_), Some(_)) => Err(Error::invalid_option("ifMatch", "absent where ifNoneMatch is given")),
        }
    }
}

impl Prepared {
    fn context<'a>(&'a self, observer: &'a dyn RetryObserver) -> RetryContext<'a> {
        RetryContext {
            policy: &self.policy,
            started: self.started,
            operation: self.operation,
            key: self.key.as_str(),
            observer,
        }
    }

    fn mark(&self, error: Error) -> Error {
        error.with(|failure| {
            failure.operation = Some(self.operation);
            failure.key = Some(self.key.as_str().to_owned());
            failure.elapsed = self.started.elapsed();
        })
    }
}

fn aborted() -> Error {
    Error::new(code::ABORTED, Category::Aborted, Retryability::Permanent, "the caller aborted it")
}

fn closed() -> Error {
    Error::new(code::CLOSED, Category::Aborted, Retryability::Permanent, "the storage is closed")
}

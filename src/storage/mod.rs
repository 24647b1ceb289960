//! The product: what a caller configures and calls.

mod condition_probe;
mod conditions;
pub mod config;
mod copy_back;
pub mod defaults;
pub mod download;
pub mod endpoint;
pub mod endpoint_config;
pub mod environment;
mod failover;
pub mod headers;
mod hosts;
pub mod incomplete_uploads;
pub mod limits;
mod lookup;
mod missing;
pub mod objects;
mod open_metrics;
mod order;
pub mod profile;
pub mod reconcile;
mod run;
pub mod status;
pub mod target;
mod upload;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub use config::{ResolvedConfig, StorageConfig};
pub use download::SourceOptions;
pub use endpoint_config::{TargetConfig, TargetOptions};
pub use environment::Environment;
pub use headers::HeaderOptions;
pub use limits::RetryOptions;

use crate::error::{Category, Error, Operation, Result, Retryability, code};
use crate::metrics::Metrics;
use crate::resilience::{RetryContext, RetryObserver, RetryPolicy};
use crate::source::HttpSource;
use crate::store::identity::{ObjectState, PrimaryId, WriteIdentity, WriteTicket, Writer};
use crate::store::{BucketName, ObjectKey, ObjectStore, ProgressSink, ResilientStore, S3Store, WriteCondition, etag};
use crate::transfer::checkpoint::{Checkpoint, CheckpointSink};
use crate::transfer::compress::Compression;
use target::Target;

/// Where an object goes and how: what every call has in common.
#[derive(Debug, Clone, Default)]
pub struct ObjectOptions {
    pub key: String,
    pub bucket: Option<String>,
    pub headers: HeaderOptions,
    pub retry: Option<RetryOptions>,
    pub verify_integrity: Option<bool>,
    /// `*`: only where there is nothing.
    pub if_none_match: Option<String>,
    /// Only what has this ETag.
    pub if_match: Option<String>,
    /// `gzip`, `br` or `auto`.
    pub compress: Option<String>,
    /// Fewer bytes are an error.
    pub min_bytes: Option<f64>,
    /// Whether the receipt is to have the SHA-256 of the stored bytes.
    pub sha256: bool,
    /// Where an earlier process left off.
    pub resume: Option<Checkpoint>,
}

/// What the length of a file must be, as a caller writes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileLimits {
    pub length: Option<f64>,
    pub max_bytes: Option<f64>,
}

/// What accompanies one call: who listens, and how it is aborted.
#[derive(Clone)]
pub struct Call {
    pub observer: Arc<dyn RetryObserver>,
    pub progress: Option<ProgressSink>,
    /// With one, an upload in parts that fails stays to be resumed.
    pub checkpoint: Option<CheckpointSink>,
    /// None for a call that nobody can abort.
    pub cancel: Option<CancellationToken>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// Uploads to one bucket with one policy. Cheap to share by `Arc`; everything that it holds open is closed
/// when it is dropped.
#[derive(Debug)]
pub struct Storage<S = S3Store> {
    config: ResolvedConfig,
    /// At least one; the first is the primary.
    targets: Vec<Target<S>>,
    /// Gone once the storage is closed, and its connections with it.
    source: Mutex<Option<HttpSource>>,
    closed: CancellationToken,
    metrics: Arc<Metrics>,
    /// Names the writes of this storage.
    writer: Writer,
}

/// A call whose options are checked.
#[derive(Clone)]
struct Prepared {
    /// Which of the endpoints.
    target: usize,
    /// Whether another endpoint stands ready should this one fail.
    has_alternative: bool,
    key: ObjectKey,
    bucket: BucketName,
    headers: headers::CheckedHeaders,
    condition: Option<WriteCondition>,
    compression: Option<Compression>,
    min_bytes: u64,
    sha256: bool,
    resume: Option<Checkpoint>,
    policy: RetryPolicy,
    verify_integrity: bool,
    started: Instant,
    operation: Operation,
    /// Of a write, until it has ended at all endpoints.
    ticket: Option<Arc<WriteTicket>>,
}

impl Storage {
    /// # Errors
    /// `ERR_INTERNAL`.
    pub fn new(config: ResolvedConfig) -> Result<Self> {
        let store = |it: &TargetConfig| S3Store::new(&it.s3, config.trust.clone());
        let stores = config.targets.iter().map(store).collect::<Result<_>>()?;
        Self::over(config, stores)
    }

    /// Ends what is in flight, refuses what comes later, and closes the connections that were kept for it. Can be
    /// called twice.
    pub fn close(&self) {
        self.closed.cancel();
        self.source.lock().unwrap_or_else(PoisonError::into_inner).take();
        for target in &self.targets {
            target.store.inner().close();
        }
    }
}

impl<S: ObjectStore + 'static> Storage<S> {
    /// Over stores of the caller's own, one for each of the configured endpoints.
    ///
    /// # Errors
    /// `ERR_INTERNAL`.
    pub fn over(config: ResolvedConfig, stores: Vec<S>) -> Result<Self> {
        let targets = config.targets.iter().zip(stores);
        Ok(Self {
            source: Mutex::new(Some(HttpSource::new(config.trust.clone(), config.connect_timeout))),
            targets: targets.map(|(target, store)| Target::new(target.clone(), store, &config)).collect(),
            closed: CancellationToken::new(),
            metrics: Arc::default(),
            writer: Writer::new()?,
            config,
        })
    }

    pub const fn config(&self) -> &ResolvedConfig {
        &self.config
    }

    fn source(&self) -> Result<HttpSource> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    fn prepare(&self, options: ObjectOptions, operation: Operation) -> Result<Prepared> {
        let started = Instant::now();
        let writes = matches!(operation, Operation::UploadFile | Operation::DownloadAndUpload);
        let check = || -> Result<Prepared> {
            self.refuse_if_closed()?;
            let mut prepared = Prepared {
                target: 0,
                has_alternative: false,
                key: if writes { ObjectKey::parse(&options.key) } else { ObjectKey::existing(&options.key) }?,
                bucket: self.bucket(options.bucket.as_deref())?,
                headers: options.headers.check()?,
                condition: options.condition()?,
                compression: options.compression()?,
                min_bytes: options.min_bytes.map_or(Ok(0), limits::min_bytes)?,
                sha256: options.sha256,
                resume: options.resume.clone(),
                policy: self.policy(options.retry.as_ref())?,
                verify_integrity: options.verify_integrity.unwrap_or(self.config.verify_integrity),
                started,
                operation,
                ticket: None,
            };
            if writes {
                self.identify(&mut prepared);
            }
            Ok(prepared)
        };
        check().map_err(|error| {
            error.with(|failure| {
                failure.operation = Some(operation);
                failure.key = Some(options.key.clone());
            })
        })
    }

    /// Gives a write its identity, the same at every endpoint and in every attempt.
    fn identify(&self, prepared: &mut Prepared) {
        let bucket = prepared.bucket.as_str();
        let ticket = self.writer.start(bucket, prepared.key.as_str());
        prepared.headers.identify(WriteIdentity {
            id: ticket.id,
            ended_before: ticket.ended_before,
            primary: self.primary_id(bucket),
            not_before: self.primary().store.inner().server_time().map(|now| now.low),
            not_after: None,
            state: ObjectState::Stored,
            copy: None,
        });
        prepared.ticket = Some(Arc::new(ticket));
    }

    fn primary_id(&self, bucket: &str) -> PrimaryId {
        PrimaryId::of(self.primary().store.gate().name(), bucket)
    }

    fn refuse_if_closed(&self) -> Result<()> {
        if self.closed.is_cancelled() { Err(closed()) } else { Ok(()) }
    }

    fn bucket(&self, given: Option<&str>) -> Result<BucketName> {
        given.map_or_else(|| Ok(self.primary().config.bucket.clone()), BucketName::parse)
    }

    fn primary(&self) -> &Target<S> {
        &self.targets[0]
    }

    fn store(&self, prepared: &Prepared) -> &Arc<ResilientStore<S>> {
        &self.targets[prepared.target].store
    }

    fn policy(&self, given: Option<&RetryOptions>) -> Result<RetryPolicy> {
        given.map_or_else(|| Ok(self.config.retry.clone()), |retry| retry.resolve("retry", &self.config.retry))
    }

    /// Bounds work whose retry loops keep the deadline for themselves, and whose source may hang.
    async fn within_deadline<T>(&self, prepared: &Prepared, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(deadline) = prepared.policy.deadline else { return work.await };
        let rest = deadline.saturating_sub(prepared.started.elapsed());
        timeout(rest, work).await.unwrap_or_else(|_| Err(Error::timeout("the source did not end", deadline)))
    }
}

impl ObjectOptions {
    fn compression(&self) -> Result<Option<Compression>> {
        let Some(name) = &self.compress else { return Ok(None) };
        if self.headers.names_coding() {
            return Err(Error::invalid_option(
                "compress",
                "absent where contentEncoding says how the body is coded already",
            ));
        }
        let compression = Compression::parse(name);
        let compression =
            compression.ok_or_else(|| Error::invalid_option("compress", limits::one_of(Compression::NAMES)))?;
        // What came compressed stays as it came.
        Ok(Some(compression).filter(|_| !self.headers.is_declared_as_coded()))
    }

    fn condition(&self) -> Result<Option<WriteCondition>> {
        match (self.if_none_match.as_deref(), self.if_match.as_deref()) {
            (None, None) => Ok(None),
            (Some("*"), None) => Ok(Some(WriteCondition::Absent)),
            (None, Some(etag)) => {
                let opaque = etag::opaque(etag);
                if !etag::is_opaque(opaque) || opaque.len() > 1024 {
                    return Err(Error::invalid_option("ifMatch", "the ETag of one object, with or without its quotes"));
                }
                Ok(Some(WriteCondition::Etag(opaque.to_owned())))
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
            has_alternative: self.has_alternative,
            observer,
        }
    }
}

fn closed() -> Error {
    Error::new(code::CLOSED, Category::Aborted, Retryability::Permanent, "the storage is closed")
}

//! The product: what a caller configures and calls.

pub mod cleanup;
pub mod config;
pub mod download;
pub mod endpoint;
mod failover;
pub mod headers;
pub mod limits;
pub mod objects;
mod observe;
pub mod profile;
pub mod reconcile;
pub mod status;
pub mod target;
mod upload;

use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub use config::{Environment, ResolvedConfig, StorageConfig};
pub use download::SourceOptions;
pub use headers::HeaderOptions;
pub use limits::RetryOptions;
pub use target::{TargetConfig, TargetOptions};

use crate::error::{Category, Error, Operation, Result, Retryability, code};
use crate::metrics::Metrics;
use crate::resilience::{RetryContext, RetryObserver, RetryPolicy};
use crate::source::HttpSource;
use crate::store::{BucketName, ObjectKey, ProgressSink, ResilientStore, WriteCondition, etag};
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
    pub verify_etag: Option<bool>,
    /// `*`: only where there is nothing.
    pub if_none_match: Option<String>,
    /// Only what has this ETag.
    pub if_match: Option<String>,
    /// `gzip`, `br` or `auto`.
    pub compress: Option<String>,
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

/// What accompanies one call: who listens, and how it is called off.
#[derive(Clone)]
pub struct Call {
    pub observer: Arc<dyn RetryObserver>,
    pub progress: Option<ProgressSink>,
    /// With one, an upload in parts that fails stays to be gone on with.
    pub checkpoint: Option<CheckpointSink>,
    /// None for a call that nobody can call off.
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
pub struct Storage {
    config: ResolvedConfig,
    /// At least one; the first is the primary.
    targets: Vec<Target>,
    /// Gone once the storage is closed, and its connections with it.
    source: Mutex<Option<HttpSource>>,
    closed: CancellationToken,
    metrics: Arc<Metrics>,
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
    sha256: bool,
    resume: Option<Checkpoint>,
    policy: RetryPolicy,
    verify_etag: bool,
    started: Instant,
    operation: Operation,
}

impl Storage {
    /// # Errors
    /// `ERR_INTERNAL`.
    pub fn new(config: ResolvedConfig) -> Result<Self> {
        let target = |it: &TargetConfig| Target::new(it.clone(), config.trust.clone(), &config);
        Ok(Self {
            source: Mutex::new(Some(HttpSource::new(config.trust.clone(), config.connect_timeout))),
            targets: config.targets.iter().map(target).collect::<Result<_>>()?,
            closed: CancellationToken::new(),
            metrics: Arc::default(),
            config,
        })
    }

    pub const fn config(&self) -> &ResolvedConfig {
        &self.config
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

    fn source(&self) -> Result<HttpSource> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    fn prepare(&self, options: ObjectOptions, operation: Operation) -> Result<Prepared> {
        let started = Instant::now();
        let check = || -> Result<Prepared> {
            self.refuse_if_closed()?;
            Ok(Prepared {
                target: 0,
                has_alternative: false,
                key: match operation {
                    Operation::UploadFile | Operation::DownloadAndUpload => ObjectKey::parse(&options.key)?,
                    _ => ObjectKey::of_stored(&options.key)?,
                },
                bucket: self.bucket(options.bucket.as_deref())?,
                headers: options.headers.check()?,
                condition: options.condition()?,
                compression: options.compression()?,
                sha256: options.sha256,
                resume: options.resume.clone(),
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

    fn refuse_if_closed(&self) -> Result<()> {
        if self.closed.is_cancelled() { Err(closed()) } else { Ok(()) }
    }

    fn bucket(&self, given: Option<&str>) -> Result<BucketName> {
        given.map_or_else(|| Ok(self.primary().config.bucket.clone()), BucketName::parse)
    }

    fn primary(&self) -> &Target {
        &self.targets[0]
    }

    fn store(&self, prepared: &Prepared) -> &Arc<ResilientStore> {
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
        let called_off = async {
            match &call.cancel {
                Some(cancel) => cancel.cancelled().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = called_off => Err(aborted()),
            () = self.closed.cancelled() => Err(closed()),
            outcome = work => outcome,
        }
    }
}

impl ObjectOptions {
    fn compression(&self) -> Result<Option<Compression>> {
        let Some(name) = &self.compress else { return Ok(None) };
        if self.headers.names("content-encoding") {
            return Err(Error::invalid_option("compress", "absent where headers say how the body is packed already"));
        }
        let compression = Compression::parse(name);
        compression.map(Some).ok_or_else(|| Error::invalid_option("compress", limits::one_of(Compression::NAMES)))
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

//! A storage, as JavaScript holds it.

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{ClassInstance, Either, Function, ObjectFinalize};
use napi::{Env, Result};
use napi_derive::napi;

use super::events::{BreakerEvents, CallEvents, Events, NativeEvent};
use super::failure::NativeFailure;
use super::operation::NativeOperation;
use super::options::{NativeEnvironment, NativeFile, NativeSourceOptions, NativeStorageOptions, NativeUploadOptions};
use super::runtime::Lane;
use super::source::NativeSource;
use super::upload_results::UploadResults;
use crate::error::Error;
use crate::resilience::admission::BreakerWatcher;
use crate::source::buffers::Buffers;
use crate::storage::{Call, FileLimits, ObjectOptions, Storage, StorageConfig, limits};

/// The id of a call, or what can also end it.
type Operation<'a> = Either<u32, ClassInstance<'a, NativeOperation>>;

/// What a storage holds outside of JavaScript's heap: certificates, connections, metrics. A route that makes a storage
/// for each request would have hundreds of them before the collector saw a reason to look.
const HELD_BYTES: i64 = 450 * 1024;

/// Checks what is given; what is missing is no error yet.
#[napi(catch_unwind)]
pub fn check_storage_options(options: NativeStorageOptions) -> Option<NativeFailure> {
    StorageConfig::from(options).check().err().map(Into::into)
}

/// What is wrong with the `concurrency` of `uploadFiles`, if anything.
#[napi(catch_unwind)]
pub fn check_concurrency(concurrency: f64) -> Option<String> {
    limits::concurrency("concurrency", concurrency).err().map(|error| error.detail.clone())
}

/// Both functions are called on the JavaScript thread: with an event, and with the results
/// of uploads that came since the last time: a JSON array of the id of a call, its result, the next id.
#[napi(catch_unwind)]
pub fn create_storage(
    env: Env,
    options: NativeStorageOptions,
    environment: NativeEnvironment,
    on_event: Function<'_, NativeEvent, ()>,
    on_results: Function<'_, String, ()>,
) -> Result<Either<NativeFailure, NativeStorage>> {
    let made = StorageConfig::from(options).resolve(&environment.into()).and_then(Storage::new);
    let inner = match made {
        Ok(storage) => Arc::new(storage),
        Err(error) => return Ok(Either::A(error.into())),
    };
    let events = Events::new(&on_event)?;
    let watcher: Arc<dyn BreakerWatcher> = Arc::new(BreakerEvents(Arc::clone(&events)));
    inner.watch_breakers(&watcher);
    let results = UploadResults::new(&on_results)?;
    env.adjust_external_memory(HELD_BYTES)?;
    Ok(Either::B(NativeStorage { inner, events, results, buffers: Buffers::default() }))
}

#[napi(custom_finalize)]
pub struct NativeStorage {
    pub(super) inner: Arc<Storage>,
    events: Arc<Events>,
    results: Arc<UploadResults>,
    buffers: Buffers,
}

impl ObjectFinalize for NativeStorage {
    fn finalize(self, env: Env) -> Result<()> {
        env.adjust_external_memory(-HELD_BYTES).map(drop)
    }
}

#[napi]
impl NativeStorage {
    /// How many uploads `uploadFiles` keeps in flight.
    #[napi(getter, catch_unwind)]
    pub fn upload_concurrency(&self) -> u32 {
        self.inner.config().upload_concurrency
    }

    /// How many events were sent so far; JavaScript counts those that came.
    #[napi(getter, catch_unwind)]
    pub fn events_sent(&self) -> f64 {
        self.events.sent() as f64
    }

    /// No upload is awaited: the process may end.
    #[napi(catch_unwind)]
    pub fn rest(&self, env: &Env) -> Result<()> {
        self.results.rest(env)
    }

    /// Copies `body` before it returns: what the caller does with its buffer afterwards changes nothing.
    #[napi(catch_unwind)]
    pub fn upload(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "number | NativeOperation")] call: Operation<'_>,
        key: String,
        content_type: Option<String>,
        options: Option<NativeUploadOptions>,
        body: &[u8],
    ) -> Result<()> {
        let storage = Arc::clone(&self.inner);
        let (id, options, call) = self.upload_call(&call, key, content_type, options);
        let (lane, body) = (Lane::of(body.len()), self.buffers.copy(body));
        self.results.expect(env, id, lane, async move { storage.upload(options, body, call).await })
    }

    /// Stores what is pushed into `source`. A source is read once.
    #[napi(catch_unwind)]
    pub fn upload_source(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "number | NativeOperation")] call: Operation<'_>,
        key: String,
        content_type: Option<String>,
        options: Option<NativeUploadOptions>,
        source: &NativeSource,
    ) -> Result<()> {
        let storage = Arc::clone(&self.inner);
        let (id, options, call) = self.upload_call(&call, key, content_type, options);
        let source = source.take();
        self.results.expect(env, id, Lane::Large, async move {
            let source = source.ok_or_else(|| Error::internal("the source was read before"))?;
            storage.upload_chunks(options, source, call).await
        })
    }

    /// Stores a file.
    #[napi(catch_unwind)]
    pub fn upload_path(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "number | NativeOperation")] call: Operation<'_>,
        key: String,
        content_type: Option<String>,
        options: Option<NativeUploadOptions>,
        file: NativeFile,
    ) -> Result<()> {
        let storage = Arc::clone(&self.inner);
        let (id, options, call) = self.upload_call(&call, key, content_type, options);
        self.results.expect(env, id, Lane::Large, async move {
            let limits = FileLimits { length: file.length, max_bytes: file.max_bytes };
            storage.upload_path(options, Path::new(&file.path), limits, call).await
        })
    }

    #[napi(catch_unwind)]
    pub fn download_and_upload(
        &self,
        env: &Env,
        #[napi(ts_arg_type = "number | NativeOperation")] call: Operation<'_>,
        key: String,
        content_type: Option<String>,
        options: Option<NativeUploadOptions>,
        source: NativeSourceOptions,
    ) -> Result<()> {
        let storage = Arc::clone(&self.inner);
        let (id, options, call) = self.upload_call(&call, key, content_type, options);
        self.results.expect(env, id, Lane::Large, async move {
            storage.download_and_upload(source.into(), options, call).await
        })
    }

    /// Ends what is in flight and refuses what comes later. Can be called twice.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.inner.close();
    }

    fn upload_call(
        &self,
        call: &Operation<'_>,
        key: String,
        content_type: Option<String>,
        options: Option<NativeUploadOptions>,
    ) -> (u32, ObjectOptions, Call) {
        let options = options.unwrap_or_default();
        let (id, cancel) = match call {
            Either::A(id) => (*id, None),
            Either::B(operation) => (operation.id, Some(operation.cancel.clone())),
        };
        let events = CallEvents { id, send: Arc::clone(&self.events) };
        let call = Call {
            progress: options.progress.unwrap_or(false).then(|| events.clone().progress()),
            checkpoint: options.checkpoint.unwrap_or(false).then(|| events.checkpoint()),
            observer: Arc::new(events),
            cancel,
        };
        (id, options.of(key, content_type), call)
    }

    pub(super) fn call(&self, operation: &NativeOperation) -> Call {
        let events = CallEvents { id: operation.id, send: Arc::clone(&self.events) };
        let cancel = Some(operation.cancel.clone());
        Call { progress: None, checkpoint: None, observer: Arc::new(events), cancel }
    }
}

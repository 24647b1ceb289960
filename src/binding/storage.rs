//! A storage, as JavaScript holds it.

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder, Either, Function};
use napi::{Env, Result};
use napi_derive::napi;

use super::events::{BreakerEvents, CallEvents, EventFunction, NativeEvent};
use super::failure::{NativeFailure, outcome};
use super::operation::NativeOperation;
use super::options::{NativeEnvironment, NativeSourceOptions, NativeStorageOptions, NativeUploadOptions};
use super::output::NativeReceipt;
use super::source::NativeSource;
use crate::error::Error;
use crate::resilience::gate::BreakerWatcher;
use crate::source::buffers::Buffers;
use crate::storage::{Call, ObjectOptions, Storage, StorageConfig};

type Outcome = Either<NativeFailure, NativeReceipt>;

/// Checks what is given; what is missing is no error yet.
#[napi(catch_unwind)]
pub fn check_storage_options(options: NativeStorageOptions) -> Option<NativeFailure> {
    StorageConfig::from(options).check().err().map(Into::into)
}

/// `on_event` is called on the JavaScript thread.
#[napi(catch_unwind)]
pub fn create_storage(
    options: NativeStorageOptions,
    environment: NativeEnvironment,
    on_event: Function<'_, NativeEvent, ()>,
) -> Result<Either<NativeFailure, NativeStorage>> {
    let made = StorageConfig::from(options).resolve(&environment.into()).and_then(Storage::new);
    let inner = match made {
        Ok(storage) => Arc::new(storage),
        Err(error) => return Ok(Either::A(error.into())),
    };
    let events: EventFunction = on_event
        .build_threadsafe_function::<NativeEvent>()
        .callee_handled::<false>()
        .weak::<true>()
        .max_queue_size::<1024>()
        .build()?;
    let events = Arc::new(events);
    let watcher: Arc<dyn BreakerWatcher> = Arc::new(BreakerEvents(Arc::clone(&events)));
    inner.watch_breakers(&watcher);
    Ok(Either::B(NativeStorage { inner, events, buffers: Buffers::default() }))
}

#[napi]
pub struct NativeStorage {
    pub(super) inner: Arc<Storage>,
    events: Arc<EventFunction>,
    buffers: Buffers,
}

#[napi]
impl NativeStorage {
    /// How many uploads `uploadFiles` keeps in flight.
    #[napi(getter, catch_unwind)]
    pub fn concurrency(&self) -> u32 {
        self.inner.config().concurrency
    }

    /// Copies `body` before it returns: what the caller does with its buffer afterwards changes nothing.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeReceipt>")]
    pub fn upload(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeUploadOptions,
        body: &[u8],
    ) -> Result<AsyncBlock<Outcome>> {
        let storage = Arc::clone(&self.inner);
        let call = self.upload_call(operation, &options);
        let options = ObjectOptions::from(options);
        let body = self.buffers.copy(body);
        AsyncBlockBuilder::new(async move { Ok(outcome(storage.upload(options, body, call).await)) }).build(env)
    }

    /// Stores what is pushed into `source`. A source is read once.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeReceipt>")]
    pub fn upload_source(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeUploadOptions,
        source: &NativeSource,
    ) -> Result<AsyncBlock<Outcome>> {
        let storage = Arc::clone(&self.inner);
        let call = self.upload_call(operation, &options);
        let options = ObjectOptions::from(options);
        let source = source.take();
        AsyncBlockBuilder::new(async move {
            Ok(outcome(match source {
                Some(source) => storage.upload_chunks(options, source, call).await,
                None => Err(Error::internal("the source was read before")),
            }))
        })
        .build(env)
    }

    /// Stores the file of that path.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeReceipt>")]
    pub fn upload_path(
        &self,
        env: &Env,
        operation: &NativeOperation,
        options: NativeUploadOptions,
        path: String,
        length: Option<f64>,
    ) -> Result<AsyncBlock<Outcome>> {
        let storage = Arc::clone(&self.inner);
        let call = self.upload_call(operation, &options);
        let options = ObjectOptions::from(options);
        AsyncBlockBuilder::new(async move {
            Ok(outcome(storage.upload_path(options, Path::new(&path), length, call).await))
        })
        .build(env)
    }

    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | NativeReceipt>")]
    pub fn download_and_upload(
        &self,
        env: &Env,
        operation: &NativeOperation,
        source: NativeSourceOptions,
        options: NativeUploadOptions,
    ) -> Result<AsyncBlock<Outcome>> {
        let storage = Arc::clone(&self.inner);
        let call = self.upload_call(operation, &options);
        let options = ObjectOptions::from(options);
        AsyncBlockBuilder::new(
            async move { Ok(outcome(storage.download_and_upload(source.into(), options, call).await)) },
        )
        .build(env)
    }

    /// Ends what is in flight and refuses what comes later. Can be called twice.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.inner.close();
    }

    fn upload_call(&self, operation: &NativeOperation, options: &NativeUploadOptions) -> Call {
        let events = CallEvents { id: operation.id, send: Arc::clone(&self.events) };
        let checkpoint = options.checkpoint.unwrap_or(false).then(|| events.checkpoint());
        Call { checkpoint, ..self.call(operation, options.progress.unwrap_or(false)) }
    }

    pub(super) fn call(&self, operation: &NativeOperation, wants_progress: bool) -> Call {
        let events = CallEvents { id: operation.id, send: Arc::clone(&self.events) };
        Call {
            progress: wants_progress.then(|| events.clone().progress()),
            observer: Arc::new(events),
            checkpoint: None,
            cancel: operation.cancel.clone(),
        }
    }
}

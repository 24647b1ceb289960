//! UploadResults of uploads on their way to JavaScript: all that are ready in one go, as one text. A promise of its own for
//! each, with a function to settle it and an object of named properties, would take most of what a small upload costs
//! the JavaScript thread (ADR 0011).

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Result, Status};
use serde::Serialize;

use super::failure::NativeFailure;
use super::receipt::NativeReceipt;
use super::runtime::Lane;
use crate::error::{self, Error};
use crate::transfer::Receipt;

/// Unbounded, unlike that of the events: it holds one call at most, and no result may be lost.
type Wake = ThreadsafeFunction<(), (), String, Status, false, true, 0>;

/// What an upload resolves to.
#[derive(Serialize)]
#[serde(untagged)]
enum UploadResult {
    Receipt(NativeReceipt),
    Failure(NativeFailure),
}

/// The results of one storage.
pub(super) struct UploadResults {
    /// `id,result,id,result` in JSON, of those that JavaScript has not taken.
    ready: Arc<Mutex<String>>,
    wake: Mutex<Wake>,
}

impl UploadResults {
    /// `settle` is called on the JavaScript thread with a JSON array: the id of a call, its result, the next id.
    pub(super) fn new(settle: &Function<'_, String, ()>) -> Result<Arc<Self>> {
        let ready = Arc::<Mutex<String>>::default();
        let taken = Arc::clone(&ready);
        let wake = settle
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .max_queue_size::<0>()
            .build_callback(move |_| Ok(format!("[{}]", std::mem::take(&mut *lock(&taken)))))?;
        Ok(Arc::new(Self { ready, wake: Mutex::new(wake) }))
    }

    /// Runs an upload and has its result reported. The process stays alive until `rest`.
    pub(super) fn expect(
        self: &Arc<Self>,
        env: &Env,
        id: u32,
        lane: Lane,
        upload: impl Future<Output = error::Result<Receipt>> + Send + 'static,
    ) -> Result<()> {
        let results = Arc::clone(self);
        // Boxed here: the runtime would move all of its kilobytes, several times.
        lane.spawn(Box::pin(async move {
            let outcome = AssertUnwindSafe(upload).catch_unwind().await;
            results.report(
                id,
                match outcome {
                    Ok(Ok(receipt)) => UploadResult::Receipt(NativeReceipt(receipt)),
                    Ok(Err(error)) => UploadResult::Failure(error.into()),
                    Err(_) => UploadResult::Failure(Error::internal("the upload panicked").into()),
                },
            );
        }))?;
        #[expect(deprecated, reason = "it is deprecated for counting references, and this counts none")]
        lock(&self.wake).refer(env)
    }

    /// Nothing is awaited: the process may end.
    pub(super) fn rest(&self, env: &Env) -> Result<()> {
        #[expect(deprecated, reason = "see expect")]
        lock(&self.wake).unref(env)
    }

    fn report(&self, id: u32, result: UploadResult) {
        let result = serde_json::to_string(&result).unwrap_or_else(|error| {
            debug_assert!(false, "a result that is no JSON: {error}");
            "null".to_owned()
        });
        let first = {
            let mut ready = lock(&self.ready);
            let first = ready.is_empty();
            let comma = if first { "" } else { "," };
            let _ = write!(ready, "{comma}{id},{result}");
            first
        };
        if first {
            // Closing: nobody is there any more to be reported.
            let _ = lock(&self.wake).call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

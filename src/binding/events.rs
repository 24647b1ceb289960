//! Events on their way to JavaScript: one weak function for each storage, so that it neither keeps the
//! process alive nor costs a call anything that has nothing to tell.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::time::Instant;

use super::failure::milliseconds;
use crate::resilience::{RetryEvent, RetryObserver};
use crate::store::ProgressSink;

/// At most ten progress events a second; more than a page can draw is only work.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

#[napi(object, object_from_js = false)]
pub struct NativeEvent {
    /// Of the `NativeOperation`.
    pub id: u32,
    #[napi(ts_type = "'retry' | 'progress'")]
    pub kind: String,
    /// The attempt that failed; 1 for the first.
    pub attempt: Option<u32>,
    pub max_attempts: Option<u32>,
    pub delay_ms: Option<f64>,
    pub code: Option<String>,
    pub category: Option<String>,
    pub message: Option<String>,
    pub status: Option<u16>,
    pub host: Option<String>,
    pub loaded_bytes: Option<f64>,
    pub total_bytes: Option<f64>,
}

impl NativeEvent {
    fn of(id: u32, kind: &str) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            attempt: None,
            max_attempts: None,
            delay_ms: None,
            code: None,
            category: None,
            message: None,
            status: None,
            host: None,
            loaded_bytes: None,
            total_bytes: None,
        }
    }
}

/// Takes the event alone (not error-first), weak, bounded: a blocked event loop costs events, not memory.
pub(super) type EventFunction = ThreadsafeFunction<NativeEvent, (), NativeEvent, Status, false, true, 1024>;

/// The events of one call.
#[derive(Clone)]
pub(super) struct CallEvents {
    pub(super) id: u32,
    pub(super) send: Arc<EventFunction>,
}

impl CallEvents {
    fn emit(&self, event: NativeEvent) {
        // Full or closing: the event is lost, the upload is not.
        let _ = self.send.call(event, ThreadsafeFunctionCallMode::NonBlocking);
    }

    /// Tells progress at a bounded rate.
    #[expect(clippy::cast_precision_loss, reason = "objects end at 5 TiB, far below 2^53")]
    pub(super) fn progress(self) -> ProgressSink {
        let last: Mutex<Option<Instant>> = Mutex::new(None);
        ProgressSink(Arc::new(move |sent, total| {
            let Ok(mut last) = last.lock() else { return };
            let now = Instant::now();
            if last.is_some_and(|at| now.duration_since(at) < PROGRESS_INTERVAL) {
                return;
            }
            *last = Some(now);
            self.emit(NativeEvent {
                loaded_bytes: Some(sent as f64),
                total_bytes: Some(total as f64),
                ..NativeEvent::of(self.id, "progress")
            });
        }))
    }
}

impl RetryObserver for CallEvents {
    fn on_retry(&self, event: &RetryEvent<'_>) {
        self.emit(NativeEvent {
            attempt: Some(event.attempt),
            max_attempts: Some(event.max_attempts),
            delay_ms: Some(milliseconds(event.wait)),
            code: Some(event.error.code.to_string()),
            category: Some(event.error.category.as_str().to_owned()),
            message: Some(event.error.detail.clone()),
            status: event.error.status,
            host: event.error.host.clone(),
            ..NativeEvent::of(self.id, "retry")
        });
    }
}

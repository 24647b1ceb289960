//! Events on their way to JavaScript: one weak function for each storage, so that it neither keeps the
//! process alive nor costs a call anything that has nothing to report.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Result, Status};
use napi_derive::napi;
use tokio::time::Instant;

use super::failure::milliseconds;
use super::options::NativeCheckpoint;
use crate::error::Error;
use crate::resilience::admission::{BreakerChange, BreakerWatcher};
use crate::resilience::{RetryEvent, RetryObserver};
use crate::store::ProgressSink;
use crate::transfer::checkpoint::CheckpointSink;

/// At most ten progress events a second; more than a page can draw is only work.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

#[napi(object, object_from_js = false)]
pub struct NativeEvent {
    /// Of the `NativeOperation`; 0 for what belongs to no call.
    pub id: u32,
    #[napi(ts_type = "'retry' | 'progress' | 'checkpoint' | 'failover' | 'breaker'")]
    pub kind: String,
    /// The attempt that failed; 1 for the first.
    pub attempt: Option<u32>,
    pub max_attempts: Option<u32>,
    /// How long the attempt took to fail.
    pub attempt_ms: Option<f64>,
    pub delay_ms: Option<f64>,
    pub code: Option<String>,
    pub category: Option<String>,
    pub message: Option<String>,
    pub status: Option<u16>,
    pub host: Option<String>,
    pub loaded_bytes: Option<f64>,
    pub total_bytes: Option<f64>,
    pub part: Option<u32>,
    pub bytes_per_second: Option<f64>,
    pub checkpoint: Option<NativeCheckpoint>,
    /// Where a call continues, or whose breaker it is.
    pub endpoint: Option<String>,
    /// Of a breaker.
    pub state: Option<String>,
    pub previous_state: Option<String>,
    pub retry_after_ms: Option<f64>,
}

impl NativeEvent {
    fn of(id: u32, kind: &str) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            attempt: None,
            max_attempts: None,
            attempt_ms: None,
            delay_ms: None,
            code: None,
            category: None,
            message: None,
            status: None,
            host: None,
            loaded_bytes: None,
            total_bytes: None,
            part: None,
            bytes_per_second: None,
            checkpoint: None,
            endpoint: None,
            state: None,
            previous_state: None,
            retry_after_ms: None,
        }
    }
}

/// Takes the event alone (not error-first), weak, unbounded.
type EventFunction = ThreadsafeFunction<NativeEvent, (), NativeEvent, Status, false, true, 0>;

/// The way of a storage's events to JavaScript. While the event loop is blocked, progress beyond a bound is dropped: the
/// next event reports more. All others wait, of which a call has no more than attempts: a lost checkpoint is an upload that
/// cannot be resumed, and a lost retry one that nobody counts.
pub(super) struct Events {
    function: EventFunction,
    /// Progress that JavaScript has not taken.
    waiting: Arc<AtomicUsize>,
    sent: AtomicU64,
}

/// Progress of one call comes ten times a second.
const MOST_PROGRESS_WAITING: usize = 1024;

impl Events {
    pub(super) fn new(on_event: &Function<'_, NativeEvent, ()>) -> Result<Arc<Self>> {
        let waiting = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&waiting);
        let function = on_event
            .build_threadsafe_function::<NativeEvent>()
            .callee_handled::<false>()
            .weak::<true>()
            .max_queue_size::<0>()
            .build_callback(move |context| {
                if context.value.kind == PROGRESS {
                    counter.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(context.value)
            })?;
        Ok(Arc::new(Self { function, waiting, sent: AtomicU64::new(0) }))
    }

    /// How many were sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    fn send(&self, event: NativeEvent) {
        let is_progress = event.kind == PROGRESS;
        if is_progress && self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_PROGRESS_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.sent.fetch_add(1, Ordering::AcqRel);
        // Closing: there is no JavaScript any more that could be reported.
        if self.function.call(event, ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok {
            self.sent.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

const PROGRESS: &str = "progress";

/// The events of one call.
#[derive(Clone)]
pub(super) struct CallEvents {
    pub(super) id: u32,
    pub(super) send: Arc<Events>,
}

impl CallEvents {
    fn emit(&self, event: NativeEvent) {
        self.send.send(event);
    }

    /// Reports the upload that can be resumed.
    pub(super) fn checkpoint(&self) -> CheckpointSink {
        let events = self.clone();
        CheckpointSink(Arc::new(move |checkpoint| {
            let checkpoint = Some(checkpoint.into());
            events.emit(NativeEvent { checkpoint, ..NativeEvent::of(events.id, "checkpoint") });
        }))
    }

    /// Reports progress at a bounded rate.
    #[expect(clippy::cast_precision_loss, reason = "objects end at 5 TiB, far below 2^53")]
    pub(super) fn progress(self) -> ProgressSink {
        let pace = Mutex::new(Pace::default());
        ProgressSink(Arc::new(move |progress| {
            let Ok(mut pace) = pace.lock() else { return };
            let Some(bytes_per_second) = pace.report(progress.sent, Instant::now()) else { return };
            self.emit(NativeEvent {
                loaded_bytes: Some(progress.sent as f64),
                total_bytes: (progress.total > 0).then_some(progress.total as f64),
                part: Some(progress.part),
                bytes_per_second: Some(bytes_per_second),
                ..NativeEvent::of(self.id, PROGRESS)
            });
        }))
    }
}

/// When to report, and how fast it goes.
#[derive(Debug, Default)]
struct Pace {
    reported: Option<(Instant, u64)>,
    bytes_per_second: f64,
}

impl Pace {
    /// How much of the rate is the last interval's; the rest is what it was before.
    const WEIGHT: f64 = 0.3;

    /// The rate in bytes per second, if it is time to report.
    #[expect(clippy::cast_precision_loss, reason = "objects end at 5 TiB, far below 2^53")]
    fn report(&mut self, sent: u64, now: Instant) -> Option<f64> {
        let Some((at, before)) = self.reported else {
            self.reported = Some((now, sent));
            return Some(0.0);
        };
        let passed = now.duration_since(at);
        if passed < PROGRESS_INTERVAL {
            return None;
        }
        // An attempt that starts over takes its bytes back.
        let rate = sent.saturating_sub(before) as f64 / passed.as_secs_f64();
        let first = self.bytes_per_second == 0.0;
        let weight = if first { 1.0 } else { Self::WEIGHT };
        self.bytes_per_second = (self.bytes_per_second * (1.0 - weight) + rate * weight).round();
        self.reported = Some((now, sent));
        Some(self.bytes_per_second)
    }
}

impl RetryObserver for CallEvents {
    fn on_retry(&self, event: &RetryEvent<'_>) {
        self.emit(NativeEvent {
            attempt: Some(event.attempt),
            max_attempts: Some(event.max_attempts),
            attempt_ms: Some(milliseconds(event.took)),
            delay_ms: Some(milliseconds(event.wait)),
            code: Some(event.error.code.to_string()),
            category: Some(event.error.category.as_str().to_owned()),
            message: Some(event.error.detail.clone()),
            status: event.error.status,
            host: event.error.host.clone(),
            ..NativeEvent::of(self.id, "retry")
        });
    }
    fn on_failover(&self, endpoint: &str, error: &Error) {
        self.emit(NativeEvent {
            endpoint: Some(endpoint.to_owned()),
            code: Some(error.code.to_string()),
            category: Some(error.category.as_str().to_owned()),
            message: Some(error.detail.clone()),
            status: error.status,
            host: error.host.clone(),
            ..NativeEvent::of(self.id, "failover")
        });
    }
}

/// The breakers' changes, which belong to no call.
pub(super) struct BreakerEvents(pub(super) Arc<Events>);

impl BreakerWatcher for BreakerEvents {
    fn on_change(&self, change: &BreakerChange) {
        let event = NativeEvent {
            endpoint: Some(change.endpoint.clone()),
            state: Some(change.to.as_str().to_owned()),
            previous_state: Some(change.from.as_str().to_owned()),
            retry_after_ms: change.retry_after.map(milliseconds),
            ..NativeEvent::of(0, "breaker")
        };
        self.0.send(event);
    }
}

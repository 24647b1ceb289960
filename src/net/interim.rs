//! Interim (1xx) responses, counted: a server may send any number of them before it responds, and HTTP clients skip them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::Request;
use tokio::sync::Notify;

use super::limits::{LimitExceeded, MAX_INTERIM_RESPONSES};

/// The interim responses to one request.
#[derive(Debug, Clone, Default)]
pub struct InterimResponses(Arc<Counter>);

#[derive(Debug, Default)]
struct Counter {
    seen: AtomicU32,
    exceeded: Notify,
}

impl InterimResponses {
    /// Counts those to `request`, which is about to be sent by hyper.
    pub fn count<B>(request: &mut Request<B>) -> Self {
        let responses = Self::default();
        let counter = Arc::clone(&responses.0);
        hyper::ext::on_informational(request, move |_| {
            // One permit is kept for a listener that has not asked yet.
            if counter.seen.fetch_add(1, Ordering::Relaxed) == MAX_INTERIM_RESPONSES {
                counter.exceeded.notify_one();
            }
        });
        responses
    }

    /// `response`, unless more of them come before it than a server may send.
    ///
    /// # Errors
    /// That there were too many, also where the response has come with the last of them.
    pub async fn limit<T>(&self, response: impl Future<Output = T>) -> Result<T, LimitExceeded> {
        let response = tokio::select! {
            biased;
            () = self.0.exceeded.notified() => None,
            response = response => Some(response),
        };
        let is_within = self.0.seen.load(Ordering::Relaxed) <= MAX_INTERIM_RESPONSES;
        response.filter(|_| is_within).ok_or_else(LimitExceeded::interim_responses)
    }
}

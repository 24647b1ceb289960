//! What happened at the proxy, in order.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::time::Instant;

/// Old events go when there are more than this.
const CAPACITY: usize = 100_000;

/// One request, or one connection that met its fault before any request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Counts from 1.
    pub seq: u64,
    /// Since the start.
    pub at_ms: u64,
    pub connection: u64,
    /// On this connection, from 1; none for a fault at the connection itself.
    pub request: Option<u64>,
    pub port: &'static str,
    pub method: Option<String>,
    /// Without the query, which may hold a signature.
    pub path: Option<String>,
    /// The path without the bucket, decoded.
    pub key: Option<String>,
    /// `forward`, or the fault's name.
    pub action: String,
    /// Of the response that the client was sent.
    pub status: Option<u16>,
    /// Of the request's body, as far as it was read.
    pub body_bytes: u64,
    pub amz_date: Option<String>,
}

impl Event {
    /// Before any request.
    pub(crate) fn of_connection(connection: u64, port: &'static str, action: &str) -> Self {
        Self {
            seq: 0,
            at_ms: 0,
            connection,
            request: None,
            port,
            method: None,
            path: None,
            key: None,
            action: action.to_owned(),
            status: None,
            body_bytes: 0,
            amz_date: None,
        }
    }
}

#[derive(Debug)]
pub struct EventLog {
    started: Instant,
    kept: Mutex<(u64, VecDeque<Event>)>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self { started: Instant::now(), kept: Mutex::default() }
    }
}

impl EventLog {
    /// Adds an event; its `seq` and `at_ms` are filled in here.
    pub fn add(&self, mut event: Event) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        event.seq = kept.0;
        event.at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        kept.1.push_back(event);
        if kept.1.len() > CAPACITY {
            kept.1.pop_front();
        }
    }

    /// The events after number `seq`.
    pub fn after(&self, seq: u64) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().filter(|event| event.seq > seq).cloned().collect()
    }

    pub fn last(&self) -> u64 {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Forgets the events; the count continues.
    pub fn clear(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
    }
}

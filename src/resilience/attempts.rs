//! The attempts of one call: each passes the gate, is counted, and is followed by a wait or by the end.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::admission::{Entry, Gate, Pass, Reading, Refusal};
use super::context::{Attempt, RetryContext, RetryEvent};
use super::hot_keys::KeyHash;
use super::schedule::{Decision, Schedule, StopReason};
use crate::error::{Error, Result};
use crate::net::limits::MAX_RETRY_AFTER;
use crate::phase::Phase;

/// A wait for leave that is worth counting.
const LEAST_WAIT: Duration = Duration::from_micros(100);

/// The loop of [`retry::run`](super::retry::run) turned inside out, for work that is not one future: a transfer that continues where it
/// broke off.
#[derive(Debug)]
pub struct Attempts<'a> {
    gate: Option<&'a Gate>,
    context: RetryContext<'a>,
    schedule: Schedule,
    /// When the attempt under way began, or the last one.
    began: Instant,
    /// Of the attempt under way.
    pass: Option<Pass<'a>>,
    /// Why the attempt before it failed.
    last: Option<Error>,
}

impl<'a> Attempts<'a> {
    /// Without a gate, attempts are made at an endpoint that is not ours to spare.
    pub fn new(gate: Option<&'a Gate>, context: RetryContext<'a>) -> Self {
        let schedule = Schedule::new(context.policy.clone());
        Self { gate, context, schedule, began: Instant::now(), pass: None, last: None }
    }

    /// The attempt that is about to begin, or under way.
    pub fn next(&self) -> Attempt {
        let timeout = self.schedule.attempt_timeout(self.context.started.elapsed());
        Attempt { number: self.schedule.failed() + 1, timeout }
    }

    /// Begins an attempt, once there is leave.
    ///
    /// # Errors
    /// `ERR_CIRCUIT_OPEN`; where the deadline leaves no time to wait for leave, the error of the attempt before.
    pub async fn begin(&mut self) -> Result<Attempt> {
        if let Some(gate) = self.gate {
            self.pass = Some(self.enter(gate).await?);
        }
        self.began = Instant::now();
        Ok(self.next())
    }

    /// The attempt under way succeeded.
    pub fn succeeded(&mut self) {
        if let Some(pass) = self.pass.take() {
            pass.ended(None);
        }
        self.context.observer.on_phase(Phase::Attempt, self.began.elapsed());
    }

    /// The attempt under way has got its response, whose body is still to be read: its connection counts until then.
    pub fn responded(&mut self) -> Option<Reading<'a>> {
        let reading = self.pass.take().map(Pass::responded);
        self.context.observer.on_phase(Phase::Attempt, self.began.elapsed());
        reading
    }

    /// What stands before the endpoint.
    pub const fn gate(&self) -> Option<&'a Gate> {
        self.gate
    }

    /// The attempt has got so far that the next failure counts as the first.
    pub fn moved_on(&mut self) {
        if self.schedule.failed() > 0 {
            self.schedule = Schedule::new(self.context.policy.clone());
        }
    }

    /// The attempt under way failed, or what it had begun. Waits until the next one may begin.
    ///
    /// # Errors
    /// `error`, complete, if there may be no other.
    pub async fn failed(&mut self, error: Error) -> Result<()> {
        let took = self.began.elapsed();
        if let Some(pass) = self.pass.take() {
            self.context.observer.on_phase(Phase::Attempt, took);
            pass.ended(Some(&error));
        }
        let attempt = self.schedule.failed() + 1;
        match self.schedule.decide(&error, self.context.started.elapsed()) {
            Decision::Retry { wait } => {
                let max_attempts = self.context.policy.max_attempts;
                self.context.observer.on_retry(&RetryEvent { attempt, max_attempts, took, wait, error: &error });
                self.last = Some(error);
                sleep(wait).await;
                self.context.observer.on_phase(Phase::Wait, wait);
                Ok(())
            }
            Decision::Stop(reason) => Err(finish(error, reason, attempt, &self.context)),
        }
    }

    async fn enter(&mut self, gate: &'a Gate) -> Result<Pass<'a>> {
        let (policy, deadline) = (self.context.policy, self.context.deadline());
        let failed_before = self.schedule.failed() > 0;
        let patience = match deadline {
            _ if self.context.has_alternative => Some(Duration::ZERO),
            Some(_) => None,
            // A call that is under way waits as long as it might have waited anyway.
            None if failed_before => Some(policy.max_delay),
            None => Some(Duration::ZERO),
        };
        let key = KeyHash::of(self.context.key);
        let entry = Entry { deadline, patience, retry: failed_before.then_some(policy.max_delay), key };
        let asked = Instant::now();
        let entered = gate.enter(entry).await;
        let waited = asked.elapsed();
        if waited >= LEAST_WAIT {
            self.context.observer.on_phase(Phase::Queue, waited);
        }
        entered.map_err(|refusal| self.refused(refusal, gate.name()))
    }

    fn refused(&mut self, refusal: Refusal, endpoint: &str) -> Error {
        let attempts = self.schedule.failed();
        let last = self.last.take();
        let (error, reason) = match (refusal, last) {
            (Refusal::Open(retry_after), last) => {
                let open = Error::circuit_open(endpoint, retry_after);
                (
                    match last {
                        Some(last) => open.caused_by(last),
                        None => open,
                    },
                    StopReason::Attempts,
                )
            }
            (Refusal::Deadline, Some(last)) => (last, StopReason::Deadline),
            (Refusal::Deadline, None) => {
                let limit = self.context.policy.deadline.unwrap_or_default();
                (
                    Error::timeout("waiting for a connection slot (maxConnections) did not end", limit),
                    StopReason::Deadline,
                )
            }
        };
        finish(error, reason, attempts, &self.context)
    }
}

fn too_long(asked: Duration) -> String {
    format!(
        " (its Retry-After is {} s, more than the limit of {} s for a call without a deadline: try again later, or set \
         retry.deadlineMs)",
        asked.as_secs(),
        MAX_RETRY_AFTER.as_secs()
    )
}

fn finish(error: Error, reason: StopReason, attempts: u32, context: &RetryContext<'_>) -> Error {
    error.with(|failure| {
        failure.operation = Some(context.operation);
        failure.key = Some(context.key.to_owned());
        failure.attempts = attempts;
        failure.elapsed = context.started.elapsed();
        match reason {
            StopReason::Deadline => failure.detail.push_str(" (the deadline leaves no time for another attempt)"),
            StopReason::RetryAfter => failure.detail.push_str(&too_long(failure.retry_after.unwrap_or_default())),
            StopReason::Permanent | StopReason::Attempts => {}
        }
    })
}

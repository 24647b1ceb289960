//! The rows of `tests/vectors/retry.json`: twice, by the schedule alone and by the whole loop on a paused clock.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Mutex;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use reliable_r2::error::{Category, Error, Operation, Result, Retryability};
use reliable_r2::resilience::backoff::{Jitter, wait_after};
use reliable_r2::resilience::classify::{Verdict, by_node_code};
use reliable_r2::resilience::schedule::{Decision, Schedule};
use reliable_r2::resilience::{Attempt, Gate, Preset, RetryContext, RetryEvent, RetryObserver, RetryPolicy, retry};
use reliable_r2::storage::RetryOptions;
use reliable_r2::store::s3::error::{Origin, read_response};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

#[derive(Deserialize)]
struct Vectors {
    policy: PolicyOptions,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vector {
    id: String,
    says: String,
    #[serde(default)]
    policy: PolicyOptions,
    /// `r2`, or a server that is not.
    at: Option<String>,
    /// What the attempts meet; those after them succeed.
    #[serde(default)]
    responses: Vec<Response>,
    #[serde(default)]
    after_attempts: Vec<u32>,
    #[serde(default)]
    failing_calls_before: u32,
    /// Only JavaScript aborts.
    #[serde(default)]
    abort: bool,
    delays_ms: Vec<u64>,
    end: Option<End>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyOptions {
    max_attempts: Option<f64>,
    initial_delay_ms: Option<f64>,
    max_delay_ms: Option<f64>,
    timeout: Option<f64>,
    deadline_ms: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Response {
    status: Option<u16>,
    code: Option<String>,
    retry_after: Option<String>,
    /// Of the schedule no concern: the signature is what changes.
    #[serde(rename = "clockAheadMs")]
    _clock_ahead_ms: Option<u64>,
    network: Option<String>,
    #[serde(default)]
    timeout: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct End {
    attempts: u32,
    /// Of the error; none is success.
    code: Option<String>,
    category: Option<String>,
    reason: Option<String>,
    retry_after_ms: Option<u64>,
    #[serde(default)]
    aborted: bool,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/retry.json")).expect("vectors")
}

impl PolicyOptions {
    fn over(self, base: &RetryPolicy, jitter: &str) -> RetryPolicy {
        let options = RetryOptions {
            max_attempts: self.max_attempts,
            initial_delay_ms: self.initial_delay_ms,
            max_delay_ms: self.max_delay_ms,
            timeout: self.timeout,
            deadline_ms: self.deadline_ms,
            jitter: Some(jitter.to_owned()),
            ..RetryOptions::default()
        };
        options.resolve("retry", base).expect("a sound policy")
    }
}

impl Vectors {
    fn policy(&self, vector: &Vector, jitter: &str) -> RetryPolicy {
        vector.policy.over(&self.policy.over(&Preset::FileUpload.policy(), jitter), jitter)
    }
}

impl Vector {
    /// What the store makes of a response.
    fn error(&self, response: &Response, limit: Duration) -> Error {
        let endpoint = match self.at.as_deref() {
            Some("r2") => "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com",
            _ => "http://127.0.0.1:9000",
        };
        let origin = Origin::of(&Url::parse(endpoint).expect("a URL"));
        if response.timeout {
            return Error::timeout("no response", limit);
        }
        if let Some(code) = &response.network {
            let Verdict { category, retryability } = by_node_code(code).expect("a code of Node's");
            let reset = Error::new(code.clone(), category, retryability, "reset");
            // After something was sent.
            return if self.at.is_some() { reset.with(|it| it.min_wait = Duration::from_secs(1)) } else { reset };
        }
        let code = response.code.as_deref().expect("a code");
        let xml =
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>x</Message></Error>");
        let mut headers = HeaderMap::new();
        if let Some(value) = &response.retry_after {
            headers.insert("retry-after", HeaderValue::from_str(value).expect("a header"));
        }
        let status = StatusCode::from_u16(response.status.expect("a status")).expect("a status");
        read_response(status, &headers, Some(xml.as_bytes()), &origin)
    }
}

#[test]
fn the_schedule_decides_as_the_vectors_say() {
    let all = vectors();
    for vector in all.vectors.iter().filter(|vector| !vector.responses.is_empty()) {
        let Vector { id, says, delays_ms, .. } = vector;
        let end = vector.end.as_ref().expect("an end");
        // The default jitter, which is drawn at its upper end.
        let policy = all.policy(vector, "bounded");
        let (mut schedule, mut elapsed) = (Schedule::with_unit(policy, || 1.0), Duration::ZERO);
        let (mut waits, mut ended) = (Vec::new(), None);
        for response in &vector.responses {
            let limit = schedule.attempt_timeout(elapsed);
            if response.timeout {
                elapsed += limit;
            }
            let error = vector.error(response, limit);
            match schedule.decide(&error, elapsed) {
                Decision::Retry { wait } => {
                    waits.push(u64::try_from(wait.as_millis()).expect("short"));
                    elapsed += wait;
                }
                Decision::Stop(reason) => ended = Some((error, reason)),
            }
        }
        assert_eq!(&waits, delays_ms, "{id}: {says}");
        let last = if ended.is_some() || end.aborted { schedule.failed() } else { schedule.failed() + 1 };
        assert_eq!(last, end.attempts, "{id}: {says}");
        let (found, reason) = ended.map_or((None, None), |(error, reason)| (Some(error), Some(reason.as_str())));
        assert_eq!(reason, end.reason.as_deref(), "{id}: {says}");
        end.check(id, found.as_ref());
    }
}

impl End {
    fn check(&self, id: &str, error: Option<&Error>) {
        let found = error.map(|error| (error.code.as_ref(), error.category.as_str()));
        assert_eq!(found, self.code.as_deref().zip(self.category.as_deref()), "{id}");
        if let Some(ms) = self.retry_after_ms {
            assert_eq!(error.and_then(|error| error.retry_after), Some(Duration::from_millis(ms)), "{id}");
        }
    }
}

#[test]
fn arithmetic_has_no_end() {
    let all = vectors();
    let vector = all.vectors.iter().find(|vector| !vector.after_attempts.is_empty()).expect("V15");
    let policy = all.policy(vector, "bounded");
    for (attempt, ms) in vector.after_attempts.iter().zip(&vector.delays_ms) {
        let wait = wait_after(*attempt, policy.initial_delay, policy.max_delay, Jitter::Bounded, 1.0);
        assert_eq!(wait, Duration::from_millis(*ms), "{}: after {attempt}", vector.id);
    }
}

#[derive(Default)]
struct Recorder(Mutex<Vec<u64>>);

impl RetryObserver for Recorder {
    fn on_retry(&self, event: &RetryEvent<'_>) {
        let ms = u64::try_from(event.wait.as_millis()).expect("short");
        self.0.lock().expect("no panic elsewhere").push(ms);
    }
}

/// Runs a row through the loop: its value is the number of attempts, and what was received are the waits.
async fn run(gate: &Gate, policy: &RetryPolicy, vector: &Vector) -> (Result<u32>, Vec<u64>, Duration) {
    let received = Recorder::default();
    let started = Instant::now();
    let context = RetryContext {
        policy,
        started,
        operation: Operation::UploadFile,
        key: "a.png",
        has_alternative: false,
        observer: &received,
    };
    let outcome = retry::run(gate, context, async |attempt: Attempt| {
        let Some(response) = vector.responses.get(attempt.number as usize - 1) else { return Ok(()) };
        if response.timeout {
            std::future::pending::<()>().await;
        }
        Err(vector.error(response, attempt.timeout))
    });
    let outcome = outcome.await.map(|((), attempts)| attempts);
    (outcome, received.0.into_inner().expect("no panic elsewhere"), started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_loop_sleeps_as_the_vectors_say() {
    let all = vectors();
    for vector in all.vectors.iter().filter(|vector| !vector.responses.is_empty() && !vector.abort) {
        let (id, end) = (&vector.id, vector.end.as_ref().expect("an end"));
        let policy = all.policy(vector, "none");
        let gate = Gate::with_unit("http://127.0.0.1:9000", || 0.0);
        fail(&gate, &policy, vector.failing_calls_before).await;
        let (outcome, waits, took) = run(&gate, &policy, vector).await;
        assert_eq!(waits, vector.delays_ms, "{id}");
        let attempts = outcome.as_ref().map_or_else(|error| error.attempts, |&attempts| attempts);
        assert_eq!(attempts, end.attempts, "{id}");
        end.check(id, outcome.as_ref().err());
        assert!(took <= policy.deadline.expect("each row has one"), "{id} took {took:?}");
        let slept = Duration::from_millis(waits.iter().sum());
        let hung = policy.timeout * u32::from(vector.responses.iter().any(|response| response.timeout));
        // Where nothing failed before, nothing else is waited for.
        assert!(
            took >= slept + hung && (vector.failing_calls_before > 0 || took < slept + hung + POLL),
            "{id}: {took:?}"
        );
    }
}

/// Timers have a millisecond's grain.
const POLL: Duration = Duration::from_millis(20);

/// Calls that use up all their attempts.
async fn fail(gate: &Gate, policy: &RetryPolicy, calls: u32) {
    let always = Vector {
        id: "before".into(),
        says: String::new(),
        policy: PolicyOptions::default(),
        at: None,
        responses: (0..policy.max_attempts).map(|_| Response::internal()).collect(),
        after_attempts: Vec::new(),
        failing_calls_before: 0,
        abort: false,
        delays_ms: Vec::new(),
        end: None,
    };
    for _ in 0..calls {
        let (outcome, ..) = run(gate, policy, &always).await;
        let error = outcome.expect_err("nothing but failures");
        assert_eq!((error.category, error.retryability), (Category::Service, Retryability::Transient));
        assert_eq!(error.attempts, policy.max_attempts, "no call before it was cut short either");
    }
}

impl Response {
    fn internal() -> Self {
        Self {
            status: Some(500),
            code: Some("InternalError".into()),
            retry_after: None,
            _clock_ahead_ms: None,
            network: None,
            timeout: false,
        }
    }
}

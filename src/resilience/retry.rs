//! The one retry loop of the program.
//!
//! The order of the policies: `deadline( retry( gate( attempt timeout( request ))))`, where the gate is the
//! endpoint's breaker, pace and budget. With the timeout outside, a single one would bound all attempts together, and
//! the second would start with what the first left over; with the gate inside, waiting for it would count as failing.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::admission::Gate;
use super::attempts::Attempts;
use super::context::{Attempt, RetryContext};
use crate::error::{Error, Result};

/// Runs `operation` until it succeeds, cannot succeed, or may not be tried again. Gives its value and the
/// number of attempts it took. Safe to drop at any point: whatever is in flight is dropped with it.
///
/// # Errors
/// The last attempt's error, with attempts, elapsed time, operation and key filled in; `ERR_CIRCUIT_OPEN`.
pub async fn run<T, F, Fut>(gate: &Gate, context: RetryContext<'_>, mut operation: F) -> Result<(T, u32)>
where
    F: FnMut(Attempt) -> Fut,
    Fut: Future<Output = Result<T>>,
{
    let mut attempts = Attempts::new(Some(gate), context);
    loop {
        let attempt = attempts.begin().await?;
        let limit = attempt.timeout;
        // Dropped before the wait: what has timed out must not keep its connection until the next attempt begins.
        let outcome = {
            // Pinned here, since moving it costs more than polling it.
            let work = pin!(operation(attempt));
            timeout(limit, work).await
        };
        match outcome.unwrap_or_else(|_| Err(timed_out(limit, gate.spacing()))) {
            Ok(value) => {
                attempts.succeeded();
                return Ok((value, attempt.number));
            }
            Err(error) => attempts.failed(error).await?,
        }
    }
}

/// Whether it was carried out, nobody knows, and the endpoint may still be at it.
fn timed_out(limit: Duration, spacing: Duration) -> Error {
    Error::timeout("the attempt did not end", limit).with(|failure| failure.min_wait = spacing)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::error::{Category, Operation, Retryability, code};
    use crate::phase::Phase;
    use crate::resilience::backoff::Jitter;
    use crate::resilience::circuit_breaker::BreakerState;
    use crate::resilience::policy::RetryPolicy;
    use crate::resilience::preset::Preset;
    use crate::resilience::{RetryEvent, RetryObserver};

    /// The waits in milliseconds, and the phases.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<u64>>, Mutex<Vec<Phase>>);

    impl RetryObserver for Recorder {
        fn on_retry(&self, event: &RetryEvent<'_>) {
            let ms = u64::try_from(event.wait.as_millis()).unwrap_or(u64::MAX);
            self.0.lock().expect("no panic elsewhere").push(ms);
        }

        fn on_phase(&self, phase: Phase, _: Duration) {
            self.1.lock().expect("no panic elsewhere").push(phase);
        }
    }

    impl Recorder {
        fn phases(&self) -> Vec<Phase> {
            std::mem::take(&mut *self.1.lock().expect("no panic elsewhere"))
        }
    }

    fn context<'a>(policy: &'a RetryPolicy, observer: &'a Recorder) -> RetryContext<'a> {
        let started = Instant::now();
        RetryContext {
            policy,
            started,
            operation: Operation::UploadFile,
            key: "a.png",
            has_alternative: false,
            observer,
        }
    }

    fn gate() -> Gate {
        Gate::new("https://localhost", None)
    }

    /// A failure that says nothing of the endpoint, so that only the schedule counts.
    fn elsewhere() -> Error {
        Error::new("ECONNRESET", Category::Source, Retryability::Transient, "reset")
    }

    fn reset() -> Error {
        Error::new("ECONNRESET", Category::Network, Retryability::Transient, "reset")
    }

    /// Every preset's exact waits, without jitter, on a paused clock: the sleeps really happen.
    #[tokio::test(start_paused = true)]
    async fn every_preset_waits_exactly_as_promised() {
        let expected: [(&str, Vec<u64>); 5] = [
            ("fast", vec![500, 1000]),
            ("standard", vec![1000, 2000]),
            ("fileUpload", vec![1500, 3000, 6000]),
            ("aggressive", vec![2000, 4000, 8000, 16000]),
            ("persistent", [vec![100, 200, 400, 800, 1600], vec![2000; 44]].concat()),
        ];
        for (preset, (name, waits)) in Preset::ALL.iter().zip(expected) {
            assert_eq!(preset.name(), name);
            let policy = RetryPolicy { jitter: Jitter::None, ..preset.policy() };
            let recorder = Recorder::default();
            let context = context(&policy, &recorder);
            let error = run(&gate(), context, async |_| Err::<(), _>(elsewhere())).await.expect_err("always fails");
            assert_eq!(error.attempts, policy.max_attempts, "{name}");
            let slept = u64::try_from(context.started.elapsed().as_millis()).expect("short");
            assert_eq!(*recorder.0.lock().expect("mine"), waits, "{name}");
            assert_eq!(slept, waits.iter().sum::<u64>(), "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn jitter_stays_between_two_thirds_and_the_whole() {
        let policy = Preset::FileUpload.policy();
        for _ in 0..200 {
            let recorder = Recorder::default();
            let _ = run(&gate(), context(&policy, &recorder), async |_| Err::<(), _>(reset())).await;
            let waits = recorder.0.lock().expect("mine").clone();
            for (wait, ceiling) in waits.into_iter().zip([1500, 3000, 6000]) {
                assert!((ceiling * 2 / 3..=ceiling).contains(&wait), "{wait} of {ceiling}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_attempt_is_followed_by_one_with_twice_the_time() {
        let policy = Preset::FileUpload.policy();
        let recorder = Recorder::default();
        let (limit, attempts) = run(&gate(), context(&policy, &recorder), async |attempt: Attempt| {
            sleep(Duration::from_secs(100)).await;
            Ok(attempt.timeout)
        })
        .await
        .expect("the second has 120 s");
        assert_eq!((limit, attempts), (Duration::from_secs(120), 2));
    }

    /// Its connection would be open beside those that may be.
    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_timed_out_is_dropped_before_the_wait() {
        struct DropObserver(Arc<AtomicBool>);
        impl RetryObserver for DropObserver {
            fn on_retry(&self, _: &RetryEvent<'_>) {
                assert!(self.0.load(Ordering::Relaxed), "it is still there");
            }
        }
        struct Work(Arc<AtomicBool>);
        impl Drop for Work {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let dropped = Arc::<AtomicBool>::default();
        let (policy, recorder) = (Preset::Standard.policy(), Recorder::default());
        let drop_observer = DropObserver(Arc::clone(&dropped));
        let context = RetryContext { observer: &drop_observer, ..context(&policy, &recorder) };
        let gate = gate();
        let error = run(&gate, context, async |_| {
            dropped.store(false, Ordering::Relaxed);
            let _work = Work(Arc::clone(&dropped));
            std::future::pending::<Result<()>>().await
        });
        assert_eq!(error.await.expect_err("it hangs").attempts, 3);
    }

    /// R2 takes one write a second to a key, and whether the one before was carried out, nobody knows.
    #[tokio::test(start_paused = true)]
    async fn after_a_timeout_the_endpoint_has_the_rest_that_it_wants() {
        let policy = RetryPolicy { deadline: None, max_attempts: 4, ..Preset::Persistent.policy() };
        let recorder = Recorder::default();
        let gate = gate().with_spacing(Duration::from_secs(1));
        let hang = run(&gate, context(&policy, &recorder), async |_| std::future::pending::<Result<()>>().await);
        hang.await.expect_err("it hangs");
        assert_eq!(*recorder.0.lock().expect("mine"), [1000; 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_bounds_attempts_and_waits_together() {
        let policy = RetryPolicy { jitter: Jitter::None, ..Preset::Persistent.policy() };
        let recorder = Recorder::default();
        let context = context(&policy, &recorder);
        let error = run(&gate(), context, async |_| {
            sleep(Duration::from_secs(7)).await;
            Err::<(), _>(reset())
        })
        .await
        .expect_err("always fails");
        assert!(context.started.elapsed() <= Duration::from_secs(120));
        assert!(error.detail.contains("deadline"), "{error}");
        assert!(error.attempts > 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_failure_is_tried_once() {
        let policy = Preset::Aggressive.policy();
        let recorder = Recorder::default();
        let denied = || Error::new("AccessDenied", Category::Auth, Retryability::Permanent, "no");
        let error =
            run(&gate(), context(&policy, &recorder), async |_| Err::<(), _>(denied())).await.expect_err("denied");
        assert_eq!((error.attempts, error.elapsed), (1, Duration::ZERO));
    }

    #[test]
    fn a_call_has_the_deadline_of_its_policy() {
        let recorder = Recorder::default();
        let (without, with) = (Preset::Standard.policy(), Preset::Persistent.policy());
        assert_eq!(context(&without, &recorder).deadline(), None);
        let call = context(&with, &recorder);
        assert_eq!(call.deadline(), Some(call.started + Duration::from_secs(120)));
        assert!(format!("{call:?}").starts_with("RetryContext { policy: RetryPolicy"));
    }

    /// Who waits for a breaker that is open, and who does not: the deadline, another endpoint, whether it has begun.
    #[tokio::test(start_paused = true)]
    async fn who_waits_for_an_open_breaker() {
        let patient = RetryPolicy { max_delay: Duration::from_secs(60), ..Preset::Standard.policy() };
        let hurried = RetryPolicy { max_delay: Duration::from_millis(1), ..patient.clone() };
        let with_deadline = RetryPolicy { deadline: Some(Duration::from_secs(120)), ..patient.clone() };
        for (name, policy, has_alternative, opens_in_it, waits, passes) in [
            ("nobody knows how long it may", &patient, false, false, false, false),
            ("until its deadline", &with_deadline, false, false, true, true),
            ("another endpoint stands ready", &with_deadline, true, false, false, false),
            ("it has begun, and might have waited as long", &patient, false, true, true, true),
            ("it has begun, and would have waited little", &hurried, false, true, true, false),
        ] {
            let (gate, recorder) = (gate(), Recorder::default());
            if !opens_in_it {
                gate.set_breaker(BreakerState::Open);
            }
            let context = RetryContext { has_alternative, ..context(policy, &recorder) };
            let outcome = run(&gate, context, async |attempt: Attempt| {
                if opens_in_it && attempt.number == 1 {
                    gate.set_breaker(BreakerState::Open);
                    return Err(elsewhere());
                }
                Ok(())
            })
            .await;
            assert_eq!(outcome.is_ok(), passes, "{name}: {outcome:?}");
            assert_eq!(recorder.phases().contains(&Phase::Queue), waits, "{name}");
            if let Err(error) = outcome {
                let begun = u32::from(opens_in_it);
                assert_eq!((error.code.as_ref(), error.attempts), (code::CIRCUIT_OPEN, begun), "{name}");
                assert_eq!(error.source.is_some(), opens_in_it, "{name}: what failed before");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn phases_are_reported_as_they_end() {
        let (policy, recorder, gate) = (Preset::Fast.policy(), Recorder::default(), gate());
        let tried =
            run(
                &gate,
                context(&policy, &recorder),
                async |attempt: Attempt| {
                    if attempt.number == 1 { Err(elsewhere()) } else { Ok(()) }
                },
            );
        tried.await.expect("the second succeeds");
        assert_eq!(recorder.phases(), [Phase::Attempt, Phase::Wait, Phase::Attempt]);
    }

    /// A transfer that continues counts its failures from where it got on.
    #[tokio::test(start_paused = true)]
    async fn who_has_moved_on_begins_to_count_anew() {
        let (policy, recorder) = (Preset::Fast.policy(), Recorder::default());
        let mut attempts = Attempts::new(None, context(&policy, &recorder));
        for number in [1, 2] {
            assert_eq!(attempts.begin().await.expect("no gate").number, number);
            attempts.failed(elsewhere()).await.expect("three may be made");
        }
        assert_eq!(attempts.next().number, 3);
        attempts.moved_on();
        assert_eq!(attempts.next().number, 1);
        attempts.failed(elsewhere()).await.expect("the first again");
        assert_eq!(attempts.next().number, 2);
    }
}

//! Hedging: a request that is slower than nearly all others is sent a second time, and the first answer counts.
//!
//! Dean and Barroso, "The Tail at Scale", 2013: a hedge after the 95th percentile costs at most 5 percent more requests.
//! Only for what may be sent twice: reads and parts, never a whole object (R2 takes one write a second to a key).

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use histogram::{AtomicHistogram, Config};
use tokio::time::{Instant, sleep};

use crate::error::Result;

/// A request is slow that takes longer than so many of all.
const QUANTILE: f64 = 0.95;
/// A second request for less is not worth it.
const LEAST_GAIN: Duration = Duration::from_millis(10);
/// Before so many have ended, nobody knows what is slow.
const LEAST_SAMPLES: u64 = 20;
/// Of all requests; the percentile alone would let more through when everything becomes slower.
const MOST: f64 = 0.05;
/// After so many samples it is learnt anew: what was fast last week says little.
const REMEMBERED: u64 = 10_000;

#[derive(Debug)]
pub struct Hedge {
    micros: AtomicHistogram,
    samples: AtomicU64,
    requests: AtomicU64,
    hedged: AtomicU64,
}

impl Default for Hedge {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "constants, sound by the test that makes one")]
        let config = Config::new(4, 36).expect("sound powers");
        Self {
            micros: AtomicHistogram::with_config(&config),
            samples: AtomicU64::default(),
            requests: AtomicU64::default(),
            hedged: AtomicU64::default(),
        }
    }
}

impl Hedge {
    /// Requests that were sent a second time.
    pub fn hedged(&self) -> u64 {
        self.hedged.load(Ordering::Relaxed)
    }

    /// # Errors
    /// Of the request that ended first, if it was alone; of the second otherwise.
    pub async fn run<T, F: Future<Output = Result<T>>>(&self, request: impl Fn() -> F) -> Result<T> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let mut first = pin!(request());
        let early = tokio::select! {
            biased;
            outcome = &mut first => Some(outcome),
            () = self.is_slow() => None,
        };
        let outcome = match early {
            Some(outcome) => outcome,
            None => {
                let mut second = pin!(request());
                tokio::select! {
                    biased;
                    outcome = &mut first => match outcome {
                        Ok(value) => Ok(value),
                        Err(_) => second.await,
                    },
                    outcome = &mut second => match outcome {
                        Ok(value) => Ok(value),
                        Err(_) => first.await,
                    },
                }
            }
        };
        if outcome.is_ok() {
            self.learn(began.elapsed());
        }
        outcome
    }

    /// Resolves when the request should have ended, if another may be sent then.
    async fn is_slow(&self) {
        let Some(limit) = self.limit() else { return std::future::pending().await };
        sleep(limit).await;
        if !self.afford() {
            std::future::pending().await
        }
    }

    fn limit(&self) -> Option<Duration> {
        if self.samples.load(Ordering::Relaxed) < LEAST_SAMPLES {
            return None;
        }
        let bucket = self.micros.load().quantile_bucket(QUANTILE).ok().flatten()?;
        Some(Duration::from_micros(bucket.end()) + LEAST_GAIN)
    }

    #[expect(clippy::cast_precision_loss, reason = "a share of more than 2^53 requests is still one")]
    fn afford(&self) -> bool {
        let requests = self.requests.load(Ordering::Relaxed) as f64;
        let may = |hedged: u64| ((hedged + 1) as f64 <= requests * MOST).then_some(hedged + 1);
        self.hedged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, may).is_ok()
    }

    fn learn(&self, took: Duration) {
        if self.samples.fetch_add(1, Ordering::Relaxed) >= REMEMBERED {
            self.micros.drain();
            self.samples.store(0, Ordering::Relaxed);
        }
        let _ = self.micros.increment(u64::try_from(took.as_micros()).unwrap_or(u64::MAX >> 28));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::error::Error;

    async fn after(ms: u64) -> Result<u64> {
        sleep(Duration::from_millis(ms)).await;
        Ok(ms)
    }

    /// `count` requests of 100 ms.
    async fn taught(count: u32) -> Hedge {
        let hedge = Hedge::default();
        for _ in 0..count {
            hedge.run(|| after(100)).await.expect("it ends");
        }
        hedge
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_request_is_sent_again_and_the_first_answer_counts() {
        let hedge = taught(100).await;
        let sent = AtomicU32::new(0);
        let began = Instant::now();
        let request = || after(if sent.fetch_add(1, Ordering::Relaxed) == 0 { 60_000 } else { 50 });
        assert_eq!(hedge.run(request).await.expect("an answer"), 50);
        assert_eq!((sent.into_inner(), hedge.hedged()), (2, 1));
        assert!((160..=170).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_twice_before_twenty_have_ended() {
        let hedge = taught(19).await;
        hedge.run(|| after(60_000)).await.expect("it ends");
        assert_eq!(hedge.hedged(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn at_most_five_percent_are_sent_twice() {
        let hedge = taught(1000).await;
        assert_eq!((0..1000).filter(|_| hedge.afford()).count(), 50);
        assert_eq!(hedge.hedged(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_two_that_fails_leaves_the_other() {
        let hedge = taught(100).await;
        let sent = AtomicU32::new(0);
        let request = async || {
            if sent.fetch_add(1, Ordering::Relaxed) == 0 { after(300).await } else { Err(Error::internal("refused")) }
        };
        assert_eq!(hedge.run(request).await.expect("the first's"), 300);
    }
}

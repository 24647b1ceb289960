//! A body that the program itself gives, with a limit on how long it may give nothing.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::chunks::Chunks;
use crate::error::{Category, Error, Result, Retryability};

/// Ends in a timeout where the source gives no byte for the limit. Only the time in which bytes are asked for counts.
#[derive(Debug)]
pub struct IdleLimited<C> {
    inner: C,
    limit: Duration,
}

impl<C> IdleLimited<C> {
    pub const fn new(inner: C, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

impl<C: Chunks> Chunks for IdleLimited<C> {
    fn length(&self) -> Option<u64> {
        self.inner.length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        timeout(self.limit, self.inner.next()).await.unwrap_or_else(|_| {
            let detail = format!(
                "timeout: the body gave no byte for {} ms (idleTimeoutMs), and its stream did not end",
                self.limit.as_millis()
            );
            let error = Error::new("ETIMEDOUT", Category::Timeout, Retryability::Permanent, detail);
            Err(error.with(|failure| failure.of_source = true))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::channel::channel;

    #[tokio::test(start_paused = true)]
    async fn a_slow_source_is_waited_for_and_a_silent_one_is_not() {
        let limit = Duration::from_secs(300);
        let (pusher, source) = channel(None);
        let mut source = IdleLimited::new(source, limit);
        let slow = tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(limit - Duration::from_secs(1)).await;
                pusher.push(Bytes::from_static(b"x")).await;
            }
            pusher
        });
        for _ in 0..3 {
            assert!(source.next().await.expect("in time").is_some());
        }
        let _open = slow.await.expect("joined");
        let error = source.next().await.expect_err("silent");
        assert_eq!((&*error.code, error.of_source), ("ETIMEDOUT", true));
        assert!(error.detail.contains("timeout"));
    }
}

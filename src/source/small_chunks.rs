//! A server that sends its body in chunks of a few bytes costs more time than it sends bytes: it is read more slowly.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::net::limits::{SMALL_CHUNK_BURST, SMALL_CHUNK_BYTES, SMALL_CHUNKS_PER_SECOND};

/// Small chunks that were read, over the time that pays for them.
#[derive(Debug, Default)]
pub(super) struct SmallChunks {
    owed: f64,
    updated: Option<Instant>,
}

impl SmallChunks {
    /// A chunk of `bytes` was read. Waits until the next one may be.
    pub(super) async fn read(&mut self, bytes: usize) {
        if bytes < SMALL_CHUNK_BYTES
            && let Some(wait) = self.wait(Instant::now())
        {
            sleep(wait).await;
        }
    }

    fn wait(&mut self, now: Instant) -> Option<Duration> {
        let per_second = f64::from(SMALL_CHUNKS_PER_SECOND);
        let since = self.updated.replace(now).map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        self.owed = (self.owed - since.as_secs_f64() * per_second).max(0.0) + 1.0;
        let beyond = self.owed - f64::from(SMALL_CHUNK_BURST);
        // Rarely and for longer, since a timer has whole milliseconds.
        let batch = per_second / 20.0;
        (beyond >= batch).then(|| Duration::from_secs_f64(beyond / per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_small_chunks_are_read_at_the_limit_and_large_ones_at_once() {
        let (mut chunks, began) = (SmallChunks::default(), Instant::now());
        for _ in 0..1_000_000 {
            chunks.read(SMALL_CHUNK_BYTES).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        for _ in 0..SMALL_CHUNK_BURST {
            chunks.read(1).await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO, "a short body may have any chunks");
        for _ in 0..10 * SMALL_CHUNKS_PER_SECOND {
            chunks.read(1).await;
        }
        let seconds = began.elapsed().as_secs_f64();
        assert!((9.0..11.0).contains(&seconds), "{seconds}");
    }
}

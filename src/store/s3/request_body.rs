//! A request's body on its way into the connection: in pieces that are counted, so that somebody can watch it
//! move.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep};

use crate::store::types::{Progress, ProgressSink};

/// Cutting `Bytes` copies nothing.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) struct UploadBody {
    rest: Bytes,
    progress: Option<ProgressSink>,
    /// None for a body of one piece: it goes out at once.
    motion: Option<Arc<Motion>>,
    sent: u64,
    total: u64,
}

impl UploadBody {
    pub(super) fn new(bytes: Bytes, progress: Option<ProgressSink>) -> Self {
        let motion = (bytes.len() > PIECE_BYTES).then(|| Arc::new(Motion::default()));
        Self { progress, motion, sent: 0, total: bytes.len() as u64, rest: bytes }
    }

    pub(super) fn motion(&self) -> Watch {
        Watch(self.motion.clone())
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        self.sent += length as u64;
        if let Some(motion) = &self.motion {
            motion.moved(self.rest.is_empty());
        }
        if let Some(progress) = &self.progress {
            (progress.0)(Progress { sent: self.sent, total: self.total, part: 1 });
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// When the connection last asked for a piece.
#[derive(Debug)]
struct Motion {
    since: Instant,
    /// Milliseconds after `since`.
    at: AtomicU64,
}

impl Motion {
    const NOT_YET: u64 = u64::MAX;
    const ENDED: u64 = u64::MAX - 1;

    fn moved(&self, ended: bool) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(Self::ENDED);
        self.at.store(if ended { Self::ENDED } else { now }, Ordering::Relaxed);
    }
}

impl Default for Motion {
    fn default() -> Self {
        Self { since: Instant::now(), at: AtomicU64::new(Self::NOT_YET) }
    }
}

pub(super) struct Watch(Option<Arc<Motion>>);

impl Watch {
    /// Whether the connection has taken the whole body. One of a single piece goes out with the request's head.
    pub(super) fn has_ended(&self) -> bool {
        self.0.as_ref().is_none_or(|motion| motion.at.load(Ordering::Relaxed) == Motion::ENDED)
    }

    /// Resolves once the body has begun to move and then not moved for `limit`. Never after its end: how long
    /// the server may think is another matter.
    pub(super) async fn stalled(&self, limit: Duration) {
        let Some(motion) = &self.0 else { return pending().await };
        let mut wait = limit;
        loop {
            sleep(wait).await;
            wait = match motion.at.load(Ordering::Relaxed) {
                Motion::NOT_YET => limit,
                Motion::ENDED => return pending().await,
                at => {
                    let still = motion.since.elapsed().saturating_sub(Duration::from_millis(at));
                    match limit.checked_sub(still) {
                        None | Some(Duration::ZERO) => return,
                        Some(rest) => rest,
                    }
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_stalls_when_it_has_begun_and_stops() {
        const LIMIT: Duration = Duration::from_secs(10);
        let motion = Arc::new(Motion::default());
        let watch = || {
            let watch = Watch(Some(Arc::clone(&motion)));
            async move { tokio::time::timeout(Duration::from_secs(100), watch.stalled(LIMIT)).await }
        };
        assert!(watch().await.is_err(), "it has not begun");
        let moving = async {
            for _ in 0..5 {
                motion.moved(false);
                sleep(Duration::from_secs(9)).await;
            }
            Instant::now()
        };
        let began = Instant::now();
        let (stalled, last) = tokio::join!(watch(), moving);
        stalled.expect("it stalled");
        assert!(began.elapsed() >= Duration::from_secs(46), "slow is not stalled");
        assert!(began.elapsed() <= Duration::from_secs(57), "{last:?}");
        motion.moved(true);
        assert!(watch().await.is_err(), "it has ended");
    }
}

//! Bytes that somebody else pushes, a bounded number of pieces ahead.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::chunks::Chunks;
use crate::error::{Category, Error, Result, Retryability, code};

/// Pieces that wait for the upload. A few keep it busy; more would only be memory.
const PIECES_AHEAD: usize = 4;

/// The pushing end. Dropped without [`Self::finish`], the source has failed.
#[derive(Debug, Clone)]
pub struct Pusher(mpsc::Sender<Push>);

#[derive(Debug)]
enum Push {
    Piece(Bytes),
    End,
    Failed(Error),
}

/// The reading end of what a [`Pusher`] pushes.
#[derive(Debug)]
pub struct Channel {
    pushed: mpsc::Receiver<Push>,
    declared: Option<u64>,
    most: u64,
    arrived: u64,
    ended: bool,
}

/// A channel for an object of `length` bytes, or of as many as come.
pub fn channel(length: Option<u64>) -> (Pusher, Channel) {
    let (sender, pushed) = mpsc::channel(PIECES_AHEAD);
    (Pusher(sender), Channel { pushed, declared: length, most: u64::MAX, arrived: 0, ended: false })
}

impl Pusher {
    /// Whether the piece was taken: not while the channel is full, nor once nobody reads.
    pub fn try_push(&self, piece: Bytes) -> bool {
        piece.is_empty() || self.0.try_send(Push::Piece(piece)).is_ok()
    }

    /// Waits until the piece is taken. False once nobody reads.
    pub async fn push(&self, piece: Bytes) -> bool {
        self.0.send(Push::Piece(piece)).await.is_ok()
    }

    /// Resolves once nobody reads.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// That was not all, and this is why.
    pub async fn fail(&self, error: Error) {
        let _ = self.0.send(Push::Failed(error)).await;
    }

    /// Whether a piece would be taken now.
    pub fn has_capacity(&self) -> bool {
        self.0.capacity() > 0 && !self.0.is_closed()
    }

    /// Waits for capacity. False once nobody reads.
    pub async fn ready(&self) -> bool {
        self.0.reserve().await.is_ok()
    }

    /// That was all.
    pub async fn finish(&self) {
        // Nobody reads any more: the upload has ended before, and says why itself.
        let _ = self.0.send(Push::End).await;
    }
}

impl Channel {
    /// More than `most` bytes are an error.
    #[must_use]
    pub fn of_at_most(self, most: u64) -> Self {
        Self { most, ..self }
    }
}

impl Chunks for Channel {
    fn length(&self) -> Option<u64> {
        self.declared
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        match self.pushed.recv().await {
            Some(Push::Piece(piece)) => {
                self.arrived += piece.len() as u64;
                if self.arrived > self.most {
                    return Err(too_large(self.most));
                }
                match self.declared {
                    Some(declared) if self.arrived > declared => Err(mismatch(declared, "more")),
                    _ => Ok(Some(piece)),
                }
            }
            Some(Push::End) => {
                self.ended = true;
                match self.declared {
                    Some(declared) if self.arrived < declared => Err(mismatch(declared, "fewer")),
                    _ => Ok(None),
                }
            }
            Some(Push::Failed(error)) => Err(error),
            None => Err(Error::new(
                code::SOURCE_FAILED,
                Category::Source,
                Retryability::Permanent,
                "the source failed before its end",
            )),
        }
    }
}

/// A body of more than `maxBytes`.
pub fn too_large(max_bytes: u64) -> Error {
    Error::invalid(code::TOO_LARGE, "maxBytes", format!("body has more than maxBytes ({max_bytes} bytes)"))
}

/// A body that is shorter than it was said to be was cut on its way here; storing it would hide that.
fn mismatch(declared: u64, what: &str) -> Error {
    let detail = format!("the body has {what} than the {declared} bytes of its declared length");
    Error::new(code::SOURCE_LENGTH, Category::Source, Retryability::Permanent, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(declared: Option<u64>, pieces: &[&'static [u8]], finish: bool) -> Result<Vec<u8>> {
        let (pusher, mut channel) = channel(declared);
        for piece in pieces {
            assert!(pusher.try_push(Bytes::from_static(piece)));
        }
        if finish {
            pusher.finish().await;
        }
        drop(pusher);
        let mut all = Vec::new();
        while let Some(piece) = channel.next().await? {
            all.extend_from_slice(&piece);
        }
        assert!(channel.next().await?.is_none());
        Ok(all)
    }

    #[tokio::test]
    async fn what_was_pushed_comes_out_whole_or_not_at_all() {
        assert_eq!(read(None, &[b"ab", b"", b"c"], true).await.expect("whole"), b"abc");
        assert_eq!(read(Some(3), &[b"ab", b"c"], true).await.expect("whole"), b"abc");
        assert_eq!(read(Some(4), &[b"ab", b"c"], true).await.expect_err("short").code, code::SOURCE_LENGTH);
        assert_eq!(read(Some(2), &[b"ab", b"c"], true).await.expect_err("long").code, code::SOURCE_LENGTH);
        assert_eq!(read(None, &[b"ab"], false).await.expect_err("cut").code, code::SOURCE_FAILED);
    }

    #[tokio::test]
    async fn more_than_are_allowed_are_refused_as_soon_as_they_come() {
        let (pusher, channel) = channel(None);
        let mut channel = channel.of_at_most(3);
        assert!(pusher.try_push(Bytes::from_static(b"abc")) && pusher.try_push(Bytes::from_static(b"d")));
        assert!(channel.next().await.expect("as many as are allowed").is_some());
        assert_eq!(channel.next().await.expect_err("one more").code, code::TOO_LARGE);
    }

    #[tokio::test]
    async fn pushing_fails_once_nobody_reads() {
        let (pusher, channel) = channel(None);
        drop(channel);
        pusher.closed().await;
    }

    #[tokio::test]
    async fn a_full_channel_takes_nothing_and_an_abandoned_one_says_so() {
        let (pusher, channel) = channel(None);
        while pusher.try_push(Bytes::from_static(b"x")) {}
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), pusher.ready()).await.is_err());
        drop(channel);
        assert!(!pusher.ready().await);
        assert!(!pusher.try_push(Bytes::from_static(b"x")));
    }
}

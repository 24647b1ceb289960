//! A stream that turns one bit of what passes through it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Turns a bit of the byte at a place: of what is written where the inner side can only be written to, else of what is
/// read.
#[derive(Debug)]
pub struct Flipping<S> {
    inner: S,
    /// Bytes until that one.
    left: u64,
}

impl<S> Flipping<S> {
    pub const fn at(inner: S, at: u64) -> Self {
        Self { inner, left: at }
    }

    /// Where among the next `count` bytes it is, if it is there.
    fn pass(&mut self, count: usize) -> Option<usize> {
        let at = usize::try_from(self.left).ok().filter(|at| *at < count && self.left != u64::MAX);
        self.left = match at {
            Some(_) => u64::MAX,
            None if self.left == u64::MAX => u64::MAX,
            None => self.left - count as u64,
        };
        at
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Flipping<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = &mut buffer.filled_mut()[before..];
        if let Some(at) = self.pass(read.len()) {
            read[at] ^= 1;
        }
        Poll::Ready(Ok(()))
    }
}

/// A connection whose reads are flipped is written to as it is.
impl AsyncWrite for Flipping<tokio::net::TcpStream> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl AsyncWrite for Flipping<tokio::net::tcp::OwnedWriteHalf> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let left = self.left;
        let flipped = self.pass(bytes.len()).map(|at| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        });
        let written = Pin::new(&mut self.inner).poll_write(context, flipped.as_deref().unwrap_or(bytes));
        // What was not taken comes again.
        match &written {
            Poll::Ready(Ok(count)) => {
                self.left = left;
                self.pass(*count);
            }
            _ => self.left = left,
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn one_bit_is_turned_wherever_the_pieces_end() {
        let whole = [7_u8; 10];
        for at in 0..12 {
            let mut turned = whole;
            if let Some(byte) = turned.get_mut(usize::try_from(at).expect("small")) {
                *byte ^= 1;
            }
            let mut read = Vec::new();
            Flipping::at(&whole[..], at).read_to_end(&mut read).await.expect("read");
            assert_eq!(read, turned, "read, at {at}");

            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let (_, half) = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("made").into_split();
            let (mut peer, _) = listener.accept().await.expect("taken up");
            let mut writing = Flipping::at(half, at);
            for piece in whole.chunks(3) {
                writing.write_all(piece).await.expect("written");
            }
            drop(writing);
            let mut got = Vec::new();
            peer.read_to_end(&mut got).await.expect("read");
            assert_eq!(got, turned, "written, at {at}");
        }
    }
}

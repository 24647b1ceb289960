//! Bytes in order, piece by piece.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};

use crate::error::Result;

/// Where the bytes of one object come from.
pub trait Chunks: Send {
    /// How many there are, if that is known before they have come.
    fn length(&self) -> Option<u64>;

    /// The next piece, not empty; none at the end. A call that is dropped may have lost one.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}

/// Bytes that are all there.
#[derive(Debug)]
pub struct Memory {
    length: u64,
    left: Bytes,
}

impl Memory {
    pub const fn new(bytes: Bytes) -> Self {
        Self { length: bytes.len() as u64, left: bytes }
    }
}

impl Chunks for Memory {
    fn length(&self) -> Option<u64> {
        Some(self.length)
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        Ok((!self.left.is_empty()).then(|| std::mem::take(&mut self.left)))
    }
}

/// What a block begins with where nobody knows how large it will be.
const GROWING_BYTES: usize = 64 * 1024;

/// Memory of blocks that were sent, for those to come: new memory costs page faults, and returning it fragments the
/// heap.
#[derive(Debug, Clone, Default)]
pub struct Spares(Arc<Mutex<Vec<BytesMut>>>);

impl Spares {
    /// Takes a block back, if nobody else has it any more.
    pub fn give(&self, block: Bytes) {
        if let (Ok(mut spare), Ok(mut spares)) = (block.try_into_mut(), self.0.lock()) {
            spare.clear();
            spares.push(spare);
        }
    }

    fn take(&self, size: usize) -> Option<BytesMut> {
        let mut spares = self.0.lock().ok()?;
        let fitting = spares.iter().position(|spare| spare.capacity() >= size)?;
        Some(spares.swap_remove(fitting))
    }
}

/// Regroups pieces of any size into blocks of the size asked for. A piece that holds a whole block is cut,
/// not copied.
#[derive(Debug)]
pub struct Blocks<C> {
    source: C,
    spares: Spares,
    pieces: VecDeque<Bytes>,
    waiting: usize,
    ended: bool,
}

impl<C: Chunks> Blocks<C> {
    pub fn new(source: C) -> Self {
        Self { source, spares: Spares::default(), pieces: VecDeque::new(), waiting: 0, ended: false }
    }

    /// Where blocks can be given back.
    pub fn spares(&self) -> Spares {
        self.spares.clone()
    }

    /// The next `size` bytes, or what is left; none at the end. Pieces are gathered as they come, so that what is
    /// held is one block and one piece.
    ///
    /// # Errors
    /// The source's.
    pub async fn block(&mut self, size: usize) -> Result<Option<Bytes>> {
        let Some(mut first) = self.next().await? else { return Ok(None) };
        if first.len() >= size {
            let block = first.split_to(size);
            self.put_back(first);
            return Ok(Some(block));
        }
        let mut block = self.spares.take(size).unwrap_or_else(|| {
            let expected = self.source.length().map_or(GROWING_BYTES, |length| usize::try_from(length).unwrap_or(size));
            BytesMut::with_capacity(size.min(expected))
        });
        block.extend_from_slice(&first);
        drop(first);
        while block.len() < size
            && let Some(mut piece) = self.next().await?
        {
            block.extend_from_slice(&piece.split_to(piece.len().min(size - block.len())));
            self.put_back(piece);
        }
        Ok(Some(block.freeze()))
    }

    /// How the bytes to come begin: `size` of them, or what is left.
    ///
    /// # Errors
    /// The source's.
    pub async fn peek(&mut self, size: usize) -> Result<Bytes> {
        self.fill(size).await?;
        if let Some(first) = self.pieces.front().filter(|first| first.len() >= size) {
            return Ok(first.slice(..size));
        }
        let mut head = BytesMut::with_capacity(size.min(self.waiting));
        for piece in &self.pieces {
            head.extend_from_slice(&piece[..piece.len().min(size - head.len())]);
        }
        Ok(head.freeze())
    }

    async fn fill(&mut self, size: usize) -> Result<()> {
        while self.waiting < size && !self.ended {
            match self.source.next().await? {
                Some(piece) => {
                    self.waiting += piece.len();
                    self.pieces.push_back(piece);
                }
                None => self.ended = true,
            }
        }
        Ok(())
    }

    /// Puts a block back in front of what is to come.
    pub fn put_back(&mut self, block: Bytes) {
        if !block.is_empty() {
            self.waiting += block.len();
            self.pieces.push_front(block);
        }
    }
}

/// What waits, then what comes.
impl<C: Chunks> Chunks for Blocks<C> {
    fn length(&self) -> Option<u64> {
        self.source.length()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(piece) = self.pieces.pop_front() {
            self.waiting -= piece.len();
            return Ok(Some(piece));
        }
        if self.ended {
            return Ok(None);
        }
        let piece = self.source.next().await?;
        self.ended = piece.is_none();
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of the given sizes, counting up.
    struct Pieces(Vec<usize>, u8);

    impl Chunks for Pieces {
        fn length(&self) -> Option<u64> {
            None
        }

        async fn next(&mut self) -> Result<Option<Bytes>> {
            if self.0.is_empty() {
                return Ok(None);
            }
            let size = self.0.remove(0);
            let piece = (0..size).map(|_| {
                self.1 = self.1.wrapping_add(1);
                self.1
            });
            Ok(Some(piece.collect::<Vec<u8>>().into()))
        }
    }

    async fn sizes(pieces: &[usize], size: usize) -> Vec<usize> {
        let mut blocks = Blocks::new(Pieces(pieces.to_vec(), 0));
        let (mut sizes, mut expected) = (Vec::new(), 0u8);
        while let Some(block) = blocks.block(size).await.expect("no error") {
            for &byte in &block {
                expected = expected.wrapping_add(1);
                assert_eq!(byte, expected);
            }
            sizes.push(block.len());
        }
        sizes
    }

    #[tokio::test]
    async fn blocks_are_equal_but_the_last() {
        assert_eq!(sizes(&[], 4).await, [0; 0]);
        assert_eq!(sizes(&[3], 4).await, [3]);
        assert_eq!(sizes(&[4], 4).await, [4]);
        assert_eq!(sizes(&[1, 2, 3, 4, 5, 6], 4).await, [4, 4, 4, 4, 4, 1]);
        assert_eq!(sizes(&[11, 1, 8], 4).await, [4, 4, 4, 4, 4]);
    }

    #[tokio::test]
    async fn a_block_that_was_put_back_comes_again() {
        let mut blocks = Blocks::new(Pieces(vec![3, 3, 3], 0));
        let head = blocks.block(5).await.expect("no error").expect("a block");
        blocks.put_back(head);
        let all = blocks.block(100).await.expect("no error").expect("a block");
        assert_eq!(all.as_ref(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(blocks.block(1).await.expect("no error").is_none());
    }

    #[tokio::test]
    async fn a_block_that_was_given_back_is_used_again() {
        let mut blocks = Blocks::new(Pieces(vec![3; 10], 0));
        let first = blocks.block(4).await.expect("no error").expect("a block");
        let (place, held) = (first.as_ptr(), first.clone());
        blocks.spares().give(first);
        let second = blocks.block(4).await.expect("no error").expect("a block");
        assert_ne!(second.as_ptr(), place, "somebody has it still");
        blocks.spares().give(held);
        let third = blocks.block(4).await.expect("no error").expect("a block");
        assert_eq!((third.as_ptr(), third.as_ref()), (place, [9, 10, 11, 12].as_slice()));
    }

    #[tokio::test]
    async fn a_peek_takes_nothing() {
        let mut blocks = Blocks::new(Pieces(vec![3, 3, 3], 0));
        assert_eq!(blocks.peek(5).await.expect("no error").as_ref(), [1, 2, 3, 4, 5]);
        assert_eq!(blocks.peek(2).await.expect("no error").as_ref(), [1, 2]);
        assert_eq!(blocks.block(4).await.expect("no error").expect("a block").as_ref(), [1, 2, 3, 4]);
        assert_eq!(blocks.next().await.expect("no error").expect("a piece").as_ref(), [5, 6]);
        assert_eq!(blocks.peek(100).await.expect("no error").as_ref(), [7, 8, 9]);
    }

    #[tokio::test]
    async fn a_block_of_one_piece_is_not_copied() {
        let bytes = Bytes::from(vec![7; 10]);
        let mut blocks = Blocks::new(Memory::new(bytes.clone()));
        let first = blocks.block(4).await.expect("no error").expect("a block");
        assert_eq!(first.as_ptr(), bytes.as_ptr());
    }
}

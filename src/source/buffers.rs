//! Memory that bodies are copied into. New memory costs more than the copy: the system hands it out page by page,
//! each with a fault. So what has been used is kept for a while for the next body, and large memory is asked for in
//! large pages.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use memmap2::MmapMut;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use crate::cpu;

/// Smaller bodies live in memory that the allocator keeps warm by itself.
const SMALLEST: usize = 64 * 1024;
/// From here on memory is the system's own, in pages of this size where it has them.
const LARGE_PAGE: usize = 2 * 1024 * 1024;
/// A thread takes some 50 µs to begin, and this much as long to be copied into memory that is there.
const LEAST_OF_A_HELPER: usize = 2 * LARGE_PAGE;
/// What one of those that copy takes at a time: little, so that none waits long for another that the system has put off.
/// Of new memory a whole page, since the first who touches it has all of it made.
const PIECE: usize = 256 * 1024;
/// More than that wait for the memory.
const MOST_COPYING: usize = 4;
/// What is kept at most while nobody uses it: the bodies of some requests that come together.
const MOST_KEPT: usize = 512 * 1024 * 1024;
/// Long enough for the next request of a busy server; an idle one has its memory back.
const KEPT_FOR: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// Since when nobody uses it; oldest first.
    buffers: VecDeque<(Instant, Memory)>,
    /// Of all of them together.
    bytes: usize,
    /// Whether somebody will come and free what grows old.
    watched: bool,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    /// As many bytes of it as were asked for are the body; none yet of what is new.
    Mapped(MmapMut, usize),
}

impl Memory {
    fn new(size: usize) -> Self {
        let mapped = if size < LARGE_PAGE { None } else { map(size.next_multiple_of(LARGE_PAGE)) };
        mapped.map_or_else(|| Self::Heap(Vec::with_capacity(size)), |memory| Self::Mapped(memory, 0))
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Heap(memory) => memory.capacity(),
            Self::Mapped(memory, _) => memory.len(),
        }
    }

    fn fill(&mut self, bytes: &[u8]) {
        match self {
            Self::Heap(memory) => {
                memory.clear();
                memory.extend_from_slice(bytes);
            }
            Self::Mapped(memory, length) => {
                let piece = if *length == 0 { LARGE_PAGE } else { PIECE };
                copy_together(&mut memory[..bytes.len()], bytes, piece);
                *length = bytes.len();
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Heap(memory) => memory,
            Self::Mapped(memory, length) => &memory[..*length],
        }
    }
}

/// Copies a large body with the help of other threads: most of the time goes into new pages and the memory's own pace,
/// and the thread that waits runs JavaScript.
fn copy_together(to: &mut [u8], from: &[u8], piece: usize) {
    let helpers = (from.len() / LEAST_OF_A_HELPER).min(cpu::at_most(MOST_COPYING)).saturating_sub(1);
    if helpers == 0 {
        to.copy_from_slice(from);
        return;
    }
    let work = Mutex::new(to.chunks_mut(piece).zip(from.chunks(piece)));
    let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
    let copy = || {
        while let Some((to, from)) = next() {
            to.copy_from_slice(from);
        }
    };
    thread::scope(|scope| {
        for _ in 0..helpers {
            // Where the system has no more threads, those that there are do it.
            let _ = thread::Builder::new().name("r2-copy".into()).spawn_scoped(scope, copy);
        }
        copy();
    });
}

/// None where the system has no more to map; then the heap may still have some.
fn map(size: usize) -> Option<MmapMut> {
    let memory = MmapMut::map_anon(size).ok()?;
    #[cfg(target_os = "linux")]
    // Where there are none it stays as it is: slower, and right.
    let _ = memory.advise(memmap2::Advice::HugePage);
    Some(memory)
}

impl Buffers {
    /// A copy whose memory comes back here when nobody needs it any more.
    pub fn copy(&self, bytes: &[u8]) -> Bytes {
        if bytes.len() < SMALLEST {
            return Bytes::copy_from_slice(bytes);
        }
        let mut memory = self.take(bytes.len());
        memory.fill(bytes);
        Bytes::from_owner(Lent { memory: Some(memory), home: self.clone() })
    }

    /// The smallest that is large enough and not a waste.
    fn take(&self, size: usize) -> Memory {
        let mut kept = self.lock();
        let capacities = kept.buffers.iter().map(|(_, buffer)| buffer.capacity()).enumerate();
        let fits = capacities.filter(|(_, capacity)| (size..=size.saturating_mul(2)).contains(capacity));
        // Of those of one size the one that is warmest.
        let best = fits.min_by_key(|&(at, capacity)| (capacity, Reverse(at)));
        let best = best.and_then(|(at, capacity)| {
            kept.bytes -= capacity;
            kept.buffers.remove(at)
        });
        drop(kept);
        best.map_or_else(|| Memory::new(size), |(_, buffer)| buffer)
    }

    fn give_back(&self, memory: Memory) {
        // Without a runtime nobody would come and free it.
        let Ok(runtime) = Handle::try_current() else { return };
        if memory.capacity() > MOST_KEPT {
            return;
        }
        let mut kept = self.lock();
        kept.bytes += memory.capacity();
        kept.buffers.push_back((Instant::now(), memory));
        let freed = kept.forget_while(|kept, _| kept.bytes > MOST_KEPT);
        if !kept.watched {
            kept.watched = true;
            runtime.spawn(free_what_grows_old(Arc::downgrade(&self.0)));
        }
        drop(kept);
        // Which takes its time.
        drop(freed);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// From the oldest on.
    fn forget_while(&mut self, is_due: impl Fn(&Self, Instant) -> bool) -> Vec<Memory> {
        let mut forgotten = Vec::new();
        while let Some(&(since, _)) = self.buffers.front()
            && is_due(self, since)
            && let Some((_, memory)) = self.buffers.pop_front()
        {
            self.bytes -= memory.capacity();
            forgotten.push(memory);
        }
        forgotten
    }
}

/// Ends when there is nothing left to watch.
async fn free_what_grows_old(kept: Weak<Mutex<Kept>>) {
    let mut next = Instant::now() + KEPT_FOR;
    loop {
        sleep_until(next).await;
        let Some(kept) = kept.upgrade() else { return };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let freed = kept.forget_while(|_, since| since.elapsed() >= KEPT_FOR);
        let oldest = kept.buffers.front().map(|&(since, _)| since);
        kept.watched = oldest.is_some();
        drop(kept);
        drop(freed);
        let Some(since) = oldest else { return };
        next = since + KEPT_FOR;
    }
}

struct Lent {
    /// There until it is dropped.
    memory: Option<Memory>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.memory.as_ref().map_or(&[], Memory::bytes)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.home.give_back(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn kept(buffers: &Buffers) -> (usize, usize) {
        let kept = buffers.lock();
        (kept.buffers.len(), kept.bytes)
    }

    #[tokio::test]
    async fn memory_comes_back_with_the_last_who_needs_it_and_is_used_again() {
        let buffers = Buffers::default();
        let first = buffers.copy(&vec![1; 2 * MIB]);
        let (address, part) = (first.as_ptr(), first.slice(MIB..));
        drop(first);
        assert_eq!(kept(&buffers), (0, 0));
        assert!(part.iter().all(|&byte| byte == 1));
        drop(part);
        assert_eq!(kept(&buffers), (1, 2 * MIB));
        let second = buffers.copy(&vec![2; 2 * MIB - 5]);
        assert_eq!(second.as_ptr(), address);
        assert_eq!(second, vec![2; 2 * MIB - 5]);
        assert_eq!(kept(&buffers), (0, 0));
    }

    #[test]
    fn large_bodies_are_copied_whole_whoever_copies() {
        for size in [4 * MIB, 8 * MIB - 1, 8 * MIB, 9 * MIB + 1, 40 * MIB + 12_345] {
            let body: Vec<u8> = (0..size).map(|at| (at / 7 % 251) as u8).collect();
            let mut memory = Memory::new(size);
            for kept in [false, true] {
                memory.fill(&body);
                assert!(memory.bytes() == body, "{size}, {kept}");
            }
        }
    }

    #[tokio::test]
    async fn small_bodies_and_wasteful_buffers_are_left_alone() {
        let buffers = Buffers::default();
        drop(buffers.copy(&vec![1; SMALLEST - 1]));
        assert_eq!(kept(&buffers), (0, 0));
        drop(buffers.copy(&vec![1; 8 * MIB]));
        let small = buffers.copy(&vec![2; MIB]);
        assert_eq!(kept(&buffers), (1, 8 * MIB), "of 8 MiB one MiB would be a waste");
        assert_eq!(small, vec![2; MIB]);
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let buffers = Buffers::default();
        let bodies: Vec<_> = (0..6).map(|_| buffers.copy(&vec![1; 100 * MIB])).collect();
        drop(bodies);
        assert_eq!(kept(&buffers), (5, 500 * MIB));
        drop(buffers.copy(&vec![1; MOST_KEPT + 1]));
        assert_eq!(kept(&buffers), (5, 500 * MIB), "it would leave no place for others");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_uses_is_freed_after_a_while() {
        let buffers = Buffers::default();
        let (first, second) = (buffers.copy(&vec![1; 2 * MIB]), buffers.copy(&vec![2; 4 * MIB]));
        drop(first);
        sleep(KEPT_FOR / 2).await;
        drop(second);
        assert_eq!(kept(&buffers), (2, 6 * MIB));
        sleep(KEPT_FOR * 3 / 4).await;
        assert_eq!(kept(&buffers), (1, 4 * MIB));
        sleep(KEPT_FOR).await;
        assert_eq!(kept(&buffers), (0, 0));
        drop(buffers.copy(&vec![3; 2 * MIB]));
        sleep(KEPT_FOR * 2).await;
        assert_eq!(kept(&buffers), (0, 0), "again, though the first watch has ended");
    }

    #[test]
    fn nothing_is_kept_where_nobody_would_free_it() {
        let buffers = Buffers::default();
        drop(buffers.copy(&vec![1; 2 * MIB]));
        assert_eq!(kept(&buffers), (0, 0));
    }
}

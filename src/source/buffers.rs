//! Memory that bodies are copied into. New memory costs more than the copy: the system hands it out page by page,
//! each with a fault. So what has been used is kept for the next body, and large memory is asked for in large pages.

use std::num::NonZero;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use memmap2::MmapMut;

/// Smaller bodies live in memory that the allocator keeps warm by itself.
const SMALLEST: usize = 64 * 1024;
/// From here on memory is the system's own, in pages of this size where it has them.
const LARGE_PAGE: usize = 2 * 1024 * 1024;
/// A thread takes some 50 µs to begin, and this much as long to be copied into memory that is there.
const LEAST_OF_A_HELPER: usize = 2 * LARGE_PAGE;
/// One for each processor; more than four wait for the memory. Read once: it takes several files.
static MOST_COPYING: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get).min(4));
/// What is kept at most while nobody uses it.
const MOST_KEPT: usize = 32 * 1024 * 1024;

#[derive(Debug, Clone, Default)]
pub struct Buffers(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    buffers: Vec<Memory>,
    /// Of all of them together.
    bytes: usize,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    /// As many bytes of it as were asked for are the body.
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
                copy_together(&mut memory[..bytes.len()], bytes);
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
fn copy_together(to: &mut [u8], from: &[u8]) {
    let helpers = (from.len() / LEAST_OF_A_HELPER).min(*MOST_COPYING).saturating_sub(1);
    if helpers == 0 {
        to.copy_from_slice(from);
        return;
    }
    let work = Mutex::new(to.chunks_mut(LARGE_PAGE).zip(from.chunks(LARGE_PAGE)));
    let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
    let copy = || {
        while let Some((to, from)) = next() {
            to.copy_from_slice(from);
        }
    };
    thread::scope(|scope| {
        for _ in 0..helpers {
            // Where the system has no more threads, those that there are do it.
            let _ = thread::Builder::new().name("reliable-r2-copy".into()).spawn_scoped(scope, copy);
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
        let fits = |buffer: &Memory| (size..=size.saturating_mul(2)).contains(&buffer.capacity());
        let best = kept.buffers.iter().enumerate().filter(|(_, buffer)| fits(buffer));
        let Some((at, _)) = best.min_by_key(|(_, buffer)| buffer.capacity()) else {
            drop(kept);
            return Memory::new(size);
        };
        let buffer = kept.buffers.swap_remove(at);
        kept.bytes -= buffer.capacity();
        buffer
    }

    fn give_back(&self, memory: Memory) {
        if memory.capacity() > MOST_KEPT {
            return;
        }
        let mut kept = self.lock();
        kept.bytes += memory.capacity();
        kept.buffers.push(memory);
        // Those in front have not been of use for the longest.
        while kept.bytes > MOST_KEPT {
            kept.bytes -= kept.buffers.remove(0).capacity();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn kept(buffers: &Buffers) -> (usize, usize) {
        let kept = buffers.lock();
        (kept.buffers.len(), kept.bytes)
    }

    #[test]
    fn memory_comes_back_with_the_last_who_needs_it_and_is_used_again() {
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
            assert!(Buffers::default().copy(&body) == body, "{size}");
        }
    }

    #[test]
    fn small_bodies_and_wasteful_buffers_are_left_alone() {
        let buffers = Buffers::default();
        drop(buffers.copy(&vec![1; SMALLEST - 1]));
        assert_eq!(kept(&buffers), (0, 0));
        drop(buffers.copy(&vec![1; 8 * MIB]));
        let small = buffers.copy(&vec![2; MIB]);
        assert_eq!(kept(&buffers), (1, 8 * MIB), "of 8 MiB one MiB would be a waste");
        assert_eq!(small, vec![2; MIB]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let buffers = Buffers::default();
        let bodies: Vec<_> = (0..20).map(|_| buffers.copy(&vec![1; 4 * MIB])).collect();
        drop(bodies);
        assert_eq!(kept(&buffers), (8, MOST_KEPT));
        drop(buffers.copy(&vec![1; MOST_KEPT + 1]));
        assert_eq!(kept(&buffers), (8, MOST_KEPT));
    }
}

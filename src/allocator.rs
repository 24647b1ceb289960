//! What the addon allocates. A small upload is a hundred small things that one thread makes and another drops, which the
//! system's allocators are slow at; mimalloc is not (ADR 0014).

#![expect(unsafe_code, reason = "there is no safe way to be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

use mimalloc::MiMalloc;

/// Larger memory is the system's. mimalloc keeps what another thread has freed until the one that it was made on asks for
/// more, and a thread that has read a file may never do that: thousands of small files came to gigabytes.
const MOST_SMALL: usize = 16 * 1024;

pub(crate) struct Allocator;

const fn is_small(layout: Layout) -> bool {
    layout.size() <= MOST_SMALL && layout.align() <= MOST_SMALL
}

// Called rather than copied to each place that allocates, where that makes the binary smaller and nothing slower.
// SAFETY: each layout belongs to one of two allocators that keep to the contract, and memory goes back with the layout
// that it came with.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on, here and below.
        unsafe { if is_small(layout) { MiMalloc.alloc(layout) } else { System.alloc(layout) } }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: see alloc.
        unsafe { if is_small(layout) { MiMalloc.alloc_zeroed(layout) } else { System.alloc_zeroed(layout) } }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: see alloc.
        unsafe { if is_small(layout) { MiMalloc.dealloc(memory, layout) } else { System.dealloc(memory, layout) } }
    }

    #[inline(never)]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: see alloc; the caller promises as well that the new size makes a layout.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            match (is_small(layout), is_small(new)) {
                (true, true) => MiMalloc.realloc(memory, layout, size),
                (false, false) => System.realloc(memory, layout, size),
                _ => change_hands(memory, layout, new),
            }
        }
    }
}

/// From one allocator to the other.
#[cold]
unsafe fn change_hands(memory: *mut u8, old: Layout, new: Layout) -> *mut u8 {
    // SAFETY: as `realloc`.
    unsafe {
        let moved = Allocator.alloc(new);
        if !moved.is_null() {
            ptr::copy_nonoverlapping(memory, moved, old.size().min(new.size()));
            Allocator.dealloc(memory, old);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Through each allocator, and from one to the other and back.
    #[test]
    fn bytes_stay_what_they_are_when_their_memory_changes_hands() {
        let mut bytes: Vec<u8> = Vec::new();
        let byte = |at: usize| (at % 251) as u8;
        for size in [1, 100, MOST_SMALL, MOST_SMALL + 1, 5 * MOST_SMALL, MOST_SMALL + 7, MOST_SMALL - 7, 3] {
            bytes.truncate(size);
            bytes.shrink_to(size);
            bytes.reserve_exact(size - bytes.len());
            bytes.extend((bytes.len()..size).map(byte));
            assert!(bytes.iter().enumerate().all(|(at, &it)| it == byte(at)), "{size}");
        }
    }

    #[test]
    fn zeroed_and_aligned_memory_is_so_in_both() {
        for (size, align) in [(64, 64), (MOST_SMALL, 4096), (8, 2 * MOST_SMALL), (4 * MOST_SMALL, 4096)] {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            // SAFETY: the size is not zero, and the memory is freed once, with its layout.
            unsafe {
                let memory = Allocator.alloc_zeroed(layout);
                assert!(!memory.is_null() && memory.addr().is_multiple_of(align), "{layout:?}");
                assert!(std::slice::from_raw_parts(memory, size).iter().all(|&byte| byte == 0), "{layout:?}");
                Allocator.dealloc(memory, layout);
            }
        }
    }
}

//! How many processors there are for this process.

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread;

/// Read once: it takes several files.
static COUNT: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// A thread for each, and no more than `most`.
pub fn at_most(most: usize) -> usize {
    most.min(*COUNT)
}

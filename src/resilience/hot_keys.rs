//! Keys that a server throttles by themselves: R2 takes one write a second to a key and responds to more with 429. Whether a
//! 429 is about its key or about the endpoint, the response does not say; the other keys do.
//!
//! A pure state machine over the time that it is given; [`super::admission`] drives it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use tokio::time::Instant;

/// A key is hot for so long after its last 429, and a success on another key speaks for the endpoint for so long.
const REMEMBERED: Duration = Duration::from_secs(10);
/// More keys than this that are throttled at once are a matter of the endpoint.
const MOST: usize = 4096;

/// Which key a request is about. Two keys of one hash share what is known of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct KeyHash(u64);

impl KeyHash {
    pub(super) fn of(key: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Self(hasher.finish())
    }
}

#[derive(Debug, Default)]
pub(super) struct HotKeys {
    /// By the time of the last 429.
    throttled: HashMap<KeyHash, Instant>,
    succeeded: Option<Instant>,
}

impl HotKeys {
    /// Takes note of a 429 to a request about `key`, and says whether the key explains it: it was throttled before, while
    /// others are not. The first 429 of each key may be the endpoint's.
    pub(super) fn explains(&mut self, now: Instant, key: KeyHash) -> bool {
        let was_hot = self.throttled.insert(key, now).is_some_and(|at| is_recent(now, at));
        if self.throttled.len() > MOST {
            self.throttled.retain(|_, at| is_recent(now, *at));
            if self.throttled.len() > MOST {
                self.throttled.clear();
            }
        }
        was_hot && self.succeeded.is_some_and(|at| is_recent(now, at))
    }

    pub(super) const fn succeeded(&mut self, now: Instant) {
        self.succeeded = Some(now);
    }

    pub(super) fn is_hot(&self, now: Instant, key: KeyHash) -> bool {
        self.throttled.get(&key).is_some_and(|at| is_recent(now, *at))
    }

    /// Whether it need not be given successes. Forgets the keys that are not hot any more.
    pub(super) fn is_quiet(&mut self, now: Instant) -> bool {
        if !self.throttled.is_empty() && self.throttled.values().all(|at| !is_recent(now, *at)) {
            self.throttled.clear();
        }
        self.throttled.is_empty()
    }
}

fn is_recent(now: Instant, at: Instant) -> bool {
    now.saturating_duration_since(at) < REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_explains_its_429s_while_others_succeed() {
        let (mut keys, now, hot) = (HotKeys::default(), Instant::now(), KeyHash::of("hot"));
        assert!(!keys.explains(now, hot), "the first may be the endpoint's");
        assert!(!keys.explains(now, hot), "no other key has succeeded");
        keys.succeeded(now);
        assert!(keys.explains(now + Duration::from_secs(1), hot));
        assert!(!keys.explains(now + Duration::from_secs(1), KeyHash::of("other")), "its first");
        let later = now + REMEMBERED;
        assert!(!keys.explains(later, hot), "the success is long ago");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_forgotten() {
        let (mut keys, now, hot) = (HotKeys::default(), Instant::now(), KeyHash::of("hot"));
        keys.explains(now, hot);
        assert!(keys.is_hot(now, hot) && !keys.is_quiet(now));
        let later = now + REMEMBERED;
        assert!(!keys.is_hot(later, hot) && keys.is_quiet(later));
        for n in 0..100_000 {
            keys.explains(now, KeyHash::of(&n.to_string()));
        }
        assert!(keys.throttled.len() <= MOST);
    }
}

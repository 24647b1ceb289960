//! The parts that a call's time is made of.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// One attempt, from its beginning to its end.
    Attempt,
    /// The wait after a failed attempt.
    Wait,
    /// Waiting for permission to begin: for pacing, for an open breaker, for another write to the same key.
    Queue,
}

impl Phase {
    /// In the order of their discriminants.
    pub const ALL: &[Self] = &[Self::Attempt, Self::Wait, Self::Queue];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Wait => "wait",
            Self::Queue => "queue",
        }
    }
}

//! Time, injected: the state machine and the lessor never ask a clock themselves.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mvcc::Millis;

/// What a member needs of time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds on a clock that never goes back.
    fn monotonic(&self) -> Millis;
    /// Milliseconds since 1970.
    fn wall(&self) -> u64;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Millis {
        self.0.elapsed().as_millis() as Millis
    }

    fn wall(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64)
    }
}

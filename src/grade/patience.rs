//! How long a grader waits for what may be coming up.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What all checks of one look wait in vain, together: who changed a manifest a moment ago is
/// waited for, and a dead cluster is told soon, however many checks ask for it.
const ALL_CHECKS: Duration = Duration::from_secs(5);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// What is left of the patience. Time that was waited for something that did come costs
/// none, for a cluster comes up piece after piece.
#[derive(Debug)]
pub struct Patience(Mutex<Duration>);

impl Default for Patience {
    fn default() -> Self {
        Self(Mutex::new(ALL_CHECKS))
    }
}

impl Patience {
    /// Looks again while `look` finds an error that may pass, `at_most` for so long. What no
    /// waiting changes, `look` gives as a success. It looks once in any case.
    ///
    /// # Errors
    /// What the last look found.
    pub async fn until<T, E>(
        &self,
        at_most: Duration,
        mut look: impl AsyncFnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        loop {
            let seen = look().await;
            if seen.is_ok() || begun.elapsed() + PAUSE > at_most.min(self.left()) {
                if seen.is_err() {
                    self.take(begun.elapsed());
                }
                return seen;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn left(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, waited: Duration) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often and how long something that never comes is looked at.
    async fn wait_in_vain(patience: &Patience) -> (u32, Duration) {
        let (mut looks, begun) = (0, Instant::now());
        let seen = patience.until(Duration::from_secs(3), async || {
            looks += 1;
            Err::<(), _>("not yet")
        });
        assert_eq!(seen.await, Err("not yet"));
        (looks, begun.elapsed())
    }

    #[tokio::test]
    async fn what_never_comes_uses_the_patience_up_and_is_looked_at_once_from_then_on() {
        let patience = Patience(Mutex::new(Duration::from_millis(250)));
        let (looks, waited) = wait_in_vain(&patience).await;
        assert!(looks > 1, "{looks}");
        assert!(waited < Duration::from_secs(3), "{waited:?}");
        patience.take(Duration::from_millis(250));
        assert_eq!(wait_in_vain(&patience).await.0, 1);
    }

    #[tokio::test]
    async fn what_comes_costs_no_patience() {
        let patience = Patience::default();
        let mut looks = 0;
        let seen = patience.until(Duration::from_secs(3), async || {
            looks += 1;
            if looks < 3 { Err(()) } else { Ok(looks) }
        });
        assert_eq!(seen.await, Ok(3));
        assert_eq!(patience.left(), ALL_CHECKS);
    }
}

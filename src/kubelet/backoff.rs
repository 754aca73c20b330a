//! When a container that ended may start again: 10 s after the first end, doubling to
//! 5 min, and from the start again once it ran for 10 min (Kubernetes 1.32
//! `pkg/kubelet/kubelet.go`: backOffPeriod, MaxContainerBackOff).

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// The back-off of one container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackOff {
    delay: Duration,
}

impl BackOff {
    /// How long to wait after an end; the container had run for `ran`.
    pub fn after_end(&mut self, ran: Duration) -> Duration {
        let wait = if ran >= FORGET_AFTER {
            Duration::ZERO
        } else {
            self.delay
        };
        self.delay = (wait * 2).clamp(FIRST, LONGEST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_five_minutes_and_is_forgotten_after_ten() {
        let mut backoff = BackOff::default();
        let short = Duration::from_secs(1);
        let waits: Vec<u64> = (0..8).map(|_| backoff.after_end(short).as_secs()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backoff.after_end(FORGET_AFTER).as_secs(), 0);
        assert_eq!(backoff.after_end(short).as_secs(), 10);
    }
}

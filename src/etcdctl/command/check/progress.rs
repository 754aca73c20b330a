//! How far a check is: a line that is written over again and again.

use std::time::{Duration, Instant};

use crate::exit::Outcome;
use crate::print;

/// How often the line is written.
pub const REFRESH: Duration = Duration::from_millis(200);

/// Progress towards a number.
pub struct Progress {
    total: u64,
    started: Instant,
}

impl Progress {
    /// Shows the line for the first time.
    pub fn start(total: u64) -> Result<Self, crate::exit::Exit> {
        let progress = Self {
            total,
            started: Instant::now(),
        };
        print::stdout(b"\n")?;
        progress.show(0)?;
        Ok(progress)
    }

    /// Shows how far it is, and how long the rest takes at this speed.
    pub fn show(&self, done: u64) -> Outcome {
        print::stdout(format!("\r{}", line(done, self.total, self.started.elapsed())).as_bytes())
    }

    /// Shows the end.
    pub fn finish(&self, done: u64) -> Outcome {
        self.show(done)?;
        print::stdout(b"\n")
    }
}

fn line(done: u64, total: u64, elapsed: Duration) -> String {
    let percent = done as f64 * 100.0 / total.max(1) as f64;
    let mut text = format!(" {done} / {total} {percent:6.2}%");
    if done >= total {
        text.push_str(&format!(" {}s ", elapsed.as_secs()));
    } else if done > 0 {
        let left = elapsed.as_secs_f64() * (total - done) as f64 / done as f64;
        let left = left as u64;
        text.push_str(&format!(" {:02}m{:02}s", left / 60, left % 60));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::line;
    use std::time::Duration;

    #[test]
    fn lines() {
        let after = Duration::from_secs;
        assert_eq!(line(0, 60, after(0)), " 0 / 60   0.00%");
        assert_eq!(line(10, 60, after(10)), " 10 / 60  16.67% 00m50s");
        assert_eq!(line(60, 60, after(60)), " 60 / 60 100.00% 60s ");
    }
}

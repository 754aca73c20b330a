//! A line that says what is being looked at, while that takes long: on a terminal only, and
//! gone when it is over.

use std::{
    io::{self, IsTerminal, Write},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Nobody takes a shorter silence for trouble.
const SILENCE: Duration = Duration::from_millis(500);
const BETWEEN: Duration = Duration::from_millis(200);
/// The width where the terminal does not say.
const COLUMNS: usize = 80;

/// Shows the line from half a second on, until it is dropped.
pub struct Looking {
    tell: Option<Sender<String>>,
    shown: Option<JoinHandle<()>>,
}

impl Looking {
    /// On standard error, if that is a terminal.
    pub fn on_stderr() -> Self {
        let stderr = io::stderr();
        if !stderr.is_terminal() {
            return Self {
                tell: None,
                shown: None,
            };
        }
        let columns = sandbox::columns(&stderr).unwrap_or(COLUMNS);
        let (tell, told) = mpsc::channel::<String>();
        let shown = thread::spawn(move || {
            let begun = Instant::now();
            let mut what = String::new();
            let mut width = 0_usize;
            loop {
                match told.recv_timeout(BETWEEN) {
                    Ok(now) => what = now,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if begun.elapsed() >= SILENCE {
                    let line = line(&what, begun.elapsed().as_secs(), columns);
                    let length = line.chars().count();
                    let blank = " ".repeat(width.saturating_sub(length));
                    eprint!("\r{line}{blank}");
                    width = length;
                }
            }
            if width > 0 {
                eprint!("\r{}\r", " ".repeat(width));
            }
            let _ = io::stderr().flush();
        });
        Self {
            tell: Some(tell),
            shown: Some(shown),
        }
    }

    /// What is being looked at from now on.
    pub fn at(&self, what: &str) {
        if let Some(tell) = &self.tell {
            // Who shows it ends after this only.
            let _ = tell.send(what.to_owned());
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.tell = None;
        if let Some(shown) = self.shown.take() {
            let _ = shown.join();
        }
    }
}

/// The line, cut so that it never breaks: only one line can be overwritten.
fn line(what: &str, seconds: u64, columns: usize) -> String {
    let (before, after) = ("looking: ", format!(" … {seconds} s"));
    let taken = before.chars().count() + after.chars().count() + 1;
    let what: String = what.chars().take(columns.saturating_sub(taken)).collect();
    format!("{before}{what}{after}")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_line_fits_the_terminal() {
        assert_eq!(line("a check", 3, 80), "looking: a check … 3 s");
        let cut = line(&"long ".repeat(40), 12, 40);
        assert_eq!(cut.chars().count(), 39);
        assert!(cut.ends_with(" … 12 s"), "{cut}");
    }
}

//! The CRI's log format: `2026-01-15T01:08:36.065703123Z stdout F text`, one
//! line a line of output (kubernetes, docs of the kubelet's CRI logging, and
//! pkg/kubelet/kuberuntime/logs/logs.go).

use std::io::Write;

/// A longer line is written in parts, each but the last tagged `P`.
const LONGEST: usize = 16 * 1024;

/// One stream's lines on their way into a log.
pub(super) struct Lines {
    stream: &'static str,
    pending: Vec<u8>,
}

impl Lines {
    /// `stream` is `stdout` or `stderr`.
    pub(super) fn new(stream: &'static str) -> Self {
        Lines {
            stream,
            pending: Vec::new(),
        }
    }

    /// Writes what is complete of the output so far and keeps the rest.
    pub(super) fn push(&mut self, output: &[u8], log: &mut impl Write) {
        let mut out = Vec::with_capacity(output.len() + 64);
        let time = now();
        for part in output.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(part);
            let full = part.ends_with(b"\n");
            if full {
                self.pending.pop();
            }
            while self.pending.len() > LONGEST {
                let rest = self.pending.split_off(LONGEST);
                self.line(&time, 'P', &mut out);
                self.pending = rest;
            }
            if full {
                self.line(&time, 'F', &mut out);
            }
        }
        // A full disk loses log lines and nothing else.
        let _ = log.write_all(&out);
    }

    /// Writes a last line that has no end.
    pub(super) fn finish(&mut self, log: &mut impl Write) {
        if !self.pending.is_empty() {
            let mut out = Vec::new();
            self.line(&now(), 'P', &mut out);
            let _ = log.write_all(&out);
        }
    }

    fn line(&mut self, time: &str, tag: char, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{time} {} {tag} ", self.stream).as_bytes());
        out.append(&mut self.pending);
        out.push(b'\n');
    }
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S.%9fZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_times(log: &[u8]) -> Vec<String> {
        String::from_utf8_lossy(log)
            .lines()
            .map(|line| line.split_once(' ').expect("a time").1.to_owned())
            .collect()
    }

    #[test]
    fn lines_are_split_and_joined() {
        let (mut log, mut lines) = (Vec::new(), Lines::new("stdout"));
        lines.push(b"one\ntw", &mut log);
        lines.push(b"o\n\nend", &mut log);
        assert_eq!(
            without_times(&log),
            ["stdout F one", "stdout F two", "stdout F "]
        );
        lines.finish(&mut log);
        assert_eq!(without_times(&log)[3], "stdout P end");
    }

    #[test]
    fn long_lines_come_in_parts() {
        let (mut log, mut lines) = (Vec::new(), Lines::new("stderr"));
        lines.push(&[b'x'; 40_000], &mut log);
        lines.push(b"\n", &mut log);
        let tags: Vec<String> = without_times(&log)
            .iter()
            .map(|line| line.chars().take(8).collect())
            .collect();
        assert_eq!(tags, ["stderr P", "stderr P", "stderr F"]);
        let length: usize = without_times(&log).iter().map(|line| line.len() - 9).sum();
        assert_eq!(length, 40_000);
    }

    #[test]
    fn times_have_nine_digits() {
        let time = now();
        assert_eq!(time.len(), "2026-01-15T01:08:36.065703123Z".len(), "{time}");
    }
}

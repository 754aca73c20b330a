//! Logs of containers, from the files that their runtime writes.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use kube::object;
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, BufReader},
    sync::mpsc,
};

use super::{Body, Target, full, streamed};
use crate::state::Phase;

/// What of a log is wanted (Kubernetes 1.32 PodLogOptions).
#[derive(Debug, Default, Clone)]
struct Options {
    follow: bool,
    timestamps: bool,
    previous: bool,
    tail_lines: Option<usize>,
    limit_bytes: Option<usize>,
    /// Only lines from this second on.
    since: Option<i64>,
}

impl Options {
    fn read(query: &[(String, String)]) -> Self {
        let mut options = Self::default();
        for (name, value) in query {
            match name.as_str() {
                "follow" => options.follow = value == "true",
                "timestamps" => options.timestamps = value == "true",
                "previous" => options.previous = value == "true",
                "tailLines" => options.tail_lines = value.parse().ok(),
                "limitBytes" => options.limit_bytes = value.parse().ok(),
                "sinceSeconds" => {
                    let ago: Option<i64> = value.parse().ok();
                    options.since = ago.map(|ago| jiff::Timestamp::now().as_second() - ago);
                }
                "sinceTime" => options.since = kube::time::parse(value),
                _ => {}
            }
        }
        options
    }

    /// One line of the file as it is shown; `None` if it is too old.
    fn show(&self, line: &str) -> Option<String> {
        let mut parts = line.splitn(4, ' ');
        let (time, _, tag, text) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if let Some(since) = self.since
            && kube::time::parse(time).is_some_and(|at| at < since)
        {
            return None;
        }
        let end = if tag == "P" { "" } else { "\n" };
        Some(if self.timestamps {
            format!("{time} {text}{end}")
        } else {
            format!("{text}{end}")
        })
    }
}

pub async fn answer(target: &Target, query: &[(String, String)]) -> Response<Body> {
    let options = Options::read(query);
    let state = &target.container;
    let name = (&state.name, object::name(&target.pod));
    let run = match (&state.phase, &state.last) {
        (_, None) if options.previous => {
            let text = format!(
                "previous terminated container \"{}\" in pod \"{}\" not found",
                name.0, name.1
            );
            return full(StatusCode::BAD_REQUEST, text);
        }
        (_, Some(last)) if options.previous => last.attempt,
        // What backs off shows what it said last.
        (Phase::Waiting { .. }, Some(last)) => last.attempt,
        (Phase::Waiting { reason, .. }, None) => {
            let why = match reason.as_str() {
                "ErrImagePull" => "image can't be pulled",
                "ImagePullBackOff" => "trying and failing to pull image",
                reason => reason,
            };
            let text = format!(
                "container \"{}\" in pod \"{}\" is waiting to start: {why}",
                name.0, name.1
            );
            return full(StatusCode::BAD_REQUEST, text);
        }
        _ => state.restarts,
    };
    let path = path(target, run);
    let (pieces, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        // That the reader went away is no error.
        let _ = send(&path, &options, &pieces).await;
    });
    streamed(receiver)
}

fn path(target: &Target, run: u32) -> PathBuf {
    let pod = &target.pod;
    let dir = format!(
        "{}_{}_{}",
        object::namespace(pod),
        object::name(pod),
        object::uid(pod)
    );
    crate::kubelet::log_dir()
        .join(dir)
        .join(&target.container.name)
        .join(format!("{run}.log"))
}

/// Sends the lines that are there, the last ones only if so asked, then those that come.
async fn send(path: &Path, options: &Options, pieces: &mpsc::Sender<Bytes>) -> std::io::Result<()> {
    let mut budget = options.limit_bytes.unwrap_or(usize::MAX);
    let Ok(file) = File::open(path).await else {
        // A container that never wrote has no file, and an empty log.
        return Ok(());
    };
    let mut reader = BufReader::new(file);
    let mut last: VecDeque<String> = VecDeque::new();
    let mut line = String::new();
    let mut caught_up = false;
    loop {
        let count = reader.read_line(&mut line).await?;
        if count > 0 && !line.ends_with('\n') {
            // Half a line: the rest is on its way.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        if count == 0 {
            if !caught_up {
                caught_up = true;
                for shown in last.drain(..) {
                    if !give(shown, &mut budget, pieces).await {
                        return Ok(());
                    }
                }
            }
            if !options.follow || pieces.is_closed() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        if let Some(shown) = options.show(line.trim_end_matches('\n')) {
            match options.tail_lines {
                Some(keep) if !caught_up => {
                    last.push_back(shown);
                    if last.len() > keep {
                        last.pop_front();
                    }
                }
                _ => {
                    if !give(shown, &mut budget, pieces).await {
                        return Ok(());
                    }
                }
            }
        }
        line.clear();
    }
}

/// Whether more is wanted.
async fn give(mut shown: String, budget: &mut usize, pieces: &mpsc::Sender<Bytes>) -> bool {
    if shown.len() > *budget {
        let end = (0..=*budget)
            .rev()
            .find(|at| shown.is_char_boundary(*at))
            .unwrap_or(0);
        shown.truncate(end);
        *budget = 0;
    } else {
        *budget -= shown.len();
    }
    pieces.send(shown.into()).await.is_ok() && *budget > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_as_asked() {
        let line = "2026-01-15T01:08:36.065703123Z stdout F a b  c";
        let plain = Options::default();
        assert_eq!(plain.show(line).unwrap(), "a b  c\n");
        let stamped = Options {
            timestamps: true,
            ..Options::default()
        };
        assert_eq!(
            stamped.show(line).unwrap(),
            "2026-01-15T01:08:36.065703123Z a b  c\n"
        );
        let late = Options {
            since: Some(i64::MAX),
            ..Options::default()
        };
        assert_eq!(late.show(line), None);
        assert_eq!(plain.show("t stdout P half").unwrap(), "half");
    }
}

//! `etcdctl watch`.

use std::ffi::OsStr;
use std::io::BufRead as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command as Process;

use tokio::sync::mpsc;
use wire::etcdserverpb as pb;

use super::{Session, block_on, prefix_end, txn};
use crate::client::{RpcError, WatchEvent, Watcher};
use crate::exit::{Exit, Outcome, code};
use crate::flags::{self, Invocation, Parsed};
use crate::go::{os, quote::quote};
use crate::print::{self, simple};

const BAD_COUNT: &str = "bad number of arguments";
const BAD_COUNT_ENVIRONMENT: &str = "bad number of arguments (found conflicting environment key)";
const BAD_COUNT_SEPARATOR: &str = "bad number of arguments (found separator --, but no commands)";

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let environment = Environment::read()?;
    if invocation.flag("interactive") {
        let session = Session::open_knowing(invocation, VARIABLES)?;
        return block_on(interactive(&session, &environment));
    }
    let spoken = &invocation.words;
    let at = spoken
        .iter()
        .position(|w| w == b"watch")
        .map_or(spoken.len(), |at| at + 1);
    let plan = Plan::from_arguments(&spoken[at..], invocation.args(), &environment)
        .map_err(Exit::bad_args)?;
    let session = Session::open_knowing(invocation, VARIABLES)?;
    let request = plan.request(&invocation.parsed).map_err(Exit::bad_args)?;
    block_on(async {
        let mut watcher = Watcher::new(&session.client);
        watcher.add(request);
        while watcher.is_active() {
            match watcher.next().await {
                Ok(event) => report(&session, event, &plan.exec)?,
                Err(error) => {
                    report_end(&session, &error)?;
                    break;
                }
            }
        }
        Err(Exit::new(
            code::INTERRUPTED,
            "watch is canceled by the server",
        ))
    })
}

/// Environment variables that aren't flags.
const VARIABLES: &[&str] = &["watch-key", "watch-range-end"];

/// A key and the end of its range from the environment; empty when not set.
struct Environment {
    key: Vec<u8>,
    range_end: Vec<u8>,
}

impl Environment {
    fn read() -> Result<Self, Exit> {
        let get = |name| {
            std::env::var_os(name)
                .unwrap_or_default()
                .as_bytes()
                .to_vec()
        };
        let (key, range_end) = (get("ETCDCTL_WATCH_KEY"), get("ETCDCTL_WATCH_RANGE_END"));
        if key.is_empty() && !range_end.is_empty() {
            return Err(Exit::bad_args(format!(
                "ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END={}",
                quote(&range_end)
            )));
        }
        Ok(Self { key, range_end })
    }

    fn words(&self) -> Vec<Vec<u8>> {
        [&self.key, &self.range_end]
            .into_iter()
            .filter(|w| !w.is_empty())
            .cloned()
            .collect()
    }
}

/// What is to be watched, and the command to run for each event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Plan {
    keys: Vec<Vec<u8>>,
    exec: Vec<Vec<u8>>,
}

impl Plan {
    /// `spoken` are the words after `watch` as they stand, `args` those that
    /// aren't flags, what follows `--` included.
    fn from_arguments(
        spoken: &[Vec<u8>],
        args: &[Vec<u8>],
        environment: &Environment,
    ) -> Result<Self, &'static str> {
        let separator = spoken.iter().position(|w| w == b"--");
        let exec = match separator {
            Some(at) if at + 1 == spoken.len() => return Err(BAD_COUNT_SEPARATOR),
            Some(at) => spoken[at + 1..].to_vec(),
            None => Vec::new(),
        };
        let keys = &args[..args.len() - exec.len().min(args.len())];
        if !environment.key.is_empty() {
            if !keys.is_empty() {
                return Err(BAD_COUNT_ENVIRONMENT);
            }
            return Ok(Self {
                keys: environment.words(),
                exec,
            });
        }
        if separator.is_none() && spoken.is_empty() {
            return Err(BAD_COUNT);
        }
        Ok(Self {
            keys: keys.to_vec(),
            exec,
        })
    }

    fn request(&self, parsed: &Parsed) -> Result<pb::WatchCreateRequest, &'static str> {
        let key = self.keys.first().ok_or(BAD_COUNT)?;
        let prefix = parsed.boolean("prefix");
        let (key, range_end) = match self.keys.get(1) {
            Some(_) if prefix && self.keys.len() == 2 => {
                return Err("`range_end` and `--prefix` are mutually exclusive");
            }
            _ if prefix && key.is_empty() => (vec![0], vec![0]),
            _ if prefix => (key.clone(), prefix_end(key)),
            Some(end) if self.keys.len() == 2 => (key.clone(), end.clone()),
            _ => (key.clone(), Vec::new()),
        };
        Ok(pb::WatchCreateRequest {
            key: key.into(),
            range_end: range_end.into(),
            start_revision: parsed.int("rev"),
            prev_kv: parsed.boolean("prev-kv"),
            progress_notify: parsed.boolean("progress-notify"),
            ..Default::default()
        })
    }
}

/// Reads `watch …` and `progress` from standard input while events are printed.
async fn interactive(session: &Session, environment: &Environment) -> Outcome {
    let mut lines = read_lines();
    let mut watcher = Watcher::new(&session.client);
    let mut exec: Vec<Vec<Vec<u8>>> = Vec::new();
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            event = watcher.next(), if watcher.is_active() => {
                match event {
                    Ok(event) => {
                        let number = match &event {
                            WatchEvent::Response { watch, .. } | WatchEvent::Ended { watch, .. } => *watch,
                        };
                        report(session, event, &exec[number])?;
                    }
                    Err(error) => report_end(session, &error)?,
                }
                continue;
            }
        };
        let failed = |why: String| {
            Exit::new(
                code::INVALID_INPUT,
                format!("error reading watch request line: {why}"),
            )
        };
        let line = line.ok_or_else(|| failed("EOF".into()))?;
        let shown = String::from_utf8_lossy(&line);
        let words = txn::split_words(&line)?;
        match words.first().map(Vec::as_slice) {
            None => tell!("Invalid command: {shown} (watch and progress supported)"),
            Some(b"watch") if words.len() < 2 && environment.key.is_empty() => {
                tell!("Invalid command {shown} (command type or key is not provided)");
            }
            Some(b"watch") => {
                let (parsed, plan) = plan_of_line(&words, environment).map_err(Exit::bad_args)?;
                match plan.request(&parsed) {
                    Ok(request) => {
                        watcher.add(request);
                        exec.push(plan.exec);
                    }
                    Err(why) => tell!("Invalid command {shown} ({why})"),
                }
            }
            Some(b"progress") => watcher.request_progress(),
            Some(_) => tell!("Invalid command {shown} (only support watch)"),
        }
    }
}

/// Lines of standard input, up to its end. A thread of its own reads them: a
/// terminal can't be waited for in any other way.
fn read_lines() -> mpsc::UnboundedReceiver<Vec<u8>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut line = Vec::new();
        // What follows the last line feed is no line, as in the reference.
        while input.read_until(b'\n', &mut line).is_ok() && line.pop() == Some(b'\n') {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receiver
}

fn plan_of_line(words: &[Vec<u8>], environment: &Environment) -> Result<(Parsed, Plan), String> {
    let (_, parsed) = flags::parse_line(&crate::tables::ETCDCTL, words)?;
    let plan = Plan::from_arguments(&words[1..], &parsed.args, environment)?;
    if plan.keys.is_empty() {
        return Err(BAD_COUNT.into());
    }
    Ok((parsed, plan))
}

/// Prints what happened, and runs the command for each event.
fn report(session: &Session, event: WatchEvent, exec: &[Vec<u8>]) -> Outcome {
    let response = match event {
        WatchEvent::Ended { reason, .. } => {
            // The reference shows a sentence that isn't one of the server's own
            // with gRPC's wrapping; `RpcError` does that by itself.
            return report_end(session, &reason);
        }
        WatchEvent::Response { response, .. } => response,
    };
    if response.canceled {
        tell!("watch was canceled (etcdserver: mvcc: required revision has been compacted)");
    }
    let revision = response.header.map_or(0, |header| header.revision);
    if response.events.is_empty()
        && !response.canceled
        && response.compact_revision == 0
        && revision != 0
    {
        print::stdout(format!("progress notify: {revision}\n").as_bytes())?;
    }
    session.show(&response)?;
    if exec.is_empty() {
        return Ok(());
    }
    response
        .events
        .iter()
        .try_for_each(|event| run_command(exec, revision, event))
}

fn report_end(session: &Session, reason: &RpcError) -> Outcome {
    tell!("watch was canceled ({reason})");
    session.show(&pb::WatchResponse {
        canceled: true,
        ..Default::default()
    })
}

fn run_command(exec: &[Vec<u8>], revision: i64, event: &wire::mvccpb::Event) -> Outcome {
    let kv = event.kv.clone().unwrap_or_default();
    let words: Vec<&OsStr> = exec.iter().map(|w| OsStr::from_bytes(w)).collect();
    let result = Process::new(words[0])
        .args(&words[1..])
        .env("ETCD_WATCH_REVISION", revision.to_string())
        .env(
            "ETCD_WATCH_EVENT_TYPE",
            quote(simple::event_type(event).as_bytes()),
        )
        .env("ETCD_WATCH_KEY", quote(&kv.key))
        .env("ETCD_WATCH_VALUE", quote(&kv.value))
        .stdin(std::process::Stdio::null())
        .status();
    let why = match result {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => match status.code() {
            Some(code) => format!("exit status {code}"),
            None => status.to_string(),
        },
        Err(error) => os::exec_error(&exec[0], &error),
    };
    let quoted: Vec<String> = exec.iter().map(|w| quote(w)).collect();
    tell!("command [{}] error ({why})", quoted.join(" "));
    Err(Exit::silent(code::ERROR))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split_whitespace()
            .map(|w| w.as_bytes().to_vec())
            .collect()
    }

    fn plan(spoken: &str, args: &str, key: &str) -> Result<Plan, &'static str> {
        let environment = Environment {
            key: key.into(),
            range_end: Vec::new(),
        };
        Plan::from_arguments(&words(spoken), &words(args), &environment)
    }

    #[test]
    fn keys_and_command() {
        assert_eq!(
            plan("foo", "foo", ""),
            Ok(Plan {
                keys: words("foo"),
                exec: words("")
            })
        );
        assert_eq!(
            plan("foo --rev 1 bar -- echo hello", "foo bar echo hello", ""),
            Ok(Plan {
                keys: words("foo bar"),
                exec: words("echo hello")
            })
        );
        assert_eq!(
            plan("-- echo hi", "echo hi", "foo"),
            Ok(Plan {
                keys: words("foo"),
                exec: words("echo hi")
            })
        );
    }

    #[test]
    fn mistakes() {
        assert_eq!(plan("", "", ""), Err(BAD_COUNT));
        assert_eq!(plan("a b c --", "a b c", ""), Err(BAD_COUNT_SEPARATOR));
        assert_eq!(plan("foo", "foo", "x"), Err(BAD_COUNT_ENVIRONMENT));
        assert_eq!(
            plan("foo -- echo 1", "foo echo 1", "x"),
            Err(BAD_COUNT_ENVIRONMENT)
        );
    }
}

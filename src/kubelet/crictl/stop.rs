//! `stop`, `rm`, `stopp`, `rmp`. Real containers are ended here; the kubelet, if it runs,
//! sees that and does what the Pod's policy says. Of simulated ones only it knows.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use kube::object;
use sandbox::container::Container;
use serde_json::{Value, json};

use super::{
    Fatal, SOCKET,
    args::{Args, Flag},
    print,
    view::{Entry, State, View},
};
use crate::{
    image::{self, Image},
    ledger::{self, Record},
};

pub const STOP: &[Flag] = &[Flag::value("timeout", 't')];
pub const REMOVE: &[Flag] = &[
    Flag::switch("force", 'f'),
    Flag::switch("all", 'a'),
    Flag::switch("keep-logs", ' '),
];

/// How long an end may take that was forced.
const LONGEST: Duration = Duration::from_secs(10);

/// Asks the kubelet for something that only it can do.
fn ask(question: &Value) -> Result<(), Fatal> {
    let failed = |error: std::io::Error| {
        format!("validate service connection: dial unix {SOCKET}: {error}; is the kubelet running?")
    };
    let mut stream = UnixStream::connect(SOCKET).map_err(failed)?;
    writeln!(stream, "{question}").map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream)
        .read_line(&mut answer)
        .map_err(failed)?;
    Ok(())
}

fn wait_for(mut done: impl FnMut() -> bool, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if done() {
            return true;
        }
        sleep(Duration::from_millis(10));
    }
    false
}

/// Ends a container; returns when its end is known.
fn end(entry: &Entry, grace: u64) -> Result<(), Fatal> {
    if entry.state != State::Running {
        return Ok(());
    }
    if image::classify(&entry.image) == Image::Real {
        let failed =
            |error: sandbox::Error| format!("stopping the container {:?}: {error}", entry.id);
        let container = Container::open(&entry.id).map_err(failed)?;
        let ended = || container.try_wait().is_ok_and(|ended| ended.is_some());
        if grace > 0 {
            container
                .signal(nix::sys::signal::Signal::SIGTERM as i32)
                .map_err(failed)?;
        }
        if grace == 0 || !wait_for(ended, Duration::from_secs(grace)) {
            container
                .signal(nix::sys::signal::Signal::SIGKILL as i32)
                .map_err(failed)?;
        }
        wait_for(ended, LONGEST);
    } else {
        ask(&json!({
            "do": "stop-container", "grace": grace, "name": entry.name,
            "uid": entry.pod_text("uid"),
        }))?;
    }
    // Until the book has it, the next look would still see it run.
    let noted = || {
        View::read()
            .container(&entry.id)
            .map_or(true, |now| now.state == State::Exited)
    };
    wait_for(noted, LONGEST);
    Ok(())
}

/// Takes an ended container out of the book.
fn forget(entry: &Entry) -> Result<(), Fatal> {
    let id = &entry.id;
    let asked = ask(&json!({ "do": "forget", "id": id, "uid": entry.pod_text("uid") }));
    let gone = || View::read().container(id).is_err();
    if asked.is_ok() {
        // The kubelet may still have to note the end: it is asked again until it has.
        wait_for(
            || {
                let again = json!({ "do": "forget", "id": id, "uid": entry.pod_text("uid") });
                gone() || (ask(&again).is_ok() && gone())
            },
            LONGEST,
        );
        return Ok(());
    }
    ledger::mark_removed(ledger::PATH.as_ref(), id).map_err(|error| error.to_string())
}

fn ids(args: &Args) -> Result<&[String], Fatal> {
    match args.rest.is_empty() {
        true => Err("ID cannot be empty".into()),
        false => Ok(&args.rest),
    }
}

pub fn stop(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, STOP, false)?;
    let grace = match args.value("timeout") {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| format!("invalid value {text:?} for flag -timeout: parse error"))?,
    };
    for id in ids(&args)? {
        end(view.container(id)?, grace)?;
        print(&format!("{id}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn rm(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, REMOVE, false)?;
    let all: Vec<String> = view
        .containers
        .iter()
        .map(|entry| entry.id.clone())
        .collect();
    let ids = match args.has("all") {
        true => &all[..],
        false => ids(&args)?,
    };
    let mut failure = None;
    for id in ids {
        let entry = view.container(id)?;
        if entry.state == State::Running && !args.has("force") {
            failure = Some(format!("container {id:?} is running, please stop it first"));
            continue;
        }
        end(entry, 0)?;
        forget(entry)?;
        print(&format!("{id}\n"))?;
    }
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn stop_pod(view: &View, pod: &Record) -> Result<(), Fatal> {
    let uid = object::text(&pod.metadata, "uid");
    let of_pod = |entry: &&Entry| entry.pod.sandbox.id == pod.sandbox.id;
    // With a kubelet there is a new sandbox; without one the containers just end.
    let asked = ask(&json!({ "do": "stop-pod", "uid": uid }));
    for entry in view.containers.iter().filter(of_pod) {
        let simulated = image::classify(&entry.image) != Image::Real;
        if !(simulated && asked.is_ok()) {
            end(entry, 0)?;
        }
    }
    Ok(())
}

pub fn stopp(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, STOP, false)?;
    for id in ids(&args)? {
        stop_pod(view, view.pod(id)?)?;
        print(&format!("Stopped sandbox {id}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn rmp(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, REMOVE, false)?;
    let all: Vec<String> = view.pods.iter().map(|pod| pod.sandbox.id.clone()).collect();
    let ids = match args.has("all") {
        true => &all[..],
        false => ids(&args)?,
    };
    for id in ids {
        let pod = view.pod(id)?;
        if pod.gone_at == 0 && !args.has("force") {
            return Err(format!(
                "removing the pod sandbox {id:?}: rpc error: code = Unknown desc = failed to \
                 remove sandbox: sandbox is not fully stopped; stop it first, or use --force"
            ));
        }
        stop_pod(view, pod)?;
        for entry in view
            .containers
            .iter()
            .filter(|entry| entry.pod.sandbox.id == pod.sandbox.id)
        {
            forget(entry)?;
        }
        print(&format!("Removed sandbox {id}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

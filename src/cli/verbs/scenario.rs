//! One run of a lab in a process and a home of its own: `verify` and `bench` are made
//! of these.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::{self, Read, Seek, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use grade::{Report, verdict::visible};
use serde::de::DeserializeOwned;

use crate::{
    args::Engine,
    error::{Error, status},
    interrupt,
    limits::Limits,
};

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    pub report: Report,
    /// Everything that was printed on the way.
    pub transcript: String,
    pub took: Duration,
}

/// A home for sessions that goes with the value.
///
/// # Errors
/// It can't be made.
pub fn temporary_home() -> Result<tempfile::TempDir, Error> {
    tempfile::Builder::new()
        .prefix("kubedrill-")
        // The lab's users are others to the host, and must get through.
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir()
        .map_err(|source| Error::Io {
            what: "make",
            path: "a folder for a run of the lab".into(),
            source,
        })
}

/// Starts the lab in `dir` with the values of `given`, runs `script` on its first node
/// within `limits`, and grades it. Nothing of the run is left afterwards.
///
/// # Errors
/// There is no grade.
pub fn run(
    dir: &Path,
    seed: u64,
    given: &BTreeMap<String, String>,
    script: &[u8],
    limits: &Limits,
    engine: &Engine,
) -> Result<Run, Error> {
    let mut args: Vec<OsString> = vec!["start".into(), dir.into(), "--discard".into()];
    for (flag, limit) in [
        ("--time-limit", limits.time_limit),
        ("--output-limit", limits.output_limit),
        ("--memory-limit", limits.memory_limit),
        ("--disk-limit", limits.disk_limit),
    ] {
        args.extend([flag.into(), limit.to_string().into()]);
    }
    for (name, value) in given {
        args.extend(["--set".into(), format!("{name}={value}").into()]);
    }
    let ran = run_program(&args, seed, script, engine)?;
    Ok(Run {
        report: ran.grade,
        transcript: ran.transcript,
        took: ran.took,
    })
}

/// What a verb that grades came to.
#[derive(Debug)]
pub struct Ran<T> {
    pub grade: T,
    /// Everything that was printed on the way.
    pub transcript: String,
    pub took: Duration,
}

/// Runs a verb of this program in a home of its own, with `script` as its standard input,
/// and reads the grade that it prints.
///
/// # Errors
/// There is no grade.
pub fn run_program<T: DeserializeOwned>(
    args: &[OsString],
    seed: u64,
    script: &[u8],
    engine: &Engine,
) -> Result<Ran<T>, Error> {
    let io = |what: &'static str| {
        move |source: io::Error| Error::Io {
            what,
            path: "a run of the lab".into(),
            source,
        }
    };
    let begun = Instant::now();
    let home = temporary_home()?;
    let mut input = tempfile::tempfile().map_err(io("write the script of"))?;
    input.write_all(script).map_err(io("write the script of"))?;
    input.rewind().map_err(io("write the script of"))?;
    let mut talk = tempfile::tempfile().map_err(io("keep the words of"))?;
    let stderr: File = talk.try_clone().map_err(io("keep the words of"))?;
    // The program that runs, even when a new build has taken its path meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(args)
        .args(["--again", "--format", "json", "--seed", &seed.to_string()])
        .env("KUBEDRILL_HOME", home.path())
        .env(interrupt::PARENT, std::process::id().to_string())
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(stderr);
    for (flag, path) in [
        ("--etcd", &engine.etcd),
        ("--etcdctl", &engine.etcdctl),
        ("--etcdutl", &engine.etcdutl),
        ("--kubectl", &engine.kubectl),
    ] {
        if let Some(path) = path {
            command.arg(flag).arg(path);
        }
    }
    let output = command.output().map_err(io("start"))?;
    let mut transcript = String::new();
    talk.rewind().map_err(io("read the words of"))?;
    let mut bytes = Vec::new();
    talk.read_to_end(&mut bytes)
        .map_err(io("read the words of"))?;
    transcript.push_str(&String::from_utf8_lossy(&bytes));
    let graded = output
        .status
        .code()
        .is_some_and(|code| code <= i32::from(status::COULD_NOT_LOOK));
    match serde_json::from_slice(&output.stdout) {
        Ok(grade) if graded => Ok(Ran {
            grade,
            transcript,
            took: begun.elapsed(),
        }),
        _ => Err(Error::Failed(format!(
            "a run of the lab ended with {} and no grade\n{}",
            output.status,
            quoted(&transcript)
        ))),
    }
}

/// What a run printed, so that none of it acts where it is shown.
fn quoted(transcript: &str) -> String {
    let lines = transcript.trim().lines();
    let lines: Vec<_> = lines.map(|line| format!("  | {}", visible(line))).collect();
    lines.join("\n")
}

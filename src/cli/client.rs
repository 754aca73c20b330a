//! Asks the kubedrill that runs a lab, from inside of a node or from another terminal.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

/// How long a lab may take to be prepared before its silence counts.
const PATIENCE: Duration = Duration::from_secs(30);

use lab::{provision::LAB_DIR, session::Session};

use crate::{
    error::{Error, status},
    paint::Paint,
    serve::{self, Answer, Leave, Request},
};

/// Sends `request` to the lab behind `socket` and prints the answer.
///
/// # Errors
/// Nobody serves the socket, or the answer is none.
pub fn ask(socket: &Path, request: &Request) -> io::Result<u8> {
    let mut stream = serve::connect(socket)?;
    serde_json::to_writer(&mut stream, request)?;
    stream.write_all(b"\n")?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let answer: Answer = serde_json::from_str(&line)?;
    io::stdout().write_all(answer.text.as_bytes())?;
    if !answer.trouble.is_empty() {
        eprintln!("kubedrill: {}", answer.trouble);
    }
    Ok(answer.status)
}

/// Asks the kubedrill that runs `session`; one that is still preparing the lab is waited
/// for.
///
/// # Errors
/// It does not answer.
pub fn ask_running(session: &Session, request: &Request) -> Result<u8, Error> {
    let begun = Instant::now();
    loop {
        match ask(&session.socket(), request) {
            Err(_) if begun.elapsed() < PATIENCE && session.is_running() => {
                std::thread::sleep(Duration::from_millis(50));
            }
            other => {
                let path = session.socket();
                return other.map_err(|source| Error::Io {
                    what: "ask the kubedrill behind",
                    path,
                    source,
                });
            }
        }
    }
}

/// Whether a program of a node that is called so is a word of the lab. As verbs they name it.
pub fn is_word(name: &str) -> bool {
    matches!(name, "check" | "task" | "hint") || Leave::of(name).is_some()
}

/// The words of a node's shell; `args[0]` is the word.
pub fn run_word(args: Vec<OsString>) -> ExitCode {
    let mut args = args
        .into_iter()
        .map(|arg| arg.to_string_lossy().into_owned());
    let word = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let json = word == "check" && matches!(rest.join("=").as_str(), "--format=json");
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{}", usage(&word));
        return ExitCode::SUCCESS;
    }
    let fits = json || rest.is_empty() || (word == "hint" && rest.len() == 1);
    if !fits || rest.iter().any(|arg| arg.starts_with('-') && !json) {
        eprintln!(
            "kubedrill: `{word}` does not know `{}`\n{}",
            rest.join(" "),
            usage(&word)
        );
        return ExitCode::from(status::USAGE);
    }
    let task = if word == "hint" {
        rest.into_iter().next()
    } else {
        None
    };
    let request = Request {
        word,
        task,
        json,
        color: Paint::for_stdout().on,
    };
    match ask(&Path::new(LAB_DIR).join("lab.sock"), &request) {
        // The node goes now, and this with it. What the shell would read next is for the
        // next lab.
        Ok(status::DONE) if Leave::of(&request.word).is_some() => loop {
            std::thread::park();
        },
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("kubedrill: the lab does not answer: {error}");
            ExitCode::from(status::COULD_NOT_LOOK)
        }
    }
}

fn usage(word: &str) -> &'static str {
    match word {
        "check" => "usage: check [--format json]\n\nGrades the lab as it is now.",
        "hint" => "usage: hint [TASK]\n\nTakes the next hint for a task, by its id or number.",
        "next" => "usage: next\n\nIn an exam: done with this lab, on to the next.",
        "skip" => "usage: skip\n\nIn an exam: puts this lab off until the others are done.",
        "finish" => "usage: finish\n\nIn an exam: ends it, and grades.",
        _ => "usage: task\n\nShows the tasks of this lab.",
    }
}

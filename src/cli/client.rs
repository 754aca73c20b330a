//! Asks the kubedrill that runs a lab, from inside of a node or from another terminal.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// How long a lab may take to be prepared before its silence counts.
const PATIENCE: Duration = Duration::from_secs(30);

use lab::{provision::LAB_DIR, session::Session};
use serde::Deserialize;

use crate::{
    args, clock,
    error::{Error, status},
    looking::Looking,
    question,
    serve::{self, Answer, Progress, Request},
};

/// What comes from a lab, a line each.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Answer(Answer),
    Progress(Progress),
}

/// Sends `request` to the lab behind `socket` and prints the answer. What it asks is asked
/// of the person at the terminal; without a yes nothing is done.
///
/// # Errors
/// Nobody serves the socket, or the answer is none.
pub fn ask(socket: &Path, request: &Request) -> io::Result<Asked> {
    let answer = exchange(socket, request)?;
    io::stdout().write_all(answer.text.as_bytes())?;
    if !answer.trouble.is_empty() {
        eprintln!("kubedrill: {}", answer.trouble);
    }
    if answer.question.is_empty() {
        return Ok(Asked::Done(answer.status));
    }
    if !question::sure(&answer.question) {
        eprintln!("Nothing was changed.");
        return Ok(Asked::No);
    }
    let sure = Request {
        can_ask: false,
        task: request.task.clone(),
        word: request.word.clone(),
        ..*request
    };
    ask(socket, &sure)
}

/// What became of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Done(u8),
    /// The person did not say yes.
    No,
}

fn exchange(socket: &Path, request: &Request) -> io::Result<Answer> {
    let mut stream = serve::connect(socket)?;
    serde_json::to_writer(&mut stream, request)?;
    stream.write_all(b"\n")?;
    // Machines read the grade alone.
    let looking = (!request.json).then(Looking::on_stderr);
    let mut lines = BufReader::new(&stream);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        match serde_json::from_str(&line)? {
            Line::Answer(answer) => return Ok(answer),
            Line::Progress(progress) => {
                if let Some(line) = &looking {
                    line.at(&progress.looking);
                }
            }
        }
    }
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
                let asked = other.map_err(|source| Error::Io {
                    what: "ask the kubedrill behind",
                    path,
                    source,
                })?;
                return Ok(match asked {
                    Asked::Done(status) => status,
                    Asked::No => status::NOT_SOLVED,
                });
            }
        }
    }
}

/// Whether a program of a node that is called so is a word of the lab. As verbs they name it.
pub fn is_word(name: &str) -> bool {
    matches!(name, "check" | "task" | "hint") || clock::leaves(name)
}

/// Whether this is a node of a lab, where `kubedrill` means its words.
pub fn is_on_a_node() -> bool {
    Path::new(LAB_DIR).is_dir()
}

/// `kubedrill` typed on a node; `args[0]` is the program's name. A word of the lab does what
/// it does by itself, everything else is told where it belongs.
pub fn run_on_node(mut args: Vec<OsString>) -> ExitCode {
    let word = args.get(1).map(|word| word.to_string_lossy().into_owned());
    if word.as_deref().is_some_and(is_word) {
        args.remove(0);
        return run_word(args);
    }
    let request = Request::new("words", None);
    let text = match exchange(&socket_of_node(), &request) {
        Ok(answer) => answer.text,
        Err(_) => "This is a node of a lab that does not answer. kubedrill itself is typed in \
                   another terminal of your own machine.\n"
            .to_owned(),
    };
    if matches!(word.as_deref(), Some("help" | "--help" | "-h")) {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    if let Some(word) = &word {
        // A word of the host is meant as it is.
        let near = lab::diagnostic::nearest(word, WORDS).filter(|_| !args::is_verb(word));
        let meant = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        eprintln!("kubedrill: there is no `kubedrill {word}` here{meant}");
    }
    eprint!("{text}");
    ExitCode::from(status::USAGE)
}

/// All words of nodes.
const WORDS: &[&str] = &["task", "hint", "check", "next", "skip", "goto", "finish"];

fn socket_of_node() -> PathBuf {
    Path::new(LAB_DIR).join("lab.sock")
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
    let takes_one = matches!(word.as_str(), "hint" | "goto");
    let fits = json || rest.is_empty() || (takes_one && rest.len() == 1);
    if !fits || rest.iter().any(|arg| arg.starts_with('-') && !json) {
        eprintln!(
            "kubedrill: `{word}` does not know `{}`\n{}",
            rest.join(" "),
            usage(&word)
        );
        return ExitCode::from(status::USAGE);
    }
    let task = rest.into_iter().next().filter(|_| takes_one);
    let request = Request {
        json,
        ..Request::new(&word, task)
    };
    match ask(&socket_of_node(), &request) {
        // The node goes now, and this with it. What the shell would read next is for the
        // next lab.
        Ok(Asked::Done(status::DONE)) if clock::leaves(&request.word) => loop {
            std::thread::park();
        },
        Ok(Asked::Done(status)) => ExitCode::from(status),
        Ok(Asked::No) => ExitCode::from(status::NOT_SOLVED),
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
        "next" => {
            "usage: next\n\nIn an exam: done with this lab for good, on to the next. `skip` keeps it."
        }
        "skip" => "usage: skip\n\nIn an exam: puts this lab off until the others are done.",
        "goto" => {
            "usage: goto LAB\n\nIn an exam: puts this lab off and goes to another that is open, by \
             the number that `task` shows."
        }
        "finish" => "usage: finish\n\nIn an exam: ends it, and grades.",
        _ => {
            "usage: task\n\nShows the tasks of this lab; in an exam, the other labs and the clock."
        }
    }
}

//! Answers `check`, `task`, `hint` of the nodes and of other terminals.
//!
//! One request and one answer a connection, each a line of JSON.

use std::{
    fs,
    io::{self, BufRead, BufReader, IsTerminal, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use grade::Report;
use serde::{Deserialize, Serialize};

use crate::{
    clock::{self, Clock, Said},
    error::{Error, status},
    page::Page,
    paint::Paint,
    render,
    stage::Stage,
};

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// `check`, `task`, `hint`, those of exams, and from the host `reset` and `stop`.
    pub word: String,
    /// The hint's task, or the lab to go to.
    pub task: Option<String>,
    pub json: bool,
    pub color: bool,
    /// Columns of the terminal that the answer is for.
    #[serde(default)]
    pub columns: Option<usize>,
    /// Whether a person is there who can be asked.
    #[serde(default)]
    pub can_ask: bool,
}

impl Request {
    /// A word whose answer goes to standard output.
    pub fn new(word: &str, task: Option<String>) -> Self {
        let page = Page::for_stdout();
        Self {
            word: word.to_owned(),
            task,
            json: false,
            color: page.paint.on,
            columns: page.columns,
            can_ask: io::stdin().is_terminal() && io::stderr().is_terminal(),
        }
    }
}

/// What comes before an answer, a line each.
#[derive(Debug, Serialize, Deserialize)]
pub struct Progress {
    /// What is being looked at.
    pub looking: String,
}

/// What is answered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    pub status: u8,
    /// For standard output.
    pub text: String,
    /// For standard error.
    pub trouble: String,
    /// To be answered with yes before the word does what it says; empty for nothing.
    #[serde(default)]
    pub question: String,
}

impl Answer {
    fn says(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

/// What another terminal wants of the kubedrill that runs the lab.
#[derive(Debug, Default)]
pub struct Wishes {
    pub reset: AtomicBool,
    pub stop: AtomicBool,
    /// There while the lab is one of an exam.
    pub clock: Option<Clock>,
    /// The grade that `check` told last, if it was asked.
    told: Mutex<Option<Report>>,
}

impl Wishes {
    /// Those of a lab of an exam.
    pub fn exam(clock: Clock) -> Self {
        Self {
            clock: Some(clock),
            ..Self::default()
        }
    }

    /// Whether `report` says nothing that the last `check` did not.
    pub fn was_told(&self, report: &Report) -> bool {
        let told = self.told.lock();
        told.is_ok_and(|told| told.as_ref().is_some_and(|told| told.says_as_much(report)))
    }

    /// Whether the shell shall end.
    pub fn any(&self) -> bool {
        self.reset.load(Ordering::SeqCst) || self.stop.load(Ordering::SeqCst)
    }
}

/// A path for a socket that is never too long for the kernel: it goes through this
/// process's handle of the folder.
fn short(dir: &fs::File, name: &str) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    Path::new("/proc/self/fd")
        .join(dir.as_raw_fd().to_string())
        .join(name)
}

/// Connects to the kubedrill that serves `socket`.
///
/// # Errors
/// Nobody serves it.
pub fn connect(socket: &Path) -> io::Result<UnixStream> {
    let dir = fs::File::open(socket.parent().unwrap_or(Path::new("/")))?;
    let name = socket
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    UnixStream::connect(short(&dir, name))
}

/// Serves until `done`; errors of one connection end that connection only.
///
/// # Errors
/// The socket can't be made.
pub fn listen(socket: &Path) -> Result<UnixListener, Error> {
    let io = |what| {
        move |source| Error::Io {
            what,
            path: socket.to_owned(),
            source,
        }
    };
    let dir = fs::File::open(socket.parent().unwrap_or(Path::new("/"))).map_err(io("open"))?;
    // Left by a kubedrill that was killed.
    let _ = fs::remove_file(socket);
    let listener = UnixListener::bind(short(&dir, "lab.sock")).map_err(io("make"))?;
    // A node's root is another user to the host.
    fs::set_permissions(socket, fs::Permissions::from_mode(0o777)).map_err(io("open up"))?;
    listener.set_nonblocking(true).map_err(io("listen on"))?;
    Ok(listener)
}

/// Answers what comes until `done` is set.
pub fn serve(listener: &UnixListener, stage: &Stage, wishes: &Wishes, done: &AtomicBool) {
    while !done.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => {
                let _ = answer(stream, stage, wishes);
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn answer(mut stream: UnixStream, stage: &Stage, wishes: &Wishes) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut line = String::new();
    BufReader::new(io::Read::take(&stream, 1 << 16)).read_line(&mut line)?;
    let request: Request = serde_json::from_str(&line)?;
    let looking = |what: &str| {
        let progress = Progress {
            looking: what.to_owned(),
        };
        if let Ok(mut line) = serde_json::to_vec(&progress) {
            line.push(b'\n');
            // Who went away is told nothing.
            let _ = (&stream).write_all(&line);
        }
    };
    let answer = respond(&request, stage, wishes, &looking);
    let answer = answer.unwrap_or_else(|error| Answer {
        status: error.status(),
        trouble: error.to_string(),
        ..Answer::default()
    });
    serde_json::to_writer(&mut stream, &answer)?;
    stream.write_all(b"\n")
}

fn respond(
    request: &Request,
    stage: &Stage,
    wishes: &Wishes,
    looking: &dyn Fn(&str),
) -> Result<Answer, Error> {
    let page = Page {
        paint: Paint::elsewhere(request.color),
        columns: request.columns,
    };
    if let Some(clock) = &wishes.clock {
        return exam_word(request, stage, clock, page);
    }
    let text = match request.word.as_str() {
        word if clock::leaves(word) => {
            return Err(Error::Usage(format!(
                "`{word}` is a word of exams; in a lab, `exit` leaves and grades"
            )));
        }
        "check" => return check(request, stage, wishes, page, looking),
        "task" => render::tasks(&stage.lab, page),
        "hint" => hint(stage, request.task.as_deref(), page)?,
        "words" => words(
            "lab",
            "`task`, `hint` and `check`, and `exit` leaves and grades",
            page,
        ),
        "reset" => {
            wishes.reset.store(true, Ordering::SeqCst);
            "The lab begins again.\n".into()
        }
        "stop" => {
            wishes.stop.store(true, Ordering::SeqCst);
            String::new()
        }
        other => return Err(Error::Usage(format!("`{other}` is no word of a lab"))),
    };
    Ok(Answer::says(text))
}

fn check(
    request: &Request,
    stage: &Stage,
    wishes: &Wishes,
    page: Page,
    looking: &dyn Fn(&str),
) -> Result<Answer, Error> {
    let report = stage.check(looking)?;
    stage.remember(&report)?;
    if let Ok(mut told) = wishes.told.lock() {
        *told = Some(report.clone());
    }
    let text = match request.json {
        true => json(&report)?,
        false => {
            let lab = &stage.lab;
            render::report(&report, Some(lab), page) + &render::lead_on(&report, lab, page)
        }
    };
    Ok(Answer {
        status: grade_status(&report),
        ..Answer::says(text)
    })
}

/// Which words there are on a node.
fn words(of: &str, words: &str, page: Page) -> String {
    let text = format!(
        "This is a node of the {of}. Its words are {words}. Everything else of kubedrill is typed \
         in another terminal of your own machine."
    );
    page.text("", &text) + "\n"
}

/// Answers a word in an exam, where nothing is graded and nobody helps.
fn exam_word(request: &Request, stage: &Stage, clock: &Clock, page: Page) -> Result<Answer, Error> {
    match request.word.as_str() {
        "task" => Ok(Answer::says(render::exam_tasks(&stage.lab, clock, page))),
        "words" => {
            let known = "`task`, `next`, `skip`, `goto` and `finish`; `exit` is a break";
            Ok(Answer::says(words("exam", known, page)))
        }
        word if clock::leaves(word) => {
            let said = clock.take(word, request.task.as_deref(), request.can_ask)?;
            let question = match said {
                Said::Leaves(_) => String::new(),
                Said::Asks(question) => question,
            };
            Ok(Answer {
                question,
                ..Answer::default()
            })
        }
        word => Err(Error::Usage(format!(
            "there is no `{word}` in an exam: it is graded at its end. `next` goes on, \
             `finish` ends it."
        ))),
    }
}

/// A grade as JSON, with a line's end.
///
/// # Errors
/// Never, for a report; the serializer's signature has one.
pub fn json(report: &Report) -> Result<String, Error> {
    let mut text =
        serde_json::to_string_pretty(report).map_err(|error| Error::Failed(error.to_string()))?;
    text.push('\n');
    Ok(text)
}

/// The exit status that a grade stands for.
pub fn grade_status(report: &Report) -> u8 {
    if report.solved() {
        status::DONE
    } else if report.unknown() {
        status::COULD_NOT_LOOK
    } else {
        status::NOT_SOLVED
    }
}

fn hint(stage: &Stage, wanted: Option<&str>, page: Page) -> Result<String, Error> {
    let mut record = stage.session.load()?;
    let Some(wanted) = wanted else {
        let mut text = String::from("Hints, `hint TASK` takes the next one:\n\n");
        for task in &stage.lab.tasks {
            let taken = record.hints.get(&task.id).copied().unwrap_or(0);
            let next = render::next_hint(task, taken);
            let all = task.hints.len();
            text += &format!("  {:<12} {taken} of {all} taken{next}\n", task.id);
        }
        return Ok(text);
    };
    let Some(task) = stage
        .lab
        .tasks
        .iter()
        .enumerate()
        .find_map(|(number, task)| {
            (task.id == wanted || (number + 1).to_string() == wanted).then_some(task)
        })
    else {
        let ids: Vec<_> = stage
            .lab
            .tasks
            .iter()
            .map(|task| task.id.as_str())
            .collect();
        let message = format!("there is no task `{wanted}`; there are {}", ids.join(", "));
        return Err(Error::Usage(message));
    };
    let taken = record.hints.entry(task.id.clone()).or_insert(0);
    // The last hint can be read again at no further cost.
    *taken = (*taken + 1).min(task.hints.len());
    let text = render::hint(task, *taken, page);
    stage.session.save(&record)?;
    Ok(text)
}

//! Answers `check`, `task`, `hint` of the nodes and of other terminals.
//!
//! One request and one answer a connection, each a line of JSON.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use grade::Report;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, status},
    paint::Paint,
    render,
    stage::Stage,
};

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// `check`, `task`, `hint`, and from the host `reset` and `stop`.
    pub word: String,
    /// The hint's task.
    pub task: Option<String>,
    pub json: bool,
    pub color: bool,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    pub status: u8,
    /// For standard output.
    pub text: String,
    /// For standard error.
    pub trouble: String,
}

/// What another terminal wants of the kubedrill that runs the lab.
#[derive(Debug, Default)]
pub struct Wishes {
    pub reset: AtomicBool,
    pub stop: AtomicBool,
    /// There while the lab is one of an exam.
    pub clock: Option<Clock>,
    leave: Mutex<Option<Leave>>,
    /// The grade that `check` told last, if it was asked.
    told: Mutex<Option<Report>>,
}

/// The exam that a lab is one of.
#[derive(Debug)]
pub struct Clock {
    /// `Lab 2 of 7`.
    pub place: String,
    /// Percent of the exam.
    pub weight: u32,
    pub ends: Instant,
}

/// How a lab of an exam is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    Next,
    Skip,
    Finish,
}

impl Leave {
    /// The word of a node's shell that means it.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "next" => Some(Self::Next),
            "skip" => Some(Self::Skip),
            "finish" => Some(Self::Finish),
            _ => None,
        }
    }
}

impl Wishes {
    /// Those of a lab of an exam.
    pub fn exam(clock: Clock) -> Self {
        Self {
            clock: Some(clock),
            ..Self::default()
        }
    }

    /// How long the exam's clock runs yet; `None` if there is no exam.
    pub fn time_left(&self) -> Option<Duration> {
        let clock = self.clock.as_ref()?;
        Some(clock.ends.saturating_duration_since(Instant::now()))
    }

    /// The word that leaves a lab of an exam, once it was given.
    pub fn left(&self) -> Option<Leave> {
        self.leave.lock().ok().and_then(|word| *word)
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
    let record = Mutex::new(());
    while !done.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => {
                let _ = answer(stream, stage, wishes, &record);
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn answer(
    mut stream: UnixStream,
    stage: &Stage,
    wishes: &Wishes,
    record: &Mutex<()>,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut line = String::new();
    BufReader::new(io::Read::take(&stream, 1 << 16)).read_line(&mut line)?;
    let request: Request = serde_json::from_str(&line)?;
    let answer = respond(&request, stage, wishes, record).unwrap_or_else(|error| Answer {
        status: error.status(),
        text: String::new(),
        trouble: error.to_string(),
    });
    serde_json::to_writer(&mut stream, &answer)?;
    stream.write_all(b"\n")
}

fn respond(
    request: &Request,
    stage: &Stage,
    wishes: &Wishes,
    record: &Mutex<()>,
) -> Result<Answer, Error> {
    let paint = Paint { on: request.color };
    let say = |text: String| {
        Ok(Answer {
            status: status::DONE,
            text,
            trouble: String::new(),
        })
    };
    if wishes.clock.is_some() {
        return exam_word(request, stage, wishes, paint);
    }
    match request.word.as_str() {
        "next" | "skip" | "finish" => Err(Error::Usage(format!(
            "`{}` is a word of exams; in a lab, `exit` leaves and grades",
            request.word
        ))),
        "check" => {
            let report = stage.check()?;
            if let Ok(mut told) = wishes.told.lock() {
                *told = Some(report.clone());
            }
            let text = if request.json {
                json(&report)?
            } else {
                render::report(&report, &stage.lab.review, paint)
            };
            Ok(Answer {
                status: grade_status(&report),
                text,
                trouble: String::new(),
            })
        }
        "task" => say(render::tasks(&stage.lab, paint)),
        "hint" => {
            let _one_at_a_time = record.lock();
            say(hint(stage, request.task.as_deref())?)
        }
        "reset" => {
            wishes.reset.store(true, Ordering::SeqCst);
            say("The lab begins again.\n".into())
        }
        "stop" => {
            wishes.stop.store(true, Ordering::SeqCst);
            say(String::new())
        }
        other => Err(Error::Usage(format!("`{other}` is no word of a lab"))),
    }
}

/// Answers a word in an exam, where nothing is graded and nobody helps.
fn exam_word(
    request: &Request,
    stage: &Stage,
    wishes: &Wishes,
    paint: Paint,
) -> Result<Answer, Error> {
    let word = request.word.as_str();
    let text = match (word, Leave::of(word)) {
        ("task", _) => render::exam_tasks(&stage.lab, wishes, paint),
        (_, Some(leave)) => {
            if let Ok(mut wish) = wishes.leave.lock() {
                *wish = Some(leave);
            }
            String::new()
        }
        _ => {
            return Err(Error::Usage(format!(
                "there is no `{word}` in an exam: it is graded at its end. `next` goes on, \
                 `finish` ends it."
            )));
        }
    };
    Ok(Answer {
        status: status::DONE,
        text,
        trouble: String::new(),
    })
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

fn hint(stage: &Stage, wanted: Option<&str>) -> Result<String, Error> {
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
    let text = render::hint(task, *taken);
    stage.session.save(&record)?;
    Ok(text)
}

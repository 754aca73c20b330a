//! The process on the host that keeps a fabric alive, as long as the process
//! that has started it lives. `sandbox-fabric`, with a socket as standard input:
//! the specification in, an answer out, and its end is the end of the fabric.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::link::{Event, Link, Order};
use super::state::{self, NodeEntry, Process, State};
use crate::error::{Context as _, Error, Result};
use crate::ids::IdMap;
use crate::spec::FabricSpec;
use crate::sys;

/// What a handle asks of the supervisor, one line of JSON a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Boot or reboot a node.
    Reboot(String),
    /// Kill a node.
    Kill(String),
    /// End the fabric.
    Stop,
}

/// The answer, one line of JSON.
pub(super) type Answer = std::result::Result<(), String>;

/// How long a session's last fabric may take to end before it counts as running.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

struct Supervisor {
    spec: FabricSpec,
    state: State,
    link: Link,
    child: Pid,
    lifeline: UnixStream,
    listener: UnixListener,
    /// The handle that waits for the order being carried out.
    waiting: Option<UnixStream>,
    /// Whether all nodes were up once: before that nobody finds the fabric.
    started: bool,
}

/// The applet `sandbox-fabric`.
pub(crate) fn run() -> ExitCode {
    let Ok(lifeline) = sys::inherited(0).map(UnixStream::from) else {
        eprintln!("sandbox-fabric is started by kubedrill, not by hand");
        return ExitCode::FAILURE;
    };
    // A session of its own: the terminal's Ctrl-C is meant for the starter.
    let _ = nix::unistd::setsid();
    sys::ignore_signals(&[
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGPIPE,
    ]);
    match start(&lifeline) {
        Ok((mut supervisor, lock)) => {
            let outcome = supervisor.serve();
            supervisor.end();
            drop(lock);
            if let Err(error) = outcome {
                let _ = answer(&lifeline, &Err(error.to_string()));
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = answer(&lifeline, &Err(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn answer(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn start(lifeline: &UnixStream) -> Result<(Supervisor, Flock<fs::File>)> {
    let mut line = String::new();
    BufReader::new(lifeline)
        .read_line(&mut line)
        .context("read the specification")?;
    let mut spec: FabricSpec =
        serde_json::from_str(&line).context("understand the specification")?;
    // The link in /proc leads into this mount namespace, which the fabric leaves.
    if let Ok(program) = fs::canonicalize(&spec.program) {
        spec.program = program;
    }
    let ids = IdMap::choose();
    make_directories(&spec, &ids)?;
    let lock = lock(&spec.session_dir)?;
    state::clear(&spec.session_dir);
    let directory = fs::File::open(&spec.session_dir).context("open the session's directory")?;
    let listener = UnixListener::bind(state::short_path(&directory, "fabric.sock"))
        .context("make the fabric's socket")?;
    let started = launch(&spec, &ids);
    let (child, inside, link) = match started {
        Ok(parts) => parts,
        Err(error) => {
            state::clear(&spec.session_dir);
            return Err(error);
        }
    };
    let supervisor = Process::now(std::process::id() as i32)
        .ok_or_else(|| Error::Child("cannot read /proc".to_owned()))?;
    let nodes = spec.nodes.iter().map(|node| NodeEntry {
        name: node.name.clone(),
        init: None,
    });
    let state = State {
        supervisor,
        inside,
        nodes: nodes.collect(),
        program: spec.program.clone(),
        has_users: ids.has_users(),
    };
    let lifeline = lifeline.try_clone().context("keep the lifeline")?;
    Ok((
        Supervisor {
            spec,
            state,
            link,
            child,
            lifeline,
            listener,
            waiting: None,
            started: false,
        },
        lock,
    ))
}

/// Makes the first process of the fabric and gives it its user map.
fn launch(spec: &FabricSpec, ids: &IdMap) -> Result<(Pid, Process, Link)> {
    let (ours, theirs) = Link::pair().context("make a connection")?;
    let namespaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    let forked =
        sys::fork_into(namespaces).map_err(|error| super::preflight::explain("user", &error))?;
    let Some(pid) = forked else {
        drop(ours);
        // Standard input is the starter's lifeline; the fabric must not hold it.
        if let Ok(null) = fs::File::open("/dev/null") {
            let _ = nix::unistd::dup2_stdin(&null);
        }
        super::inside::run(spec, ids, theirs);
        std::process::exit(1);
    };
    drop(theirs);
    let child = Pid::from_raw(pid);
    let give_up = |error: Error| {
        let _ = kill(child, Signal::SIGKILL);
        let _ = waitpid(child, None);
        error
    };
    let mapped = match ours.receive::<Event>() {
        Ok(Some((Event::WantsMap, _))) => ids.write(pid).context("write the lab's user map"),
        Ok(Some((Event::Failed(text), _))) => Err(Error::Child(text)),
        _ => Err(Error::Child(
            "the fabric ended while it was made".to_owned(),
        )),
    };
    mapped.map_err(give_up)?;
    ours.send(&Order::Go, None)
        .context("release the fabric")
        .map_err(give_up)?;
    let inside = Process::now(pid)
        .ok_or_else(|| Error::Child("the fabric ended while it was made".to_owned()))
        .map_err(give_up)?;
    Ok((child, inside, ours))
}

fn make_directories(spec: &FabricSpec, ids: &IdMap) -> Result<()> {
    let make = |path: &Path, mode: u32| {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
            .with_context(|| format!("make {}", path.display()))
    };
    make(&spec.session_dir, 0o700)?;
    make(&spec.session_dir.join("nodes"), 0o711)?;
    let (uid, gid) = ids.root();
    for node in &spec.nodes {
        let path = spec.session_dir.join("nodes").join(&node.name);
        make(&path, 0o700)?;
        if fs::metadata(&path).is_ok_and(|found| found.uid() != uid) {
            chown(&path, Some(uid), Some(gid))
                .with_context(|| format!("give {} to root of the lab", path.display()))?;
        }
    }
    Ok(())
}

/// Makes sure that a session has one fabric at most.
fn lock(session_dir: &Path) -> Result<Flock<fs::File>> {
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(state::lock_path(session_dir))
        .context("open the session's lock")?;
    let deadline = Instant::now() + LOCK_LIMIT;
    let mut file = file;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            // The last fabric of the session may be about to end.
            Err((unlocked, _)) if Instant::now() < deadline => {
                file = unlocked;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(_) => {
                let state = State::read(session_dir).ok().flatten();
                return Err(Error::AlreadyRunning {
                    dir: session_dir.to_owned(),
                    pid: state.map_or(0, |state| state.supervisor.pid),
                });
            }
        }
    }
}

impl Supervisor {
    /// Serves until the starter is gone, someone asks for the end, or the inside
    /// has ended.
    fn serve(&mut self) -> Result<()> {
        loop {
            let busy = self.waiting.is_some();
            let mut fds = vec![
                PollFd::new(self.lifeline.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.link.as_fd(), PollFlags::POLLIN),
            ];
            if !busy {
                fds.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
            }
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error).context("wait for events"),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
            if ready[0] {
                // Nothing is ever sent after the specification: it is the end.
                return Ok(());
            }
            if ready[1] && !self.hear_inside()? {
                return Ok(());
            }
            if ready.get(2) == Some(&true) && !self.hear_handle()? {
                return Ok(());
            }
        }
    }

    /// Whether to go on after a message from inside.
    fn hear_inside(&mut self) -> Result<bool> {
        let Some((event, pid)) = self.link.receive::<Event>().context("hear the fabric")? else {
            return Ok(false);
        };
        match event {
            Event::Up(name) => self.note(&name, Process::now(pid))?,
            Event::Down(name) => self.note(&name, None)?,
            Event::Started => {
                self.started = true;
                self.state
                    .write(&self.spec.session_dir)
                    .context("write the fabric's state")?;
                answer(&self.lifeline, &Ok(())).context("answer the starter")?;
            }
            Event::Done(outcome) => {
                if let Some(stream) = self.waiting.take() {
                    // A handle that no longer waits is no error.
                    let _ = answer(&stream, &outcome);
                }
            }
            Event::Failed(text) => return Err(Error::Child(text)),
            Event::WantsMap => {}
        }
        Ok(true)
    }

    fn note(&mut self, name: &str, init: Option<Process>) -> Result<()> {
        if let Some(node) = self.state.nodes.iter_mut().find(|node| node.name == name) {
            node.init = init;
        }
        if !self.started {
            return Ok(());
        }
        self.state
            .write(&self.spec.session_dir)
            .context("write the fabric's state")
    }

    /// Whether to go on after a request.
    fn hear_handle(&mut self) -> Result<bool> {
        let Ok((stream, _)) = self.listener.accept() else {
            return Ok(true);
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut line = String::new();
        let read = BufReader::new(&stream).read_line(&mut line);
        let request = read.ok().and_then(|_| serde_json::from_str(&line).ok());
        let order = match request {
            Some(Request::Reboot(name)) => Order::Boot(name),
            Some(Request::Kill(name)) => Order::Kill(name),
            // The answer is the end of this process.
            Some(Request::Stop) => return Ok(false),
            None => {
                let _ = answer(&stream, &Err("the request is not understood".to_owned()));
                return Ok(true);
            }
        };
        self.link.send(&order, None).context("order the fabric")?;
        self.waiting = Some(stream);
        Ok(true)
    }

    /// Kills the fabric. The kernel ends its first process last, so when that is
    /// gone, all of it is.
    fn end(&mut self) {
        let _ = kill(self.child, Signal::SIGKILL);
        let _ = waitpid(self.child, None);
        state::clear(&self.spec.session_dir);
    }
}

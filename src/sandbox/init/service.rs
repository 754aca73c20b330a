//! One service: its state and the processes that it is made of.

use std::collections::VecDeque;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use serde::{Deserialize, Serialize};

use super::unit::{Command, Type, Unit};
use super::words;
use crate::enter::{self, Plan, User};
use crate::error::{Context as _, Error, Result};
use crate::sys;

/// Where a service is in its life; systemd's sub-states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Dead,
    StartPre(usize),
    /// The main program runs but is not started yet; for `oneshot` the index of
    /// its command.
    Start(usize),
    StartPost(usize),
    Running,
    Exited,
    Reload(usize),
    Stop(usize),
    StopSignal,
    StopKill,
    AutoRestart,
    Failed,
    /// A timer that waits for its moment.
    Waiting,
}

impl Phase {
    /// systemd's ActiveState.
    pub(super) fn active(self) -> &'static str {
        match self {
            Phase::Dead => "inactive",
            Phase::Failed => "failed",
            Phase::Running | Phase::Exited | Phase::Waiting => "active",
            Phase::Reload(_) => "reloading",
            Phase::Stop(_) | Phase::StopSignal | Phase::StopKill => "deactivating",
            _ => "activating",
        }
    }

    /// systemd's SubState.
    pub(super) fn sub(self) -> &'static str {
        match self {
            Phase::Dead => "dead",
            Phase::Failed => "failed",
            Phase::Running => "running",
            Phase::Exited => "exited",
            Phase::Reload(_) => "reload",
            Phase::StartPre(_) => "start-pre",
            Phase::Start(_) => "start",
            Phase::StartPost(_) => "start-post",
            Phase::Stop(_) => "stop",
            Phase::StopSignal => "stop-sigterm",
            Phase::StopKill => "stop-sigkill",
            Phase::AutoRestart => "auto-restart",
            Phase::Waiting => "waiting",
        }
    }

    /// Whether nothing of it runs, or is to run.
    pub(super) fn is_idle(self) -> bool {
        matches!(self, Phase::Dead | Phase::Failed)
    }

    /// Whether a start or a stop has come to its end.
    pub(super) fn is_settled(self) -> bool {
        matches!(
            self,
            Phase::Dead | Phase::Failed | Phase::Running | Phase::Exited | Phase::Waiting
        )
    }
}

/// The end of a process, as systemd words it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) pid: i32,
    /// `exited`, `killed` or `dumped`.
    pub(super) code: String,
    pub(super) status: i32,
}

impl End {
    pub(super) fn of(status: WaitStatus) -> Option<End> {
        match status {
            WaitStatus::Exited(pid, status) => Some(End {
                pid: pid.as_raw(),
                code: "exited".to_owned(),
                status,
            }),
            WaitStatus::Signaled(pid, signal, dumped) => {
                let code = if dumped { "dumped" } else { "killed" }.to_owned();
                Some(End {
                    pid: pid.as_raw(),
                    code,
                    status: signal as i32,
                })
            }
            _ => None,
        }
    }

    /// Exit status 0 or a signal that asks for a clean end.
    pub(super) fn is_clean(&self) -> bool {
        if self.code == "exited" {
            return self.status == 0;
        }
        [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGPIPE].contains(&self.status)
    }

    /// As `systemctl status` writes it: a signal by its name alone.
    pub(super) fn short(&self) -> String {
        if self.code == "exited" {
            return self.words();
        }
        let name = Signal::try_from(self.status).map_or("n/a", |signal| &signal.as_str()[3..]);
        format!("code={}, signal={name}", self.code)
    }

    /// `code=exited, status=1/FAILURE`
    pub(super) fn words(&self) -> String {
        let name = if self.code == "exited" {
            match self.status {
                0 => "SUCCESS",
                1 => "FAILURE",
                2 => "INVALIDARGUMENT",
                3 => "NOTIMPLEMENTED",
                4 => "NOPERMISSION",
                5 => "NOTINSTALLED",
                6 => "NOTCONFIGURED",
                7 => "NOTRUNNING",
                200 => "CHDIR",
                203 => "EXEC",
                216 => "GROUP",
                217 => "USER",
                255 => "EXCEPTION",
                _ => "n/a",
            }
        } else {
            Signal::try_from(self.status).map_or("n/a", |signal| &signal.as_str()[3..])
        };
        if self.code == "exited" && self.status == 0 {
            return "code=exited, status=0/SUCCESS".to_owned();
        }
        format!("code={}, status={}/{name}", self.code, self.status)
    }
}

/// A service and what is known of it.
pub(super) struct Service {
    pub(super) unit: Unit,
    pub(super) phase: Phase,
    /// Microseconds since 1970 at which the phase's ActiveState began.
    pub(super) since: i64,
    pub(super) main: Option<i32>,
    /// ExecStartPre and its like.
    pub(super) control: Option<i32>,
    /// systemd's Result.
    pub(super) result: &'static str,
    /// systemd's ReloadResult.
    pub(super) reload_result: &'static str,
    pub(super) last_main: Option<End>,
    pub(super) last_control: Option<(String, End)>,
    pub(super) restarts: u32,
    pub(super) started: VecDeque<Instant>,
    /// When the present phase has taken too long, or the restart is due.
    pub(super) deadline: Option<Instant>,
    /// It came up since its last start, whatever it came to afterwards.
    pub(super) was_up: bool,
    /// A start follows the stop.
    pub(super) again: bool,
    /// Someone wants it stopped: it is not to be restarted.
    pub(super) stopping: bool,
    pub(super) status: String,
    /// When it was set going last, and when it came to its end.
    pub(super) begun: Option<Instant>,
    pub(super) ended: Option<Instant>,
    /// Of a timer: when it was started, when its next moment was set, and when it elapsed
    /// last.
    pub(super) armed: Option<Instant>,
    pub(super) set: Option<Instant>,
    pub(super) elapsed: Option<Instant>,
    /// When it elapsed last, and when it will next, in microseconds since 1970; 0 for never.
    pub(super) last_trigger: i64,
    pub(super) next_trigger: i64,
}

impl Service {
    pub(super) fn new(unit: Unit) -> Service {
        Service {
            unit,
            phase: Phase::Dead,
            since: 0,
            main: None,
            control: None,
            result: "success",
            reload_result: "success",
            last_main: None,
            last_control: None,
            restarts: 0,
            started: VecDeque::new(),
            deadline: None,
            was_up: false,
            again: false,
            stopping: false,
            status: String::new(),
            begun: None,
            ended: None,
            armed: None,
            set: None,
            elapsed: None,
            last_trigger: 0,
            next_trigger: 0,
        }
    }

    /// Enters a phase; notes the time when the ActiveState changes.
    pub(super) fn enter(&mut self, phase: Phase) {
        if phase.active() != self.phase.active() {
            self.since = jiff::Timestamp::now().as_microsecond();
        }
        match (self.phase.is_idle(), phase.is_idle()) {
            (true, false) => self.begun = Some(Instant::now()),
            (_, true) => self.ended = Some(Instant::now()),
            (false, false) => {}
        }
        match phase {
            Phase::StartPre(_) | Phase::Start(_) => self.was_up = false,
            Phase::Running | Phase::Exited => self.was_up = true,
            _ => {}
        }
        self.phase = phase;
    }

    /// Whether the failure of the main program that runs, or ran last, counts as success.
    pub(super) fn may_fail(&self) -> bool {
        let index = match self.phase {
            Phase::Start(index) => index,
            _ => 0,
        };
        let command = self.unit.start.get(index);
        command.is_some_and(|command| command.ignore_failure)
    }

    /// The name under which its output is kept.
    pub(super) fn identifier(&self, command: &Command) -> String {
        self.unit.identifier.clone().unwrap_or_else(|| {
            let program = Path::new(command.words.first().map_or("", String::as_str));
            program
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        })
    }

    fn environment(&self, user: &User) -> Result<Vec<(String, String)>> {
        let mut env = vec![("PATH".to_owned(), enter::DEFAULT_PATH.to_owned())];
        env.push(("LANG".to_owned(), "C.UTF-8".to_owned()));
        if self.unit.user.is_some() {
            env.retain(|(name, _)| name != "PATH" && name != "LANG");
            env.extend(user.login_environment());
        }
        if self.unit.kind == Type::Notify {
            env.push(("NOTIFY_SOCKET".to_owned(), super::NOTIFY_SOCKET.to_owned()));
        }
        env.extend(self.unit.environment.iter().cloned());
        for (path, optional) in &self.unit.environment_files {
            match fs::read_to_string(path) {
                Ok(text) => env.extend(words::parse_environment_file(&text)),
                Err(_) if *optional => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("read {}", path.display()));
                }
            }
        }
        if let Some(main) = self.main {
            env.push(("MAINPID".to_owned(), main.to_string()));
        }
        // The last one of a name counts.
        let mut seen = Vec::new();
        env.reverse();
        env.retain(|(name, _)| {
            !seen.contains(name) && {
                seen.push(name.clone());
                true
            }
        });
        env.reverse();
        Ok(env)
    }

    /// What must be there is looked for before anything is forked, as systemd does.
    fn check_environment_files(&self) -> Result<()> {
        for (path, optional) in &self.unit.environment_files {
            if let (Err(error), false) = (fs::File::open(path), optional) {
                let why = error.to_string();
                let why = why.split(" (os error").next().unwrap_or_default();
                return Err(Error::Unit(format!(
                    "Failed to load environment files: {why}"
                )));
            }
        }
        Ok(())
    }

    /// Forks a process of the service. Returns its PID and the end of the pipe
    /// on which its output arrives.
    pub(super) fn spawn(&self, command: &Command) -> Result<(i32, OwnedFd)> {
        self.check_environment_files()?;
        let (ours, theirs) = nix::unistd::pipe2(OFlag::O_CLOEXEC).context("make a pipe")?;
        let Some(pid) = sys::fork_into(CloneFlags::empty()).context("fork")? else {
            drop(ours);
            let (status, text) = self.become_process(command, &theirs);
            let name = command.words.first().map_or("", String::as_str);
            eprintln!("<3>{name}: {text}");
            std::process::exit(status);
        };
        Ok((pid, ours))
    }

    /// Runs in the fork; returns what went wrong with systemd's status for it.
    fn become_process(&self, command: &Command, output: &OwnedFd) -> (i32, String) {
        let _ = nix::unistd::setsid();
        let streams = || -> Result<()> {
            let null = fs::File::open("/dev/null").context("open /dev/null")?;
            nix::unistd::dup2_stdin(&null).context("set the input")?;
            nix::unistd::dup2_stdout(output).context("set the output")?;
            nix::unistd::dup2_stderr(output).context("set the output")
        };
        if let Err(error) = streams() {
            return (209, error.to_string());
        }
        let name = self
            .unit
            .user
            .as_deref()
            .filter(|_| !command.privileged)
            .unwrap_or("root");
        let mut user = match User::find(name) {
            Ok(user) => user,
            Err(_) => {
                return (
                    217,
                    format!("Failed to determine user credentials: No such process ({name})"),
                );
            }
        };
        if let Some(group) = self.unit.group.as_deref().filter(|_| !command.privileged) {
            match find_group(group) {
                Some(gid) => user.gid = gid,
                None => {
                    return (
                        216,
                        format!("Failed to determine group credentials ({group})"),
                    );
                }
            }
        }
        let env = match self.environment(&user) {
            Ok(env) => env,
            Err(error) => return (1, format!("Failed to load environment files: {error}")),
        };
        if let Some(limit) = self.unit.open_files {
            // Above the hard limit only a real root may go.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, limit, limit);
        }
        for path in &self.unit.directories {
            if fs::create_dir_all(path).is_ok() {
                let _ = std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid));
            }
        }
        let mut argv = if command.literal {
            command.words.clone()
        } else {
            words::replace_variables(&command.words, &env)
        };
        if argv.is_empty() {
            return (203, "Failed to execute command: it is empty".to_owned());
        }
        let program = argv[0].clone();
        if command.own_argv0 && argv.len() > 1 {
            argv.remove(0);
        }
        let cwd = match &self.unit.directory {
            Some(path) if path == Path::new("~") => user.home.clone(),
            Some(path) => path
                .strip_prefix("-")
                .map_or_else(|_| path.clone(), PathBuf::from),
            None => PathBuf::from("/"),
        };
        if !cwd.is_dir() {
            let shown = cwd.display();
            return (
                200,
                format!("Changing to the requested working directory failed: {shown}"),
            );
        }
        if let Err(error) = user.become_it() {
            return (217, format!("Failed to set up user: {error}"));
        }
        let user = User {
            uid: 0,
            gid: 0,
            ..user
        };
        let plan = Plan {
            argv,
            env,
            cwd,
            cwd_or_root: false,
            user,
            tied: false,
            program: Some(program),
        };
        let (_, text) = enter::execute_as_is(&plan);
        (203, format!("Failed to execute command: {text}"))
    }
}

fn find_group(name: &str) -> Option<u32> {
    let text = fs::read_to_string("/etc/group").ok()?;
    text.lines()
        .find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.first() == Some(&name)).then(|| fields.get(2)?.parse().ok())?
        })
        .or_else(|| name.parse().ok())
}

/// The processes of the sessions that were begun by `leaders`: a service's, as
/// each of its commands begins one.
pub(super) fn members(leaders: &[i32]) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
                return false;
            };
            let Some(at) = stat.rfind(')') else {
                return false;
            };
            // state, parent, group, session
            let session = stat[at + 1..]
                .split_whitespace()
                .nth(3)
                .and_then(|n| n.parse().ok());
            session.is_some_and(|session: i32| leaders.contains(&session))
        })
        .collect()
}

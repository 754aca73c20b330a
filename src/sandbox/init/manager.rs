//! The life of services: starts, stops, restarts, and the loop of process 1.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::journal::Journal;
use super::service::{End, Phase, Service, members};
use super::unit::{self, Restart, Type, Unit};
use crate::error::Result;

/// Output of one process on its way into the journal.
pub(super) struct Pipe {
    pub(super) file: fs::File,
    unit: String,
    identifier: String,
    pid: i32,
    pending: Vec<u8>,
}

/// How starting or stopping went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Outcome {
    Done,
    /// systemd's word for the reason.
    Failed(String),
    NotFound,
    Refused(String),
}

/// All services of a node.
pub(super) struct Manager {
    pub(super) services: BTreeMap<String, Service>,
    pub(super) pipes: Vec<Pipe>,
    pub(super) journal: Journal,
    /// Sessions of a service's earlier commands, for killing what they left.
    leaders: BTreeMap<String, Vec<i32>>,
}

impl Manager {
    pub(super) fn new() -> Manager {
        Manager {
            services: BTreeMap::new(),
            pipes: Vec::new(),
            journal: Journal::open(),
            leaders: BTreeMap::new(),
        }
    }

    /// Loads a unit that is not loaded yet. `Ok(false)`: there is none.
    pub(super) fn load(&mut self, name: &str) -> Result<bool> {
        if self.services.contains_key(name) {
            return Ok(true);
        }
        let Some(unit) = Unit::load(name)? else {
            return Ok(false);
        };
        self.services.insert(name.to_owned(), Service::new(unit));
        Ok(true)
    }

    /// Reads all unit files again; what runs goes on.
    pub(super) fn reload_files(&mut self) {
        self.services
            .retain(|name, service| match Unit::load(name) {
                Ok(Some(unit)) => {
                    service.unit = unit;
                    true
                }
                _ => service.phase != Phase::Dead && service.phase != Phase::Failed,
            });
    }

    /// Starts a service unless it is started or being so.
    pub(super) fn start(&mut self, name: &str) -> Outcome {
        match self.load(name) {
            Ok(true) => {}
            Ok(false) => return Outcome::NotFound,
            Err(error) => return Outcome::Refused(error.to_string()),
        }
        let needs = self.services[name].unit.needs.clone();
        for other in needs
            .iter()
            .filter(|other| other.ends_with(".service") && *other != name)
        {
            if self
                .services
                .get(other)
                .is_none_or(|service| service.phase == Phase::Dead)
            {
                self.start(other);
            }
        }
        let Some(service) = self.services.get_mut(name) else {
            return Outcome::NotFound;
        };
        if let Some(reason) = &service.unit.refused {
            return Outcome::Refused(reason.clone());
        }
        match service.phase {
            Phase::Running | Phase::Exited | Phase::Reload(_) => return Outcome::Done,
            Phase::StartPre(_) | Phase::Start(_) | Phase::StartPost(_) => return Outcome::Done,
            Phase::Stop(_) | Phase::StopSignal | Phase::StopKill => {
                service.again = true;
                return Outcome::Done;
            }
            Phase::Dead | Phase::Failed | Phase::AutoRestart => {}
        }
        if name.ends_with(".target") {
            service.enter(Phase::Exited);
            return Outcome::Done;
        }
        if let Some((interval, burst)) = service.unit.start_limit {
            let now = Instant::now();
            service
                .started
                .retain(|then| now.duration_since(*then) < interval);
            if service.started.len() >= burst as usize {
                service.result = "start-limit-hit";
                service.enter(Phase::Failed);
                self.journal.tell(
                    name,
                    &format!("{name}: Start request repeated too quickly."),
                );
                self.journal.tell(
                    name,
                    &format!("{name}: Failed with result 'start-limit-hit'."),
                );
                return Outcome::Failed("start-limit-hit".to_owned());
            }
            service.started.push_back(now);
        }
        service.result = "success";
        service.stopping = false;
        service.again = false;
        service.restarts = 0;
        service.status.clear();
        service.last_main = None;
        service.last_control = None;
        let text = format!("Starting {name} - {}...", service.unit.description);
        service.deadline = service
            .unit
            .start_timeout
            .map(|limit| Instant::now() + limit);
        service.enter(Phase::StartPre(0));
        self.journal.tell(name, &text);
        self.leaders.remove(name);
        self.step(name);
        Outcome::Done
    }

    /// Begins the command that the phase stands for, or goes on to the next
    /// phase when there is none.
    fn step(&mut self, name: &str) {
        loop {
            let Some(service) = self.services.get_mut(name) else {
                return;
            };
            let unit = &service.unit;
            let (command, what) = match service.phase {
                Phase::StartPre(n) => (unit.start_pre.get(n).cloned(), "ExecStartPre"),
                Phase::Start(n) => (unit.start.get(n).cloned(), "ExecStart"),
                Phase::StartPost(n) => (unit.start_post.get(n).cloned(), "ExecStartPost"),
                Phase::Reload(n) => (unit.reload.get(n).cloned(), "ExecReload"),
                Phase::Stop(n) => (unit.stop.get(n).cloned(), "ExecStop"),
                _ => return,
            };
            let Some(command) = command else {
                match service.phase {
                    Phase::StartPre(_) => service.enter(Phase::Start(0)),
                    // The last command of a oneshot has ended.
                    Phase::Start(_) => service.enter(Phase::StartPost(0)),
                    Phase::StartPost(_) => return self.settle_start(name),
                    Phase::Reload(_) => {
                        service.deadline = None;
                        return service.enter(Phase::Running);
                    }
                    _ => return self.signal_stop(name),
                }
                continue;
            };
            let identifier = service.identifier(&command);
            let (pid, output) = match service.spawn(&command) {
                Ok(spawned) => spawned,
                Err(error) => {
                    self.journal
                        .tell(name, &format!("{name}: Failed to spawn: {error}"));
                    return self.fail(name, "resources");
                }
            };
            self.leaders.entry(name.to_owned()).or_default().push(pid);
            let file = fs::File::from(output);
            set_nonblocking(&file);
            self.pipes.push(Pipe {
                file,
                unit: name.to_owned(),
                identifier,
                pid,
                pending: Vec::new(),
            });
            if what != "ExecStart" {
                service.control = Some(pid);
                return;
            }
            service.main = Some(pid);
            if !matches!(service.unit.kind, Type::Simple | Type::Exec) {
                // Until READY=1, or until the program has ended.
                return;
            }
            service.enter(Phase::StartPost(0));
        }
    }

    /// The start is over, well.
    fn settle_start(&mut self, name: &str) {
        let Some(service) = self.services.get_mut(name) else {
            return;
        };
        service.deadline = None;
        let text = format!("{name} - {}", service.unit.description);
        if service.main.is_some() {
            service.enter(Phase::Running);
            self.journal.tell(name, &format!("Started {text}."));
        } else if service.unit.kind == Type::Oneshot {
            let stays = service.unit.remain_after_exit;
            service.enter(if stays { Phase::Exited } else { Phase::Dead });
            self.journal.tell(name, &format!("Finished {text}."));
        } else {
            // It ended while ExecStartPost ran.
            self.main_ended(name);
        }
    }

    /// A message of sd_notify(3) from a process.
    pub(super) fn notified(&mut self, pid: i32, message: &str) {
        let owner = self.services.iter().find_map(|(name, service)| {
            let own = service.main == Some(pid)
                || members(self.leaders.get(name).map_or(&[], Vec::as_slice)).contains(&pid);
            own.then(|| name.clone())
        });
        let Some(name) = owner else { return };
        let Some(service) = self.services.get_mut(&name) else {
            return;
        };
        for line in message.lines() {
            if let Some(text) = line.strip_prefix("STATUS=") {
                service.status = text.to_owned();
            }
            if let Some(main) = line
                .strip_prefix("MAINPID=")
                .and_then(|text| text.parse().ok())
            {
                service.main = Some(main);
            }
        }
        if message.lines().any(|line| line == "READY=1") && matches!(service.phase, Phase::Start(_))
        {
            service.enter(Phase::StartPost(0));
            self.step(&name);
        }
    }

    /// A process has ended. Whether it belonged to a service.
    pub(super) fn ended(&mut self, end: &End) {
        let owner = self.services.iter().find_map(|(name, service)| {
            (service.main == Some(end.pid) || service.control == Some(end.pid))
                .then(|| name.clone())
        });
        let Some(name) = owner else { return };
        self.drain(&name);
        let Some(service) = self.services.get_mut(&name) else {
            return;
        };
        if service.control == Some(end.pid) {
            service.control = None;
            return self.control_ended(&name, end);
        }
        service.main = None;
        service.last_main = Some(end.clone());
        if !end.is_clean() {
            let text = format!("{name}: Main process exited, {}", end.words());
            self.journal.tell(&name, &text);
        }
        self.main_ended(&name);
    }

    fn control_ended(&mut self, name: &str, end: &End) {
        let Some(service) = self.services.get_mut(name) else {
            return;
        };
        let (commands, what) = match service.phase {
            Phase::StartPre(_) => (&service.unit.start_pre, "ExecStartPre"),
            Phase::StartPost(_) => (&service.unit.start_post, "ExecStartPost"),
            Phase::Reload(_) => (&service.unit.reload, "ExecReload"),
            Phase::Stop(_) => (&service.unit.stop, "ExecStop"),
            // Killed on the way down.
            _ => return self.check_stopped(name),
        };
        let index = match service.phase {
            Phase::StartPre(n) | Phase::StartPost(n) | Phase::Reload(n) | Phase::Stop(n) => n,
            _ => 0,
        };
        let command = commands.get(index);
        let ignored = command.is_some_and(|command| command.ignore_failure);
        let shown = command
            .map(|command| command.words.join(" "))
            .unwrap_or_default();
        service.last_control = Some((format!("{what}={shown}"), end.clone()));
        let bad = !end.is_clean() && !ignored;
        if bad {
            let text = format!("{name}: Control process exited, {}", end.words());
            self.journal.tell(name, &text);
        }
        match service.phase {
            Phase::StartPre(_) | Phase::StartPost(_) if bad => {
                let result = if end.code == "exited" {
                    "exit-code"
                } else {
                    "signal"
                };
                return self.fail(name, result);
            }
            Phase::Reload(_) if bad => {
                service.deadline = None;
                return service.enter(Phase::Running);
            }
            Phase::StartPre(n) => service.phase = Phase::StartPre(n + 1),
            Phase::StartPost(n) => service.phase = Phase::StartPost(n + 1),
            Phase::Reload(n) => service.phase = Phase::Reload(n + 1),
            Phase::Stop(n) => service.phase = Phase::Stop(n + 1),
            _ => {}
        }
        self.step(name);
    }

    /// The main program is gone; what that means depends on the phase.
    fn main_ended(&mut self, name: &str) {
        let Some(service) = self.services.get_mut(name) else {
            return;
        };
        let end = service.last_main.clone();
        let clean = end.as_ref().is_none_or(|end| {
            end.is_clean()
                || service
                    .unit
                    .start
                    .first()
                    .is_some_and(|first| first.ignore_failure)
        });
        let result = match &end {
            _ if clean => "success",
            Some(end) if end.code == "exited" => "exit-code",
            _ => "signal",
        };
        match service.phase {
            Phase::Start(n) if service.unit.kind == Type::Oneshot && clean => {
                service.phase = Phase::Start(n + 1);
                self.step(name);
            }
            // It ended before it said READY=1.
            Phase::Start(_) => self.fail(name, if clean { "protocol" } else { result }),
            // Told when ExecStartPost has ended.
            Phase::StartPost(_) if service.control.is_some() => {}
            Phase::Stop(_) => {}
            Phase::StopSignal | Phase::StopKill => self.check_stopped(name),
            _ if clean && service.unit.remain_after_exit => service.enter(Phase::Exited),
            _ => {
                service.result = result;
                if result == "success" {
                    let text = format!("{name}: Deactivated successfully.");
                    self.journal.tell(name, &text);
                }
                self.signal_stop(name);
            }
        }
    }

    /// Ends what is left of a service that could not be started.
    fn fail(&mut self, name: &str, result: &'static str) {
        if let Some(service) = self.services.get_mut(name) {
            service.result = result;
        }
        self.signal_stop(name);
    }

    /// Stops a service. Its end is told by its phase.
    pub(super) fn stop(&mut self, name: &str) -> Outcome {
        match self.load(name) {
            Ok(true) => {}
            Ok(false) => return Outcome::NotFound,
            Err(error) => return Outcome::Refused(error.to_string()),
        }
        let Some(service) = self.services.get_mut(name) else {
            return Outcome::NotFound;
        };
        service.stopping = true;
        service.again = false;
        match service.phase {
            Phase::Dead | Phase::Failed => {}
            Phase::Stop(_) | Phase::StopSignal | Phase::StopKill => {}
            Phase::AutoRestart => {
                service.deadline = None;
                service.enter(Phase::Dead);
            }
            _ => {
                let text = format!("Stopping {name} - {}...", service.unit.description);
                let runs = service.main.is_some();
                service.deadline = service
                    .unit
                    .stop_timeout
                    .map(|limit| Instant::now() + limit);
                service.enter(Phase::Stop(0));
                self.journal.tell(name, &text);
                if runs {
                    self.step(name)
                } else {
                    self.signal_stop(name)
                }
            }
        }
        Outcome::Done
    }

    /// Stops, then starts.
    pub(super) fn restart(&mut self, name: &str) -> Outcome {
        let outcome = self.stop(name);
        if outcome != Outcome::Done {
            return outcome;
        }
        let Some(service) = self.services.get_mut(name) else {
            return Outcome::NotFound;
        };
        if matches!(service.phase, Phase::Dead | Phase::Failed) {
            return self.start(name);
        }
        service.again = true;
        Outcome::Done
    }

    /// Runs ExecReload.
    pub(super) fn reload(&mut self, name: &str) -> Outcome {
        if !matches!(self.load(name), Ok(true)) {
            return Outcome::NotFound;
        }
        let Some(service) = self.services.get_mut(name) else {
            return Outcome::NotFound;
        };
        if service.phase != Phase::Running {
            return Outcome::Refused(format!("{name} is not active, cannot reload."));
        }
        if service.unit.reload.is_empty() {
            return Outcome::Refused(format!(
                "Job type reload is not applicable for unit {name}."
            ));
        }
        service.deadline = service
            .unit
            .start_timeout
            .map(|limit| Instant::now() + limit);
        service.enter(Phase::Reload(0));
        self.step(name);
        Outcome::Done
    }

    fn processes(&self, name: &str) -> Vec<i32> {
        members(self.leaders.get(name).map_or(&[], Vec::as_slice))
    }

    fn signal_stop(&mut self, name: &str) {
        let left = self.processes(name);
        let Some(service) = self.services.get_mut(name) else {
            return;
        };
        let signal = service.unit.kill_signal;
        let main_only = service.unit.kill_main_only && service.main.is_some();
        service.enter(Phase::StopSignal);
        let limit = service.unit.stop_timeout.unwrap_or(Duration::from_secs(90));
        service.deadline = Some(Instant::now() + limit);
        for pid in left
            .into_iter()
            .filter(|pid| !main_only || service.main == Some(*pid))
        {
            send(pid, signal);
            send(pid, libc::SIGCONT);
        }
        self.check_stopped(name);
    }

    /// Whether nothing is left of a service that is being stopped; then it is
    /// dead, failed, or due to start again.
    pub(super) fn check_stopped(&mut self, name: &str) {
        let Some(service) = self.services.get(name) else {
            return;
        };
        if !matches!(service.phase, Phase::StopSignal | Phase::StopKill)
            || service.main.is_some()
            || service.control.is_some()
        {
            return;
        }
        let left = self.processes(name);
        if !left.is_empty() {
            if service.unit.kill_main_only || service.phase == Phase::StopKill {
                left.into_iter().for_each(|pid| send(pid, libc::SIGKILL));
            }
            return;
        }
        self.stopped(name);
    }

    fn stopped(&mut self, name: &str) {
        let Some(service) = self.services.get_mut(name) else {
            return;
        };
        service.deadline = None;
        let failed = service.result != "success";
        let end = service.last_main.clone();
        let restart =
            !service.stopping && wants_restart(&service.unit, service.result, end.as_ref());
        let (again, stopping) = (service.again, service.stopping);
        if failed {
            let text = format!("{name}: Failed with result '{}'.", service.result);
            self.journal.tell(name, &text);
        }
        let text = format!("{name} - {}", service.unit.description);
        if stopping {
            if !failed {
                self.journal
                    .tell(name, &format!("{name}: Deactivated successfully."));
            }
            self.journal.tell(name, &format!("Stopped {text}."));
        } else if failed
            && !matches!(service.phase, Phase::Running)
            && service.unit.kind != Type::Simple
        {
            self.journal.tell(name, &format!("Failed to start {text}."));
        }
        if again {
            service.enter(Phase::Dead);
            self.start(name);
        } else if restart {
            service.restarts += 1;
            let count = service.restarts;
            service.deadline = Some(Instant::now() + service.unit.restart_delay);
            service.enter(Phase::AutoRestart);
            let text = format!("{name}: Scheduled restart job, restart counter is at {count}.");
            self.journal.tell(name, &text);
        } else {
            service.enter(if failed { Phase::Failed } else { Phase::Dead });
        }
    }

    /// When something has to happen without an event.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.services
            .values()
            .filter_map(|service| service.deadline)
            .min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        let due: Vec<String> = self
            .services
            .iter()
            .filter(|(_, service)| service.deadline.is_some_and(|deadline| deadline <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            let Some(service) = self.services.get_mut(&name) else {
                continue;
            };
            service.deadline = None;
            match service.phase {
                Phase::AutoRestart => {
                    let restarts = service.restarts;
                    self.start(&name);
                    if let Some(service) = self.services.get_mut(&name) {
                        service.restarts = restarts;
                    }
                }
                Phase::StopSignal | Phase::Stop(_) => {
                    service.result = "timeout";
                    service.enter(Phase::StopKill);
                    let text = format!("{name}: State 'stop-sigterm' timed out. Killing.");
                    self.journal.tell(&name, &text);
                    self.processes(&name)
                        .into_iter()
                        .for_each(|pid| send(pid, libc::SIGKILL));
                    self.check_stopped(&name);
                }
                Phase::StartPre(_) | Phase::Start(_) | Phase::StartPost(_) => {
                    let text = format!(
                        "{name}: {} operation timed out. Terminating.",
                        service.phase.sub()
                    );
                    self.journal.tell(&name, &text);
                    self.fail(&name, "timeout");
                }
                _ => {}
            }
        }
    }

    /// Whether any service is on its way down, for processes that are nobody's
    /// children but a service's members.
    pub(super) fn recheck(&mut self) {
        let names: Vec<String> = self
            .services
            .iter()
            .filter(|(_, service)| matches!(service.phase, Phase::StopSignal | Phase::StopKill))
            .map(|(name, _)| name.clone())
            .collect();
        names.iter().for_each(|name| self.check_stopped(name));
    }

    /// Sends a signal to a service's processes.
    pub(super) fn kill(&self, name: &str, signal: i32) {
        self.processes(name)
            .into_iter()
            .for_each(|pid| send(pid, signal));
    }

    /// Reads what a service has printed so far, so that it stands before its end
    /// in the journal.
    fn drain(&mut self, name: &str) {
        for index in (0..self.pipes.len()).rev() {
            if self.pipes[index].unit == name {
                self.pump(index);
            }
        }
    }

    /// Moves output into the journal; a pipe that is closed is dropped.
    pub(super) fn pump(&mut self, index: usize) {
        let mut bytes = [0; 65536];
        loop {
            let pipe = &mut self.pipes[index];
            match pipe.file.read(&mut bytes) {
                Ok(length) if length > 0 => {
                    pipe.pending.extend_from_slice(&bytes[..length]);
                    while let Some(end) = pipe.pending.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = pipe.pending.drain(..=end).collect();
                        let text = String::from_utf8_lossy(&line[..end]);
                        self.journal
                            .write(&pipe.unit, &pipe.identifier, pipe.pid, &text);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => {
                    let pipe = self.pipes.remove(index);
                    if !pipe.pending.is_empty() {
                        let text = String::from_utf8_lossy(&pipe.pending);
                        self.journal
                            .write(&pipe.unit, &pipe.identifier, pipe.pid, &text);
                    }
                    return;
                }
            }
        }
    }

    /// Starts what `multi-user.target` and its like want, as it was enabled.
    pub(super) fn start_enabled(&mut self) {
        let mut names = Vec::new();
        for target in [
            "sysinit",
            "basic",
            "multi-user",
            "graphical",
            "default",
            "network-online",
        ] {
            for kind in ["wants", "requires"] {
                let path = format!("/etc/systemd/system/{target}.target.{kind}");
                let entries = fs::read_dir(path).into_iter().flatten().flatten();
                names.extend(entries.filter_map(|entry| entry.file_name().into_string().ok()));
            }
        }
        names.sort();
        names.dedup();
        let mut ordered = Vec::new();
        for name in &names {
            self.order(name, &names, &mut ordered, 0);
        }
        for name in ordered {
            if let Outcome::Refused(reason) = self.start(&name) {
                self.journal.tell(&name, &format!("{name}: {reason}"));
            }
        }
    }

    fn order(&mut self, name: &str, all: &[String], ordered: &mut Vec<String>, depth: usize) {
        if ordered.iter().any(|known| known == name) || depth > all.len() {
            return;
        }
        if let Ok(true) = self.load(name) {
            let after = self.services[name].unit.after.clone();
            for other in after.iter().filter(|other| all.contains(other)) {
                self.order(other, all, ordered, depth + 1);
            }
        }
        if !ordered.iter().any(|known| known == name) {
            ordered.push(name.to_owned());
        }
    }

    /// Asks all services to stop.
    pub(super) fn stop_all(&mut self) {
        let names: Vec<String> = self.services.keys().cloned().collect();
        for name in names {
            self.stop(&name);
        }
    }

    /// Whether every service has stopped.
    pub(super) fn all_stopped(&self) -> bool {
        self.services.values().all(|service| {
            matches!(service.phase, Phase::Dead | Phase::Failed)
                || service.unit.name.ends_with(".target")
        })
    }
}

fn send(pid: i32, signal: i32) {
    if let Ok(signal) = Signal::try_from(signal) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn set_nonblocking(file: &fs::File) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    debug_assert!(file.as_raw_fd() > 2, "standard streams are not ours");
    let _ = fcntl(file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
}

/// Restart= of systemd.service(5), table 1.
fn wants_restart(unit: &Unit, result: &str, end: Option<&End>) -> bool {
    let exited_badly = result == "exit-code";
    let killed = result == "signal";
    let timeout = matches!(result, "timeout" | "watchdog" | "protocol" | "resources");
    let aborted = killed && end.is_some_and(|end| end.code != "exited");
    match unit.restart {
        Restart::No => false,
        Restart::Always => unit.kind != Type::Oneshot || result != "success",
        Restart::OnSuccess => result == "success",
        Restart::OnFailure => exited_badly || killed || timeout,
        Restart::OnAbnormal => killed || timeout,
        Restart::OnAbort => aborted,
    }
}

/// The names of all unit files, for `list-unit-files`.
pub(super) fn all_files() -> Vec<String> {
    let mut names: Vec<String> = unit::PATHS
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".service") || name.ends_with(".target"))
        .collect();
    names.sort();
    names.dedup();
    names
}

impl Manager {
    /// The sessions that a service's commands have begun.
    pub(super) fn leaders_of(&self, name: &str) -> Vec<i32> {
        self.leaders.get(name).cloned().unwrap_or_default()
    }
}

//! The life of services: how they start and what their ends mean.

mod boot;
mod output;
mod stop;
mod timers;

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use super::journal::Journal;
use super::service::{End, Phase, Service, members};
use super::unit::{Type, Unit};
use crate::error::Result;

pub(super) use boot::all_files;

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

/// Why a service that does not run can't be reloaded; its name stands before it.
pub(super) const NOT_ACTIVE: &str = "is not active, cannot reload.";

/// All services of a node.
pub(super) struct Manager {
    pub(super) services: BTreeMap<String, Service>,
    pub(super) pipes: Vec<Pipe>,
    pub(super) journal: Journal,
    /// Sessions of a service's earlier commands, for killing what they left.
    leaders: BTreeMap<String, Vec<i32>>,
    /// When the node began.
    booted: Instant,
}

impl Manager {
    pub(super) fn new() -> Manager {
        Manager {
            services: BTreeMap::new(),
            pipes: Vec::new(),
            journal: Journal::open(),
            leaders: BTreeMap::new(),
            booted: Instant::now(),
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
            Phase::Running | Phase::Exited | Phase::Reload(_) | Phase::Waiting => {
                return Outcome::Done;
            }
            Phase::StartPre(_) | Phase::Start(_) | Phase::StartPost(_) => return Outcome::Done,
            Phase::Stop(_) | Phase::StopSignal | Phase::StopKill => {
                service.again = true;
                return Outcome::Done;
            }
            Phase::Dead | Phase::Failed | Phase::AutoRestart => {}
        }
        if name.ends_with(".timer") {
            return self.start_timer(name);
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
        service.reload_result = "success";
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
                    Phase::Reload(_) => return self.end_reload(name, "success"),
                    _ => return self.signal_stop(name),
                }
                continue;
            };
            let identifier = service.identifier(&command);
            let (pid, output) = match service.spawn(&command) {
                Ok(spawned) => spawned,
                Err(error) => {
                    self.journal.tell(name, &format!("{name}: {error}"));
                    let phase = service.phase;
                    return match phase {
                        Phase::Reload(_) => self.end_reload(name, "resources"),
                        _ => self.fail(name, "resources"),
                    };
                }
            };
            self.leaders.entry(name.to_owned()).or_default().push(pid);
            let file = fs::File::from(output);
            output::set_nonblocking(&file);
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
        if !end.is_clean() && !service.may_fail() {
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
                let exited = end.code == "exited";
                return self.end_reload(name, if exited { "exit-code" } else { "signal" });
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
        let clean = end
            .as_ref()
            .is_none_or(|end| end.is_clean() || service.may_fail());
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
            Phase::Start(_) if service.unit.kind == Type::Forking && clean => {
                self.adopt_daemon(name);
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

    /// The program of a forking service has ended; what it left behind is the service.
    fn adopt_daemon(&mut self, name: &str) {
        let left = members(&self.leaders_of(name));
        let Some(service) = self.services.get_mut(name) else {
            return;
        };
        let told = service.unit.pid_file.as_ref().map(|path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            (path.display().to_string(), text.trim().parse::<i32>().ok())
        });
        let main = match told {
            Some((_, Some(pid))) => Some(pid),
            Some((path, None)) => {
                let text = format!("{name}: Can't open PID file {path} after start");
                self.journal.tell(name, &text);
                return self.fail(name, "protocol");
            }
            None => left.first().copied(),
        };
        let Some(main) = main else {
            // Nothing was left behind: it has done its work.
            return self.signal_stop(name);
        };
        // A daemon begins a session of its own, by which its children are found.
        if let Ok(session) = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(main))) {
            let leaders = self.leaders.entry(name.to_owned()).or_default();
            leaders.extend([session.as_raw(), main]);
        }
        service.main = Some(main);
        service.enter(Phase::StartPost(0));
        self.step(name);
    }

    /// Ends what is left of a service that could not be started.
    fn fail(&mut self, name: &str, result: &'static str) {
        if let Some(service) = self.services.get_mut(name) {
            service.result = result;
        }
        self.signal_stop(name);
    }

    /// The sessions that a service's commands have begun.
    pub(super) fn leaders_of(&self, name: &str) -> Vec<i32> {
        self.leaders.get(name).cloned().unwrap_or_default()
    }
}

//! Stops, restarts and what is due by the clock.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::service::{End, Phase, members};
use super::super::unit::{Restart, Type, Unit};
use super::{Manager, NOT_ACTIVE, Outcome};

impl Manager {
    /// Stops a service. Its end is told by its phase.
    pub(in super::super) fn stop(&mut self, name: &str) -> Outcome {
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
            Phase::Waiting => {
                let text = format!("Stopped {name} - {}.", service.unit.description);
                service.deadline = None;
                service.elapsed = None;
                service.enter(Phase::Dead);
                self.journal.tell(name, &text);
            }
            _ => {
                let text = format!("Stopping {name} - {}...", service.unit.description);
                let runs = service.main.is_some() || service.phase == Phase::Exited;
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
    pub(in super::super) fn restart(&mut self, name: &str) -> Outcome {
        let outcome = self.stop(name);
        if outcome != Outcome::Done {
            return outcome;
        }
        let Some(service) = self.services.get_mut(name) else {
            return Outcome::NotFound;
        };
        if service.phase.is_idle() {
            return self.start(name);
        }
        service.again = true;
        Outcome::Done
    }

    /// Runs ExecReload.
    pub(in super::super) fn reload(&mut self, name: &str) -> Outcome {
        if !matches!(self.load(name), Ok(true)) {
            return Outcome::NotFound;
        }
        let Some(service) = self.services.get_mut(name) else {
            return Outcome::NotFound;
        };
        if service.unit.reload.is_empty() {
            return Outcome::Refused(format!(
                "Job type reload is not applicable for unit {name}."
            ));
        }
        if matches!(service.phase, Phase::Reload(_)) {
            return Outcome::Done;
        }
        if service.phase != Phase::Running {
            return Outcome::Refused(NOT_ACTIVE.to_owned());
        }
        service.reload_result = "success";
        service.deadline = service
            .unit
            .start_timeout
            .map(|limit| Instant::now() + limit);
        let text = format!("Reloading {name} - {}...", service.unit.description);
        service.enter(Phase::Reload(0));
        self.journal.tell(name, &text);
        self.step(name);
        Outcome::Done
    }

    /// The commands of ExecReload are over; the service goes on in either case.
    pub(super) fn end_reload(&mut self, name: &str, result: &'static str) {
        let Some(service) = self.services.get_mut(name) else {
            return;
        };
        service.deadline = None;
        // One that was killed because it took too long has failed for that reason.
        if service.reload_result == "success" {
            service.reload_result = result;
        }
        let what = match service.reload_result {
            "success" => "Reloaded",
            _ => "Reload failed for",
        };
        let text = format!("{what} {name} - {}.", service.unit.description);
        service.enter(Phase::Running);
        self.journal.tell(name, &text);
    }

    fn processes(&self, name: &str) -> Vec<i32> {
        members(self.leaders.get(name).map_or(&[], Vec::as_slice))
    }

    pub(in super::super) fn signal_stop(&mut self, name: &str) {
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
    pub(in super::super) fn check_stopped(&mut self, name: &str) {
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
            && !service.was_up
            && (service.unit.kind != Type::Simple || service.result == "resources")
        {
            self.journal.tell(name, &format!("Failed to start {text}."));
        }
        if again {
            // Whatever comes of it, who waits for the restart has waited enough.
            service.again = false;
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
    pub(in super::super) fn next_deadline(&self) -> Option<Instant> {
        self.services
            .values()
            .filter_map(|service| service.deadline)
            .min()
    }

    /// Does what is due.
    pub(in super::super) fn tick(&mut self) {
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
                Phase::Waiting => self.elapse(&name),
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
                Phase::Reload(_) => {
                    service.reload_result = "timeout";
                    let text =
                        format!("{name}: Reload operation timed out. Killing reload process.");
                    if let Some(control) = service.control {
                        send(control, libc::SIGKILL);
                    }
                    self.journal.tell(&name, &text);
                }
                _ => {}
            }
        }
    }

    /// Whether any service is on its way down, for processes that are nobody's
    /// children but a service's members.
    pub(in super::super) fn recheck(&mut self) {
        let names: Vec<String> = self
            .services
            .iter()
            .filter(|(_, service)| matches!(service.phase, Phase::StopSignal | Phase::StopKill))
            .map(|(name, _)| name.clone())
            .collect();
        names.iter().for_each(|name| self.check_stopped(name));
    }

    /// Sends a signal to a service's processes.
    pub(in super::super) fn kill(&self, name: &str, signal: i32) {
        self.processes(name)
            .into_iter()
            .for_each(|pid| send(pid, signal));
    }

    /// Asks all services to stop.
    pub(in super::super) fn stop_all(&mut self) {
        let names: Vec<String> = self.services.keys().cloned().collect();
        for name in names {
            self.stop(&name);
        }
    }

    /// Whether every service has stopped.
    pub(in super::super) fn all_stopped(&self) -> bool {
        self.services
            .values()
            .all(|service| service.phase.is_idle() || service.unit.name.ends_with(".target"))
    }
}

fn send(pid: i32, signal: i32) {
    if let Ok(signal) = Signal::try_from(signal) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
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

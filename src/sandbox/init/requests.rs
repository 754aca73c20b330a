//! Process 1 answers `systemctl`.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use super::Init;
use super::manager::Outcome;
use super::protocol::{Info, Request, Response};
use super::service::{self, Phase};

/// A `systemctl` that waits for its jobs.
pub(super) struct Waiter {
    stream: UnixStream,
    jobs: Vec<(String, String, Outcome)>,
}

impl Init {
    pub(super) fn accept(&mut self, listener: &UnixListener) {
        let Ok((stream, _)) = listener.accept() else {
            return;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
        let mut line = String::new();
        if BufReader::new(&stream).read_line(&mut line).is_err() {
            return;
        }
        let Ok(request) = serde_json::from_str::<Request>(&line) else {
            return;
        };
        let response = match request {
            Request::Job { verb, units, wait } => {
                let jobs = units.into_iter().map(|name| {
                    let outcome = self.job(&verb, &name);
                    (verb.clone(), name, outcome)
                });
                let waiter = Waiter {
                    stream,
                    jobs: jobs.collect(),
                };
                if wait {
                    return self.waiters.push(waiter);
                }
                return waiter.answer();
            }
            Request::Kill { units, signal } => {
                units
                    .iter()
                    .for_each(|name| self.manager.kill(name, signal));
                Response::Ok
            }
            Request::ResetFailed { units } => {
                self.reset_failed(&units);
                Response::Ok
            }
            Request::DaemonReload => {
                self.manager.reload_files();
                Response::Ok
            }
            Request::Show { units } => Response::Units(self.show(units)),
            Request::Shutdown { reboot } => {
                self.begin_shutdown(reboot);
                Response::Ok
            }
        };
        send(&stream, &response);
    }

    fn job(&mut self, verb: &str, name: &str) -> Outcome {
        let runs = |init: &Self| {
            init.manager
                .services
                .get(name)
                .is_some_and(|service| service.phase.active() == "active")
        };
        match verb {
            "start" => self.manager.start(name),
            "stop" => self.manager.stop(name),
            "restart" => self.manager.restart(name),
            "try-restart" if runs(self) => self.manager.restart(name),
            "try-restart" => Outcome::Done,
            "reload" => self.manager.reload(name),
            "reload-or-restart" => match self.manager.reload(name) {
                Outcome::Done => Outcome::Done,
                _ => self.manager.restart(name),
            },
            other => Outcome::Refused(format!("Unknown job {other}.")),
        }
    }

    fn reset_failed(&mut self, units: &[String]) {
        for (name, service) in &mut self.manager.services {
            if units.is_empty() || units.contains(name) {
                service.started.clear();
                service.restarts = 0;
                if service.phase == Phase::Failed {
                    service.result = "success";
                    service.enter(Phase::Dead);
                }
            }
        }
    }

    fn show(&mut self, units: Vec<String>) -> Vec<(String, Option<Info>)> {
        let names = if units.is_empty() {
            self.manager.services.keys().cloned().collect()
        } else {
            units
        };
        let mut seen = HashSet::new();
        names
            .into_iter()
            .filter(|name| seen.insert(name.clone()))
            .map(|name| {
                let loaded = self.manager.load(&name).unwrap_or(false);
                let info = loaded.then(|| self.info(&name)).flatten();
                (name, info)
            })
            .collect()
    }

    fn info(&self, name: &str) -> Option<Info> {
        let service = self.manager.services.get(name)?;
        let unit = &service.unit;
        let leaders: Vec<i32> = self.manager.leaders_of(name);
        let restart_in = (service.phase == Phase::AutoRestart)
            .then_some(service.deadline)
            .flatten()
            .map(|then| then.saturating_duration_since(Instant::now()).as_millis() as u64);
        Some(Info {
            description: unit.description.clone(),
            documentation: unit.documentation.clone(),
            kind: unit.kind.word().to_owned(),
            user: unit.user.clone().unwrap_or_default(),
            group: unit.group.clone().unwrap_or_default(),
            restart: unit.restart.word().to_owned(),
            path: unit.path.display().to_string(),
            drop_ins: unit
                .drop_ins
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
            active: service.phase.active().to_owned(),
            sub: service.phase.sub().to_owned(),
            since: service.since,
            main: service.main,
            result: service.result.to_owned(),
            last_main: service.last_main.clone(),
            start_command: unit
                .start
                .first()
                .map(|command| command.words.join(" "))
                .unwrap_or_default(),
            environment: unit.environment.clone(),
            environment_files: unit
                .environment_files
                .iter()
                .map(|(path, optional)| (path.display().to_string(), *optional))
                .collect(),
            last_control: service.last_control.clone(),
            restarts: service.restarts,
            status: service.status.clone(),
            processes: service::members(&leaders),
            outdated: unit.is_outdated(),
            refused: unit.refused.clone(),
            triggers: match name.ends_with(".timer") {
                true => service.triggers(),
                false => String::new(),
            },
            next: match (service.phase, service.deadline) {
                (Phase::Waiting, Some(_)) => service.next_trigger,
                _ => 0,
            },
            last: service.last_trigger,
            restart_in,
        })
    }

    /// Answers those whose jobs have all come to an end.
    pub(super) fn answer_waiters(&mut self) {
        let services = &self.manager.services;
        let over = |name: &String| {
            services.get(name).is_none_or(|service| {
                service.phase.is_settled() || service.phase == Phase::AutoRestart
            }) && services.get(name).is_none_or(|service| !service.again)
        };
        let mut index = 0;
        while index < self.waiters.len() {
            let waiter = &self.waiters[index];
            let done = waiter
                .jobs
                .iter()
                .all(|(_, name, outcome)| *outcome != Outcome::Done || over(name));
            if !done {
                index += 1;
                continue;
            }
            let mut waiter = self.waiters.swap_remove(index);
            for (verb, name, outcome) in &mut waiter.jobs {
                let Some(service) = self.manager.services.get(name) else {
                    continue;
                };
                let failed = matches!(service.phase, Phase::Failed | Phase::AutoRestart);
                if *outcome != Outcome::Done {
                    continue;
                }
                if failed && verb != "stop" {
                    *outcome = Outcome::Failed(service.result.to_owned());
                } else if verb.starts_with("reload") && service.reload_result != "success" {
                    *outcome = Outcome::Failed(service.reload_result.to_owned());
                }
            }
            waiter.answer();
        }
    }
}

impl Waiter {
    fn answer(self) {
        let jobs = self
            .jobs
            .into_iter()
            .map(|(_, name, outcome)| (name, outcome))
            .collect();
        send(&self.stream, &Response::Jobs(jobs));
    }
}

fn send(mut stream: &UnixStream, response: &Response) {
    if let Ok(mut line) = serde_json::to_vec(response) {
        line.push(b'\n');
        // One who no longer listens is no trouble of ours.
        let _ = stream.write_all(&line);
    }
}

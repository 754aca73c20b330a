//! Timers: units that start other units by the clock.

use std::time::{Duration, Instant};

use jiff::{Timestamp, Zoned};

use super::super::service::{Phase, Service};
use super::{Manager, Outcome};

impl Manager {
    /// Begins to wait for a timer's next moment.
    pub(super) fn start_timer(&mut self, name: &str) -> Outcome {
        let Some(service) = self.services.get(name) else {
            return Outcome::NotFound;
        };
        let (target, description) = (service.triggers(), service.unit.description.clone());
        if !matches!(self.load(&target), Ok(true)) {
            return Outcome::Refused(format!("Unit {target} to trigger not loaded."));
        }
        if let Some(service) = self.services.get_mut(name) {
            service.result = "success";
            service.armed = Some(Instant::now());
            service.enter(Phase::Waiting);
        }
        self.journal
            .tell(name, &format!("Started {name} - {description}."));
        self.arm(name, true);
        Outcome::Done
    }

    /// Sets a waiting timer to its next moment. `fresh`: it has not elapsed yet.
    fn arm(&mut self, name: &str, fresh: bool) {
        let Some(timer) = self.services.get(name) else {
            return;
        };
        let target = self.services.get(&timer.triggers());
        let (now, then) = (Instant::now(), Zoned::now());
        let settings = &timer.unit.timer;
        let mut moments: Vec<Instant> = Vec::new();
        for calendar in &settings.calendar {
            let Some(next) = calendar.next(&then) else {
                continue;
            };
            let wait = next.timestamp().duration_since(then.timestamp());
            moments.push(now + Duration::try_from(wait).unwrap_or_default());
        }
        let begun = timer.armed.unwrap_or(now);
        if fresh {
            moments.extend(settings.once.iter().map(|span| begun + *span));
            let boot = self.booted;
            moments.extend(settings.after_boot.iter().map(|span| boot + *span));
        }
        // What never ran is counted from nowhere; after this timer ran it, from then on.
        if let Some(last) = timer.elapsed {
            moments.extend(settings.after_start.iter().map(|span| last + *span));
        }
        if target.is_some_and(|target| matches!(target.phase, Phase::Dead | Phase::Failed))
            && timer.elapsed.is_some()
        {
            let ended = target.and_then(|target| target.ended).unwrap_or(now);
            moments.extend(settings.after_end.iter().map(|span| ended + *span));
        }
        let next = moments.into_iter().min();
        if let Some(timer) = self.services.get_mut(name) {
            timer.deadline = next;
        }
    }

    /// A timer's moment has come.
    pub(super) fn elapse(&mut self, name: &str) {
        let Some(timer) = self.services.get_mut(name) else {
            return;
        };
        timer.elapsed = Some(Instant::now());
        timer.last_trigger = Timestamp::now().as_microsecond();
        let target = timer.triggers();
        if let Outcome::Refused(reason) = self.start(&target) {
            self.journal.tell(name, &format!("{name}: {reason}"));
        }
        self.arm(name, false);
    }

    /// Timers that count from the end of their unit are set when it has ended.
    pub(in super::super) fn rearm(&mut self) {
        let idle: Vec<String> = self
            .services
            .iter()
            .filter(|(_, timer)| {
                timer.phase == Phase::Waiting
                    && timer.deadline.is_none()
                    && timer.elapsed.is_some()
                    && !timer.unit.timer.after_end.is_empty()
            })
            .map(|(name, _)| name.clone())
            .collect();
        idle.iter().for_each(|name| self.arm(name, false));
    }
}

impl Service {
    /// The unit that a timer starts.
    pub(in super::super) fn triggers(&self) -> String {
        let own = self.unit.name.trim_end_matches(".timer");
        match &self.unit.timer.unit {
            Some(other) => other.clone(),
            None => format!("{own}.service"),
        }
    }
}

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
            service.next_trigger = 0;
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
        let dated = |moment: Instant| {
            let wait = moment.saturating_duration_since(now).as_micros();
            let wait = i64::try_from(wait).unwrap_or(i64::MAX / 2);
            (moment, then.timestamp().as_microsecond() + wait)
        };
        let settings = &timer.unit.timer;
        let last = Timestamp::from_microsecond(timer.last_trigger).unwrap_or_default();
        let from = then
            .timestamp()
            .max(last)
            .to_zoned(then.time_zone().clone());
        let dates = settings.calendar.iter().filter_map(|calendar| {
            let next = calendar.next(&from)?.timestamp();
            let wait = Duration::try_from(next.duration_since(then.timestamp()));
            Some((now + wait.unwrap_or_default(), next.as_microsecond()))
        });
        let mut moments: Vec<(Instant, i64)> = dates.collect();
        let begun = timer.armed.unwrap_or(now);
        let boot = self.booted;
        let once = settings.once.iter().map(|span| begun + *span);
        let once = once.chain(settings.after_boot.iter().map(|span| boot + *span));
        // Each elapses once: at the timer's start those that are past do, later they have.
        moments.extend(once.filter(|moment| fresh || *moment > now).map(dated));
        // What never ran is counted from nowhere, and a unit's end from no moment of its run.
        let idle = target.is_none_or(|target| target.phase.is_idle());
        let started = target.and_then(|target| target.begun).max(timer.elapsed);
        let ended = target.and_then(|target| target.ended).max(timer.elapsed);
        for (from, spans) in [
            (started, &settings.after_start),
            (ended.filter(|_| idle), &settings.after_end),
        ] {
            moments.extend(
                from.iter()
                    .flat_map(|from| spans.iter().map(|span| dated(*from + *span))),
            );
        }
        let next = moments.into_iter().min();
        if let Some(timer) = self.services.get_mut(name) {
            timer.set = Some(now);
            timer.deadline = next.map(|(moment, _)| moment);
            timer.next_trigger = next.map_or(0, |(_, micros)| micros);
        }
    }

    /// A timer's moment has come.
    pub(super) fn elapse(&mut self, name: &str) {
        let Some(timer) = self.services.get_mut(name) else {
            return;
        };
        timer.elapsed = Some(Instant::now());
        // The two clocks may differ by a hair: what has elapsed is not to come again.
        let now = Timestamp::now().as_microsecond();
        timer.last_trigger = now.max(timer.next_trigger);
        let target = timer.triggers();
        if let Outcome::Refused(reason) = self.start(&target) {
            self.journal.tell(name, &format!("{name}: {reason}"));
        }
        self.arm(name, false);
    }

    /// Sets timers again whose unit began or ended since, which they may count from.
    pub(in super::super) fn rearm(&mut self) {
        let moved = |timer: &Service| {
            let target = self.services.get(&timer.triggers());
            target.is_some_and(|target| target.begun.max(target.ended) > timer.set)
        };
        let behind: Vec<String> = self
            .services
            .iter()
            .filter(|(_, timer)| {
                let settings = &timer.unit.timer;
                let counts = !(settings.after_start.is_empty() && settings.after_end.is_empty());
                timer.phase == Phase::Waiting && counts && moved(timer)
            })
            .map(|(name, _)| name.clone())
            .collect();
        behind.iter().for_each(|name| self.arm(name, false));
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

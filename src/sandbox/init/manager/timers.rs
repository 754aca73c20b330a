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
        // The two clocks may differ by a hair: what has elapsed is not to come again.
        let last = Timestamp::from_microsecond(timer.next_trigger).unwrap_or_default();
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
        if fresh {
            moments.extend(settings.once.iter().map(|span| dated(begun + *span)));
            let boot = self.booted;
            moments.extend(settings.after_boot.iter().map(|span| dated(boot + *span)));
        }
        // What never ran is counted from nowhere; after this timer ran it, from then on.
        if let Some(last) = timer.elapsed {
            moments.extend(settings.after_start.iter().map(|span| dated(last + *span)));
        }
        if target.is_some_and(|target| matches!(target.phase, Phase::Dead | Phase::Failed))
            && timer.elapsed.is_some()
        {
            let ended = target.and_then(|target| target.ended).unwrap_or(now);
            moments.extend(settings.after_end.iter().map(|span| dated(ended + *span)));
        }
        let next = moments.into_iter().min();
        if let Some(timer) = self.services.get_mut(name) {
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

//! `[Timer]` of a unit file (systemd.timer(5)).

use std::time::Duration;

use super::calendar::Calendar;
use crate::init::words::duration;

/// When a timer elapses; empty lists mean never.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Timer {
    pub(in super::super) calendar: Vec<Calendar>,
    /// OnActiveSec=: once, so long after the timer was started.
    pub(in super::super) once: Vec<Duration>,
    /// OnBootSec= and OnStartupSec=: once, so long after the node was.
    pub(in super::super) after_boot: Vec<Duration>,
    /// OnUnitActiveSec=: after the unit was started last.
    pub(in super::super) after_start: Vec<Duration>,
    /// OnUnitInactiveSec=: after the unit ended last.
    pub(in super::super) after_end: Vec<Duration>,
    /// Unit=; by default the service of the same name.
    pub(in super::super) unit: Option<String>,
    /// A setting that can't be understood, in systemd's words.
    pub(in super::super) trouble: Option<String>,
}

impl Timer {
    /// Whether it can elapse at all.
    pub(in super::super) fn is_set(&self) -> bool {
        !(self.calendar.is_empty()
            && self.once.is_empty()
            && self.after_boot.is_empty()
            && self.after_start.is_empty()
            && self.after_end.is_empty())
    }

    pub(super) fn set(&mut self, key: &str, value: &str) {
        if key.starts_with("On") && value.is_empty() {
            // An empty assignment takes back all that came before, whatever its kind.
            *self = Self {
                unit: self.unit.take(),
                ..Self::default()
            };
            return;
        }
        let list = match key {
            "OnCalendar" => return self.set_calendar(value),
            "Unit" => {
                self.unit = Some(value.to_owned());
                return;
            }
            "OnActiveSec" => &mut self.once,
            "OnBootSec" | "OnStartupSec" => &mut self.after_boot,
            "OnUnitActiveSec" => &mut self.after_start,
            "OnUnitInactiveSec" => &mut self.after_end,
            // Accuracy, delays and wake-ups make no difference here.
            _ => return,
        };
        match duration(value) {
            Some(span) => list.push(span),
            None => {
                self.trouble = Some(format!("Failed to parse {key}= setting, ignoring: {value}"));
            }
        }
    }

    fn set_calendar(&mut self, value: &str) {
        match Calendar::parse(value) {
            Some(calendar) => self.calendar.push(calendar),
            None => {
                self.trouble = Some(format!(
                    "Failed to parse calendar specification, ignoring: {value}"
                ));
            }
        }
    }
}

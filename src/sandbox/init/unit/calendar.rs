//! Moments that come again, as timers write them (systemd.time(7), "Calendar Events"):
//! `daily`, `*-*-* 02:30:00`, `Mon..Fri *:0/15`.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

/// How many days ahead a moment is looked for: the 29th of February may be eight years off.
const DAYS: usize = 366 * 9;

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Calendar {
    /// As it was written.
    text: String,
    /// Monday is 0; empty means every day.
    weekdays: Vec<u8>,
    years: Field,
    months: Field,
    days: Field,
    hours: Field,
    minutes: Field,
    seconds: Field,
    utc: bool,
}

/// The values that one part takes; none means all.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field(Option<Vec<Values>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Values {
    from: i16,
    to: i16,
    step: i16,
}

impl Field {
    fn holds(&self, value: i16) -> bool {
        self.0.as_ref().is_none_or(|all| {
            all.iter().any(|one| {
                (one.from..=one.to).contains(&value) && (value - one.from) % one.step == 0
            })
        })
    }

    /// `*`, `5`, `0/15`, `1..5`, `1..9/2` and lists of these.
    fn parse(text: &str, least: i16, most: i16) -> Option<Field> {
        if text == "*" {
            return Some(Field(None));
        }
        let mut all = Vec::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step.parse::<i16>().ok()?)),
                None => (part, None),
            };
            let (from, to) = match range.split_once("..") {
                Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
                None if range == "*" => (least, most),
                None => {
                    let from = range.parse().ok()?;
                    // With a step a single value is where counting begins.
                    (from, if step.is_some() { most } else { from })
                }
            };
            let step = step.unwrap_or(1);
            if step < 1 || from < least || to > most || from > to {
                return None;
            }
            all.push(Values { from, to, step });
        }
        Some(Field(Some(all)))
    }
}

impl Calendar {
    /// `None`: it is no such expression.
    pub(in super::super) fn parse(text: &str) -> Option<Calendar> {
        let full = match text.trim().to_ascii_lowercase().as_str() {
            "minutely" => "*-*-* *:*:00",
            "hourly" => "*-*-* *:00:00",
            "daily" => "*-*-* 00:00:00",
            "weekly" => "Mon *-*-* 00:00:00",
            "monthly" => "*-*-01 00:00:00",
            "quarterly" => "*-01,04,07,10-01 00:00:00",
            "semiannually" => "*-01,07-01 00:00:00",
            "yearly" | "annually" => "*-01-01 00:00:00",
            _ => text.trim(),
        };
        let mut words: Vec<&str> = full.split_whitespace().collect();
        let utc = words.last() == Some(&"UTC");
        if utc {
            words.pop();
        }
        let weekdays = match words.first().and_then(|word| parse_weekdays(word)) {
            Some(weekdays) => {
                words.remove(0);
                weekdays
            }
            None => Vec::new(),
        };
        let (date, time) = match words.as_slice() {
            [] if !weekdays.is_empty() => ("*-*-*", "00:00:00"),
            [time] if time.contains(':') => ("*-*-*", *time),
            [date] => (*date, "00:00:00"),
            [date, time] => (*date, *time),
            _ => return None,
        };
        let date: Vec<&str> = date.split('-').collect();
        let (years, months, days) = match date.as_slice() {
            [months, days] => ("*", *months, *days),
            [years, months, days] => (*years, *months, *days),
            _ => return None,
        };
        let time: Vec<&str> = time.split(':').collect();
        let (hours, minutes, seconds) = match time.as_slice() {
            [hours, minutes] => (*hours, *minutes, "0"),
            [hours, minutes, seconds] => (*hours, *minutes, *seconds),
            _ => return None,
        };
        Some(Calendar {
            text: text.trim().to_owned(),
            weekdays,
            years: Field::parse(years, 1970, 2199)?,
            months: Field::parse(months, 1, 12)?,
            days: Field::parse(days, 1, 31)?,
            hours: Field::parse(hours, 0, 23)?,
            minutes: Field::parse(minutes, 0, 59)?,
            seconds: Field::parse(seconds, 0, 59)?,
            utc,
        })
    }

    /// The first such moment after `now`, in its time zone; `None`: there is none any more.
    pub(in super::super) fn next(&self, now: &Zoned) -> Option<Zoned> {
        let now = match self.utc {
            true => now.with_time_zone(TimeZone::UTC),
            false => now.clone(),
        };
        let mut date = now.date();
        for _ in 0..DAYS {
            if self.fits(date) {
                for time in self.times() {
                    let (hour, minute, second) = time;
                    let moment = date
                        .at(hour, minute, second, 0)
                        .to_zoned(now.time_zone().clone());
                    if let Ok(moment) = moment
                        && moment > now
                    {
                        return Some(moment);
                    }
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn fits(&self, date: Date) -> bool {
        let weekday = date.weekday().to_monday_zero_offset() as u8;
        (self.weekdays.is_empty() || self.weekdays.contains(&weekday))
            && self.years.holds(date.year())
            && self.months.holds(i16::from(date.month()))
            && self.days.holds(i16::from(date.day()))
    }

    /// The times of a day, in order.
    fn times(&self) -> impl Iterator<Item = (i8, i8, i8)> {
        let hours = (0..24i8).filter(|hour| self.hours.holds(i16::from(*hour)));
        hours.flat_map(move |hour| {
            let minutes = (0..60i8).filter(|minute| self.minutes.holds(i16::from(*minute)));
            minutes.flat_map(move |minute| {
                let seconds = (0..60i8).filter(|second| self.seconds.holds(i16::from(*second)));
                seconds.map(move |second| (hour, minute, second))
            })
        })
    }
}

/// `Mon`, `Mon,Thu`, `Mon..Fri`, in short or in full.
fn parse_weekdays(word: &str) -> Option<Vec<u8>> {
    let day = |name: &str| {
        let name = name.to_ascii_lowercase();
        let short = name.get(..3)?;
        let index = WEEKDAYS.iter().position(|known| *known == short)?;
        let full = Weekday::from_monday_zero_offset(index as i8).ok()?;
        let full = format!("{full:?}").to_ascii_lowercase();
        (name.len() == 3 || name == full).then_some(index as u8)
    };
    let mut days = Vec::new();
    for part in word.split(',') {
        match part.split_once("..") {
            Some((from, to)) => {
                let (from, to) = (day(from)?, day(to)?);
                // From Friday to Monday goes over the week's end.
                let count = (to + 7 - from) % 7;
                days.extend((0..=count).map(|step| (from + step) % 7));
            }
            None => days.push(day(part)?),
        }
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_found_as_systemd_finds_them() {
        // `systemd-analyze calendar --base-time="2026-11-27 18:30:20 UTC"` gives the same.
        let moment: jiff::civil::DateTime = "2026-11-27T18:30:20".parse().expect("a moment");
        let now = moment.to_zoned(jiff::tz::TimeZone::UTC).expect("UTC");
        for (text, next) in [
            ("minutely", "2026-11-27T18:31:00"),
            ("hourly", "2026-11-27T19:00:00"),
            ("daily", "2026-11-28T00:00:00"),
            ("weekly", "2026-11-30T00:00:00"),
            ("monthly", "2026-12-01T00:00:00"),
            ("yearly", "2027-01-01T00:00:00"),
            ("*-*-* 02:30:00", "2026-11-28T02:30:00"),
            ("02:30", "2026-11-28T02:30:00"),
            ("*:0/15", "2026-11-27T18:45:00"),
            ("*-*-* *:*:0/30", "2026-11-27T18:30:30"),
            ("Mon..Wed 10:00", "2026-11-30T10:00:00"),
            ("Sat,Sun", "2026-11-28T00:00:00"),
            ("friday *-*-* 18:30:20", "2026-12-04T18:30:20"),
            ("Fri..Mon 01:00", "2026-11-28T01:00:00"),
            ("*-02-29", "2028-02-29T00:00:00"),
            ("2027-3-1 4:5:6", "2027-03-01T04:05:06"),
            ("8..10/2:00", "2026-11-28T08:00:00"),
            ("12:00 UTC", "2026-11-28T12:00:00"),
        ] {
            let calendar = Calendar::parse(text).unwrap_or_else(|| panic!("{text}"));
            let found = calendar
                .next(&now)
                .unwrap_or_else(|| panic!("{text}: never"));
            assert_eq!(found.datetime().to_string(), next, "{text}");
        }
        let gone = Calendar::parse("2020-01-01").expect("read");
        assert_eq!(gone.next(&now), None);
        for wrong in [
            "",
            "sometimes",
            "25:00",
            "*-13-01",
            "*:0/0",
            "1-2-3-4",
            "Mon Tue 1:00",
        ] {
            assert_eq!(Calendar::parse(wrong), None, "{wrong}");
        }
    }
}

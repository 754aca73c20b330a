//! How Go writes a span of time.

use std::{fmt::Write as _, time::Duration};

/// `1m30s`, `100ms`, `1.5µs`, as Go's `Duration.String` has it.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000_000_000 {
        let (scale, unit) = match nanos {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return with_fraction(nanos, scale) + unit;
    }
    let minutes = nanos / 60_000_000_000;
    let seconds = with_fraction(nanos % 60_000_000_000, 1_000_000_000);
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match (minutes / 60, minutes % 60) {
        (0, 0) => Ok(()),
        (0, minutes) => write!(text, "{minutes}m"),
        (hours, minutes) => write!(text, "{hours}h{minutes}m"),
    };
    text + &seconds + "s"
}

/// `nanos / scale` in decimal, without zeros at the end.
fn with_fraction(nanos: u128, scale: u128) -> String {
    let (whole, rest) = (nanos / scale, nanos % scale);
    if rest == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_go_writes() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (647_140, "647.14µs"),
            (100_000_000, "100ms"),
            (20_000_000, "20ms"),
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.5s"),
            (7_000_000_000, "7s"),
            (90_000_000_000, "1m30s"),
            (60_000_000_000, "1m0s"),
            (90_500_000_000, "1m30.5s"),
            (7_200_000_000_000, "2h0m0s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), text);
        }
    }
}

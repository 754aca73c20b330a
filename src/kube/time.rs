//! Times as the API writes them (RFC 3339, UTC) and ages as people read them.

use jiff::Timestamp;

/// Seconds since the Unix epoch as `2026-01-02T03:04:05Z`.
pub fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}

/// Microseconds since the Unix epoch as `2026-01-02T03:04:05.000006Z`, the form of
/// `MicroTime` (leases, event times).
pub fn rfc3339_micro(microseconds: i64) -> String {
    let base = rfc3339(microseconds.div_euclid(1_000_000));
    format!(
        "{}.{:06}Z",
        base.trim_end_matches('Z'),
        microseconds.rem_euclid(1_000_000)
    )
}

/// Seconds since the Unix epoch of an RFC 3339 time; none if it can't be read.
pub fn parse(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|time| time.as_second())
}

/// Microseconds since the Unix epoch of an RFC 3339 time.
pub fn parse_micro(text: &str) -> Option<i64> {
    text.parse::<Timestamp>()
        .ok()
        .map(|time| time.as_microsecond())
}

/// A duration in seconds in the form of the AGE column: two units at most, the
/// second one only where it still matters (`5m30s`, `3h`, `2d4h`, `400d`).
/// Source of the limits: apimachinery `util/duration` (v0.32).
pub fn human_duration(seconds: i64) -> String {
    let two = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{big}{unit}")
        } else {
            format!("{big}{unit}{small}{small_unit}")
        }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        s if s < -1 => "<invalid>".to_string(),
        s if s < 0 => "0s".to_string(),
        s if s < 120 => format!("{s}s"),
        s if minutes < 10 => two(minutes, "m", s % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 24 * 8 => two(hours / 24, "d", hours % 24, "h"),
        _ if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        _ if hours < 24 * 365 * 8 => two(hours / 24 / 365, "y", (hours / 24) % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// The age of an RFC 3339 time at `now` (seconds since the epoch); `<unknown>` if
/// there is no such time.
pub fn age(timestamp: &str, now: i64) -> String {
    parse(timestamp).map_or_else(
        || "<unknown>".to_string(),
        |then| human_duration(now - then),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (11_000, "3h3m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (691_200, "8d"),
        ] {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn times_go_there_and_back() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(
            parse("2026-11-21T09:53:28Z").map(rfc3339).as_deref(),
            Some("2026-11-21T09:53:28Z")
        );
        assert_eq!(rfc3339_micro(1_500_001), "1970-01-01T00:00:01.500001Z");
        assert_eq!(parse_micro("1970-01-01T00:00:01.500001Z"), Some(1_500_001));
    }
}

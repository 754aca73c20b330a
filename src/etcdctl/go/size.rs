//! Sizes and spans for people, as `github.com/dustin/go-humanize` 1.0.0 writes them.

/// `20 kB`, `2.7 MB`: powers of 1000, one digit after the point below ten.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 10 {
        return format!("{count} B");
    }
    let mut exponent = 0;
    while exponent + 1 < UNITS.len()
        && 1000u64
            .checked_pow(exponent as u32 + 1)
            .is_some_and(|u| u <= count)
    {
        exponent += 1;
    }
    let value = (count as f64 / 1000f64.powi(exponent as i32) * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 {
        format!("{value:.1} {}", UNITS[exponent])
    } else {
        format!("{value:.0} {}", UNITS[exponent])
    }
}

/// How long ago something was: `now`, `3 seconds ago`, `1 minute ago`.
pub fn ago(elapsed: std::time::Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds {
        0 => "now".into(),
        1 => "1 second ago".into(),
        2..60 => format!("{seconds} seconds ago"),
        60..120 => "1 minute ago".into(),
        120..3600 => format!("{} minutes ago", seconds / 60),
        3600..7200 => "1 hour ago".into(),
        7200..86_400 => format!("{} hours ago", seconds / 3600),
        86_400..172_800 => "1 day ago".into(),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

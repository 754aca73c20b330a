//! Durations as Go reads them (`1m30s`, `100ms`), because flags and configuration files carry
//! them in that form. [`gowords::duration`] writes them.

/// Reads a Go duration. Negative durations are read too and come out as
/// nanoseconds below zero, so that the caller can refuse them in its own words.
///
/// # Errors
/// Go's texts (`time.ParseDuration`): `time: invalid duration "x"`,
/// `time: missing unit in duration "5"`, `time: unknown unit "y" in duration "5y"`.
pub fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 30
        {
            return Err(invalid());
        }
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let scale = unit_nanos(unit)
            .ok_or_else(|| format!("time: unknown unit {unit:?} in duration {text:?}"))?;
        total += whole.parse::<i128>().unwrap_or(0) * scale;
        if !fraction.is_empty() {
            let digits = fraction.parse::<i128>().map_err(|_| invalid())?;
            // At most 30 digits were let in, so the power fits.
            total += digits * scale / 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(30));
        }
        rest = next;
    }
    let total = if negative { -total } else { total };
    i64::try_from(total).map_err(|_| invalid())
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        assert_eq!(parse("5s"), Ok(5_000_000_000));
        assert_eq!(parse("1h15m30.5s"), Ok(4_530_500_000_000));
        assert_eq!(parse("100ms"), Ok(100_000_000));
        assert_eq!(parse("1.5µs"), Ok(1_500));
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("-2m"), Ok(-120_000_000_000));
        assert_eq!(
            parse("5"),
            Err("time: missing unit in duration \"5\"".into())
        );
        assert_eq!(
            parse("5y"),
            Err("time: unknown unit \"y\" in duration \"5y\"".into())
        );
        assert_eq!(parse(""), Err("time: invalid duration \"\"".into()));
        assert_eq!(parse("x"), Err("time: invalid duration \"x\"".into()));
        assert!(parse("99999999999h").is_err());
    }
}

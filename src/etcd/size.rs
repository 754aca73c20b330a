//! Sizes for people, as the reference's logs and listings show them.

/// Bytes in powers of 1000 (`humanize.Bytes`): `25 kB`, `2.1 GB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if n < 10 {
        return format!("{n} B");
    }
    let exponent = n.ilog10() / 3;
    let scale = 10_u64.pow(exponent * 3);
    // Tenths, rounded to the nearest.
    let tenths = (u128::from(n) * 10 + u128::from(scale) / 2) / u128::from(scale);
    let unit = UNITS.get(exponent as usize).copied().unwrap_or("EB");
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{:.0} {unit}", (tenths as f64 / 10.0))
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_read_as_the_reference_prints_them() {
        for (n, text) in [
            (0, "0 B"),
            (9, "9 B"),
            (20_480, "20 kB"),
            (2_147_483_648, "2.1 GB"),
            (1_000_000, "1.0 MB"),
            (24_576, "25 kB"),
        ] {
            assert_eq!(bytes(n), text);
        }
    }
}

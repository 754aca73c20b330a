//! Resource quantities: `100m`, `1.5Gi`, `2`, `1e3`.
//!
//! Source of the grammar and of the canonical form: apimachinery `api/resource` (v0.32).

/// How a quantity was written, which is how it is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Decimal,
    Binary,
    Exponent,
}

/// A fixed-point number with nano precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.nano.partial_cmp(&other.nano)
    }
}

const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// Zero, in decimal form.
    pub const ZERO: Quantity = Quantity {
        nano: 0,
        format: Format::Decimal,
    };

    /// A whole number of units.
    pub fn whole(value: i64) -> Quantity {
        Quantity {
            nano: i128::from(value) * NANO,
            format: Format::Decimal,
        }
    }

    /// Parses a quantity; none if it does not match the grammar.
    pub fn parse(text: &str) -> Option<Quantity> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = digits
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(digits.len());
        let (number, suffix) = digits.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (multiplier, divisor, format) = scale(suffix)?;
        let mut value: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            value = value
                .checked_mul(10)?
                .checked_add(i128::from(digit - b'0'))?;
        }
        let down = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let scaled = value.checked_mul(multiplier)?.checked_mul(NANO)?;
        let divisor = down.checked_mul(divisor)?;
        // What is finer than a nano is rounded up, as the reference does.
        let nano = scaled / divisor + i128::from(scaled % divisor != 0);
        Some(Quantity {
            nano: if negative { -nano } else { nano },
            format,
        })
    }

    /// The value in thousandths, rounded up: CPU in millicores.
    pub fn milli(self) -> i64 {
        saturate(ceil_div(self.nano, NANO / 1000))
    }

    /// The value in whole units, rounded up: bytes, Pods.
    pub fn value(self) -> i64 {
        saturate(ceil_div(self.nano, NANO))
    }

    /// The sum; it keeps the form of `self` unless that is zero.
    pub fn plus(self, other: Quantity) -> Quantity {
        Quantity {
            nano: self.nano.saturating_add(other.nano),
            format: if self.nano == 0 {
                other.format
            } else {
                self.format
            },
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.nano < 0
    }
}

fn ceil_div(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// Multiplier, divisor and form of a suffix.
fn scale(suffix: &str) -> Option<(i128, i128, Format)> {
    const DECIMAL: [(&str, i128, i128); 10] = [
        ("n", 1, 1_000_000_000),
        ("u", 1, 1_000_000),
        ("m", 1, 1000),
        ("", 1, 1),
        ("k", 1000, 1),
        ("M", 1_000_000, 1),
        ("G", 1_000_000_000, 1),
        ("T", 1_000_000_000_000, 1),
        ("P", 1_000_000_000_000_000, 1),
        ("E", 1_000_000_000_000_000_000, 1),
    ];
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some((_, up, down)) = DECIMAL.iter().find(|(name, _, _)| *name == suffix) {
        return Some((*up, *down, Format::Decimal));
    }
    if let Some(power) = BINARY.iter().position(|name| *name == suffix) {
        return Some((1i128 << (10 * (power + 1)), 1, Format::Binary));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = 10i128.checked_pow(exponent.unsigned_abs().min(18))?;
    Some(if exponent < 0 {
        (1, power, Format::Exponent)
    } else {
        (power, 1, Format::Exponent)
    })
}

impl std::fmt::Display for Quantity {
    /// Writes the canonical form: no fraction, the largest suffix that needs none.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        let whole = self.nano % NANO == 0;
        if self.format == Format::Binary && whole && (self.nano / NANO).abs() >= 1024 {
            let mut value = self.nano / NANO;
            let mut suffix = "";
            for name in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
                if value % 1024 != 0 {
                    break;
                }
                value /= 1024;
                suffix = name;
            }
            return write!(f, "{value}{suffix}");
        }
        let (mut value, mut power) = (self.nano, -3);
        while value % 1000 == 0 && power < 6 {
            value /= 1000;
            power += 1;
        }
        if self.format == Format::Exponent {
            return match power {
                0 => write!(f, "{value}"),
                _ => write!(f, "{value}e{}", power * 3),
            };
        }
        let suffix = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        // `power` runs from -3 to 6, so the index runs from 0 to 9.
        write!(f, "{value}{}", suffix[(power + 3) as usize])
    }
}

/// The canonical form of `text`; none if it is no quantity.
pub fn canonical(text: &str) -> Option<String> {
    Quantity::parse(text).map(|quantity| quantity.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, canonical_form) in [
            ("0.1", "100m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("2", "2"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("128974848", "128974848"),
            ("1e3", "1e3"),
            ("0.5Mi", "512Ki"),
            ("-1", "-1"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(canonical_form), "{text}");
        }
        for bad in ["", "1.2.3", "abc", "1Kb", "Mi", "1 Gi"] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
        assert_eq!(Quantity::parse("250m").map(Quantity::milli), Some(250));
        assert_eq!(Quantity::parse("1Mi").map(Quantity::value), Some(1 << 20));
    }
}

//! Flags of Kubernetes' programs that ours know of and have nothing to set for: a list beside
//! each program's own table, so that no flag of a real manifest is called unknown.
//!
//! A line of a list is `NAME bool|value accept|refuse [BUT]`. What only tunes is accepted and
//! changes nothing that anybody sees; what would switch on something that is not there is
//! refused. With the value `BUT` it is the other way round.
//!
//! Source: the reference pages of the programs, and CHANGELOG-1.32.

use std::fmt;

/// A line of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFlag<'a> {
    /// If false, it is a switch, which may stand alone.
    pub takes_value: bool,
    is_accepted: bool,
    /// The value with which it is the other way round.
    but: Option<&'a str>,
}

impl KnownFlag<'_> {
    /// Whether the flag with this value asks for nothing that is not there.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        self.is_accepted != (self.but == Some(value))
    }
}

impl fmt::Display for KnownFlag<'_> {
    /// What becomes of it, as its line has it: `accept`, `refuse false`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_accepted { "accept" } else { "refuse" })?;
        self.but.map_or(Ok(()), |but| write!(f, " {but}"))
    }
}

/// What to say of one that is refused.
pub const REFUSED: &str = "kubedrill has nothing that it would set";

/// The flag of that name, if a list has it.
#[must_use]
pub fn find<'a>(list: &'a str, name: &str) -> Option<KnownFlag<'a>> {
    all(list)
        .find(|(known, _)| *known == name)
        .map(|(_, flag)| flag)
}

/// All of a list, with their names.
pub fn all(list: &str) -> impl Iterator<Item = (&str, KnownFlag<'_>)> {
    list.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let name = words.next()?;
        let flag = KnownFlag {
            takes_value: words.next()? == "value",
            is_accepted: words.next()? == "accept",
            but: words.next(),
        };
        Some((name, flag))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_may_turn_it_round() {
        let list = "a value accept\nb bool refuse false\nc value accept none\n";
        let accepts = |name, value| find(list, name).map(|flag| flag.accepts(value));
        assert_eq!(find(list, "a").map(|flag| flag.takes_value), Some(true));
        assert_eq!(find(list, "b").map(|flag| flag.takes_value), Some(false));
        assert_eq!(accepts("a", "1"), Some(true));
        assert_eq!(accepts("b", "true"), Some(false));
        assert_eq!(accepts("b", "false"), Some(true));
        assert_eq!(accepts("c", "none"), Some(false));
        assert_eq!(accepts("c", "lease"), Some(true));
        assert_eq!(accepts("d", ""), None);
        let shown: Vec<String> = all(list)
            .map(|(name, flag)| format!("{name}: {flag}"))
            .collect();
        assert_eq!(shown, ["a: accept", "b: refuse false", "c: accept none"]);
    }
}

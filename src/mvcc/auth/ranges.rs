//! Which keys a user may read and write (`auth/range_perm_cache.go`,
//! `pkg/adt/interval_tree.go`).

use std::collections::BTreeMap;

use wire::authpb::{Role, User, permission::Type};

use super::roles::OPEN_END;

/// What is to be done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// From `begin` up to, and without, `end`; an empty end is behind every key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interval {
    begin: Vec<u8>,
    end: Vec<u8>,
}

/// True if `a` is an end not before `b`.
fn reaches(a: &[u8], b: &[u8]) -> bool {
    a.is_empty() || (!b.is_empty() && a >= b)
}

impl Interval {
    fn new(key: &[u8], range_end: &[u8]) -> Interval {
        let end = match range_end {
            [] => [key, &[0]].concat(),
            end if end == OPEN_END => Vec::new(),
            end => end.to_vec(),
        };
        Interval {
            begin: key.to_vec(),
            end,
        }
    }

    /// True if the two have something in common. One that ends before it begins
    /// counts as the point where it begins, as the reference's tree has it.
    fn meets(&self, other: &Interval) -> bool {
        let before = self.begin < other.begin && !self.end.is_empty() && self.end <= other.begin;
        let behind = !other.end.is_empty() && self.begin >= other.end;
        !before && !behind
    }
}

/// The ranges of one user, sorted by their beginning.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    read: Vec<Interval>,
    write: Vec<Interval>,
}

impl Ranges {
    /// Puts the permissions of a user's roles together. A role that is not there
    /// permits nothing.
    pub(super) fn of(user: &User, roles: &BTreeMap<Vec<u8>, Role>) -> Ranges {
        let mut ranges = Ranges::default();
        let held = user
            .roles
            .iter()
            .filter_map(|name| roles.get(name.as_bytes()));
        for permission in held.flat_map(|role| &role.key_permission) {
            let interval = Interval::new(&permission.key, &permission.range_end);
            match Type::try_from(permission.perm_type) {
                Ok(Type::Read) => ranges.read.push(interval),
                Ok(Type::Write) => ranges.write.push(interval),
                Ok(Type::Readwrite) => {
                    ranges.read.push(interval.clone());
                    ranges.write.push(interval);
                }
                // A kind that this release does not know permits nothing.
                Err(_) => {}
            }
        }
        for intervals in [&mut ranges.read, &mut ranges.write] {
            intervals.sort_by(|a, b| a.begin.cmp(&b.begin));
        }
        ranges
    }

    /// True if every key of a request's range is in them.
    pub(super) fn permit(&self, key: &[u8], range_end: &[u8], access: Access) -> bool {
        let intervals = match access {
            Access::Read => &self.read,
            Access::Write => &self.write,
        };
        covers(intervals, &Interval::new(key, range_end))
    }
}

/// True if the intervals, taken together, leave out nothing of `wanted`.
fn covers(intervals: &[Interval], wanted: &Interval) -> bool {
    let mut reached: Option<&[u8]> = None;
    for interval in intervals.iter().filter(|interval| wanted.meets(interval)) {
        match reached {
            None if interval.begin > wanted.begin => return false,
            None => reached = Some(&interval.end),
            // A gap; those that touch leave none.
            Some(end) if !reaches(end, &interval.begin) => return false,
            Some(end) if reaches(&interval.end, end) => reached = Some(&interval.end),
            Some(_) => {}
        }
    }
    reached.is_some_and(|end| reaches(end, &wanted.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Held ranges, the wanted one, and whether it is permitted.
    type Row = (
        &'static [(&'static str, &'static str)],
        (&'static str, &'static str),
        bool,
    );

    const ROWS: &[Row] = &[
        (&[], ("a", ""), false),
        (&[("a", "")], ("a", ""), true),
        (&[("a", "")], ("b", ""), false),
        (&[("a", "")], ("a", "b"), false),
        (&[("a", "c")], ("a", ""), true),
        (&[("a", "c")], ("b", ""), true),
        (&[("a", "c")], ("c", ""), false),
        (&[("a", "c")], ("a", "c"), true),
        (&[("a", "c")], ("a", "d"), false),
        (&[("b", "c")], ("a", "c"), false),
        // Two that touch, two with a gap, two that overlap.
        (&[("a", "b"), ("b", "c")], ("a", "c"), true),
        (&[("a", "b"), ("b\x01", "c")], ("a", "c"), false),
        (&[("a", "c"), ("b", "d")], ("a", "d"), true),
        (&[("a", "d"), ("b", "c")], ("a", "d"), true),
        // A single key closes the gap.
        (&[("a", "b"), ("b", ""), ("b\0", "c")], ("a", "c"), true),
        // No end.
        (&[("a", "\0")], ("a", "\0"), true),
        (&[("a", "\0")], ("b", "\0"), true),
        (&[("b", "\0")], ("a", "\0"), false),
        (&[("a", "c")], ("b", "\0"), false),
        (&[("\0", "\0")], ("\0", "\0"), true),
        (&[("a", "c"), ("b", "\0")], ("a", "\0"), true),
        // A range that holds nothing is looked at all the same.
        (&[("b", "\0")], ("z", "a"), true),
        (&[("b", "c")], ("z", "a"), false),
    ];

    #[test]
    fn a_range_is_permitted_if_no_key_of_it_is_left_out() {
        for (held, (key, end), expected) in ROWS {
            let mut intervals: Vec<_> = held
                .iter()
                .map(|(key, end)| Interval::new(key.as_bytes(), end.as_bytes()))
                .collect();
            intervals.sort_by(|a, b| a.begin.cmp(&b.begin));
            let wanted = Interval::new(key.as_bytes(), end.as_bytes());
            assert_eq!(
                covers(&intervals, &wanted),
                *expected,
                "{held:?} {key:?} {end:?}"
            );
        }
    }
}

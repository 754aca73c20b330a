//! Which users of the host stand for the users of a lab.
//!
//! Real root never maps itself: root in a node would then own what the kernel
//! gives to root, `/proc/sysrq-trigger` for one. It maps a range that no one
//! uses. An ordinary user maps itself to root, and its range of `/etc/subuid` to
//! the others if `newuidmap` is installed.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, io};

use nix::unistd::{Uid, User};

/// The first user of the range that root takes if `/etc/subuid` gives it none.
/// It follows the range that systemd gives to containers and no convention
/// names it (systemd, docs/UIDS-GIDS.md).
const UNUSED: u32 = 0x7000_0000;
/// How many users a full range has.
const FULL: u32 = 65536;

/// A line of `/proc/PID/uid_map`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) inside: u32,
    pub(crate) outside: u32,
    pub(crate) count: u32,
}

/// How the map is brought to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Writer {
    /// Written by this process.
    Own,
    /// By the setuid helpers newuidmap and newgidmap.
    Helpers(PathBuf, PathBuf),
}

/// The map of a fabric's user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdMap {
    uids: Vec<Range>,
    gids: Vec<Range>,
    writer: Writer,
    /// Whether the kernel demands that setgroups be given up first.
    deny_setgroups: bool,
}

impl IdMap {
    /// The map that this process may make.
    pub(crate) fn choose() -> IdMap {
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        if uid.is_root() {
            let uids = root_range("/proc/self/uid_map", "/etc/subuid");
            let gids = root_range("/proc/self/gid_map", "/etc/subgid");
            if let (Some(uids), Some(gids)) = (uids, gids) {
                let (uids, gids) = (vec![uids], vec![gids]);
                return IdMap {
                    uids,
                    gids,
                    writer: Writer::Own,
                    deny_setgroups: false,
                };
            }
            return IdMap::one(0, 0);
        }
        Self::with_helpers(uid, gid.as_raw())
            .unwrap_or_else(|| IdMap::one(uid.as_raw(), gid.as_raw()))
    }

    /// One user, one group.
    pub(crate) fn one(uid: u32, gid: u32) -> IdMap {
        let range = |outside| {
            vec![Range {
                inside: 0,
                outside,
                count: 1,
            }]
        };
        IdMap {
            uids: range(uid),
            gids: range(gid),
            writer: Writer::Own,
            deny_setgroups: true,
        }
    }

    fn with_helpers(uid: Uid, gid: u32) -> Option<IdMap> {
        let writer = Writer::Helpers(find_program("newuidmap")?, find_program("newgidmap")?);
        let names = [
            User::from_uid(uid)
                .ok()
                .flatten()
                .map(|user| user.name)
                .unwrap_or_default(),
            uid.to_string(),
        ];
        let map = |outside, file| {
            let (start, count) = sub_range(&fs::read_to_string(file).ok()?, &names)?;
            let own = Range {
                inside: 0,
                outside,
                count: 1,
            };
            Some(vec![
                own,
                Range {
                    inside: 1,
                    outside: start,
                    count: count.min(FULL - 1),
                },
            ])
        };
        let uids = map(uid.as_raw(), "/etc/subuid")?;
        let gids = map(gid, "/etc/subgid")?;
        Some(IdMap {
            uids,
            gids,
            writer,
            deny_setgroups: false,
        })
    }

    /// Whether there is more than root.
    pub(crate) fn has_users(&self) -> bool {
        self.uids.iter().map(|range| range.count).sum::<u32>() > 1
    }

    /// The host's user and group that are root in the lab.
    pub(crate) fn root(&self) -> (u32, u32) {
        (self.uids[0].outside, self.gids[0].outside)
    }

    /// The map that is this one seen from within: everything to itself.
    pub(crate) fn identity(&self) -> IdMap {
        let flat = |ranges: &[Range]| {
            ranges
                .iter()
                .map(|range| Range {
                    outside: range.inside,
                    ..*range
                })
                .collect()
        };
        IdMap {
            uids: flat(&self.uids),
            gids: flat(&self.gids),
            writer: Writer::Own,
            deny_setgroups: false,
        }
    }

    /// Writes the map of a process that has made a user namespace.
    pub(crate) fn write(&self, pid: i32) -> io::Result<()> {
        match &self.writer {
            Writer::Own => {
                if self.deny_setgroups {
                    fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
                }
                fs::write(format!("/proc/{pid}/uid_map"), lines(&self.uids))?;
                fs::write(format!("/proc/{pid}/gid_map"), lines(&self.gids))
            }
            Writer::Helpers(uids, gids) => {
                run_helper(uids, pid, &self.uids)?;
                run_helper(gids, pid, &self.gids)
            }
        }
    }
}

fn lines(ranges: &[Range]) -> String {
    ranges
        .iter()
        .map(|range| format!("{} {} {}\n", range.inside, range.outside, range.count))
        .collect()
}

fn run_helper(program: &PathBuf, pid: i32, ranges: &[Range]) -> io::Result<()> {
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(
            ranges
                .iter()
                .flat_map(|range| [range.inside, range.outside, range.count])
                .map(|number| number.to_string()),
        )
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{}: {}",
        program.display(),
        words.trim()
    )))
}

/// The range that root maps: never user 0 of the host.
fn root_range(own_map: &str, sub_file: &str) -> Option<Range> {
    let own = parse_map(&fs::read_to_string(own_map).ok()?);
    let sub = fs::read_to_string(sub_file).unwrap_or_default();
    choose_root_range(&own, &sub)
}

fn choose_root_range(own: &[Range], sub: &str) -> Option<Range> {
    let wanted = sub_range(sub, &["root".to_owned(), "0".to_owned()])
        .filter(|(_, count)| *count >= 1000)
        .unwrap_or((UNUSED, FULL));
    let has = |start: u32, count: u32| {
        own.iter().any(|range| {
            range.inside <= start
                && u64::from(start) + u64::from(count)
                    <= u64::from(range.inside) + u64::from(range.count)
        })
    };
    let range = |outside, count| {
        Some(Range {
            inside: 0,
            outside,
            count,
        })
    };
    if has(wanted.0, wanted.1.min(FULL)) {
        return range(wanted.0, wanted.1.min(FULL));
    }
    // Within a container: the upper part of what that has, without its root.
    let widest = own.iter().max_by_key(|range| range.count)?;
    let start = widest.inside.max(1);
    let count = (widest.inside.checked_add(widest.count)?).checked_sub(start)?;
    (count > 0).then_some(())?;
    range(start + count.saturating_sub(FULL), count.min(FULL))
}

fn parse_map(text: &str) -> Vec<Range> {
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            let mut next = || numbers.next()?.ok();
            Some(Range {
                inside: next()?,
                outside: next()?,
                count: next()?,
            })
        })
        .collect()
}

/// The first range that a subuid file gives to one of the names.
fn sub_range(text: &str, names: &[String]) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next()?;
        if !names.iter().any(|known| known == name && !name.is_empty()) {
            return None;
        }
        let start = fields.next()?.parse().ok()?;
        let count = fields.next()?.parse().ok()?;
        (count > 0).then_some((start, count))
    })
}

fn find_program(name: &str) -> Option<PathBuf> {
    env::var_os("PATH")
        .as_deref()
        .map(env::split_paths)
        .into_iter()
        .flatten()
        .chain(["/usr/bin".into(), "/usr/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_takes_an_unused_range_and_never_itself() {
        let all = parse_map("         0          0 4294967295\n");
        let range = choose_root_range(&all, "").expect("a range");
        assert_eq!(
            (range.inside, range.outside, range.count),
            (0, UNUSED, FULL)
        );
        let range = choose_root_range(&all, "drill:5:9\nroot:200000:65536\n").expect("a range");
        assert_eq!(range.outside, 200_000);
    }

    #[test]
    fn root_of_a_container_takes_the_upper_part_of_it() {
        let container = parse_map("0 100000 65536\n");
        let range = choose_root_range(&container, "").expect("a range");
        assert_eq!((range.outside, range.count), (1, 65535));
        let alone = parse_map("0 1000 1\n");
        assert_eq!(choose_root_range(&alone, ""), None);
    }

    #[test]
    fn the_first_matching_line_of_subuid_counts() {
        let text = "other:1:2\n1001:300000:65536\ndrill:100000:65536\n";
        let names = ["drill".to_owned(), "1001".to_owned()];
        assert_eq!(sub_range(text, &names), Some((300_000, 65536)));
        assert_eq!(sub_range("drill:x:1\n", &names), None);
        assert_eq!(sub_range("", &names), None);
    }
}

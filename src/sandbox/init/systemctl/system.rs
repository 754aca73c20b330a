//! What `systemctl` tells of the node as a whole, and the targets that a node has reached once
//! it runs.

use super::super::journal::stamp;
use super::super::journalctl::host;
use super::show::{command_line, time_span};
use super::width::shorten;
use super::{Info, Options, all_units, colours};
use crate::error::Result;

/// Targets of systemd that are reached when a machine is up. Here they are names that units
/// are wanted by, and nothing else.
const REACHED: [(&str, &str); 11] = [
    ("basic.target", "Basic System"),
    ("local-fs.target", "Local File Systems"),
    ("multi-user.target", "Multi-User System"),
    ("network-online.target", "Network is Online"),
    ("network.target", "Network"),
    ("paths.target", "Path Units"),
    ("slices.target", "Slice Units"),
    ("sockets.target", "Socket Units"),
    ("swap.target", "Swaps"),
    ("sysinit.target", "System Initialization"),
    ("timers.target", "Timer Units"),
];

/// Has the targets that every running machine has reached be active.
pub(super) fn reach_targets(units: &mut [(String, Option<Info>)]) {
    for (name, info) in units {
        if name == "default.target" {
            "multi-user.target".clone_into(name);
        }
        let known = REACHED.iter().find(|(target, _)| target == name);
        let idle = info.as_ref().is_none_or(|info| info.active == "inactive");
        let Some((_, description)) = known.filter(|_| idle) else {
            continue;
        };
        *info = Some(Info {
            description: (*description).to_owned(),
            path: format!("/usr/lib/systemd/system/{name}"),
            active: "active".to_owned(),
            sub: "active".to_owned(),
            result: "success".to_owned(),
            since: booted(),
            ..info.take().unwrap_or_default()
        });
    }
}

/// When process 1 was started, in microseconds since 1970; 0 if that can't be told.
fn booted() -> i64 {
    let uptime = || -> Option<f64> {
        let text = std::fs::read_to_string("/proc/uptime").ok()?;
        text.split(' ').next()?.parse().ok()
    };
    let (Some(uptime), Some(ticks)) = (uptime(), crate::sys::start_time(1)) else {
        return 0;
    };
    // A tick is 1/100 s.
    let lived = uptime - ticks as f64 / 100.0;
    jiff::Timestamp::now().as_microsecond() - (lived * 1e6) as i64
}

/// `systemctl status` without a unit.
pub(super) fn status(options: &Options, columns: Option<usize>) -> Result<u8> {
    let units = all_units()?;
    let failed = units.iter().filter(|(_, info)| info.active == "failed");
    let failed = failed.count();
    let (state, colour) = match failed {
        0 => ("running", "\x1b[0;1;32m"),
        _ => ("degraded", "\x1b[0;1;31m"),
    };
    let paint = |text: &str| match colours() {
        true => format!("{colour}{text}\x1b[0m"),
        false => text.to_owned(),
    };
    println!("{} {}", paint("●"), host());
    println!("    State: {}", paint(state));
    println!("    Units: {} loaded (incl. loaded aliases)", units.len());
    println!("     Jobs: 0 queued\n   Failed: {failed} units");
    let since = booted();
    let lived = (jiff::Timestamp::now().as_microsecond() - since).max(0);
    println!(
        "    Since: {}; {} ago",
        stamp(since, "%a %Y-%m-%d %H:%M:%S %Z"),
        time_span(lived as u64)
    );
    println!("   CGroup: /");
    for line in tree(&units) {
        let line = format!("           {line}");
        let columns = columns.filter(|_| !options.full);
        println!("{}", shorten(&line, columns, 100).unwrap_or(line));
    }
    Ok(0)
}

/// Who runs, by unit.
fn tree(units: &[(String, Info)]) -> Vec<String> {
    let running: Vec<_> = units
        .iter()
        .filter(|(_, info)| !info.processes.is_empty())
        .collect();
    let last_scope = running.is_empty();
    let (branch, stem) = if last_scope {
        ("└─", "  ")
    } else {
        ("├─", "│ ")
    };
    let mut lines = vec![
        format!("{branch}init.scope"),
        format!("{stem}└─1 {}", command_line(1)),
    ];
    if !last_scope {
        lines.push("└─system.slice".to_owned());
    }
    for (index, (name, info)) in running.iter().enumerate() {
        let last = index + 1 == running.len();
        let (branch, stem) = if last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        lines.push(format!("  {branch}{name}"));
        for (index, pid) in info.processes.iter().enumerate() {
            let last = index + 1 == info.processes.len();
            let mark = if last { "└─" } else { "├─" };
            lines.push(format!("  {stem}{mark}{pid} {}", command_line(*pid)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_node_has_reached_its_targets() {
        let mut units = vec![
            ("multi-user.target".to_owned(), None),
            ("default.target".to_owned(), None),
            ("graphical.target".to_owned(), None),
            ("etcd.service".to_owned(), None),
        ];
        reach_targets(&mut units);
        let active: Vec<_> = units
            .iter()
            .filter(|(_, info)| info.as_ref().is_some_and(|info| info.active == "active"))
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(active, ["multi-user.target", "multi-user.target"]);
    }

    #[test]
    fn the_tree_has_who_runs() {
        let info = |processes: &[i32]| Info {
            processes: processes.to_vec(),
            ..Info::default()
        };
        let me = std::process::id() as i32;
        let units = [
            ("a.service".to_owned(), info(&[me, me])),
            ("b.service".to_owned(), info(&[])),
            ("c.service".to_owned(), info(&[me])),
        ];
        let lines = tree(&units);
        let heads: Vec<&str> = lines
            .iter()
            .map(|line| line.split(&format!("{me} ")).next().unwrap_or_default())
            .collect();
        assert_eq!(heads[0], "├─init.scope");
        assert_eq!(
            heads[2..],
            [
                "└─system.slice",
                "  ├─a.service",
                "  │ ├─",
                "  │ └─",
                "  └─c.service",
                "    └─"
            ]
        );
        assert_eq!(tree(&[])[0], "└─init.scope");
    }
}

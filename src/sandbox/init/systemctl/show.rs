//! Verbs that show what runs: status, show, list-units, is-active.

use std::fs;

use super::super::journal::stamp;
use super::super::journalctl::bytes;
use super::super::words::matches;
use super::files::enablement;
use super::width::{self, last_lines, shorten};
use super::{Info, Options, all_units, colours, infos, system, warn_outdated};
use crate::error::{Error, Result};

pub(super) fn check(verb: &str, units: &[String], options: &Options) -> Result<u8> {
    if units.is_empty() {
        return Err(Error::Unit("Too few arguments.".to_owned()));
    }
    let wanted = if verb == "is-active" {
        "active"
    } else {
        "failed"
    };
    let mut code = if verb == "is-active" { 3 } else { 1 };
    for (_, info) in infos(units)? {
        let state = info.map_or_else(|| "inactive".to_owned(), |info| info.active);
        if state == wanted || (wanted == "active" && state == "reloading") {
            code = 0;
        }
        if !options.quiet {
            println!("{state}");
        }
    }
    Ok(code)
}

/// Whether a unit is meant; no patterns mean all.
pub(super) fn fits(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name))
}

pub(super) fn list(patterns: &[String], options: &Options) -> Result<u8> {
    let rows: Vec<(String, Info)> = all_units()?
        .into_iter()
        .filter(|(name, info)| {
            let shown = options.all || info.active != "inactive" || !options.states.is_empty();
            let states = &options.states;
            shown
                && fits(patterns, name)
                && (states.is_empty()
                    || states.contains(&info.active)
                    || states.contains(&info.sub))
                && options.is_of_type(name)
        })
        .collect();
    let widths = [
        rows.iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or(4)
            .max(4),
        rows.iter()
            .map(|(_, info)| info.active.len())
            .max()
            .unwrap_or(6)
            .max(6),
        rows.iter()
            .map(|(_, info)| info.sub.len())
            .max()
            .unwrap_or(3)
            .max(3),
    ];
    let [name_width, active_width, sub_width] = widths;
    if !options.no_legend {
        let (unit, load, active, sub) = ("UNIT", "LOAD", "ACTIVE", "SUB");
        println!(
            "  {unit:<name_width$} {load:<6} {active:<active_width$} {sub:<sub_width$} DESCRIPTION"
        );
    }
    for (name, info) in &rows {
        let mark = if info.active == "failed" { "●" } else { " " };
        println!(
            "{mark} {name:<name_width$} {:<6} {:<active_width$} {:<sub_width$} {}",
            "loaded", info.active, info.sub, info.description
        );
    }
    if !options.no_legend {
        print!("{}", legend(rows.len(), options));
    }
    Ok(0)
}

/// What stands below a list of units (systemd 252 `output_units_list`).
fn legend(count: usize, options: &Options) -> String {
    let mut text = String::new();
    if count > 0 {
        text += "\nLOAD   = Reflects whether the unit definition was properly loaded.\n\
            ACTIVE = The high-level unit activation state, i.e. generalization of SUB.\n\
            SUB    = The low-level unit activation state, values depend on unit type.\n";
    }
    text += &format!("{count} loaded units listed.");
    let everything = options.all || options.states.iter().any(|state| state == "inactive");
    if !everything && options.states.is_empty() {
        text += " Pass --all to see loaded but inactive units, too.";
    }
    text.push('\n');
    if everything || options.states.is_empty() {
        text += "To show all installed unit files use 'systemctl list-unit-files'.\n";
    }
    text
}

pub(super) fn status(units: &[String], options: &Options) -> Result<u8> {
    let columns = width::columns(options.full);
    if units.is_empty() && !options.all {
        return system::status(options, columns);
    }
    let found = if units.is_empty() {
        all_units()?
            .into_iter()
            .map(|(name, info)| (name, Some(info)))
            .collect()
    } else {
        infos(units)?
    };
    let (mut code, mut shortened) = (0, false);
    for (index, (name, info)) in found.iter().enumerate() {
        let Some(info) = info else {
            eprintln!("Unit {name} could not be found.");
            code = 4;
            continue;
        };
        if index > 0 {
            println!();
        }
        if info.outdated {
            warn_outdated(name);
        }
        print!("{}", describe(name, info, columns));
        let (text, cut) = last_lines(name, options.lines.unwrap_or(10), columns);
        print!("{text}");
        shortened |= cut;
        if code == 0 && !matches!(info.active.as_str(), "active" | "reloading" | "activating") {
            code = 3;
        }
    }
    if shortened {
        println!("Hint: Some lines were ellipsized, use -l to show in full.");
    }
    Ok(code)
}

fn describe(name: &str, info: &Info, columns: Option<usize>) -> String {
    let (dot, colour) = match info.active.as_str() {
        "active" | "reloading" | "activating" => ("●", "\x1b[0;1;32m"),
        "failed" => ("×", "\x1b[0;1;31m"),
        _ => ("○", ""),
    };
    let paint = |text: &str| {
        if colours() && !colour.is_empty() {
            format!("{colour}{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let mut text = format!("{} {name}", paint(dot));
    if info.description != name {
        text.push_str(&format!(" - {}", info.description));
    }
    let mut row = |head: &str, tail: String| text.push_str(&format!("\n{head:>12} {tail}"));
    let enabled = enablement(name).unwrap_or("disabled");
    let preset = if enabled == "static" {
        String::new()
    } else {
        "; preset: enabled".to_owned()
    };
    row(
        "Loaded:",
        format!("loaded ({}; {enabled}{preset})", info.path),
    );
    if let Some((first, _)) = info.drop_ins.first().and_then(|path| path.rsplit_once('/')) {
        row("Drop-In:", first.to_owned());
        let names = info
            .drop_ins
            .iter()
            .filter_map(|path| path.rsplit('/').next());
        row("", format!("└─{}", names.collect::<Vec<_>>().join(", ")));
    }
    row("Active:", active_line(info, &paint));
    if !info.triggers.is_empty() {
        let next = match info.next {
            0 => "n/a".to_owned(),
            next => {
                let left = next - jiff::Timestamp::now().as_microsecond();
                format!(
                    "{}; {} left",
                    stamp(next, "%a %Y-%m-%d %H:%M:%S %Z"),
                    time_span(left.max(0) as u64)
                )
            }
        };
        row("Trigger:", next);
        row("Triggers:", format!("● {}", info.triggers));
    }
    for (index, url) in info.documentation.iter().enumerate() {
        row(if index == 0 { "Docs:" } else { "" }, url.clone());
    }
    if let Some((command, end)) = &info.last_control {
        row(
            "Process:",
            format!("{} {command} ({})", end.pid, end.short()),
        );
    }
    match (&info.main, &info.last_main) {
        (Some(pid), _) => row("Main PID:", format!("{pid} ({})", process_name(*pid))),
        (None, Some(end)) if info.since != 0 => {
            let start = &info.start_command;
            row(
                "Process:",
                format!("{} ExecStart={start} ({})", end.pid, end.short()),
            );
            row("Main PID:", format!("{} ({})", end.pid, end.short()));
        }
        _ => {}
    }
    if !info.status.is_empty() {
        row("Status:", format!("\"{}\"", info.status));
    }
    if !info.processes.is_empty() {
        let usage = Usage::of(&info.processes);
        row("Tasks:", usage.tasks.to_string());
        row("Memory:", bytes(usage.memory));
        row("CPU:", time_span(usage.cpu_micros));
        row("CGroup:", format!("/system.slice/{name}"));
        for (index, pid) in info.processes.iter().enumerate() {
            let mark = if index + 1 == info.processes.len() {
                "└─"
            } else {
                "├─"
            };
            let line = format!("{mark}{pid} {}", command_line(*pid));
            let room = columns.map(|columns| columns.saturating_sub(13));
            row("", shorten(&line, room, 100).unwrap_or(line));
        }
    }
    text.push('\n');
    text
}

fn active_line(info: &Info, paint: &dyn Fn(&str) -> String) -> String {
    let mut state = info.active.clone();
    if info.sub != info.active {
        state += &format!(" ({})", info.sub);
    }
    if info.result != "success" && info.active != "active" {
        state += &format!(" (Result: {})", info.result);
    }
    let state = paint(&state);
    if info.since == 0 {
        return state;
    }
    let when = stamp(info.since, "%a %Y-%m-%d %H:%M:%S %Z");
    let now = jiff::Timestamp::now().as_microsecond();
    format!(
        "{state} since {when}; {} ago",
        time_span((now - info.since).max(0) as u64)
    )
}

struct Usage {
    tasks: usize,
    memory: u64,
    cpu_micros: u64,
}

impl Usage {
    fn of(pids: &[i32]) -> Usage {
        let mut usage = Usage {
            tasks: 0,
            memory: 0,
            cpu_micros: 0,
        };
        for pid in pids {
            let tasks = fs::read_dir(format!("/proc/{pid}/task"));
            usage.tasks += tasks.map_or(0, Iterator::count);
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields: Vec<&str> = stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            let number = |at: usize| {
                fields
                    .get(at)
                    .and_then(|f| f.parse::<u64>().ok())
                    .unwrap_or(0)
            };
            // utime and stime are fields 14 and 15 of proc(5), in clock ticks of
            // 1/100 s; rss is field 24, in pages of 4 KiB.
            usage.cpu_micros += (number(11) + number(12)) * 10_000;
            usage.memory += number(21) * 4096;
        }
        usage
    }
}

fn process_name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

pub(super) fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty());
    let words: Vec<_> = words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    if words.is_empty() {
        format!("[{}]", process_name(pid))
    } else {
        words.join(" ")
    }
}

/// `2min 5s`, `1h 3min`, `350ms`: the two largest units, as systemd shortens.
pub(super) fn time_span(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        0 => format!("{}ms", micros / 1000),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}min {}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {}min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86400),
    }
}

/// `list-timers`: what waits, and for when.
pub(super) fn timers(patterns: &[String], options: &Options) -> Result<u8> {
    let mut found: Vec<(String, Info)> = all_units()?
        .into_iter()
        .filter(|(name, info)| name.ends_with(".timer") && (options.all || info.sub == "waiting"))
        .filter(|(name, _)| fits(patterns, name))
        .collect();
    // Those that will never elapse again stand last.
    found.sort_by_key(|(_, info)| match info.next {
        0 => i64::MAX,
        next => next,
    });
    let now = jiff::Timestamp::now().as_microsecond();
    let when = |micros: i64| match micros {
        0 => "-".to_owned(),
        micros => stamp(micros, "%a %Y-%m-%d %H:%M:%S %Z"),
    };
    let span = |micros: i64, tail: &str| match micros {
        0 => "-".to_owned(),
        micros => format!("{}{tail}", time_span((micros - now).unsigned_abs())),
    };
    let mut rows = vec![["NEXT", "LEFT", "LAST", "PASSED", "UNIT", "ACTIVATES"].map(str::to_owned)];
    for (name, info) in &found {
        rows.push([
            when(info.next),
            span(info.next, ""),
            when(info.last),
            span(info.last, " ago"),
            name.clone(),
            info.triggers.clone(),
        ]);
    }
    if options.no_legend {
        rows.remove(0);
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        println!("{}", cells.join(" ").trim_end());
    }
    if !options.no_legend {
        println!("\n{} timers listed.", found.len());
    }
    Ok(0)
}

pub(super) fn properties(units: &[String], options: &Options) -> Result<u8> {
    for (name, info) in infos(units)? {
        let mut rows: Vec<(&str, String)> = vec![("Id", name.clone())];
        match info {
            None => {
                rows.push(("LoadState", "not-found".to_owned()));
                rows.push(("ActiveState", "inactive".to_owned()));
                rows.push(("SubState", "dead".to_owned()));
            }
            Some(info) => {
                let end = info.last_main.clone();
                rows.extend(commands(&info));
                rows.extend([
                    ("Type", info.kind),
                    ("Restart", info.restart),
                    ("User", info.user),
                    ("Group", info.group),
                    ("LoadState", "loaded".to_owned()),
                    ("ActiveState", info.active),
                    ("SubState", info.sub),
                    ("Description", info.description),
                    ("FragmentPath", info.path),
                    ("DropInPaths", info.drop_ins.join(" ")),
                    (
                        "UnitFileState",
                        enablement(&name).unwrap_or_default().to_owned(),
                    ),
                    ("MainPID", info.main.unwrap_or(0).to_string()),
                    (
                        "ExecMainStatus",
                        end.map_or(0, |end| end.status).to_string(),
                    ),
                    ("Result", info.result),
                    ("NRestarts", info.restarts.to_string()),
                    ("StatusText", info.status),
                    (
                        "NeedDaemonReload",
                        if info.outdated { "yes" } else { "no" }.to_owned(),
                    ),
                ]);
            }
        }
        for (key, value) in rows {
            if !options.properties.is_empty()
                && !options.properties.iter().any(|wanted| wanted == key)
            {
                continue;
            }
            if options.value {
                println!("{value}");
            } else {
                println!("{key}={value}");
            }
        }
    }
    Ok(0)
}

/// What a unit starts, and with which environment, in the words of `systemctl show`
/// (systemd 252 `src/systemctl/systemctl-show.c`). Empty properties are left out, as there.
fn commands(info: &Info) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if !info.start_command.is_empty() {
        let path = info.start_command.split(' ').next().unwrap_or_default();
        let started = match info.main {
            Some(_) => stamp(info.since, "%a %Y-%m-%d %H:%M:%S %Z"),
            None => "n/a".to_owned(),
        };
        rows.push((
            "ExecStart",
            format!(
                "{{ path={path} ; argv[]={} ; ignore_errors=no ; start_time=[{started}] ; \
                 stop_time=[n/a] ; pid={} ; code=(null) ; status=0/0 }}",
                info.start_command,
                info.main.unwrap_or(0)
            ),
        ));
    }
    if !info.environment.is_empty() {
        let pairs = info.environment.iter();
        let words: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        rows.push(("Environment", words.join(" ")));
    }
    if !info.triggers.is_empty() {
        rows.push(("Unit", info.triggers.clone()));
    }
    for (path, optional) in &info.environment_files {
        let optional = if *optional { "yes" } else { "no" };
        rows.push((
            "EnvironmentFiles",
            format!("{path} (ignore_errors={optional})"),
        ));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_like_systemd() {
        assert_eq!(time_span(350_000), "350ms");
        assert_eq!(time_span(125_000_000), "2min 5s");
        assert_eq!(time_span(7_380_000_000), "2h 3min");
    }
}

//! The applet `journalctl`.

mod files;
mod options;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::journal::{Entry, Reader, local, stamp};
pub(super) use files::bytes;
use options::{HELP, Options, parse};

/// The applet.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let words: Vec<String> = args
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let options = match parse(&words) {
        Ok(options) => options,
        Err(text) => {
            if text.is_empty() {
                println!("{HELP}");
                return ExitCode::SUCCESS;
            }
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    // A closed pipe (`| head`) ends the program quietly.
    crate::sys::reset_signals();
    if let Some(action) = &options.action {
        return match files::run(action, options.quiet) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => {
                eprintln!("{text}");
                ExitCode::FAILURE
            }
        };
    }
    let boot = match options.boot.map(boot_at).transpose() {
        Ok(boot) => boot,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let mut reader = Reader::open();
    let found = collect(&mut reader, &options, boot.as_deref());
    let host = host();
    let mut text = String::new();
    if found.is_empty() && !options.follow && !options.quiet {
        text.push_str("-- No entries --\n");
    }
    for entry in &found {
        text.push_str(&show(entry, &options, &host));
        text.push('\n');
    }
    if options.follow {
        print!("{text}");
        return follow(&mut reader, &options, &host);
    }
    print_paged(&text, &options);
    ExitCode::SUCCESS
}

/// The boot that many after the first, or before the last one.
fn boot_at(offset: i64) -> Result<String, String> {
    let mut boots: Vec<String> = Vec::new();
    let mut reader = Reader::open();
    while let Some(entry) = reader.next() {
        if boots.last() != Some(&entry.boot) {
            boots.push(entry.boot);
        }
    }
    let last = boots.len() as i64 - 1;
    let index = if offset > 0 {
        offset - 1
    } else {
        last + offset
    };
    let found = usize::try_from(index).ok().and_then(|at| boots.get(at));
    found.cloned().ok_or_else(|| {
        format!(
            "Data from the specified boot ({offset:+}) is not available: No such boot ID in journal"
        )
    })
}

/// The value of a field of an entry, as `-o json` names it.
fn field(entry: &Entry, name: &str) -> Option<String> {
    // What init says about a unit is no message of the unit's.
    let own = entry.pid != 1;
    match name {
        "_SYSTEMD_UNIT" if own => Some(entry.unit.clone()),
        "UNIT" if !own => Some(entry.unit.clone()),
        "SYSLOG_IDENTIFIER" | "_COMM" => Some(entry.identifier.clone()),
        "_PID" => Some(entry.pid.to_string()),
        "PRIORITY" => Some(entry.priority.to_string()),
        "MESSAGE" => Some(entry.message.clone()),
        "_HOSTNAME" => Some(host()),
        "_BOOT_ID" => Some(entry.boot.clone()),
        _ => None,
    }
}

/// Values of one field are alternatives; fields must all match.
fn has_fields(entry: &Entry, wanted: &[(String, String)]) -> bool {
    wanted.iter().all(|(name, _)| {
        let value = field(entry, name);
        wanted
            .iter()
            .any(|(other, wanted)| other == name && value.as_ref() == Some(wanted))
    })
}

fn matches(entry: &Entry, options: &Options, boot: Option<&str>) -> bool {
    let of_unit = |wanted: &String| super::words::matches(wanted, &entry.unit);
    // The kernel is the host's, and so are its messages: none is in a node's journal.
    !options.kernel
        && (options.units.is_empty() || options.units.iter().any(of_unit))
        && has_fields(entry, &options.fields)
        && (options.identifiers.is_empty() || options.identifiers.contains(&entry.identifier))
        && options.since.is_none_or(|since| entry.time >= since)
        && options.until.is_none_or(|until| entry.time <= until)
        && options
            .priority
            .is_none_or(|priority| entry.priority <= priority)
        && options
            .grep
            .as_ref()
            .is_none_or(|text| match text.chars().any(char::is_uppercase) {
                true => entry.message.contains(text.as_str()),
                false => entry.message.to_lowercase().contains(text.as_str()),
            })
        && boot.is_none_or(|boot| entry.boot == boot)
}

fn collect(reader: &mut Reader, options: &Options, boot: Option<&str>) -> Vec<Entry> {
    let limit = match (options.lines, options.all_lines) {
        (_, true) => usize::MAX,
        (Some(lines), _) => lines,
        (None, _) if options.follow => 10,
        (None, _) if options.end => 1000,
        (None, _) => usize::MAX,
    };
    let mut kept: VecDeque<Entry> = VecDeque::new();
    while let Some(entry) = reader.next() {
        if matches(&entry, options, boot) {
            kept.push_back(entry);
            if kept.len() > limit {
                kept.pop_front();
            }
        }
    }
    let mut found: Vec<Entry> = kept.into();
    if options.reverse {
        found.reverse();
    }
    found
}

fn show(entry: &Entry, options: &Options, host: &str) -> String {
    let iso = |format: &str| {
        let when = stamp(entry.time, format);
        format!(
            "{when} {host} {}[{}]: {}",
            entry.identifier, entry.pid, entry.message
        )
    };
    match options.output.as_str() {
        "cat" => entry.message.clone(),
        "json" | "json-pretty" => {
            let fields = serde_json::json!({
                "__REALTIME_TIMESTAMP": entry.time.to_string(),
                "_SYSTEMD_UNIT": entry.unit,
                "SYSLOG_IDENTIFIER": entry.identifier,
                "_PID": entry.pid.to_string(),
                "PRIORITY": entry.priority.to_string(),
                "MESSAGE": entry.message,
                "_HOSTNAME": host,
                "_BOOT_ID": entry.boot,
            });
            match options.output.as_str() {
                "json" => fields.to_string(),
                _ => serde_json::to_string_pretty(&fields).unwrap_or_default(),
            }
        }
        "short-iso" => iso("%Y-%m-%dT%H:%M:%S%z"),
        "short-iso-precise" => iso("%Y-%m-%dT%H:%M:%S.%6f%z"),
        "short-unix" => iso("%s.%6f"),
        "short-precise" => iso("%b %d %H:%M:%S.%6f"),
        "short-full" => iso("%a %Y-%m-%d %H:%M:%S %Z"),
        _ if !options.hostname => {
            let when = local(entry.time);
            format!(
                "{when} {}[{}]: {}",
                entry.identifier, entry.pid, entry.message
            )
        }
        _ => entry.line(host),
    }
}

fn follow(reader: &mut Reader, options: &Options, host: &str) -> ExitCode {
    loop {
        while let Some(entry) = reader.next() {
            if matches(&entry, options, None)
                && writeln!(io::stdout(), "{}", show(&entry, options, host)).is_err()
            {
                return ExitCode::SUCCESS;
            }
        }
        std::thread::sleep(Duration::from_millis(100));
        reader.follow_rotation();
    }
}

/// Through `less`, as journalctl does, when a person looks.
fn print_paged(text: &str, options: &Options) {
    use std::io::IsTerminal as _;
    if !options.no_pager && io::stdout().is_terminal() && text.lines().count() > 20 {
        let mut pager = Command::new("less");
        pager.env("LESS", "FRSXMK").stdin(Stdio::piped());
        if options.end {
            pager.arg("+G");
        }
        if let Ok(mut child) = pager.spawn() {
            if let Some(mut input) = child.stdin.take() {
                let _ = input.write_all(text.as_bytes());
            }
            let _ = child.wait();
            return;
        }
    }
    let _ = io::stdout().write_all(text.as_bytes());
}

/// This node's name.
pub(super) fn host() -> String {
    nix::unistd::gethostname()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

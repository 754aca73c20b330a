//! The applet `journalctl`.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::journal::{Entry, Reader, local, stamp};
use super::unit::full_name;

#[derive(Debug, Default, PartialEq)]
struct Options {
    units: Vec<String>,
    identifiers: Vec<String>,
    follow: bool,
    lines: Option<usize>,
    all_lines: bool,
    end: bool,
    reverse: bool,
    no_pager: bool,
    since: Option<i64>,
    until: Option<i64>,
    this_boot: bool,
    priority: Option<u8>,
    output: String,
    grep: Option<String>,
    hostname: bool,
}

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
    let mut reader = Reader::open();
    let found = collect(&mut reader, &options);
    let host = host();
    let mut text = String::new();
    if found.is_empty() && !options.follow {
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

const HELP: &str = "journalctl [OPTIONS...]\n\n\
Query the journal of this node.\n\n\
  -u --unit=UNIT          Show logs from the specified unit\n\
  -t --identifier=STRING  Show entries with the specified syslog identifier\n\
  -f --follow             Follow the journal\n\
  -n --lines[=INTEGER]    Number of journal entries to show\n\
  -e --pager-end          Immediately jump to the end in the pager\n\
  -r --reverse            Show the newest entries first\n\
  -b --boot               Show the current boot\n\
  -x --catalog            Accepted\n\
  -p --priority=RANGE     Show entries within the specified priority range\n\
  -g --grep=TEXT          Show entries with this text in MESSAGE\n\
  -S --since=DATE         Show entries not older than the specified date\n\
  -U --until=DATE         Show entries not newer than the specified date\n\
  -o --output=STRING      short, short-iso, cat, json\n\
     --no-pager           Do not pipe output into a pager";

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        output: "short".to_owned(),
        hostname: true,
        ..Options::default()
    };
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        let (name, mut value) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => {
                (name.to_owned(), Some(value.to_owned()))
            }
            _ => (word.clone(), None),
        };
        if !name.starts_with("--") && name.starts_with('-') && name.len() > 2 {
            // Short options in one word: -xeu kubelet, -n20.
            let mut expanded = Vec::new();
            let mut letters = name[1..].char_indices();
            for (at, letter) in letters.by_ref() {
                if "utnpgSUo".contains(letter) {
                    let tail = &name[1 + at + letter.len_utf8()..];
                    expanded.push(format!("-{letter}"));
                    if !tail.is_empty() {
                        expanded.push(tail.to_owned());
                    }
                    break;
                }
                expanded.push(format!("-{letter}"));
            }
            expanded.extend(rest.cloned());
            let tail = parse(&expanded)?;
            return Ok(merge(options, tail));
        }
        let mut argument = || {
            value
                .take()
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| format!("journalctl: option '{name}' requires an argument"))
        };
        match name.as_str() {
            "-u" | "--unit" => options.units.push(full_name(&argument()?)),
            "-t" | "--identifier" => options.identifiers.push(argument()?),
            "-f" | "--follow" => options.follow = true,
            "-e" | "--pager-end" => options.end = true,
            "-r" | "--reverse" => options.reverse = true,
            "-b" | "--boot" => options.this_boot = true,
            "--no-pager" => options.no_pager = true,
            "--no-hostname" => options.hostname = false,
            "-x" | "--catalog" | "-a" | "--all" | "-l" | "--full" | "-q" | "--quiet" | "-m"
            | "--no-full" => {}
            "-g" | "--grep" => options.grep = Some(argument()?),
            "-p" | "--priority" => options.priority = Some(parse_priority(&argument()?)?),
            "-o" | "--output" => options.output = argument()?,
            "-S" | "--since" => options.since = Some(parse_time(&argument()?)?),
            "-U" | "--until" => options.until = Some(parse_time(&argument()?)?),
            "-n" | "--lines" => {
                let text = match value.take() {
                    Some(text) => text,
                    None => match rest.peek() {
                        Some(next) if *next == "all" || next.parse::<usize>().is_ok() => {
                            rest.next().cloned().unwrap_or_default()
                        }
                        _ => "10".to_owned(),
                    },
                };
                options.all_lines = text == "all";
                options.lines = text.parse().ok();
                if !options.all_lines && options.lines.is_none() {
                    return Err(format!("Failed to parse lines '{text}'"));
                }
            }
            "-h" | "--help" => return Err(String::new()),
            other if other.starts_with('-') => {
                return Err(format!("journalctl: unrecognized option '{other}'"));
            }
            other => return Err(format!("Failed to add match '{other}': Invalid argument")),
        }
    }
    Ok(options)
}

fn merge(mut one: Options, two: Options) -> Options {
    one.units.extend(two.units);
    one.identifiers.extend(two.identifiers);
    one.follow |= two.follow;
    one.lines = two.lines.or(one.lines);
    one.all_lines |= two.all_lines;
    one.end |= two.end;
    one.reverse |= two.reverse;
    one.no_pager |= two.no_pager;
    one.since = two.since.or(one.since);
    one.until = two.until.or(one.until);
    one.this_boot |= two.this_boot;
    one.priority = two.priority.or(one.priority);
    one.grep = two.grep.or(one.grep);
    one.hostname &= two.hostname;
    if two.output != "short" {
        one.output = two.output;
    }
    one
}

fn parse_priority(text: &str) -> Result<u8, String> {
    const NAMES: [&str; 8] = [
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
    ];
    NAMES
        .iter()
        .position(|name| *name == text)
        .map(|at| at as u8)
        .or_else(|| text.parse().ok().filter(|number| *number < 8))
        .ok_or_else(|| format!("Unknown log level {text}"))
}

/// `2026-01-15 01:08:36`, `2026-01-15`, `01:08`, `today`, `yesterday`, `now`,
/// `-5min`, `5 minutes ago`, `@SECONDS`.
fn parse_time(text: &str) -> Result<i64, String> {
    let wrong = || format!("Failed to parse timestamp: {text}");
    let now = Timestamp::now();
    let zone = TimeZone::system();
    let today = now
        .to_zoned(zone.clone())
        .start_of_day()
        .map_err(|_| wrong())?;
    let of = |time: DateTime| {
        time.to_zoned(zone.clone())
            .map(|zoned| zoned.timestamp().as_microsecond())
            .map_err(|_| wrong())
    };
    match text {
        "now" => return Ok(now.as_microsecond()),
        "today" => return Ok(today.timestamp().as_microsecond()),
        "yesterday" => {
            let day = today.checked_sub(1.day()).map_err(|_| wrong())?;
            return Ok(day.timestamp().as_microsecond());
        }
        _ => {}
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds
            .parse::<i64>()
            .map(|seconds| seconds * 1_000_000)
            .map_err(|_| wrong());
    }
    let relative = text.strip_suffix("ago").or_else(|| text.strip_prefix('-'));
    if let Some(span) = relative {
        let span = super::words::span(span.trim()).ok_or_else(wrong)?;
        return Ok(now.as_microsecond() - span.as_micros() as i64);
    }
    if let Ok(time) = text.replace(' ', "T").parse::<DateTime>() {
        return of(time);
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        return of(date.at(0, 0, 0, 0));
    }
    let time: jiff::civil::Time = text.parse().map_err(|_| wrong())?;
    of(today.date().to_datetime(time))
}

fn matches(entry: &Entry, options: &Options, boot: Option<&str>) -> bool {
    (options.units.is_empty() || options.units.contains(&entry.unit))
        && (options.identifiers.is_empty() || options.identifiers.contains(&entry.identifier))
        && options.since.is_none_or(|since| entry.time >= since)
        && options.until.is_none_or(|until| entry.time <= until)
        && options
            .priority
            .is_none_or(|priority| entry.priority <= priority)
        && options
            .grep
            .as_ref()
            .is_none_or(|text| entry.message.contains(text.as_str()))
        && boot.is_none_or(|boot| entry.boot == boot)
}

fn collect(reader: &mut Reader, options: &Options) -> Vec<Entry> {
    let limit = match (options.lines, options.all_lines) {
        (_, true) => usize::MAX,
        (Some(lines), _) => lines,
        (None, _) if options.follow => 10,
        (None, _) if options.end => 1000,
        (None, _) => usize::MAX,
    };
    let mut kept: VecDeque<Entry> = VecDeque::new();
    let mut boot = String::new();
    while let Some(entry) = reader.next() {
        if options.this_boot && entry.boot != boot {
            boot.clone_from(&entry.boot);
            kept.clear();
        }
        if matches(&entry, options, None) {
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
        "json" => {
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
            fields.to_string()
        }
        "short-iso" => iso("%Y-%m-%dT%H:%M:%S%z"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Options {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&words).expect("understood")
    }

    #[test]
    fn options_as_people_write_them() {
        let options = parsed("-xeu kubelet --no-pager");
        assert_eq!(options.units, ["kubelet.service"]);
        assert!(options.end && options.no_pager);
        assert_eq!(parsed("-fu etcd.service").units, ["etcd.service"]);
        assert_eq!(parsed("-n 5 -u kubelet").lines, Some(5));
        assert_eq!(parsed("-n20").lines, Some(20));
        assert_eq!(parsed("--lines=7").lines, Some(7));
        assert_eq!(parsed("-n -u a").lines, Some(10));
        assert!(parse(&["--bogus".to_owned()]).is_err());
    }

    #[test]
    fn times_as_people_write_them() {
        let now = Timestamp::now().as_microsecond();
        let ago = parse_time("5 minutes ago").expect("a time");
        assert!((now - ago - 300_000_000).abs() < 5_000_000);
        assert!(parse_time("-1h").expect("a time") < ago);
        assert!(parse_time("2026-01-15 01:08:36").is_ok());
        assert!(parse_time("2026-01-15").is_ok());
        assert!(parse_time("whenever").is_err());
    }
}

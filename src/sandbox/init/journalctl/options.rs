//! The command line of `journalctl`.

use std::collections::VecDeque;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::files::{Action, Vacuum, parse_size};
use crate::init::unit::full_name;
use crate::init::words::apart;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Options {
    pub(super) units: Vec<String>,
    pub(super) identifiers: Vec<String>,
    pub(super) follow: bool,
    pub(super) lines: Option<usize>,
    pub(super) all_lines: bool,
    pub(super) end: bool,
    pub(super) reverse: bool,
    pub(super) no_pager: bool,
    pub(super) quiet: bool,
    pub(super) since: Option<i64>,
    pub(super) until: Option<i64>,
    /// 0: the current boot, -1: the one before, 1: the first.
    pub(super) boot: Option<i64>,
    /// FIELD=VALUE
    pub(super) fields: Vec<(String, String)>,
    pub(super) priority: Option<u8>,
    pub(super) output: String,
    pub(super) grep: Option<String>,
    pub(super) hostname: bool,
    /// `-k`
    pub(super) kernel: bool,
    pub(super) action: Option<Action>,
}

pub(super) const HELP: &str = "journalctl [OPTIONS...]\n\n\
Query the journal of this node.\n\n\
  -u --unit=UNIT          Show logs from the specified unit\n\
  -t --identifier=STRING  Show entries with the specified syslog identifier\n\
  -f --follow             Follow the journal\n\
  -n --lines[=INTEGER]    Number of journal entries to show\n\
  -e --pager-end          Immediately jump to the end in the pager\n\
  -r --reverse            Show the newest entries first\n\
  -b --boot[=OFFSET]      Show the current boot, or another one (-1: the last but one)\n\
  -x --catalog            Accepted\n\
  -p --priority=RANGE     Show entries within the specified priority range\n\
  -g --grep=TEXT          Show entries with this text in MESSAGE\n\
  -k --dmesg              Show kernel messages: a node has none of its own\n\
  -F --field=FIELD        List all values that a field takes\n\
  -q --quiet              Do not say that there are no entries\n\
  -S --since=DATE         Show entries not older than the specified date\n\
  -U --until=DATE         Show entries not newer than the specified date\n\
  -o --output=STRING      short, short-iso, short-full, short-unix, cat, json, json-pretty\n\
     --no-pager           Do not pipe output into a pager\n\
     --list-boots         Show terse information about recorded boots\n\
     --disk-usage         Show total disk usage of the journal\n\
     --vacuum-size=BYTES  Reduce disk usage below the specified size\n\
     --vacuum-files=INT   Leave only the specified number of journal files\n\
     --vacuum-time=TIME   Remove journal files older than the specified time";

pub(super) fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options {
        output: "short".to_owned(),
        hostname: true,
        ..Options::default()
    };
    let mut rest: VecDeque<String> = words.iter().cloned().collect();
    while let Some(word) = rest.pop_front() {
        if let Some(parts) = apart(&word, WITH_ARGUMENT) {
            for part in parts.into_iter().rev() {
                rest.push_front(part);
            }
            continue;
        }
        let (name, mut value) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => {
                (name.to_owned(), Some(value.to_owned()))
            }
            _ => (word.clone(), None),
        };
        let mut argument = || {
            value
                .take()
                .or_else(|| rest.pop_front())
                .ok_or_else(|| format!("journalctl: option '{name}' requires an argument"))
        };
        match name.as_str() {
            "-u" | "--unit" => options.units.push(full_name(&argument()?)),
            "-t" | "--identifier" => options.identifiers.push(argument()?),
            "-f" | "--follow" => options.follow = true,
            "-e" | "--pager-end" => options.end = true,
            "-r" | "--reverse" => options.reverse = true,
            "-b" | "--boot" => {
                let number = |text: &String| text.parse().ok();
                options.boot = match value.take() {
                    Some(text) => {
                        let offset = number(&text);
                        Some(offset.ok_or_else(|| format!("Failed to parse boot '{text}'"))?)
                    }
                    None => match rest.front().and_then(number) {
                        Some(offset) => {
                            rest.pop_front();
                            Some(offset)
                        }
                        None => Some(0),
                    },
                };
            }
            "-q" | "--quiet" => options.quiet = true,
            "--no-pager" => options.no_pager = true,
            "--no-hostname" => options.hostname = false,
            "-x" | "--catalog" | "-a" | "--all" | "-l" | "--full" | "-m" | "--no-full" => {}
            "-g" | "--grep" => options.grep = Some(parse_grep(argument()?)?),
            "-p" | "--priority" => options.priority = Some(parse_priority(&argument()?)?),
            "-o" | "--output" => options.output = parse_output(argument()?)?,
            "-S" | "--since" => options.since = Some(parse_time(&argument()?)?),
            "-U" | "--until" => options.until = Some(parse_time(&argument()?)?),
            "-n" | "--lines" => {
                let text = match value.take() {
                    Some(text) => text,
                    None => match rest.front() {
                        Some(next) if next == "all" || next.parse::<usize>().is_ok() => {
                            rest.pop_front().unwrap_or_default()
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
            "-k" | "--dmesg" => options.kernel = true,
            "--list-boots" => options.action = Some(Action::ListBoots),
            "--disk-usage" => options.action = Some(Action::DiskUsage),
            "--flush" | "--sync" => options.action = Some(Action::Nothing),
            "-F" | "--field" => options.action = Some(Action::Field(argument()?)),
            vacuum if vacuum.starts_with("--vacuum-") => {
                options.action = Some(Action::Vacuum(parse_vacuum(&name, &argument()?)?));
            }
            "-h" | "--help" => return Err(String::new()),
            other if ELSEWHERE.contains(&other) => {
                return Err(format!(
                    "journalctl: {other} is not supported by this node's journal"
                ));
            }
            other if other.starts_with('-') => {
                return Err(format!("journalctl: unrecognized option '{other}'"));
            }
            other => {
                let wrong = || format!("Failed to add match '{other}': Invalid argument");
                let (name, value) = word.split_once('=').ok_or_else(wrong)?;
                options.fields.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    Ok(options)
}

fn parse_vacuum(option: &str, text: &str) -> Result<Vacuum, String> {
    let limit = match option {
        "--vacuum-size" => parse_size(text).map(Vacuum::Size),
        "--vacuum-files" => text.parse().ok().map(Vacuum::Files),
        "--vacuum-time" => crate::init::words::span(text).map(Vacuum::Time),
        _ => return Err(format!("journalctl: unrecognized option '{option}'")),
    };
    limit.ok_or_else(|| format!("Failed to parse vacuum limit: {text}"))
}

/// Short options that take an argument.
const WITH_ARGUMENT: &str = "utnpgSUoF";

/// Options that systemd's has and this one does not.
const ELSEWHERE: [&str; 11] = [
    "--after-cursor",
    "--cursor",
    "--directory",
    "--fields",
    "--file",
    "--header",
    "--machine",
    "--output-fields",
    "--rotate",
    "--user",
    "--verify",
];

/// Formats of `-o`.
const OUTPUTS: [&str; 9] = [
    "short",
    "short-iso",
    "short-iso-precise",
    "short-precise",
    "short-full",
    "short-unix",
    "cat",
    "json",
    "json-pretty",
];

fn parse_output(text: String) -> Result<String, String> {
    const OTHERS: [&str; 7] = [
        "export",
        "json-seq",
        "json-sse",
        "short-delta",
        "short-monotonic",
        "verbose",
        "with-unit",
    ];
    if OUTPUTS.contains(&text.as_str()) {
        return Ok(text);
    }
    Err(match OTHERS.contains(&text.as_str()) {
        true => format!("journalctl: -o {text} is not supported by this node's journal"),
        false => format!("Unknown output format '{text}'."),
    })
}

/// Plain text; as there, one without capitals matches whatever the case.
fn parse_grep(text: String) -> Result<String, String> {
    match text.contains(['|', '*', '+', '?', '[', '(', '{', '^', '$', '\\']) {
        true => Err(format!(
            "journalctl: --grep={text}: this node's journal is searched for plain text only, not \
             for patterns; pipe it into grep -E"
        )),
        false => Ok(text),
    }
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
        let span = crate::init::words::span(span.trim()).ok_or_else(wrong)?;
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
        assert_eq!(parsed("-b -1 -u a").boot, Some(-1));
        assert_eq!(parsed("-xb").boot, Some(0));
        assert_eq!(parsed("--boot=2").boot, Some(2));
        assert_eq!(
            parsed("_PID=7").fields,
            [("_PID".to_owned(), "7".to_owned())]
        );
        assert!(parsed("-k -n 5").kernel && parsed("-xk").kernel);
        assert_eq!(parsed("--list-boots").action, Some(Action::ListBoots));
        assert_eq!(
            parsed("--vacuum-size 1K").action,
            Some(Action::Vacuum(Vacuum::Size(1024)))
        );
        assert_eq!(
            parsed("-F _SYSTEMD_UNIT").action,
            Some(Action::Field("_SYSTEMD_UNIT".to_owned()))
        );
        for (wrong, words) in [
            ("--bogus", "unrecognized option '--bogus'"),
            ("--header", "--header is not supported"),
            ("--vacuum-size", "requires an argument"),
            ("--vacuum-size=much", "Failed to parse vacuum limit: much"),
            ("--vacuum-all=1", "unrecognized option '--vacuum-all'"),
            ("-o=x", "Unknown output format 'x'."),
            ("--output=verbose", "-o verbose is not supported"),
            ("--grep=a|b", "plain text only"),
            ("nonsense", "Failed to add match 'nonsense'"),
        ] {
            let line: Vec<String> = wrong.split('=').map(str::to_owned).collect();
            let line = if wrong.starts_with("-o") {
                line
            } else {
                vec![wrong.to_owned()]
            };
            let text = parse(&line).expect_err(wrong);
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn times_as_people_write_them() {
        let now = Timestamp::now().as_microsecond();
        let ago = parse_time("5 minutes ago").expect("a time");
        assert!((now - ago - 300_000_000).abs() < 5_000_000);
        assert!(parse_time("-1h").expect("a time") < ago);
        assert!(parse_time("2026-01-15 01:08:36").is_ok());
        assert!(parse_time("2026-01-15").is_ok());
        assert!(parse_time("2 weeks ago").expect("a time") < ago);
        assert!(parse_time("whenever").is_err());
    }
}

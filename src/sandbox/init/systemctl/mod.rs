//! The applet `systemctl`: what a cluster's operator needs of it, in systemd's
//! words.

mod edit;
mod files;
mod show;
mod system;
mod width;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use super::manager::{NOT_ACTIVE, Outcome};
use super::protocol::{Info, Request, Response, ask};
use super::unit::full_name;
use super::words::{apart, is_pattern, matches};
use crate::error::{Error, Result};

/// What was asked for besides verb and units.
#[derive(Debug, Default)]
struct Options {
    now: bool,
    no_block: bool,
    no_pager: bool,
    no_legend: bool,
    plain: bool,
    quiet: bool,
    all: bool,
    force: bool,
    full: bool,
    value: bool,
    lines: Option<usize>,
    properties: Vec<String>,
    states: Vec<String>,
    types: Vec<String>,
    signal: Option<String>,
    /// Of `edit`.
    drop_in: Option<String>,
    stdin: bool,
}

impl Options {
    /// Whether a unit is of a type that was asked for.
    fn is_of_type(&self, name: &str) -> bool {
        let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
        self.types.is_empty() || self.types.iter().any(|one| one == kind)
    }
}

const HELP: &str = "systemctl [OPTIONS...] COMMAND ...\n\n\
Query or send control commands to the system manager.\n\n\
Unit Commands:\n\
  list-units [PATTERN...]     List units currently in memory\n\
  is-active PATTERN...        Check whether units are active\n\
  is-failed [PATTERN...]      Check whether units are failed\n\
  status [PATTERN...]         Show runtime status of one or more units\n\
  show [PATTERN...]           Show properties of one or more units\n\
  cat PATTERN...              Show files and drop-ins of specified units\n\
  start UNIT...               Start (activate) one or more units\n\
  stop UNIT...                Stop (deactivate) one or more units\n\
  reload UNIT...              Reload one or more units\n\
  restart UNIT...             Start or restart one or more units\n\
  try-restart UNIT...         Restart one or more units if active\n\
  reload-or-restart UNIT...   Reload one or more units if possible\n\
  kill UNIT...                Send signal to processes of a unit\n\
  reset-failed [PATTERN...]   Reset failed state for all, one, or more units\n\n\
Unit File Commands:\n\
  list-unit-files [PATTERN...] List installed unit files\n\
  enable UNIT...              Enable one or more unit files\n\
  disable UNIT...             Disable one or more unit files\n\
  is-enabled UNIT...          Check whether unit files are enabled\n\
  mask UNIT...                Mask one or more units\n\
  unmask UNIT...              Unmask one or more units\n\
  edit UNIT...                Edit one or more unit files\n\
  list-timers [PATTERN...]    List timer units currently in memory\n\n\
System Commands:\n\
  daemon-reload               Reload systemd manager configuration\n\
  is-system-running           Check whether system is fully running\n\
  reboot, poweroff, halt      Shut down the node";

/// The applet.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let words: Vec<String> = args
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let (options, words) = match parse(&words) {
        Ok(parsed) => parsed,
        Err(text) if text.is_empty() => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let verb = words.first().map_or("list-units", String::as_str);
    let units: Vec<String> = words.iter().skip(1).map(|name| full_name(name)).collect();
    let units = match expand(verb, units) {
        Ok(units) => units,
        Err(code) => return code,
    };
    match carry_out(verb, &units, &options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The applet `service`: `systemctl` with its words the other way round.
/// Source: `service.in` of Debian's init-system-helpers, 1.66.
pub(crate) fn run_service(args: &[OsString]) -> ExitCode {
    const USAGE: &str =
        "Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]";
    let words: Vec<_> = args.iter().skip(1).map(|w| w.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let asked: &[&str] = match words[..] {
        ["-h" | "--help", ..] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        ["--status-all", ..] => &["list-units", "--type=service", "--all"],
        [name, "--full-restart"] => &["restart", name],
        [name, "force-reload"] => &["reload-or-restart", name],
        [name, command] => &[command, name],
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let asked = ["systemctl"].iter().chain(asked).map(OsString::from);
    run(&asked.collect::<Vec<_>>())
}

/// Patterns stand for the loaded units that they match. Verbs that list have patterns of
/// their own. `Err`: there is nothing to do.
fn expand(verb: &str, units: Vec<String>) -> std::result::Result<Vec<String>, ExitCode> {
    let lists = ["list-units", "list-unit-files", "list-timers"].contains(&verb);
    if lists || !units.iter().any(|name| is_pattern(name)) {
        return Ok(units);
    }
    let loaded = all_units().map_err(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })?;
    let mut found = Vec::new();
    for name in units {
        if !is_pattern(&name) {
            found.push(name);
            continue;
        }
        let matching = loaded.iter().filter(|(unit, _)| matches(&name, unit));
        found.extend(matching.map(|(unit, _)| unit.clone()));
    }
    match found.is_empty() {
        true => Err(ExitCode::from(if verb == "is-active" { 3 } else { 0 })),
        false => Ok(found),
    }
}

/// Short options that take an argument.
const WITH_ARGUMENT: &str = "npPts";

fn parse(words: &[String]) -> Result<(Options, Vec<String>), String> {
    let mut options = Options::default();
    let mut rest: VecDeque<String> = words.iter().cloned().collect();
    let mut plain = Vec::new();
    while let Some(word) = rest.pop_front() {
        if let Some(parts) = apart(&word, WITH_ARGUMENT) {
            for part in parts.into_iter().rev() {
                rest.push_front(part);
            }
            continue;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut argument = || {
            value
                .clone()
                .or_else(|| rest.pop_front())
                .ok_or_else(|| format!("systemctl: option '{name}' requires an argument"))
        };
        let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        match name {
            "--now" => options.now = true,
            "--no-block" => options.no_block = true,
            "--no-pager" => options.no_pager = true,
            "--no-legend" => options.no_legend = true,
            "--plain" => options.plain = true,
            "-q" | "--quiet" => options.quiet = true,
            "-a" | "--all" => options.all = true,
            "-f" | "--force" => options.force = true,
            "-l" | "--full" => options.full = true,
            "--value" => options.value = true,
            "--system" | "--no-ask-password" | "--no-warn" | "--no-reload" | "-i" => {}
            "-n" | "--lines" => {
                let text = argument()?;
                options.lines = Some(
                    text.parse()
                        .map_err(|_| format!("Failed to parse lines '{text}'"))?,
                );
            }
            "-p" | "--property" => options.properties.extend(list(argument()?)),
            "-P" => {
                options.value = true;
                options.properties.extend(list(argument()?));
            }
            "--state" => options.states.extend(list(argument()?)),
            "-t" | "--type" => options.types.extend(list(argument()?)),
            "--drop-in" => options.drop_in = Some(argument()?),
            "--stdin" => options.stdin = true,
            "-s" | "--signal" => options.signal = Some(argument()?),
            "--failed" => options.states.push("failed".to_owned()),
            "-h" | "--help" => return Err(String::new()),
            "--version" => return Err("this node's init is kubedrill's, not systemd".to_owned()),
            other if other.starts_with('-') && other.len() > 1 => {
                return Err(format!("systemctl: unrecognized option '{other}'"));
            }
            other => plain.push(other.to_owned()),
        }
    }
    Ok((options, plain))
}

fn carry_out(verb: &str, units: &[String], options: &Options) -> Result<u8> {
    let lacking = units.is_empty();
    match verb {
        "start" | "stop" | "restart" | "try-restart" | "condrestart" | "reload"
        | "reload-or-restart" => {
            if lacking {
                return Err(Error::Unit("Too few arguments.".to_owned()));
            }
            let verb = if verb == "condrestart" {
                "try-restart"
            } else {
                verb
            };
            jobs(verb, units, options)
        }
        "kill" => kill(units, options),
        "status" => show::status(units, options),
        "show" => show::properties(units, options),
        "list-units" => show::list(units, options),
        "list-unit-files" => files::list(units, options),
        "is-active" | "is-failed" => show::check(verb, units, options),
        "cat" => files::cat(units),
        "enable" | "disable" | "reenable" | "mask" | "unmask" => {
            if lacking {
                return Err(Error::Unit("Too few arguments.".to_owned()));
            }
            let code = files::change(verb, units, options)?;
            ask(&Request::DaemonReload)?;
            match verb {
                _ if code != 0 || !options.now => Ok(code),
                "enable" | "reenable" => jobs("start", units, options),
                "disable" | "mask" => jobs("stop", units, options),
                _ => Ok(0),
            }
        }
        "is-enabled" => files::is_enabled(units, options),
        "daemon-reload" | "daemon-reexec" => ask(&Request::DaemonReload).map(|_| 0),
        "reset-failed" => ask(&Request::ResetFailed {
            units: units.to_vec(),
        })
        .map(|_| 0),
        "is-system-running" => {
            let failed = all_units()?.iter().any(|(_, info)| info.active == "failed");
            println!("{}", if failed { "degraded" } else { "running" });
            Ok(u8::from(failed))
        }
        "get-default" => {
            println!("multi-user.target");
            Ok(0)
        }
        "reboot" | "poweroff" | "halt" => ask(&Request::Shutdown {
            reboot: verb == "reboot",
        })
        .map(|_| 0),
        "list-timers" => show::timers(units, options),
        "edit" => {
            let code = edit::run(units, options)?;
            ask(&Request::DaemonReload)?;
            Ok(code)
        }
        "set-property" | "list-sockets" | "list-jobs" | "list-dependencies" | "isolate"
        | "set-default" | "link" | "preset" | "revert" | "set-environment" | "show-environment"
        | "unset-environment" | "import-environment" | "freeze" | "thaw" | "clean" | "bind" => {
            Err(Error::Unit(format!(
                "systemctl {verb} is not supported by this node's init."
            )))
        }
        other => Err(Error::Unit(format!("Unknown command verb {other}."))),
    }
}

fn all_units() -> Result<Vec<(String, Info)>> {
    match ask(&Request::Show { units: Vec::new() })? {
        Response::Units(units) => Ok(units
            .into_iter()
            .filter_map(|(name, info)| Some((name, info?)))
            .collect()),
        _ => Err(Error::Unit("process 1 gave another answer".to_owned())),
    }
}

fn infos(units: &[String]) -> Result<Vec<(String, Option<Info>)>> {
    match ask(&Request::Show {
        units: units.to_vec(),
    })? {
        Response::Units(mut units) => {
            system::reach_targets(&mut units);
            Ok(units)
        }
        _ => Err(Error::Unit("process 1 gave another answer".to_owned())),
    }
}

fn jobs(verb: &str, units: &[String], options: &Options) -> Result<u8> {
    for (name, info) in infos(units)? {
        if info.is_some_and(|info| info.outdated) {
            warn_outdated(&name);
        }
    }
    let request = Request::Job {
        verb: verb.to_owned(),
        units: units.to_vec(),
        wait: !options.no_block,
    };
    let Response::Jobs(jobs) = ask(&request)? else {
        return Err(Error::Unit("process 1 gave another answer".to_owned()));
    };
    let mut code = 0;
    for (name, outcome) in jobs {
        match outcome {
            Outcome::Done => {}
            Outcome::NotFound => {
                eprintln!("Failed to {verb} {name}: Unit {name} not {}.", absent(verb));
                code = 5;
            }
            Outcome::Refused(reason) => {
                match reason.as_str() {
                    NOT_ACTIVE => eprintln!("{name} {reason}"),
                    _ => eprintln!("Failed to {verb} {name}: {reason}"),
                }
                code = 1;
            }
            Outcome::Failed(result) => {
                let why = match result.as_str() {
                    "exit-code" => "the control process exited with error code",
                    "signal" => "a fatal signal was delivered to the control process",
                    "core-dump" => {
                        "a fatal signal was delivered causing the control process to dump core"
                    }
                    "timeout" => "a timeout was exceeded",
                    "protocol" => {
                        "the service did not take the steps required by its unit configuration"
                    }
                    "resources" => "of unavailable resources or another system error",
                    "start-limit-hit" => "start of the service was attempted too often",
                    _ => "it failed",
                };
                eprintln!("Job for {name} failed because {why}.");
                if result == "start-limit-hit" {
                    eprintln!(
                        "To force a start use \"systemctl reset-failed {name}\"\n\
                         followed by \"systemctl start {name}\" again."
                    );
                } else {
                    eprintln!(
                        "See \"systemctl status {name}\" and \"journalctl -xeu {name}\" for details."
                    );
                }
                code = 1;
            }
        }
    }
    Ok(code)
}

fn absent(verb: &str) -> &'static str {
    // systemd says "not loaded" of what was to be stopped.
    if verb == "stop" { "loaded" } else { "found" }
}

fn warn_outdated(name: &str) {
    eprintln!(
        "Warning: The unit file, source configuration file or drop-ins of {name} changed on disk. \
         Run 'systemctl daemon-reload' to reload units."
    );
}

fn kill(units: &[String], options: &Options) -> Result<u8> {
    let text = options.signal.as_deref().unwrap_or("SIGTERM");
    let name = if text.starts_with("SIG") {
        text.to_owned()
    } else {
        format!("SIG{text}")
    };
    let signal = text
        .parse::<i32>()
        .ok()
        .or_else(|| {
            name.parse::<nix::sys::signal::Signal>()
                .ok()
                .map(|signal| signal as i32)
        })
        .ok_or_else(|| Error::Unit(format!("Failed to parse signal string {text}.")))?;
    ask(&Request::Kill {
        units: units.to_vec(),
        signal,
    })
    .map(|_| 0)
}

/// Whether to mark states with colours.
fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

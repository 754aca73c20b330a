//! Unit files as systemd reads them (systemd.unit(5), systemd.service(5)), as
//! far as services go. Settings that are not known are ignored, as there.

mod calendar;
mod timer;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::words::{duration, is_pattern, limit, split_words};
use crate::error::{Error, Result};
pub(super) use timer::Timer;

/// Where unit files are looked for, the first one wins.
pub(super) const PATHS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// When a service is taken for started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// At once.
    Simple,
    /// When its program was executed.
    Exec,
    /// When it says READY=1.
    Notify,
    /// When its program has ended.
    Oneshot,
    /// When its program has ended and left a daemon behind.
    Forking,
}

impl Type {
    /// As a unit file writes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Type::Simple => "simple",
            Type::Exec => "exec",
            Type::Notify => "notify",
            Type::Oneshot => "oneshot",
            Type::Forking => "forking",
        }
    }
}

/// Restart=
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restart {
    No,
    Always,
    OnSuccess,
    OnFailure,
    OnAbnormal,
    OnAbort,
}

impl Restart {
    /// As a unit file writes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Restart::No => "no",
            Restart::Always => "always",
            Restart::OnSuccess => "on-success",
            Restart::OnFailure => "on-failure",
            Restart::OnAbnormal => "on-abnormal",
            Restart::OnAbort => "on-abort",
        }
    }
}

/// A command of a unit before its variables are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The words, quotes removed.
    pub(super) words: Vec<String>,
    /// `-`: a failure counts as success.
    pub(super) ignore_failure: bool,
    /// `@`: the second word is argv[0].
    pub(super) own_argv0: bool,
    /// `:`: variables are not replaced.
    pub(super) literal: bool,
    /// `+`, `!`: run as root whatever User= says.
    pub(super) privileged: bool,
}

/// A loaded service.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) drop_ins: Vec<PathBuf>,
    /// When each of its files was changed last, to tell that one was since.
    pub(super) read: Vec<(PathBuf, Option<SystemTime>)>,
    pub(super) description: String,
    pub(super) documentation: Vec<String>,
    pub(super) after: Vec<String>,
    pub(super) needs: Vec<String>,
    pub(super) wanted_by: Vec<String>,
    pub(super) required_by: Vec<String>,
    pub(super) aliases: Vec<String>,
    pub(super) kind: Type,
    pub(super) start_pre: Vec<Command>,
    pub(super) start: Vec<Command>,
    pub(super) start_post: Vec<Command>,
    pub(super) stop: Vec<Command>,
    pub(super) reload: Vec<Command>,
    pub(super) restart: Restart,
    pub(super) restart_delay: Duration,
    /// `None`: never gives up.
    pub(super) start_timeout: Option<Duration>,
    pub(super) stop_timeout: Option<Duration>,
    pub(super) start_limit: Option<(Duration, u32)>,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    pub(super) environment: Vec<(String, String)>,
    /// Files with more, and whether each may be absent.
    pub(super) environment_files: Vec<(PathBuf, bool)>,
    pub(super) directory: Option<PathBuf>,
    pub(super) remain_after_exit: bool,
    /// Where a forking service says which process is its main one.
    pub(super) pid_file: Option<PathBuf>,
    pub(super) identifier: Option<String>,
    pub(super) kill_signal: i32,
    /// KillMode=process or mixed: only the main process gets the first signal.
    pub(super) kill_main_only: bool,
    pub(super) open_files: Option<u64>,
    /// Directories below /run, /var/lib, /var/log that are made for it.
    pub(super) directories: Vec<PathBuf>,
    /// Of a `.timer` unit.
    pub(super) timer: Timer,
    /// What it asks for and this init refuses, by name.
    pub(super) refused: Option<String>,
}

/// `etcd` means `etcd.service`; a pattern means what it says.
pub(super) fn full_name(name: &str) -> String {
    let kinds = [
        ".service", ".target", ".timer", ".socket", ".mount", ".path", ".slice", ".scope",
    ];
    if is_pattern(name) || kinds.iter().any(|kind| name.ends_with(kind)) {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

/// The file of a unit, also that of `name@.service` for an instance.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let template = name
        .split_once('@')
        .and_then(|(base, rest)| Some(format!("{base}@.{}", rest.rsplit_once('.')?.1)));
    [Some(name.to_owned()), template]
        .into_iter()
        .flatten()
        .find_map(|name| {
            PATHS
                .iter()
                .map(|dir| Path::new(dir).join(&name))
                .find(|path| path.exists())
        })
}

fn find_drop_ins(name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = PATHS
        .iter()
        .filter_map(|dir| fs::read_dir(format!("{dir}/{name}.d")).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "conf")
        })
        .collect();
    // The first directory hides equal names of the later ones.
    let mut names: Vec<_> = Vec::new();
    found.retain(|path| {
        let name = path.file_name().map(ToOwned::to_owned);
        let fresh = !names.contains(&name);
        names.push(name);
        fresh
    });
    found.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
    found
}

pub(super) fn changed_at(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

impl Unit {
    /// Loads a service with its drop-ins; `None` if there is no such file.
    pub(super) fn load(name: &str) -> Result<Option<Unit>> {
        let Some(path) = find(name) else {
            return Ok(None);
        };
        let drop_ins = find_drop_ins(name);
        let mut unit = Unit::empty(name, path.clone());
        if fs::read_link(&path).is_ok_and(|target| target == Path::new("/dev/null")) {
            unit.refused = Some(format!("Unit {name} is masked."));
        }
        for file in std::iter::once(&path).chain(&drop_ins) {
            unit.read.push((file.clone(), changed_at(file)));
            let text = fs::read_to_string(file).map_err(|error| {
                Error::Unit(format!("could not read {}: {error}", file.display()))
            })?;
            unit.parse(&text);
        }
        unit.drop_ins = drop_ins;
        if unit.start.is_empty() && unit.refused.is_none() && name.ends_with(".service") {
            unit.refused = Some("Service has no ExecStart= setting. Refusing.".to_owned());
        }
        if name.ends_with(".timer") && !unit.timer.is_set() {
            let reason = "Timer unit lacks value setting. Refusing.";
            unit.refused = Some(unit.timer.trouble.clone().unwrap_or(reason.to_owned()));
        }
        if ![".service", ".target", ".timer"]
            .iter()
            .any(|kind| name.ends_with(kind))
        {
            let reason = "only services and timers can be run by this init. Refusing.";
            unit.refused = Some(reason.to_owned());
        }
        Ok(Some(unit))
    }

    /// Whether a file of it was changed since it was loaded.
    pub(super) fn is_outdated(&self) -> bool {
        self.read
            .iter()
            .any(|(path, then)| changed_at(path) != *then)
            || find(&self.name).as_ref() != Some(&self.path)
            || find_drop_ins(&self.name) != self.drop_ins
    }

    fn empty(name: &str, path: PathBuf) -> Unit {
        Unit {
            name: name.to_owned(),
            path,
            drop_ins: Vec::new(),
            read: Vec::new(),
            description: name.to_owned(),
            documentation: Vec::new(),
            after: Vec::new(),
            needs: Vec::new(),
            wanted_by: Vec::new(),
            required_by: Vec::new(),
            aliases: Vec::new(),
            kind: Type::Simple,
            start_pre: Vec::new(),
            start: Vec::new(),
            start_post: Vec::new(),
            stop: Vec::new(),
            reload: Vec::new(),
            restart: Restart::No,
            restart_delay: Duration::from_millis(100),
            start_timeout: Some(Duration::from_secs(90)),
            stop_timeout: Some(Duration::from_secs(90)),
            start_limit: Some((Duration::from_secs(10), 5)),
            user: None,
            group: None,
            environment: Vec::new(),
            environment_files: Vec::new(),
            directory: None,
            remain_after_exit: false,
            pid_file: None,
            identifier: None,
            kill_signal: libc::SIGTERM,
            kill_main_only: false,
            open_files: None,
            directories: Vec::new(),
            timer: Timer::default(),
            refused: None,
        }
    }

    fn parse(&mut self, text: &str) {
        let mut section = String::new();
        let mut joined = String::new();
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.starts_with(['#', ';']) || (trimmed.is_empty() && joined.is_empty()) {
                continue;
            }
            if let Some(part) = line.strip_suffix('\\') {
                joined.push_str(part);
                joined.push(' ');
                continue;
            }
            let whole = format!("{joined}{line}");
            joined.clear();
            let whole = whole.trim();
            if let Some(name) = whole
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                section = name.to_owned();
            } else if let Some((key, value)) = whole.split_once('=') {
                let value = self.expand(value.trim());
                self.set(&section, key.trim(), &value);
            }
        }
    }

    fn set(&mut self, section: &str, key: &str, value: &str) {
        match section {
            "Unit" => self.set_unit(key, value),
            "Service" => self.set_service(key, value),
            "Timer" => self.timer.set(key, value),
            "Install" => match key {
                "WantedBy" => extend(&mut self.wanted_by, value),
                "RequiredBy" => extend(&mut self.required_by, value),
                "Alias" => extend(&mut self.aliases, value),
                _ => {}
            },
            _ => {}
        }
    }

    fn set_unit(&mut self, key: &str, value: &str) {
        match key {
            "Description" => self.description = value.to_owned(),
            "Documentation" => extend(&mut self.documentation, value),
            "After" => extend(&mut self.after, value),
            "Wants" | "Requires" | "BindsTo" => extend(&mut self.needs, value),
            "StartLimitIntervalSec" | "StartLimitInterval" => {
                let burst = self.start_limit.map_or(5, |(_, burst)| burst);
                self.start_limit = duration(value)
                    .filter(|interval| !interval.is_zero())
                    .map(|interval| (interval, burst));
            }
            "StartLimitBurst" => {
                if let (Some(limit), Ok(burst)) = (&mut self.start_limit, value.parse()) {
                    limit.1 = burst;
                }
            }
            _ => {}
        }
    }

    fn set_service(&mut self, key: &str, value: &str) {
        match key {
            "Type" => self.set_type(value),
            "ExecStartPre" => add_command(&mut self.start_pre, value),
            "ExecStart" => add_command(&mut self.start, value),
            "ExecStartPost" => add_command(&mut self.start_post, value),
            "ExecStop" => add_command(&mut self.stop, value),
            "ExecReload" => add_command(&mut self.reload, value),
            "Restart" => {
                self.restart = match value {
                    "always" => Restart::Always,
                    "on-success" => Restart::OnSuccess,
                    "on-failure" => Restart::OnFailure,
                    "on-abnormal" | "on-watchdog" => Restart::OnAbnormal,
                    "on-abort" => Restart::OnAbort,
                    _ => Restart::No,
                }
            }
            "RestartSec" => self.restart_delay = duration(value).unwrap_or(self.restart_delay),
            "TimeoutSec" => (self.start_timeout, self.stop_timeout) = (limit(value), limit(value)),
            "TimeoutStartSec" => self.start_timeout = limit(value),
            "TimeoutStopSec" => self.stop_timeout = limit(value),
            "StartLimitInterval" | "StartLimitBurst" => self.set_unit(key, value),
            "User" => self.user = some(value),
            "Group" => self.group = some(value),
            "WorkingDirectory" => self.directory = some(value).map(PathBuf::from),
            "PIDFile" => {
                self.pid_file = some(value).map(|path| Path::new("/run").join(path));
            }
            "RemainAfterExit" => self.remain_after_exit = yes(value),
            "SyslogIdentifier" => self.identifier = some(value),
            "KillMode" => self.kill_main_only = matches!(value, "process" | "mixed"),
            "KillSignal" => {
                let name = if value.starts_with("SIG") {
                    value.to_owned()
                } else {
                    format!("SIG{value}")
                };
                if let Ok(signal) = name.parse::<nix::sys::signal::Signal>() {
                    self.kill_signal = signal as i32;
                }
            }
            "LimitNOFILE" => {
                let last = value.rsplit(':').next().unwrap_or(value);
                self.open_files = if last == "infinity" {
                    Some(1 << 20)
                } else {
                    last.parse().ok()
                };
            }
            "Environment" if value.is_empty() => self.environment.clear(),
            "Environment" => {
                for word in split_words(value) {
                    if let Some((name, value)) = word.split_once('=') {
                        self.environment.push((name.to_owned(), value.to_owned()));
                    }
                }
            }
            "EnvironmentFile" if value.is_empty() => self.environment_files.clear(),
            "EnvironmentFile" => {
                let optional = value.starts_with('-');
                let path = PathBuf::from(value.trim_start_matches('-'));
                self.environment_files.push((path, optional));
            }
            "RuntimeDirectory" | "StateDirectory" | "LogsDirectory" | "CacheDirectory" => {
                let base = match key {
                    "RuntimeDirectory" => "/run",
                    "StateDirectory" => "/var/lib",
                    "LogsDirectory" => "/var/log",
                    _ => "/var/cache",
                };
                let paths = value
                    .split_whitespace()
                    .map(|name| Path::new(base).join(name));
                self.directories.extend(paths);
            }
            _ => {}
        }
    }

    fn set_type(&mut self, value: &str) {
        self.kind = match value {
            "exec" => Type::Exec,
            "notify" | "notify-reload" => Type::Notify,
            "oneshot" => Type::Oneshot,
            "forking" => Type::Forking,
            "dbus" => {
                self.refused = Some(format!(
                    "Type={value} is not supported by this init. Refusing."
                ));
                Type::Simple
            }
            _ => Type::Simple,
        };
    }

    /// Replaces specifiers.
    fn expand(&self, value: &str) -> String {
        let mut out = String::new();
        let mut rest = value.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let stem = self
                .name
                .rsplit_once('.')
                .map_or(self.name.as_str(), |(stem, _)| stem);
            let instance = stem.split_once('@').map_or("", |(_, instance)| instance);
            match rest.next() {
                Some('%') => out.push('%'),
                Some('n') => out.push_str(&self.name),
                Some('N') => out.push_str(stem),
                Some('p') => out.push_str(stem.split('@').next().unwrap_or(stem)),
                Some('i' | 'I') => out.push_str(instance),
                Some('t') => out.push_str("/run"),
                Some('S') => out.push_str("/var/lib"),
                Some('h') => out.push_str("/root"),
                Some('H' | 'l') => {
                    let name = nix::unistd::gethostname().unwrap_or_default();
                    out.push_str(&name.to_string_lossy());
                }
                Some(other) => out.extend(['%', other]),
                None => out.push('%'),
            }
        }
        out
    }
}

fn some(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn yes(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "1" | "yes" | "y" | "true" | "t" | "on"
    )
}

/// A list setting: an empty value clears it.
fn extend(list: &mut Vec<String>, value: &str) {
    if value.is_empty() {
        list.clear();
    }
    list.extend(value.split_whitespace().map(str::to_owned));
}

fn add_command(list: &mut Vec<Command>, value: &str) {
    if value.is_empty() {
        list.clear();
        return;
    }
    let mut command = Command {
        words: Vec::new(),
        ignore_failure: false,
        own_argv0: false,
        literal: false,
        privileged: false,
    };
    let mut rest = value;
    while let Some(mark) = rest.chars().next() {
        match mark {
            '-' => command.ignore_failure = true,
            '@' => command.own_argv0 = true,
            ':' => command.literal = true,
            '+' | '!' => command.privileged = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    command.words = split_words(rest);
    if !command.words.is_empty() {
        list.push(command);
    }
}

#[cfg(test)]
mod tests;

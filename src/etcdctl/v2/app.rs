//! From a command line to a command (`urfave/cli` 1.22: `app.go`, `command.go`).

use std::time::Duration;

use super::{
    End, code,
    command::Action,
    flags::{self, Flag, HELP, Values},
    help, say,
    tables::{COMMANDS, GLOBAL},
};
use crate::version::ETCD as VERSION;

/// A command, or a group of them.
pub struct Command {
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    /// What stands after the name in usage; empty for `[arguments...]`.
    pub args: &'static str,
    /// Stands in the place of usage's whole line, if not empty.
    pub usage: &'static str,
    /// More lines, indented; may be empty.
    pub description: &'static str,
    pub flags: &'static [Flag],
    /// What is done; `None` for a group.
    pub action: Option<Action>,
    pub children: &'static [Command],
}

impl Command {
    /// Without anything that is rarely there.
    pub const fn new(name: &'static str, args: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            args,
            usage: "",
            description: "",
            flags: &[],
            action: None,
            children: &[],
        }
    }
}

/// What a command is run with.
pub struct Context {
    global: Values,
    local: Values,
    local_flags: &'static [Flag],
    /// The words that are not flags.
    pub args: Vec<String>,
}

impl Context {
    fn global_flag(name: &str) -> &'static Flag {
        // Invariant: the names are constants of this folder, and tests run every command.
        GLOBAL
            .iter()
            .find(|flag| flag.name() == name)
            .expect("a global flag of the table")
    }

    fn local_flag(&self, name: &str) -> &'static Flag {
        // Invariant: as above.
        self.local_flags
            .iter()
            .find(|flag| flag.name() == name)
            .expect("a flag of the command's table")
    }

    pub fn global(&self, name: &str) -> String {
        self.global.text(Self::global_flag(name))
    }

    /// The flag, or the variable that stands for it.
    pub fn global_or(&self, name: &str, variable: &str) -> String {
        match self.global(name) {
            text if text.is_empty() => std::env::var(variable).unwrap_or_default(),
            text => text,
        }
    }

    pub fn global_is_set(&self, name: &str) -> bool {
        self.global.is_set(Self::global_flag(name))
    }

    /// A duration; `None` for zero or less.
    pub fn global_duration(&self, name: &str) -> Option<Duration> {
        let nanos: i64 = self.global(name).parse().unwrap_or_default();
        u64::try_from(nanos)
            .ok()
            .filter(|nanos| *nanos > 0)
            .map(Duration::from_nanos)
    }

    pub fn text(&self, name: &str) -> String {
        self.local.text(self.local_flag(name))
    }

    pub fn list(&self, name: &str) -> Vec<String> {
        self.local.list(self.local_flag(name))
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.local.is_set(self.local_flag(name))
    }

    pub fn int(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// `simple`, `extended` or `json`, or whatever was asked for.
    pub fn output(&self) -> String {
        self.global("output")
    }
}

/// Flags with `--help` among them.
fn with_help(flags: &[Flag]) -> Vec<Flag> {
    flags.iter().copied().chain([HELP]).collect()
}

/// Runs a command line without the program's name.
pub fn run(words: &[String]) -> Result<(), End> {
    let (global, rest) = flags::parse(&with_help(GLOBAL), words).map_err(|why| {
        if !why.starts_with("Cannot use") {
            say!("Incorrect Usage. {why}\n");
        } else {
            say!("{why}");
        }
        help::app();
        End::line(code::ERROR, why)
    })?;
    if global.is_set(&HELP) {
        help::app();
        return Ok(());
    }
    if global.is_set(Context::global_flag("version")) {
        say!("etcdctl version: {VERSION}\nAPI version: 2");
        return Ok(());
    }
    let Some(name) = rest.first() else {
        help::app();
        return Ok(());
    };
    if is_help(name) {
        return help_about(COMMANDS, "etcdctl", rest.get(1));
    }
    let command = find(COMMANDS, name)?;
    if command.children.is_empty() {
        run_command(command, "etcdctl", global, &rest[1..])
    } else {
        run_group(command, global, &rest[1..])
    }
}

fn is_help(name: &str) -> bool {
    name == "help" || name == "h"
}

fn find(commands: &'static [Command], name: &str) -> Result<&'static Command, End> {
    commands
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| End::line(code::NO_SUCH_HELP, format!("No help topic for '{name}'")))
}

fn help_about(commands: &'static [Command], above: &str, name: Option<&String>) -> Result<(), End> {
    match name {
        Some(name) if is_help(name) => help::help(above),
        Some(name) => help::command(find(commands, name)?, above),
        None if above == "etcdctl" => help::app(),
        None => {
            let group = above.rsplit(' ').next().unwrap_or_default();
            help::group(find(COMMANDS, group)?);
        }
    }
    Ok(())
}

/// A group is a program of its own: it has `help` and `--help`.
fn run_group(group: &'static Command, global: Values, words: &[String]) -> Result<(), End> {
    let (values, rest) = flags::parse(&[HELP], words).map_err(|why| {
        say!("Incorrect Usage. {why}\n");
        help::group(group);
        End::line(code::ERROR, why)
    })?;
    let above = format!("etcdctl {}", group.name);
    match rest.first() {
        _ if values.is_set(&HELP) => help::group(group),
        None => help::group(group),
        Some(name) if is_help(name) => {
            return help_about(group.children, &above, rest.get(1));
        }
        Some(name) => {
            return run_command(find(group.children, name)?, &above, global, &rest[1..]);
        }
    }
    Ok(())
}

fn run_command(
    command: &'static Command,
    above: &str,
    global: Values,
    words: &[String],
) -> Result<(), End> {
    let known = with_help(command.flags);
    let words = flags::reorder(&known, words);
    let (local, args) = flags::parse(&known, &words).map_err(|why| {
        say!("Incorrect Usage: {why}\n");
        help::command(command, above);
        End::line(code::ERROR, why)
    })?;
    let Some(action) = command.action.filter(|_| !local.is_set(&HELP)) else {
        help::command(command, above);
        return Ok(());
    };
    action(&Context {
        global,
        local,
        local_flags: command.flags,
        args,
    })
}

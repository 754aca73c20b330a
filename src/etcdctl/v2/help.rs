//! Help, in the layout of `urfave/cli` 1.22 and in our own words.

use super::{
    app::Command,
    flags::{Flag, HELP, Kind},
    say,
    tables::{COMMANDS, GLOBAL},
};
use crate::version::ETCD as VERSION;

/// `--name value, -n value` and what it is for.
fn flag(flag: &Flag) -> (String, String) {
    let value = match flag.kind {
        Kind::Bool => String::new(),
        _ if flag.value.is_empty() => " value".to_owned(),
        _ => format!(" {}", flag.value),
    };
    let names: Vec<String> = flag
        .names
        .split(',')
        .map(str::trim)
        .map(|name| match name.len() {
            1 => format!("-{name}{value}"),
            _ => format!("--{name}{value}"),
        })
        .collect();
    let default = match flag.kind {
        Kind::Duration => {
            let nanos = flag.default.parse().unwrap_or_default();
            format!(" (default: {})", crate::go::duration::format(nanos))
        }
        _ if flag.default.is_empty() => String::new(),
        _ => format!(" (default: {})", flag.default),
    };
    (names.join(", "), format!("{}{default}", flag.help))
}

/// Two columns, indented.
fn columns(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(left, right)| format!("   {left:width$}  {right}\n"))
        .collect()
}

fn commands(commands: &[Command]) -> Vec<(String, String)> {
    commands
        .iter()
        .map(|command| (command.name.to_owned(), command.help.to_owned()))
        .collect()
}

/// Of the program.
pub fn app() {
    let mut names = commands(COMMANDS);
    names.push((
        "help, h".to_owned(),
        "Lists the commands, or shows the help of one".to_owned(),
    ));
    let flags: Vec<_> = GLOBAL
        .iter()
        .filter(|flag| flag.name() != "version")
        .chain([&HELP])
        .chain(GLOBAL.iter().filter(|flag| flag.name() == "version"))
        .map(flag)
        .collect();
    let (names, flags) = (columns(&names), columns(&flags));
    say!(
        "NAME:\n   etcdctl - Talks to an etcd by its v2 API.\n\nUSAGE:\n   etcdctl [global options] command [command options] [arguments...]\n\nVERSION:\n   {VERSION}\n\nCOMMANDS:\n{names}\nGLOBAL OPTIONS:\n{}",
        flags.trim_end_matches('\n')
    );
}

/// Of a group of commands.
pub fn group(group: &Command) {
    let name = format!("etcdctl {}", group.name);
    let (names, flags) = (columns(&commands(group.children)), columns(&[flag(&HELP)]));
    say!(
        "NAME:\n   {name} - {}\n\nUSAGE:\n   {name} command [command options] [arguments...]\n\nCOMMANDS:\n{names}\nOPTIONS:\n{flags}   ",
        group.help
    );
}

/// Of a command; `above` is what comes before its name.
pub fn command(command: &Command, above: &str) {
    let name = format!("{above} {}", command.name);
    let args = match command.args {
        "" => "[arguments...]",
        args => args,
    };
    let options = match command.flags {
        [] => "",
        _ => " [command options]",
    };
    let usage = match command.usage {
        "" => format!("{name}{options} {args}"),
        usage => usage.to_owned(),
    };
    let description = match command.description {
        "" => String::new(),
        text => format!("\n\nDESCRIPTION:\n   {text}"),
    };
    let flags = match command.flags {
        [] => String::new(),
        flags => {
            let rows: Vec<_> = flags.iter().map(flag).collect();
            format!("\n\nOPTIONS:\n{}   ", columns(&rows))
        }
    };
    say!(
        "NAME:\n   {name} - {}\n\nUSAGE:\n   {usage}{description}{flags}",
        command.help
    );
}

/// Of `help` itself.
pub fn help(above: &str) {
    say!(
        "NAME:\n   {above} help - Lists the commands, or shows the help of one\n\nUSAGE:\n   {above} help [command]"
    );
}

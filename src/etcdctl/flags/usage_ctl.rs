//! `etcdctl`'s help: the layout of `pkg/cobrautl/help.go`.

use super::{Command, Flag, Kind, command_path, global_flags, listed, local_flags, use_line};
use crate::go::{quote::quote, tabwriter};
use crate::version;

/// The help of the command at the end of `path`.
pub fn usage(path: &[&'static Command]) -> String {
    let command = path[path.len() - 1];
    let name = match path.len() {
        1 => command.name.to_owned(),
        _ => command_path(&path[1..]),
    };
    let mut text = format!(
        "NAME:\n\t{name} - {}\n\nUSAGE:\n\t{}\n",
        command.about,
        use_line(path)
    );
    if path.len() == 1 {
        text.push_str(&format!("\nVERSION:\n\t{}\n", version::ETCD));
    }
    if !command.children.is_empty() {
        text.push_str(&format!(
            "\nAPI VERSION:\n\t{}\n\n\nCOMMANDS:\n",
            version::API
        ));
        list_commands(command, "", &mut text);
    }
    if !command.long.is_empty() {
        text.push_str("\nDESCRIPTION:\n");
        let long = command.long.replace("PROGRAM", path[0].name);
        for line in long.trim_matches(['\n', '\t', ' ']).split('\n') {
            text.push_str(&format!("\t{line}\n"));
        }
    }
    let label = format!("help for {}", command.name);
    text.push_str("\nOPTIONS:\n");
    list_flags(&local_flags(path), &label, &mut text);
    let global = global_flags(path);
    if !global.is_empty() {
        text.push_str("\nGLOBAL OPTIONS:\n");
        list_flags(&global, &label, &mut text);
    }
    text.push('\n');
    tabwriter::align(&text)
}

fn list_commands(command: &'static Command, prefix: &str, text: &mut String) {
    for child in listed(command) {
        let name = format!("{prefix}{}", child.name);
        if child.run.is_some() {
            text.push_str(&format!("\t{name}\t{}\n", child.about));
        }
        list_commands(child, &format!("{name} "), text);
    }
}

fn list_flags(flags: &[&'static Flag], help: &str, text: &mut String) {
    for flag in flags {
        let names = match flag.short {
            Some(letter) => format!("  -{letter}, --{}", flag.name),
            None => format!("      --{}", flag.name),
        };
        let default = match flag.kind {
            Kind::Bool => format!("[={}]", flag.default),
            Kind::Text => format!("={}", quote(flag.default.as_bytes())),
            Kind::List => format!("=[{}]", flag.default),
            Kind::Int | Kind::Uint | Kind::Duration => format!("={}", flag.default),
        };
        let about = if flag.name == "help" { help } else { flag.help };
        text.push_str(&format!("{names}{default}\t{about}\n"));
    }
}

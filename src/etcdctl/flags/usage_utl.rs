//! Cobra's own help, which `etcdutl` uses.

use super::{Command, Flag, Kind, command_path, global_flags, listed, local_flags, use_line};
use crate::go::quote::quote;

/// Columns that names of commands are padded to at least.
const NAME_PADDING: usize = 11;

/// The help of the command at the end of `path`.
pub fn usage(path: &[&'static Command]) -> String {
    let command = path[path.len() - 1];
    let listed = listed(command);
    let mut text = String::from("Usage:");
    if command.run.is_some() {
        text.push_str(&format!("\n  {}", use_line(path)));
    }
    if !listed.is_empty() {
        text.push_str(&format!(
            "\n  {} [command]\n\nAvailable Commands:",
            command_path(path)
        ));
        let width = listed
            .iter()
            .map(|c| c.name.len())
            .max()
            .unwrap_or(0)
            .max(NAME_PADDING);
        for child in &listed {
            text.push_str(&format!("\n  {:width$} {}", child.name, child.about));
        }
    }
    let label = format!("help for {}", command.name);
    text.push_str("\n\nFlags:\n");
    text.push_str(&flag_usages(&local_flags(path), &label));
    let global = global_flags(path);
    if !global.is_empty() {
        text.push_str("\n\nGlobal Flags:\n");
        text.push_str(&flag_usages(&global, &label));
    }
    if !listed.is_empty() {
        text.push_str(&format!(
            "\n\nUse \"{} [command] --help\" for more information about a command.",
            command_path(path)
        ));
    }
    text.push('\n');
    text
}

fn flag_usages(flags: &[&'static Flag], help: &str) -> String {
    let heads: Vec<String> = flags
        .iter()
        .map(|flag| {
            let names = match flag.short {
                Some(letter) => format!("  -{letter}, --{}", flag.name),
                None => format!("      --{}", flag.name),
            };
            match flag.kind.type_name() {
                "" => names,
                kind => format!("{names} {kind}"),
            }
        })
        .collect();
    let width = heads.iter().map(String::len).max().unwrap_or(0);
    let lines: Vec<String> = flags
        .iter()
        .zip(&heads)
        .map(|(flag, head)| {
            let about = if flag.name == "help" { help } else { flag.help };
            format!("{head:width$}   {about}{}", default_note(flag))
        })
        .collect();
    lines.join("\n")
}

fn default_note(flag: &Flag) -> String {
    match (flag.kind, flag.default) {
        (Kind::Bool, "false") | (Kind::Int | Kind::Uint, "0") | (_, "") => String::new(),
        (Kind::Text, default) => format!(" (default {})", quote(default.as_bytes())),
        (_, default) => format!(" (default {default})"),
    }
}

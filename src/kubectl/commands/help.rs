//! What `--help` prints, in the shape of Google's: what the command does, examples,
//! flags, how it is called.

use super::{Command, ORDER, children, examples, meaning};
use crate::flags::{self, Shown};
use crate::wrap::{indent, wrap};
use std::fmt::Write as _;

/// Texts are broken so that lines are no longer.
const WIDTH: usize = 96;

const MORE: &str = "Use \"kubectl options\" for a list of global command-line options (applies to all commands).\n";

/// The help of the program.
pub fn overview() -> String {
    let mut out = String::from("kubectl controls the Kubernetes cluster manager.\n\nCommands:\n");
    listing("", &mut out);
    out.push_str("\nUsage:\n  kubectl [flags] [options]\n\nUse \"kubectl <command> --help\" for more information about a given command.\n");
    out.push_str(MORE);
    out
}

/// The help of a group of commands.
pub fn group(command: &Command) -> String {
    let mut out = format!("{}.\n", command.about);
    aliases(command, &mut out);
    examples(command, &mut out);
    out.push_str("\nAvailable Commands:\n");
    listing(command.path, &mut out);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "\nUsage:\n  kubectl {} SUBCOMMAND [options]\n\nUse \"kubectl {} <command> --help\" for more information about a given command.\n{MORE}",
        command.path, command.path
    );
    out
}

/// The help of one command.
pub fn of(command: &Command) -> String {
    let mut out = format!("{}.\n", command.about);
    aliases(command, &mut out);
    examples(command, &mut out);
    if children(command.path).next().is_some() {
        out.push_str("\nAvailable Commands:\n");
        listing(command.path, &mut out);
    }
    let own: Vec<Shown> = flags::shown(command.flags).collect();
    if !own.is_empty() {
        out.push_str("\nOptions:\n");
        out.push_str(&options(command.path, own));
    }
    let usage = format!("kubectl {} {}", command.path, command.usage);
    let end = if usage.contains("[flags]") {
        ""
    } else {
        " [options]"
    };
    let usage = usage.replace("[flags]", "[options]");
    // Writing to a String cannot fail.
    let _ = write!(out, "\nUsage:\n  {}{end}\n\n{MORE}", usage.trim_end());
    out
}

/// The flags that every command has.
pub fn globals() -> String {
    options("", flags::globals().collect())
}

fn listing(parent: &str, out: &mut String) {
    let mut all: Vec<_> = children(parent).collect();
    if parent.is_empty() {
        all.sort_by_key(|(name, _)| ORDER.iter().position(|n| n == name));
    }
    for (name, command) in all {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {name:<20}{}", command.about);
    }
}

fn aliases(command: &Command, out: &mut String) {
    if command.aliases.is_empty() {
        return;
    }
    let name = command.path.rsplit(' ').next().unwrap_or(command.path);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\nAliases:\n{name}, {}", command.aliases.join(", "));
}

fn examples(command: &Command, out: &mut String) {
    for (at, (about, line)) in examples::of(command.path).iter().enumerate() {
        out.push_str(if at == 0 { "\nExamples:\n" } else { "\n" });
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  # {about}\n  kubectl {line}");
    }
}

/// Each flag with its default, and below what it means.
fn options(command: &str, shown: Vec<Shown>) -> String {
    let parts = shown.into_iter().map(|flag| {
        let text = meaning::of(command, flag.name).unwrap_or_default();
        format!("    {}:\n{}", flag.head, wrapped(text))
    });
    parts.collect::<Vec<_>>().join("\n")
}

/// The text, indented, in lines of at most [`WIDTH`] letters.
fn wrapped(text: &str) -> String {
    indent(&wrap(text, WIDTH - 8), 8) + "\n"
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, of, overview};
    use crate::commands::COMMANDS;

    fn help(path: &str) -> String {
        let found = COMMANDS.iter().find(|c| c.path == path);
        of(found.unwrap_or_else(|| panic!("no command {path}")))
    }

    #[test]
    fn help_has_googles_shape() {
        let text = help("create namespace");
        let parts = [
            "Create a namespace with the specified name.\n\nAliases:\nnamespace, ns\n",
            "\nExamples:\n  # A namespace\n  kubectl create namespace shop\n\n  # Its manifest only\n",
            "\nOptions:\n    --allow-missing-template-keys=true:\n        With -o jsonpath: ",
            "\n\n    -o, --output='':\n        How the object is printed: ",
            "\nUsage:\n  kubectl create namespace NAME [options]\n\nUse \"kubectl options\" for a list",
        ];
        let mut rest = text.as_str();
        for part in parts {
            let at = rest
                .find(part)
                .unwrap_or_else(|| panic!("{part:?} is not in {rest}"));
            rest = &rest[at + part.len()..];
        }
    }

    #[test]
    fn descriptions_are_no_wider_than_a_terminal() {
        for command in COMMANDS {
            let text = of(command);
            let wide = text
                .lines()
                .find(|line| line.starts_with("        ") && line.len() > WIDTH);
            assert_eq!(wide, None, "{}", command.path);
        }
        assert!(overview().contains("\n  create              Create a resource"));
    }
}

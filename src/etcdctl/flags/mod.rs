//! Commands and flags: one table per program, and the parser both share.
//!
//! It behaves like cobra 1.8 with pflag 1.0.5, which the reference is built
//! with: flags may stand anywhere, a command may be cut to an unambiguous
//! prefix, the same mistakes give the same texts.

mod complete;
mod env;
mod find;
mod parse;
mod usage_ctl;
mod usage_utl;
mod value;

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use crate::exit::{Exit, Outcome};

pub use parse::Parsed;
pub use value::Kind;

/// A flag of a command.
#[derive(Debug)]
pub struct Flag {
    /// Long name, without dashes.
    pub name: &'static str,
    /// One-letter name; `None` when it has none.
    pub short: Option<char>,
    /// What it takes.
    pub kind: Kind,
    /// The default as one would type it; empty for an empty string or list.
    pub default: &'static str,
    /// A line for the help.
    pub help: &'static str,
    /// The command refuses to run without it.
    pub required: bool,
}

impl Flag {
    /// A flag without short name that may be left out.
    pub const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            short: None,
            kind,
            default,
            help,
            required: false,
        }
    }

    /// The same with a one-letter name.
    pub const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// The same, demanded.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// A command, with the commands below it.
pub struct Command {
    /// The word that calls it.
    pub name: &'static str,
    /// What follows the path of its parents in the usage line, name included.
    pub usage: &'static str,
    /// A line for lists of commands.
    pub about: &'static str,
    /// A longer description, in which `PROGRAM` stands for the program's name; empty
    /// when there is none.
    pub long: &'static str,
    /// Flags of this command alone.
    pub flags: &'static [Flag],
    /// Flags of this command and all below it.
    pub persistent: &'static [Flag],
    /// Commands below; help sorts them.
    pub children: &'static [Command],
    /// What it does; `None` shows the help.
    pub run: Option<fn(&mut Invocation) -> Outcome>,
    /// Works, but isn't listed.
    pub hidden: bool,
    /// The usage line ends without `[flags]`.
    pub no_flags_in_usage: bool,
    /// Printed before it runs; empty when it isn't deprecated.
    pub deprecated: &'static str,
}

impl Command {
    /// A command with nothing but its texts; the rest is filled in by struct update.
    pub const fn new(name: &'static str, usage: &'static str, about: &'static str) -> Self {
        Self {
            name,
            usage,
            about,
            long: "",
            flags: &[],
            persistent: &[],
            children: &[],
            run: None,
            hidden: false,
            no_flags_in_usage: false,
            deprecated: "",
        }
    }
}

/// How a program shows its help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelpStyle {
    /// `NAME:`, `USAGE:`, `OPTIONS:`… on standard output, also after a mistake.
    Etcdctl,
    /// Cobra's own; after a mistake on standard error.
    Cobra,
}

/// A program: its commands and its habits.
pub struct Program {
    /// The command without a name before it.
    pub root: Command,
    /// How help looks.
    pub style: HelpStyle,
}

/// A command that was called, with all its flags.
pub struct Invocation {
    /// From the root to the command itself.
    pub path: Vec<&'static Command>,
    /// Flags and arguments.
    pub parsed: Parsed,
    /// All words of the command line, the program's name included.
    pub words: Vec<Vec<u8>>,
}

impl Invocation {
    /// Arguments that aren't flags.
    pub fn args(&self) -> &[Vec<u8>] {
        &self.parsed.args
    }

    /// A truth value; false when the command has no such flag.
    pub fn flag(&self, name: &str) -> bool {
        self.parsed.boolean(name)
    }

    /// A text; empty when the command has no such flag.
    pub fn text(&self, name: &str) -> &str {
        self.parsed.text(name)
    }

    /// A signed number; 0 when the command has no such flag.
    pub fn int(&self, name: &str) -> i64 {
        self.parsed.int(name)
    }

    /// An unsigned number; 0 when the command has no such flag.
    pub fn uint(&self, name: &str) -> u64 {
        self.parsed.uint(name)
    }

    /// Sets the inherited flags from `ETCDCTL_*`; `extra` are names that are
    /// known without being flags.
    pub fn apply_environment(&mut self, prefix: &str, extra: &[&str]) -> Outcome {
        let inherited = self.inherited();
        env::apply(&mut self.parsed, &inherited, prefix, extra)
    }

    /// The flags that the parents hand down, sorted by name.
    pub fn inherited(&self) -> Vec<&'static Flag> {
        let (_, parents) = self
            .path
            .split_last()
            .expect("a path holds at least the root");
        let mut flags: Vec<_> = parents.iter().flat_map(|c| c.persistent).collect();
        flags.sort_by_key(|f| f.name);
        flags
    }
}

/// Runs a program on a command line; gives the exit status.
pub fn run(program: &'static Program, words: Vec<OsString>) -> u8 {
    let words: Vec<Vec<u8>> = words.into_iter().map(OsStringExt::into_vec).collect();
    match dispatch(program, words) {
        Ok(()) => 0,
        Err(exit) => {
            if let Some(message) = exit.message {
                // Nothing is left to tell when standard error is closed.
                let _ = writeln!(std::io::stderr(), "Error: {message}");
            }
            exit.code
        }
    }
}

fn dispatch(program: &'static Program, words: Vec<Vec<u8>>) -> Outcome {
    let args = words.get(1..).unwrap_or_default();
    if let Some(described) = args.first().and_then(|word| completion::asked(word)) {
        return complete::print(program, &args[1..], described);
    }
    let (path, rest) = find::find(&program.root, args).map_err(|message| {
        tell!("Error: {message}");
        tell!("Run '{} --help' for usage.", program.root.name);
        Exit::error(message)
    })?;
    let command = *path.last().expect("a path holds at least the root");
    let failed = |message: String| {
        tell!("Error: {message}");
        match program.style {
            HelpStyle::Etcdctl => {
                print_stdout(&usage_ctl::usage(&path));
                tell!("");
            }
            HelpStyle::Cobra => tell!("{}", usage_utl::usage(&path)),
        }
        Exit::error(message)
    };
    if !command.deprecated.is_empty() {
        tell!(
            "Command {:?} is deprecated, {}",
            command.name,
            command.deprecated
        );
    }
    let parsed = parse::parse(&path, &rest).map_err(failed)?;
    let run = match command.run {
        Some(run) if !parsed.help => run,
        _ => {
            print_stdout(&usage(program.style, &path));
            return Ok(());
        }
    };
    let missing = parsed.missing_required(&path);
    if !missing.is_empty() {
        return Err(failed(format!(
            "required flag(s) \"{}\" not set",
            missing.join("\", \"")
        )));
    }
    run(&mut Invocation {
        path,
        parsed,
        words,
    })
}

/// The help of a command, found by its words below the root; the root's when
/// there is no such command.
pub fn help_for(program: &'static Program, words: &[Vec<u8>]) -> String {
    match find::topic(&program.root, words) {
        Some(path) => usage(program.style, &path),
        None => usage(program.style, &[&program.root]),
    }
}

/// The `help` command of a program.
pub fn help_command(program: &'static Program, invocation: &Invocation) -> Outcome {
    let words = invocation.args();
    if find::topic(&program.root, words).is_none() {
        let topics: Vec<String> = words
            .iter()
            .map(|w| format!("`{}`", String::from_utf8_lossy(w)))
            .collect();
        tell!("Unknown help topic [{}]", topics.join(" "));
    }
    print_stdout(&help_for(program, words));
    Ok(())
}

fn usage(style: HelpStyle, path: &[&'static Command]) -> String {
    match style {
        HelpStyle::Etcdctl => usage_ctl::usage(path),
        HelpStyle::Cobra => usage_utl::usage(path),
    }
}

/// Standard output may be closed by the reader (`| head`); that is no failure of ours.
fn print_stdout(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// The flag that every command has.
pub(crate) const HELP_FLAG: Flag = Flag::new("help", Kind::Bool, "false", "").short('h');

/// The commands below that help lists, sorted by name.
fn listed(command: &'static Command) -> Vec<&'static Command> {
    let mut children: Vec<_> = command.children.iter().filter(|c| !c.hidden).collect();
    children.sort_by_key(|c| c.name);
    children
}

/// Flags of the command itself (its own and those it hands down), help included, sorted.
fn local_flags(path: &[&'static Command]) -> Vec<&'static Flag> {
    let command = path.last().expect("a path holds at least the root");
    let mut flags: Vec<&'static Flag> = command.flags.iter().chain(command.persistent).collect();
    flags.push(&HELP_FLAG);
    flags.sort_by_key(|f| f.name);
    flags
}

/// Flags of the parents, sorted.
fn global_flags(path: &[&'static Command]) -> Vec<&'static Flag> {
    let parents = &path[..path.len() - 1];
    let mut flags: Vec<&'static Flag> = parents.iter().flat_map(|c| c.persistent).collect();
    flags.sort_by_key(|f| f.name);
    flags
}

/// `etcdctl endpoint health`.
fn command_path(path: &[&'static Command]) -> String {
    path.iter().map(|c| c.name).collect::<Vec<_>>().join(" ")
}

/// `etcdctl get [options] <key> [range_end] [flags]`.
fn use_line(path: &[&'static Command]) -> String {
    let (command, parents) = path.split_last().expect("a path holds at least the root");
    let mut line = command_path(parents);
    if !line.is_empty() {
        line.push(' ');
    }
    line.push_str(command.usage);
    if !line.contains("[flags]") && !command.no_flags_in_usage {
        line.push_str(" [flags]");
    }
    line
}

/// Reads a line of words as one of the program's commands with its own flags
/// only; the error is a sentence.
pub fn parse_line(
    program: &'static Program,
    words: &[Vec<u8>],
) -> Result<(&'static str, Parsed), String> {
    let (path, rest) = find::find(&program.root, words)?;
    let command = *path.get(1).ok_or("no command")?;
    Ok((command.name, parse::parse(&path[1..], &rest)?))
}

pub use env::variable;

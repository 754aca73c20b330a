//! The applet `su` of a node. The host's own asks PAM and changes groups, which
//! a node with a single mapped user forbids.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::enter::{self, Plan, User};

#[derive(Debug, Default, PartialEq)]
struct Options {
    user: Option<String>,
    login: bool,
    keep_env: bool,
    command: Option<String>,
    shell: Option<String>,
    /// Handed to the shell.
    rest: Vec<String>,
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
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let name = options.user.as_deref().unwrap_or("root");
    let Ok(user) = User::find(name) else {
        eprintln!(
            "su: user {name} does not exist or the user entry does not contain all the required fields"
        );
        return ExitCode::FAILURE;
    };
    let (status, text) = enter::execute(&plan(options, user));
    eprintln!("su: {text}");
    ExitCode::from(status)
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut argument = || {
            value.clone().or_else(|| rest.next().cloned()).ok_or_else(|| {
                format!("su: option requires an argument -- '{}'\nTry 'su --help' for more information.",
                    name.trim_start_matches('-'))
            })
        };
        match name {
            "-" | "-l" | "--login" => options.login = true,
            "-c" | "--command" => options.command = Some(argument()?),
            "-s" | "--shell" => options.shell = Some(argument()?),
            "-m" | "-p" | "--preserve-environment" => options.keep_env = true,
            "-P" | "--pty" | "-f" | "--fast" => {}
            "-lc" => {
                options.login = true;
                options.command = Some(argument()?);
            }
            "-h" | "--help" => {
                return Err("Usage: su [options] [-] [<user> [<argument>...]]".to_owned());
            }
            other if other.starts_with('-') && options.user.is_none() => {
                return Err(format!(
                    "su: unrecognized option '{other}'\nTry 'su --help' for more information."
                ));
            }
            _ if options.user.is_none() => options.user = Some(word.clone()),
            _ => options.rest.push(word.clone()),
        }
    }
    Ok(options)
}

fn plan(options: Options, user: User) -> Plan {
    let shell = options.shell.clone().unwrap_or_else(|| user.shell.clone());
    let login = user.login_environment();
    let mut env: Vec<(String, String)> = Vec::new();
    if options.login {
        env.extend(
            std::env::var("TERM")
                .ok()
                .map(|term| ("TERM".to_owned(), term)),
        );
        env.extend(login);
    } else {
        env.extend(std::env::vars());
        let changed = ["HOME", "SHELL", "USER", "LOGNAME"];
        for (name, value) in login {
            if !options.keep_env && changed.contains(&name.as_str()) {
                env.retain(|(known, _)| *known != name);
                env.push((name, value));
            }
        }
    }
    let base = shell.rsplit('/').next().unwrap_or("sh").to_owned();
    let mut argv = vec![if options.login {
        format!("-{base}")
    } else {
        base
    }];
    if let Some(command) = options.command {
        argv.push("-c".to_owned());
        argv.push(command);
    }
    argv.extend(options.rest);
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let cwd = if options.login {
        user.home.clone()
    } else {
        here
    };
    Plan {
        argv,
        env,
        cwd,
        cwd_or_root: true,
        user,
        tied: false,
        program: Some(shell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Options {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words).expect("understood")
    }

    #[test]
    fn logins_and_commands() {
        assert!(parsed("-").login && parsed("-").user.is_none());
        let options = parsed("- etcd -s /bin/sh -c id");
        assert_eq!(options.user.as_deref(), Some("etcd"));
        assert_eq!(options.command.as_deref(), Some("id"));
        let root = User::find("0").expect("root");
        let plan = plan(parsed("-l"), root);
        assert!(plan.argv[0].starts_with('-'));
        assert!(parse(&["--bogus".to_owned()]).is_err());
    }
}

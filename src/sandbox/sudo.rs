//! The applet `sudo` of a node, where everyone who has a shell is root already:
//! it runs commands with the environment, the user and the words of sudo(8).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::enter::{self, DEFAULT_PATH, Plan, User};

const USAGE: &str = "usage: sudo -h | -K | -k | -V\n\
usage: sudo -v [-ABkNnS]\n\
usage: sudo -l [-ABkNnS] [command [arg ...]]\n\
usage: sudo [-ABbEHkNnPS] [-u user] [-g group] [-D directory] [VAR=value] [-i | -s] [command [arg ...]]";

#[derive(Debug, Default, PartialEq)]
struct Options {
    user: Option<String>,
    login: bool,
    shell: bool,
    keep_env: bool,
    set_home: bool,
    directory: Option<PathBuf>,
    variables: Vec<(String, String)>,
    command: Vec<String>,
    /// `-v`, `-k`, `-K`, `-l`, `-V`, `-h` without a command.
    only: Option<char>,
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
    match options.only {
        Some('V') => {
            println!("Sudo of a kubedrill node: every shell here is root's already");
            return ExitCode::SUCCESS;
        }
        Some('h') => {
            println!("sudo - execute a command as another user\n\n{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some('l') => {
            println!("User root may run the following commands on this host:\n    (ALL : ALL) ALL");
            return ExitCode::SUCCESS;
        }
        Some(_) => return ExitCode::SUCCESS,
        None => {}
    }
    let name = options.user.as_deref().unwrap_or("root");
    let name = name.strip_prefix('#').unwrap_or(name);
    let Ok(user) = User::find(name) else {
        eprintln!("sudo: unknown user {name}");
        eprintln!("sudo: error initializing audit plugin sudoers_audit");
        return ExitCode::FAILURE;
    };
    let plan = plan(&options, user);
    let program = plan.argv[0].clone();
    let (status, text) = enter::execute(&plan);
    if status == 127 {
        eprintln!(
            "sudo: {}: command not found",
            options.command.first().unwrap_or(&program)
        );
    } else {
        eprintln!("sudo: {text}");
    }
    ExitCode::FAILURE
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let mut argument = |inline: &str| {
            if inline.is_empty() {
                rest.next().cloned().ok_or_else(|| {
                    format!(
                        "sudo: option requires an argument -- '{}'\n{USAGE}",
                        &word[1..]
                    )
                })
            } else {
                Ok(inline.trim_start_matches('=').to_owned())
            }
        };
        match word.as_str() {
            "--" => {
                options.command.extend(rest.cloned());
                break;
            }
            "--login" => options.login = true,
            "--shell" => options.shell = true,
            "--preserve-env" => options.keep_env = true,
            "--set-home" => options.set_home = true,
            "--non-interactive" | "--stdin" | "--reset-timestamp" => {}
            "--user" => options.user = Some(argument("")?),
            "--help" => options.only = Some('h'),
            "--version" => options.only = Some('V'),
            long if long.starts_with("--user=") => options.user = Some(long[7..].to_owned()),
            long if long.starts_with("--preserve-env=") => {
                let names = long[15..].split(',');
                options.variables.extend(
                    names.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))),
                );
            }
            long if long.starts_with("--") => {
                return Err(format!("sudo: unrecognized option '{long}'\n{USAGE}"));
            }
            short if short.starts_with('-') && short.len() > 1 => {
                for (at, letter) in short.char_indices().skip(1) {
                    let tail = &short[at + letter.len_utf8()..];
                    match letter {
                        'i' => options.login = true,
                        's' => options.shell = true,
                        'E' => options.keep_env = true,
                        'H' => options.set_home = true,
                        'n' | 'S' | 'A' | 'B' | 'b' | 'P' | 'N' => {}
                        'v' | 'k' | 'K' | 'l' | 'V' | 'h' => options.only = Some(letter),
                        'u' => {
                            options.user = Some(argument(tail)?);
                            break;
                        }
                        'D' => {
                            options.directory = Some(PathBuf::from(argument(tail)?));
                            break;
                        }
                        // A prompt or a group: taken, as root needs neither.
                        'p' | 'g' | 'C' | 'T' | 'r' | 't' => {
                            argument(tail)?;
                            break;
                        }
                        other => {
                            return Err(format!("sudo: invalid option -- '{other}'\n{USAGE}"));
                        }
                    }
                }
            }
            plain => match plain.split_once('=') {
                Some((name, value)) if is_variable(name) => {
                    options.variables.push((name.to_owned(), value.to_owned()));
                }
                _ => {
                    options.command.push(plain.to_owned());
                    options.command.extend(rest.cloned());
                    break;
                }
            },
        }
    }
    if !options.command.is_empty() && options.only == Some('k') {
        options.only = None;
    }
    if options.command.is_empty() && !options.login && !options.shell && options.only.is_none() {
        return Err(USAGE.to_owned());
    }
    Ok(options)
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn plan(options: &Options, user: User) -> Plan {
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    let keep = |name: &str| {
        options.keep_env
            || matches!(
                name,
                "TERM" | "COLORTERM" | "DISPLAY" | "LANG" | "LANGUAGE" | "LS_COLORS"
            )
            || name.starts_with("LC_")
    };
    for (name, value) in std::env::vars() {
        if keep(&name) {
            env.insert(name, value);
        }
    }
    let invoker = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let shell_command = if options.command.is_empty() {
        user.shell.clone()
    } else {
        options.command.join(" ")
    };
    for (name, value) in user.login_environment() {
        let kept = options.keep_env && !options.set_home && name == "HOME";
        if !(kept && env.contains_key("HOME")) {
            env.insert(name, value);
        }
    }
    env.insert("PATH".to_owned(), DEFAULT_PATH.to_owned());
    env.insert("SUDO_COMMAND".to_owned(), shell_command);
    env.insert("SUDO_USER".to_owned(), invoker);
    env.insert("SUDO_UID".to_owned(), nix::unistd::getuid().to_string());
    env.insert("SUDO_GID".to_owned(), nix::unistd::getgid().to_string());
    env.extend(options.variables.iter().cloned());

    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut cwd = options.directory.clone().unwrap_or(here);
    let (argv, program) = if options.login || options.shell {
        let shell = user.shell.clone();
        let base = shell.rsplit('/').next().unwrap_or("sh").to_owned();
        let mut argv = vec![if options.login {
            format!("-{base}")
        } else {
            shell.clone()
        }];
        if options.login && options.directory.is_none() {
            cwd.clone_from(&user.home);
        }
        if !options.command.is_empty() {
            argv.push("-c".to_owned());
            argv.push(
                options
                    .command
                    .iter()
                    .map(|word| escape(word))
                    .collect::<Vec<_>>()
                    .join(" "),
            );
        }
        (argv, Some(shell))
    } else {
        (options.command.clone(), None)
    };
    Plan {
        argv,
        env: env.into_iter().collect(),
        cwd,
        cwd_or_root: true,
        user,
        tied: false,
        program,
    }
}

/// Backslashes before everything that a shell could take for its own, as
/// sudo(8) tells under `-i`: not before letters, digits, `_`, `-` and `$`.
fn escape(word: &str) -> String {
    let mut out = String::new();
    for c in word.chars() {
        if !(c.is_alphanumeric() || matches!(c, '_' | '-' | '$')) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Options {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&words).expect("understood")
    }

    #[test]
    fn the_lines_of_the_course() {
        let options = parsed(
            "-i ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 snapshot save /opt/b.db",
        );
        assert!(options.login);
        assert_eq!(
            options.variables,
            [("ETCDCTL_API".to_owned(), "3".to_owned())]
        );
        assert_eq!(options.command[0], "etcdctl");
        assert_eq!(options.command.len(), 5);
        let options = parsed("rm -rf /var/lib/etcd-restore");
        assert_eq!(options.command, ["rm", "-rf", "/var/lib/etcd-restore"]);
        assert_eq!(parsed("-u etcd -- ls -l").command, ["ls", "-l"]);
        assert_eq!(parsed("-uetcd id").user.as_deref(), Some("etcd"));
        assert!(parse(&[]).is_err());
        assert!(parse(&["-q".to_owned()]).is_err());
    }

    #[test]
    fn a_login_shell_gets_one_escaped_line() {
        let user = User::find("0").expect("root");
        let plan = plan(&parsed("-i A=b etcdctl --x=https://h:1 get a*"), user);
        assert_eq!(
            plan.argv[1..],
            ["-c", r"etcdctl --x\=https\:\/\/h\:1 get a\*"]
        );
        assert!(plan.argv[0].starts_with('-'));
        assert!(plan.env.contains(&("A".to_owned(), "b".to_owned())));
    }
}

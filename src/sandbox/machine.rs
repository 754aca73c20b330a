//! The applets `hostnamectl` and `timedatectl` of a node. systemd's own ask its bus, which a
//! node lacks; what they show lies in files.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;

const HOSTNAMECTL: &str = "hostnamectl [OPTIONS...] COMMAND ...\n\n\
Query the names of this node.\n\n\
Commands:\n  \
status      Show current hostname settings\n  \
hostname    Get the hostname";

const TIMEDATECTL: &str = "timedatectl [OPTIONS...] COMMAND ...\n\n\
Query or change the time zone of this node.\n\n\
Commands:\n  \
status              Show current time settings\n  \
show                Show properties of the time zone\n  \
set-timezone ZONE   Set the time zone\n  \
list-timezones      Show known time zones";

/// What `run` prints, or why it can't.
type Answer = Result<String, String>;

/// The applet `hostnamectl`.
pub(crate) fn run_hostnamectl(args: &[OsString]) -> ExitCode {
    finish(hostname(&words(args), Path::new("/")), "hostnamectl")
}

/// The applet `timedatectl`.
pub(crate) fn run_timedatectl(args: &[OsString]) -> ExitCode {
    finish(time(&words(args), Path::new("/")), "timedatectl")
}

fn words(args: &[OsString]) -> Vec<String> {
    let words = args.iter().skip(1);
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// What options ask for, apart from the verb and its arguments.
#[derive(Default)]
struct Options {
    verb: Vec<String>,
    /// `-p`, `--property`: none means all.
    properties: Vec<String>,
    /// `--value`
    value: bool,
    /// `--static`, `--transient`, `--pretty`
    only: Option<String>,
}

fn options(words: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-h" | "--help" => options.verb = vec!["--help".to_owned()],
            "-a" | "--all" | "-l" | "--full" | "--no-pager" | "--no-ask-password" => {}
            "--value" => options.value = true,
            "--static" | "--transient" | "--pretty" => options.only = Some(word.clone()),
            "-p" | "--property" => {
                let name = rest.next();
                let name =
                    name.ok_or_else(|| format!("option requires an argument -- '{word}'"))?;
                options.properties.push(name.clone());
            }
            _ => match word.strip_prefix("--property=").or(word.strip_prefix("-p")) {
                Some(name) => options.properties.push(name.to_owned()),
                None if word.starts_with('-') => {
                    return Err(format!("unrecognized option '{word}'"));
                }
                None => options.verb.push(word.clone()),
            },
        }
    }
    Ok(options)
}

fn finish(answer: Answer, program: &str) -> ExitCode {
    match answer {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            match text.starts_with("option ") || text.starts_with("unrecognized ") {
                true => eprintln!("{program}: {text}"),
                false => eprintln!("{text}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn read(root: &Path, path: &str) -> String {
    let text = fs::read_to_string(root.join(path)).unwrap_or_default();
    text.trim().to_owned()
}

fn hostname(words: &[String], root: &Path) -> Answer {
    let options = options(words)?;
    let words: Vec<&str> = options.verb.iter().map(String::as_str).collect();
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = name.to_string_lossy();
    match (&words[..], options.only.as_deref()) {
        ([] | ["status" | "hostname"], Some("--static")) => {
            return Ok(read(root, "etc/hostname") + "\n");
        }
        ([] | ["status" | "hostname"], Some("--transient")) => return Ok(format!("{name}\n")),
        // Nobody has given it a pretty one.
        ([] | ["status" | "hostname"], Some(_)) => return Ok("\n".to_owned()),
        _ => {}
    }
    match words[..] {
        [] | ["status"] => {
            let own = read(root, "etc/hostname");
            let release = read(root, "etc/os-release");
            let system = release
                .lines()
                .find_map(|line| line.strip_prefix("PRETTY_NAME="));
            let mut rows = vec![("Static hostname", own.clone())];
            if own != name {
                rows.push(("Transient hostname", name.into_owned()));
            }
            let boot = read(root, "proc/sys/kernel/random/boot_id");
            let kernel = read(root, "proc/sys/kernel/osrelease");
            rows.extend([
                ("Machine ID", read(root, "etc/machine-id")),
                ("Boot ID", boot.replace('-', "")),
                (
                    "Operating System",
                    system.unwrap_or("n/a").trim_matches('"').to_owned(),
                ),
                ("Kernel", format!("Linux {kernel}")),
                ("Architecture", architecture().to_owned()),
            ]);
            Ok(table(&rows))
        }
        ["hostname"] => Ok(format!("{name}\n")),
        ["--help", ..] => Ok(format!("{HOSTNAMECTL}\n")),
        ["hostname" | "set-hostname", ..] => Err(
            "Could not set hostname: a node keeps the name that its lab gives it, by which the \
             other nodes find it"
                .to_owned(),
        ),
        [
            verb @ ("icon-name" | "chassis" | "deployment" | "location"),
            ..,
        ] => Err(format!("hostnamectl {verb} is not supported by this node.")),
        [other, ..] => Err(format!("Unknown command verb '{other}'.")),
    }
}

/// As systemd calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Names to the right of their column, as systemd's tables have them.
fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let rows = rows.iter();
    rows.map(|(name, value)| format!("{name:>width$}: {value}\n"))
        .collect()
}

/// The name of the time zone in which programs of the node tell the time.
fn zone(root: &Path) -> String {
    let link = fs::read_link(root.join("etc/localtime")).unwrap_or_default();
    let link = link.to_string_lossy();
    let named = link.split_once("zoneinfo/").map(|(_, name)| name);
    named.unwrap_or("UTC").to_owned()
}

fn time(words: &[String], root: &Path) -> Answer {
    let options = options(words)?;
    let words: Vec<&str> = options.verb.iter().map(String::as_str).collect();
    match words[..] {
        [] | ["status"] => {
            let now = Timestamp::now();
            let local = now.to_zoned(TimeZone::system());
            let day = "%a %Y-%m-%d %H:%M:%S";
            Ok(table(&[
                (
                    "Local time",
                    local.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string(),
                ),
                (
                    "Universal time",
                    format!("{} UTC", now.to_zoned(TimeZone::UTC).strftime(day)),
                ),
                ("RTC time", "n/a".to_owned()),
                (
                    "Time zone",
                    format!("{} ({})", zone(root), local.strftime("%Z, %z")),
                ),
                // Whoever keeps the clock is the host, whose daemons no node sees.
                ("System clock synchronized", "n/a".to_owned()),
                ("NTP service", "n/a".to_owned()),
                ("RTC in local TZ", "no".to_owned()),
            ]))
        }
        ["show"] => {
            let zone = zone(root);
            let all = [
                ("Timezone", zone.as_str()),
                ("LocalRTC", "no"),
                ("CanNTP", "no"),
                ("NTP", "no"),
            ];
            let asked = |name: &str| {
                options.properties.is_empty() || options.properties.iter().any(|p| p == name)
            };
            let shown = all.iter().filter(|(name, _)| asked(name));
            Ok(shown
                .map(|(name, value)| match options.value {
                    true => format!("{value}\n"),
                    false => format!("{name}={value}\n"),
                })
                .collect())
        }
        ["list-timezones"] => Ok(zones(root)),
        ["set-timezone", name] => set_zone(name, root),
        ["--help", ..] => Ok(format!("{TIMEDATECTL}\n")),
        ["set-timezone", ..] => Err("Too few arguments.".to_owned()),
        ["set-time" | "set-ntp" | "set-local-rtc", ..] => Err(
            "Failed to set time: the clock of a node is the host's, which no node may set"
                .to_owned(),
        ),
        [other, ..] => Err(format!("Unknown command verb '{other}'.")),
    }
}

/// Where the host has its time zones.
fn zoneinfo(root: &Path) -> PathBuf {
    root.join("usr/share/zoneinfo")
}

fn zones(root: &Path) -> String {
    let table = fs::read_to_string(zoneinfo(root).join("tzdata.zi")).unwrap_or_default();
    // `Z NAME…` is a zone, `L TARGET NAME` another name of one.
    let names = table.lines().filter_map(|line| {
        let mut words = line.split(' ');
        match words.next()? {
            "Z" => words.next(),
            "L" => words.nth(1),
            _ => None,
        }
    });
    let mut names: Vec<&str> = names.chain(["UTC"]).collect();
    names.sort_unstable();
    names.dedup();
    names.join("\n") + "\n"
}

fn set_zone(name: &str, root: &Path) -> Answer {
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if !plain || !zoneinfo(root).join(name).is_file() {
        return Err(format!(
            "Failed to set time zone: Invalid or not installed time zone '{name}'"
        ));
    }
    let failed = |error: std::io::Error| format!("Failed to set time zone: {error}");
    // Another name first, so that there is a zone at every moment.
    let (link, fresh) = (root.join("etc/localtime"), root.join("etc/.localtime.new"));
    let _ = fs::remove_file(&fresh);
    let target = format!("/usr/share/zoneinfo/{name}");
    std::os::unix::fs::symlink(target, &fresh).map_err(failed)?;
    fs::rename(&fresh, &link).map_err(failed)?;
    let file = root.join("etc/timezone");
    if file.exists() {
        fs::write(file, format!("{name}\n")).map_err(failed)?;
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_time_zone_is_set_by_name_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        fs::create_dir_all(zoneinfo(root).join("Europe")).expect("made");
        fs::create_dir_all(root.join("etc")).expect("made");
        fs::write(zoneinfo(root).join("Europe/Berlin"), "TZif").expect("written");
        let zi = "# version 2025b\nR d 1916\nZ Europe/Berlin 0:53:28 -\nL Europe/Berlin Arctic/Longyearbyen\n";
        fs::write(zoneinfo(root).join("tzdata.zi"), zi).expect("written");
        assert_eq!(zone(root), "UTC");
        let names = time(&line("list-timezones"), root).expect("names");
        assert_eq!(names, "Arctic/Longyearbyen\nEurope/Berlin\nUTC\n");
        for wrong in ["Europe/Nowhere", "../etc", "Europe", "/etc/passwd"] {
            let error = time(&line(&format!("set-timezone {wrong}")), root).expect_err(wrong);
            assert!(error.contains("Invalid or not installed"), "{error}");
        }
        time(&line("set-timezone Europe/Berlin"), root).expect("set");
        assert_eq!(zone(root), "Europe/Berlin");
        let shown = time(&line("show"), root).expect("shown");
        assert!(shown.starts_with("Timezone=Europe/Berlin\n"), "{shown}");
        for property in [
            "show -p Timezone --value",
            "show --property=Timezone --value",
        ] {
            let shown = time(&line(property), root).expect("shown");
            assert_eq!(shown, "Europe/Berlin\n", "{property}");
        }
        for refused in [
            "--frobnicate",
            "show -p",
            "set-time 12:00",
            "set-ntp yes",
            "frobnicate",
        ] {
            assert!(time(&line(refused), root).is_err(), "{refused}");
        }
    }

    #[test]
    fn the_nodes_names_are_shown_and_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        fs::create_dir_all(root.join("etc")).expect("made");
        fs::write(root.join("etc/hostname"), "node-that-is-not-me\n").expect("written");
        let release = "NAME=x\nPRETTY_NAME=\"Some Linux 1\"\n";
        fs::write(root.join("etc/os-release"), release).expect("written");
        let text = hostname(&[], root).expect("a table");
        for expected in [
            "   Static hostname: node-that-is-not-me\n",
            "Transient hostname: ",
            "  Operating System: Some Linux 1\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(hostname(&line("set-hostname other"), root).is_err());
        assert!(hostname(&line("frobnicate"), root).is_err());
    }
}

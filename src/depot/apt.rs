//! `apt` and `apt-get` of a node. The lab's archive holds one package, `etcd-client`; what the
//! host has installed counts as installed. State is kept as dpkg keeps it, so that `dpkg -l`,
//! `-s` and `-L` of the host tell of it.

mod query;

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::{program, release::machine};

const PACKAGE: &str = "etcd-client";
/// As Debian 13 numbers it; the programs are the lab's etcd 3.5.16.
const VERSION: &str = "3.5.16-4";
const PROGRAMS: [&str; 2] = ["etcdctl", "etcdutl"];
const STATUS: &str = "var/lib/dpkg/status";
const LIST: &str = "var/lib/dpkg/info/etcd-client.list";

/// apt's status for whatever went wrong.
const FAILED: u8 = 100;

/// What was typed.
#[derive(Debug, Default)]
struct Asked {
    verb: Option<String>,
    names: Vec<String>,
    /// `--names-only`, `--installed`, `--upgradable`.
    names_only: bool,
    installed_only: bool,
    upgradable_only: bool,
}

/// The applet; `words[0]` is its name. `root` is the node's `/`.
pub fn run(words: &[String], root: &Path) -> u8 {
    let cache = words.first().is_some_and(|name| name == "apt-cache");
    let usage = if cache { CACHE_USAGE } else { USAGE };
    let asked = match parse(words, usage) {
        Ok(asked) => asked,
        Err(status) => return status,
    };
    let names = &asked.names;
    match asked.verb.as_deref() {
        None => {
            println!("{usage}");
            0
        }
        Some(verb) if QUESTIONS[usize::from(cache)].contains(&verb) => {
            query::answer(verb, cache, &asked, root)
        }
        Some(other) if cache => {
            eprintln!("E: Invalid operation {other}");
            FAILED
        }
        Some("update") => update(),
        Some("install") => install(names, root),
        Some("remove" | "purge" | "autoremove") => remove(names, root),
        Some("upgrade" | "full-upgrade" | "dist-upgrade") => {
            begin();
            println!("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.");
            0
        }
        Some("clean" | "autoclean") => 0,
        Some(other) => {
            eprintln!("E: Invalid operation {other}");
            FAILED
        }
    }
}

/// Reads the command line; `Err`: all is said, with this status.
fn parse(words: &[String], usage: &str) -> Result<Asked, u8> {
    let mut asked = Asked::default();
    let mut rest = words.iter().skip(1);
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-n" | "--names-only" => asked.names_only = true,
            "-i" | "--installed" => asked.installed_only = true,
            "--upgradable" => asked.upgradable_only = true,
            "-o" | "-t" => drop(rest.next()),
            "-h" | "--help" => {
                println!("{usage}");
                return Err(0);
            }
            "-v" | "--version" => {
                println!("apt of a kubedrill node ({})", machine());
                return Err(0);
            }
            option if WITHOUT_EFFECT.contains(&option) || option.starts_with("-o") => {}
            option if option.starts_with('-') => {
                eprintln!("E: Command line option '{option}' is not understood");
                return Err(FAILED);
            }
            word if asked.verb.is_none() => asked.verb = Some(word.to_owned()),
            name => asked.names.push(name.to_owned()),
        }
    }
    Ok(asked)
}

/// Options that change nothing where there is one package without dependencies, and no
/// question is asked.
const WITHOUT_EFFECT: [&str; 20] = [
    "-y",
    "--yes",
    "--assume-yes",
    "-q",
    "-qq",
    "-qy",
    "-yq",
    "-yqq",
    "--quiet",
    "--no-install-recommends",
    "--no-install-suggests",
    "--reinstall",
    "-f",
    "--fix-broken",
    "--allow-change-held-packages",
    "--allow-downgrades",
    "--allow-remove-essential",
    "--allow-unauthenticated",
    "--purge",
    "--all-versions",
];

const USAGE: &str = "Usage: apt [options] command\n\n\
The archive of this lab holds the package etcd-client; a node has no way out to another.\n\n\
Most used commands:\n  \
list, show, search - tell of the package\n  \
install - install packages\n  \
remove, purge - remove packages\n  \
update - update list of available packages";

const CACHE_USAGE: &str = "Usage: apt-cache [options] command\n\n\
The archive of this lab holds the package etcd-client; a node has no way out to another.\n\n\
Most used commands:\n  \
search - Search the package list for a pattern\n  \
show - Show a readable record for the package\n  \
policy - Show policy settings\n  \
madison - Show the versions that there are";

/// What `apt` and what `apt-cache` can be asked.
const QUESTIONS: [&[&str]; 2] = [
    &["list", "show", "search", "policy"],
    &["show", "search", "policy", "madison"],
];

/// Said after apt's own words, because nothing in them tells a wrong name from a node that
/// can't reach any other archive.
fn nothing_else() {
    eprintln!("N: A node has no network: the lab's archive holds the package {PACKAGE} alone.");
}

fn begin() {
    println!("Reading package lists... Done\nBuilding dependency tree... Done");
    println!("Reading state information... Done");
}

fn update() -> u8 {
    println!("Hit:1 file:/usr/local/lib/kubedrill lab InRelease");
    begin();
    println!("All packages are up to date.");
    0
}

/// The version of the package that is installed.
fn installed(root: &Path) -> bool {
    root.join(LIST).exists()
}

/// Whether the host brings what a package of that name would.
fn of_the_host(name: &str, root: &Path) -> bool {
    let plain = !name.is_empty() && !name.contains('/');
    plain
        && ["usr/bin", "usr/sbin"]
            .iter()
            .any(|dir| root.join(dir).join(name).exists())
}

fn install(names: &[String], root: &Path) -> u8 {
    if let Some(trouble) = locked(root) {
        eprintln!("{trouble}");
        return FAILED;
    }
    begin();
    let mut wanted = false;
    for asked in names {
        let (name, version) = asked.split_once('=').unwrap_or((asked, VERSION));
        if name != PACKAGE && of_the_host(name, root) {
            println!("{name} is already the newest version.");
        } else if name != PACKAGE {
            eprintln!("E: Unable to locate package {name}");
            nothing_else();
            return FAILED;
        } else if version != VERSION {
            eprintln!("E: Version '{version}' for '{name}' was not found");
            return FAILED;
        } else if installed(root) {
            println!("{PACKAGE} is already the newest version ({VERSION}).");
        } else {
            wanted = true;
        }
    }
    if !wanted {
        println!("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.");
        return 0;
    }
    println!("The following NEW packages will be installed:\n  {PACKAGE}");
    println!("0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.");
    let arch = machine();
    println!("Get:1 file:/usr/local/lib/kubedrill lab/main {arch} {PACKAGE} {arch} {VERSION}");
    println!("Selecting previously unselected package {PACKAGE}.");
    println!("Preparing to unpack .../{PACKAGE}_{VERSION}_{arch}.deb ...");
    println!("Unpacking {PACKAGE} ({VERSION}) ...");
    match unpack(root) {
        Ok(()) => {
            println!("Setting up {PACKAGE} ({VERSION}) ...");
            0
        }
        Err((path, error)) => {
            eprintln!(
                "dpkg: error processing archive {PACKAGE}_{VERSION}_{arch}.deb (--unpack):\n \
                 unable to create '{}': {error}",
                path.display()
            );
            eprintln!("E: Sub-process /usr/bin/dpkg returned an error code (1)");
            FAILED
        }
    }
}

/// Whoever may not write dpkg's state is told so first, as by apt.
fn locked(root: &Path) -> Option<String> {
    let dir = root.join("var/lib/dpkg");
    let lock = dir.join("lock-frontend");
    let opened = fs::create_dir_all(&dir).and_then(|()| fs::File::create(&lock).map(drop));
    let error = opened.err()?;
    Some(format!(
        "E: Could not open lock file /var/lib/dpkg/lock-frontend - open ({error})\n\
         E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?"
    ))
}

type Failure = (PathBuf, io::Error);

fn unpack(root: &Path) -> Result<(), Failure> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    let mut list = String::from("/.\n/usr\n/usr/bin\n");
    for name in PROGRAMS {
        let path = root.join("usr/bin").join(name);
        // A program of the host that is in the way: the node's own layer hides it.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err((path, error));
            }
            _ => {}
        }
        symlink(program(name), &path).map_err(at(&path))?;
        list += &format!("/usr/bin/{name}\n");
    }
    let status = root.join(STATUS);
    let mut text = fs::read_to_string(&status).unwrap_or_default();
    text += &record();
    fs::write(&status, text).map_err(at(&status))?;
    let path = root.join(LIST);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    fs::write(&path, list).map_err(at(&path))
}

/// The package's paragraph in dpkg's status file.
fn record() -> String {
    format!(
        "Package: {PACKAGE}\nStatus: install ok installed\nPriority: optional\nSection: net\n\
         Maintainer: kubedrill\nArchitecture: {}\nSource: etcd\nVersion: {VERSION}\n\
         Description: etcd client binaries\n the lab's own etcdctl and etcdutl\n\n",
        machine()
    )
}

fn remove(names: &[String], root: &Path) -> u8 {
    if let Some(trouble) = locked(root) {
        eprintln!("{trouble}");
        return FAILED;
    }
    begin();
    for name in names {
        if name != PACKAGE && of_the_host(name, root) {
            eprintln!("E: {name} belongs to the host and can't be removed from a node");
            return FAILED;
        }
        if name != PACKAGE {
            eprintln!("E: Unable to locate package {name}");
            return FAILED;
        }
        if !installed(root) {
            println!("Package '{name}' is not installed, so not removed");
            continue;
        }
        println!("The following packages will be REMOVED:\n  {PACKAGE}");
        println!("Removing {PACKAGE} ({VERSION}) ...");
        if let Err((path, error)) = erase(root) {
            eprintln!(
                "dpkg: error: unable to remove '{}': {error}",
                path.display()
            );
            return FAILED;
        }
    }
    0
}

fn erase(root: &Path) -> Result<(), Failure> {
    let status = root.join(STATUS);
    let text = fs::read_to_string(&status).unwrap_or_default();
    fs::write(&status, text.replace(&record(), "")).map_err(|error| (status, error))?;
    let mut paths: Vec<PathBuf> = PROGRAMS
        .iter()
        .map(|name| root.join("usr/bin").join(name))
        .collect();
    paths.push(root.join(LIST));
    for path in paths {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err((path, error)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apt(root: &Path, line: &str) -> u8 {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        run(&words, root)
    }

    #[test]
    fn the_client_comes_and_goes() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        fs::create_dir_all(root.join("usr/bin")).expect("made");
        fs::write(root.join("usr/bin/curl"), "").expect("written");
        let etcdctl = root.join("usr/bin/etcdctl");
        for (line, status, there) in [
            ("apt update", 0, false),
            ("apt install nginx", FAILED, false),
            ("apt install etcd-client nginx", FAILED, false),
            ("apt install curl", 0, false),
            ("apt install etcd-client=1.0", FAILED, false),
            ("apt-get install -y etcd-client", 0, true),
            ("apt install etcd-client", 0, true),
            ("apt install --with-everything", FAILED, true),
            ("apt remove curl", FAILED, true),
            ("apt frobnicate", FAILED, true),
            ("apt search etcd", 0, true),
            ("apt search", FAILED, true),
            ("apt list --installed", 0, true),
            ("apt show etcd-client", 0, true),
            ("apt show nano", FAILED, true),
            ("apt madison etcd-client", FAILED, true),
            ("apt-cache madison etcd-client", 0, true),
            ("apt-cache policy nano", 0, true),
            ("apt-cache show nano", FAILED, true),
            ("apt-cache install etcd-client", FAILED, true),
            ("apt purge -y etcd-client", 0, false),
            ("apt remove etcd-client", 0, false),
        ] {
            assert_eq!(apt(root, line), status, "{line}");
            assert_eq!(fs::symlink_metadata(&etcdctl).is_ok(), there, "{line}");
        }
        let status = fs::read_to_string(root.join(STATUS)).expect("dpkg's state");
        assert_eq!(status, "");
    }
}

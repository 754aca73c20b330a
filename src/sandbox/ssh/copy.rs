//! `scp` between the nodes of a fabric: the files travel through `ssh` as a stream of
//! headers (a line of JSON each) and contents. The far end runs this program too, with
//! `--send` or `--receive`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

const USAGE: &str = "usage: scp [-346ABCOpqRrsTv] [-c cipher] [-D sftp_server_path] [-F ssh_config]\n           \
[-i identity_file] [-J destination] [-l limit] [-o ssh_option]\n           \
[-P port] [-S program] [-X sftp_option] source ... target";

/// What comes next in the stream.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Header {
    /// `size` bytes follow.
    File {
        name: String,
        mode: u32,
        size: u64,
    },
    /// What follows lies in it, until [`Header::Up`].
    Directory {
        name: String,
        mode: u32,
    },
    Up,
    /// Something could not be read; the rest goes on.
    Trouble(String),
}

#[derive(Debug, Default)]
struct Options {
    recursive: bool,
    /// `-q`: no lines that say how far a file is.
    quiet: bool,
    paths: Vec<String>,
}

/// A path here or on another node.
#[derive(Debug, PartialEq)]
struct Place {
    /// `user@node` or `node`; `None` is here.
    host: Option<String>,
    path: String,
}

/// The applet.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let words: Vec<String> = args
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let outcome = match words.first().map(String::as_str) {
        Some("--send") => {
            let mut out = io::stdout().lock();
            let recursive = words.get(1).is_some_and(|word| word == "r");
            let paths = words.get(2..).unwrap_or_default();
            send_all(paths, recursive, false, &mut out).and_then(|()| out.flush())
        }
        Some("--receive") => {
            let target = words.get(1).map_or(".", String::as_str);
            let mut input = BufReader::new(io::stdin().lock());
            return code(receive(&mut input, target, false));
        }
        _ => match parse(&words) {
            Ok(options) => return code(copy(&options)),
            Err(text) => {
                eprintln!("{text}");
                return ExitCode::FAILURE;
            }
        },
    };
    code(outcome.map(|()| true))
}

/// `Ok(false)`: something was left out, which has been said.
fn code(outcome: io::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("scp: {}", plain(&error));
            ExitCode::FAILURE
        }
    }
}

fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            options.paths.extend(rest.cloned());
            break;
        }
        if !word.starts_with('-') || word == "-" {
            options.paths.push(word.clone());
            continue;
        }
        for (at, letter) in word.char_indices().skip(1) {
            match letter {
                'r' => options.recursive = true,
                'q' => options.quiet = true,
                '3' | '4' | '6' | 'A' | 'B' | 'C' | 'O' | 'p' | 'R' | 's' | 'T' | 'v' => {}
                'c' | 'D' | 'F' | 'i' | 'J' | 'l' | 'o' | 'P' | 'S' | 'X' => {
                    // No value means anything here: there is one network and one key.
                    if at + 1 == word.len() && rest.next().is_none() {
                        return Err(format!(
                            "scp: option requires an argument -- {letter}\n{USAGE}"
                        ));
                    }
                    break;
                }
                other => return Err(format!("scp: unknown option -- {other}\n{USAGE}")),
            }
        }
    }
    if options.paths.len() < 2 {
        return Err(USAGE.to_owned());
    }
    Ok(options)
}

/// `node:path` is on another node, unless a slash comes before the colon.
fn place(word: &str) -> Place {
    match word.split_once(':') {
        Some((host, path)) if !host.is_empty() && !host.contains('/') => Place {
            host: Some(host.to_owned()),
            path: if path.is_empty() { "." } else { path }.to_owned(),
        },
        _ => Place {
            host: None,
            path: word.to_owned(),
        },
    }
}

fn copy(options: &Options) -> io::Result<bool> {
    let Some((target, sources)) = options.paths.split_last() else {
        return Ok(false);
    };
    let target = place(target);
    if sources.len() > 1 && target.host.is_none() && !Path::new(&target.path).is_dir() {
        eprintln!("scp: {}: Not a directory", target.path);
        return Ok(false);
    }
    let mut whole = true;
    for source in sources {
        whole &= copy_one(&place(source), &target, options)?;
    }
    Ok(whole)
}

fn copy_one(source: &Place, target: &Place, options: &Options) -> io::Result<bool> {
    let recursive = if options.recursive { "r" } else { "-" };
    let meter = !options.quiet && io::stdout().is_terminal();
    let paths = [source.path.clone()];
    match (&source.host, &target.host) {
        (None, None) => {
            let mut bytes = Vec::new();
            send_all(&paths, options.recursive, false, &mut bytes)?;
            receive(&mut bytes.as_slice(), &target.path, false)
        }
        (None, Some(host)) => {
            let mut far = far_end(host, &["--receive", &target.path])
                .stdin(Stdio::piped())
                .spawn()?;
            if let Some(input) = far.stdin.take() {
                let mut input = io::BufWriter::new(input);
                // A far end that failed has closed its end and says why itself.
                let sent = send_all(&paths, options.recursive, meter, &mut input)
                    .and_then(|()| input.flush());
                drop(input);
                let ended = far.wait()?;
                return Ok(sent.is_ok() && ended.success());
            }
            Ok(far.wait()?.success())
        }
        (Some(host), None) => {
            let mut far = far_end(host, &["--send", recursive, &source.path])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()?;
            let mut whole = true;
            if let Some(output) = far.stdout.take() {
                whole = receive(&mut BufReader::new(output), &target.path, meter)?;
            }
            Ok(far.wait()?.success() && whole)
        }
        (Some(from), Some(to)) => {
            let mut sender = far_end(from, &["--send", recursive, &source.path])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()?;
            let stream = sender.stdout.take().map_or_else(Stdio::null, Stdio::from);
            let receiver = far_end(to, &["--receive", &target.path])
                .stdin(stream)
                .status()?;
            Ok(sender.wait()?.success() && receiver.success())
        }
    }
}

/// This program at the other end of `ssh`.
fn far_end(host: &str, words: &[&str]) -> Command {
    let quoted: Vec<String> = words
        .iter()
        // The far end's shell expands what names no file yet, as scp lets it: `~`, `*`.
        .map(|word| word.replace(' ', "\\ "))
        .collect();
    let mut command = Command::new(crate::node::PROGRAM);
    command
        .args(["ssh", "-T", host, crate::node::PROGRAM, "scp"])
        .arg(quoted.join(" "));
    command
}

fn write_header(out: &mut impl Write, header: &Header) -> io::Result<()> {
    serde_json::to_writer(&mut *out, header)?;
    out.write_all(b"\n")
}

fn send_all(
    paths: &[String],
    recursive: bool,
    meter: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    for path in paths {
        send(Path::new(path), path, recursive, meter, out)?;
    }
    Ok(())
}

fn send(
    path: &Path,
    shown: &str,
    recursive: bool,
    meter: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let trouble = |out: &mut _, text: String| write_header(out, &Header::Trouble(text));
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => return trouble(out, format!("{shown}: {}", plain(&error))),
    };
    let name = fs::canonicalize(path)?.file_name().map_or_else(
        || "root".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    // A link is copied as what it leads to, under its own name.
    let name = match path.components().next_back() {
        Some(Component::Normal(own)) => own.to_string_lossy().into_owned(),
        _ => name,
    };
    let mode = found.mode() & 0o7777;
    if found.is_dir() {
        if !recursive {
            return trouble(out, format!("{shown}: not a regular file"));
        }
        write_header(out, &Header::Directory { name, mode })?;
        let mut entries: Vec<PathBuf> = fs::read_dir(path)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        entries.sort();
        for entry in entries {
            let shown = entry.display().to_string();
            send(&entry, &shown, recursive, meter, out)?;
        }
        return write_header(out, &Header::Up);
    }
    if !found.is_file() {
        return trouble(out, format!("{shown}: not a regular file"));
    }
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) => return trouble(out, format!("{shown}: {}", plain(&error))),
    };
    let size = found.len();
    let begun = Instant::now();
    let header = Header::File { name, mode, size };
    write_header(out, &header)?;
    let sent = io::copy(&mut file.take(size), out)?;
    // A file that shrank meanwhile: what was promised is made up with zeros.
    io::copy(&mut io::repeat(0).take(size - sent), out)?;
    if meter && let Header::File { name, .. } = header {
        tell_progress(&name, size, begun);
    }
    Ok(())
}

/// Takes everything to `target`. `Ok(false)`: something was missing, which has been said.
fn receive(stream: &mut impl BufRead, target: &str, meter: bool) -> io::Result<bool> {
    let target = Path::new(target);
    // Into a directory under its own name, else under the name that was given.
    let mut into: Vec<PathBuf> = Vec::new();
    let mut whole = true;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(whole);
        }
        let place = |name: &str, into: &[PathBuf]| match into.last() {
            Some(dir) => dir.join(name),
            None if target.is_dir() => target.join(name),
            None => target.to_owned(),
        };
        match serde_json::from_str(&line)? {
            Header::File { name, mode, size } => {
                let path = place(&plain_name(&name)?, &into);
                let begun = Instant::now();
                write_file(stream, &path, mode, size)?;
                if meter {
                    tell_progress(&name, size, begun);
                }
            }
            Header::Directory { name, mode } => {
                let path = place(&plain_name(&name)?, &into);
                if !path.is_dir() {
                    fs::create_dir(&path).map_err(|error| named(&path, &error))?;
                    fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o700))?;
                }
                into.push(path);
            }
            Header::Up => {
                into.pop();
            }
            Header::Trouble(text) => {
                eprintln!("scp: {text}");
                whole = false;
            }
        }
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {}", path.display(), plain(error)))
}

/// A name that leads nowhere else.
fn plain_name(name: &str) -> io::Result<String> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) => Ok(name.to_owned()),
        _ => Err(io::Error::other(format!("unexpected filename: {name}"))),
    }
}

fn write_file(stream: &mut impl BufRead, path: &Path, mode: u32, size: u64) -> io::Result<()> {
    let fresh = !path.exists();
    let mut file = fs::File::create(path).map_err(|error| named(path, &error))?;
    if fresh {
        file.set_permissions(fs::Permissions::from_mode(mode & 0o777))?;
    }
    let copied = io::copy(&mut stream.take(size), &mut file).map_err(|e| named(path, &e))?;
    match copied == size {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{}: the connection was lost",
            path.display()
        ))),
    }
}

/// The line of a file that has been copied.
fn tell_progress(name: &str, size: u64, begun: Instant) {
    let columns = crate::window::columns(io::stdout()).unwrap_or(80);
    println!("{}", progress(name, size, begun.elapsed(), columns));
}

/// As OpenSSH's progress meter leaves it when all has gone through (`progressmeter.c`).
fn progress(name: &str, size: u64, took: Duration, columns: usize) -> String {
    const UNITS: [&str; 5] = ["  ", "KB", "MB", "GB", "TB"];
    let scale = |mut value: u64, limit: u64, mut unit: usize| {
        while value >= limit && unit + 1 < UNITS.len() {
            value = (value + 512) / 1024;
            unit += 1;
        }
        (value, unit)
    };
    let width = columns.saturating_sub(36);
    let name: String = name.chars().take(width).collect();
    let (amount, unit) = scale(size, 10_000, 0);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    // In hundredths of 1 KiB at least, so that there is a place behind the point.
    let rate = u128::from(size) * 100_000_000 / 1024 / u128::from(micros);
    let (rate, rate_unit) = scale(u64::try_from(rate).unwrap_or(u64::MAX), 100_000, 1);
    let (whole, tenth) = ((rate + 5) / 100, (rate + 5) / 10 % 10);
    let seconds = took.as_secs();
    format!(
        "{name:<width$} 100% {amount:>4}{} {whole:>3}.{tenth}{}/s   {:02}:{:02}    ",
        UNITS[unit],
        UNITS[rate_unit],
        seconds / 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_options_are_read_as_scp_does() {
        let host = |word: &str| place(word).host;
        assert_eq!(host("etcd1:/tmp/x").as_deref(), Some("etcd1"));
        assert_eq!(host("root@etcd1:").as_deref(), Some("root@etcd1"));
        assert_eq!(host("/a:b"), None);
        assert_eq!(host("./a:b"), None);
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let options = parse(&words("-r -o StrictHostKeyChecking=no -P22 a b:/c")).expect("read");
        assert!(options.recursive);
        assert_eq!(options.paths, ["a", "b:/c"]);
        assert!(parse(&words("one")).is_err());
        assert!(parse(&words("-Z a b")).is_err());
    }

    #[test]
    fn what_was_copied_is_told_as_scp_does() {
        let line = |size, millis| progress("snap.db", size, Duration::from_millis(millis), 60);
        assert_eq!(
            line(123, 10),
            "snap.db                  100%  123    12.0KB/s   00:00    "
        );
        assert_eq!(
            line(20_971_520, 2_000),
            "snap.db                  100%   20MB  10.0MB/s   00:02    "
        );
        assert!(progress("long-name", 0, Duration::ZERO, 40).starts_with("long 100%    0   "));
    }

    #[test]
    fn a_tree_arrives_whole() {
        let from = tempfile::tempdir().expect("a directory");
        let to = tempfile::tempdir().expect("a directory");
        fs::create_dir(from.path().join("d")).expect("made");
        fs::write(from.path().join("d/a"), "hello\n").expect("written");
        fs::write(from.path().join("d/empty"), "").expect("written");
        let mut bytes = Vec::new();
        let source = [from.path().join("d").display().to_string()];
        send_all(&source, true, false, &mut bytes).expect("sent");
        let target = to.path().display().to_string();
        assert!(receive(&mut bytes.as_slice(), &target, false).expect("received"));
        let read = fs::read_to_string(to.path().join("d/a")).expect("there");
        assert_eq!(read, "hello\n");
        assert!(to.path().join("d/empty").exists());
        // Under another name, when the target is no directory.
        let renamed = to.path().join("e").display().to_string();
        assert!(receive(&mut bytes.as_slice(), &renamed, false).expect("received"));
        assert!(to.path().join("e/a").exists());
        // Without -r a directory is left out and that is said.
        bytes.clear();
        send_all(&source, false, false, &mut bytes).expect("sent");
        assert!(!receive(&mut bytes.as_slice(), &target, false).expect("received"));
        let torn = b"{\"File\":{\"name\":\"../x\",\"mode\":420,\"size\":1}}\nx";
        assert!(receive(&mut &torn[..], &target, false).is_err());
    }
}

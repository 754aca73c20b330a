//! `wget` of a node. Addresses of the depot are answered here; for any other the host's own
//! wget runs, which finds no network.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    become_the_hosts,
    release::{Answer, Asset, look_up, machine},
};

/// wget's statuses (wget(1), "EXIT STATUS").
const GENERIC: u8 = 1;
const PARSE: u8 = 2;
const FILE_IO: u8 = 3;
const SERVER: u8 = 8;

#[derive(Debug, Default, PartialEq)]
struct Options {
    /// `-O`; `-` is standard output.
    output: Option<String>,
    /// `-P`.
    directory: Option<String>,
    quiet: bool,
    brief: bool,
    /// `-nc`: leave what is there.
    no_clobber: bool,
    /// `-N`, `-c`: write over what is there.
    overwrite: bool,
    urls: Vec<String>,
}

/// The applet; `words[0]` is its name.
pub fn run(words: &[String]) -> u8 {
    let options = match parse(words.get(1..).unwrap_or_default()) {
        Ok(options) => options,
        // An option that is not known here may be known there, unless the address is ours.
        Err(_) if !names_ours(words) => return become_the_hosts("wget", words),
        Err(text) => {
            eprintln!("{text}");
            return PARSE;
        }
    };
    if !names_ours(words) {
        return become_the_hosts("wget", words);
    }
    let mut status = 0;
    for url in &options.urls {
        status = status.max(fetch(url, &options));
    }
    status
}

fn names_ours(words: &[String]) -> bool {
    words
        .iter()
        .any(|word| look_up(word, machine()) != Answer::Foreign)
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
            value
                .clone()
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| format!("wget: option requires an argument -- '{name}'"))
        };
        match name {
            "-O" | "--output-document" => options.output = Some(argument()?),
            "-P" | "--directory-prefix" => options.directory = Some(argument()?),
            "-q" | "--quiet" => options.quiet = true,
            "-nv" | "--no-verbose" => options.brief = true,
            "-nc" | "--no-clobber" => options.no_clobber = true,
            "-c" | "--continue" | "-N" | "--timestamping" => options.overwrite = true,
            "-qO-" | "-q0-" => {
                options.quiet = true;
                options.output = Some("-".into());
            }
            "-qO" => {
                options.quiet = true;
                options.output = Some(argument()?);
            }
            "-O-" => options.output = Some("-".into()),
            "--no-check-certificate"
            | "--show-progress"
            | "--progress"
            | "--https-only"
            | "-4"
            | "-6"
            | "--no-proxy" => {}
            "-T" | "--timeout" | "-t" | "--tries" | "--waitretry" => drop(argument()?),
            other if other.starts_with('-') && other.len() > 1 => {
                return Err(format!(
                    "wget: unrecognized option '{other}' (for an address that the lab serves)"
                ));
            }
            other => options.urls.push(other.to_owned()),
        }
    }
    Ok(options)
}

/// The name that a file gets which is there already: `name.1`, `name.2`…
fn free_name(path: PathBuf, exists: impl Fn(&Path) -> bool) -> PathBuf {
    if !exists(&path) {
        return path;
    }
    let mut number = 1u32;
    loop {
        let next = PathBuf::from(format!("{}.{number}", path.display()));
        if !exists(&next) {
            return next;
        }
        number += 1;
    }
}

fn fetch(url: &str, options: &Options) -> u8 {
    let say = |text: String| {
        if !options.quiet && !options.brief {
            eprint!("{text}");
        }
    };
    say(format!(
        "--  {url}\nHTTP request sent, awaiting response... "
    ));
    let asset = match look_up(url, machine()) {
        Answer::Found(asset) => asset,
        Answer::NotFound => {
            say("404 Not Found\n".into());
            if !options.quiet {
                eprintln!("ERROR 404: Not Found.");
            }
            return SERVER;
        }
        Answer::Refused(why) => {
            say("\n".into());
            eprintln!("wget: {why}");
            return SERVER;
        }
        Answer::Foreign => {
            say("\n".into());
            eprintln!("wget: unable to resolve host address in '{url}': the lab has no way out");
            return 4;
        }
    };
    let length = asset.bytes.len();
    say(format!(
        "200 OK\nLength: {length} [application/octet-stream]\n"
    ));
    match save(url, &asset, options) {
        Ok(name) => {
            say(format!(
                "Saving to: '{name}'\n\n'{name}' saved [{length}/{length}]\n\n"
            ));
            if !options.quiet {
                eprintln!("Note: {}.", asset.note);
            }
            0
        }
        Err(Trouble::Exists(name)) => {
            eprintln!("File '{name}' already there; not retrieving.");
            GENERIC
        }
        Err(Trouble::Io(name, error)) => {
            eprintln!("{name}: {error}\n\nCannot write to '{name}' ({error}).");
            FILE_IO
        }
    }
}

enum Trouble {
    Exists(String),
    Io(String, io::Error),
}

fn save(url: &str, asset: &Asset, options: &Options) -> Result<String, Trouble> {
    if options.output.as_deref() == Some("-") {
        let written = io::stdout().write_all(&asset.bytes);
        return written
            .map(|()| "STDOUT".into())
            .map_err(|error| Trouble::Io("STDOUT".into(), error));
    }
    let path = match &options.output {
        Some(output) => PathBuf::from(output),
        None => {
            let name = url.rsplit('/').next().unwrap_or("index.html");
            let directory = options.directory.as_deref().unwrap_or(".");
            let path = Path::new(directory).join(name);
            let path = path.strip_prefix("./").map(Path::to_owned).unwrap_or(path);
            if options.no_clobber && path.exists() {
                return Err(Trouble::Exists(path.display().to_string()));
            }
            match options.overwrite {
                true => path,
                false => free_name(path, Path::exists),
            }
        }
    };
    let name = path.display().to_string();
    let made = match options.directory {
        Some(_) => path.parent().map_or(Ok(()), fs::create_dir_all),
        None => Ok(()),
    };
    made.and_then(|()| fs::write(&path, &asset.bytes))
        .map(|()| name.clone())
        .map_err(|error| Trouble::Io(name, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_are_read() {
        let options =
            parse(&words("-q -O /tmp/x --no-check-certificate https://a/b")).expect("read");
        assert_eq!(options.output.as_deref(), Some("/tmp/x"));
        assert!(options.quiet);
        assert_eq!(options.urls, ["https://a/b"]);
        let piped = parse(&words("-qO- https://a/b")).expect("read");
        assert_eq!(piped.output.as_deref(), Some("-"));
        assert_eq!(
            parse(&words("-P /tmp u"))
                .expect("read")
                .directory
                .as_deref(),
            Some("/tmp")
        );
        assert!(parse(&words("--mirror u")).is_err());
        assert!(parse(&words("-O")).is_err());
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let taken = ["a", "a.1"];
        let exists = |path: &Path| taken.iter().any(|name| Path::new(name) == path);
        assert_eq!(free_name("a".into(), exists), Path::new("a.2"));
        assert_eq!(free_name("b".into(), exists), Path::new("b"));
    }
}

//! `curl` of a node. Addresses of the depot are answered here; for any other, etcd's and the
//! API server's above all, the host's own curl runs.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    become_the_hosts,
    release::{Answer, look_up, machine},
};

/// curl's statuses (curl(1), "EXIT CODES").
const FAILED_INIT: u8 = 2;
const HTTP_ERROR: u8 = 22;
const WRITE_ERROR: u8 = 23;

#[derive(Debug, Default, PartialEq)]
struct Options {
    follow: bool,
    fail: bool,
    silent: bool,
    show_error: bool,
    /// `-O`: each under its own name.
    remote_name: bool,
    output: Option<String>,
    output_dir: Option<String>,
    create_dirs: bool,
    urls: Vec<String>,
}

/// The applet; `words[0]` is its name.
pub fn run(words: &[String]) -> u8 {
    let ours = words
        .iter()
        .any(|word| look_up(word, machine()) != Answer::Foreign);
    if !ours {
        return become_the_hosts("curl", words);
    }
    let options = match parse(words.get(1..).unwrap_or_default()) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}\ncurl: try 'curl --help' or 'curl --manual' for more information");
            return FAILED_INIT;
        }
    };
    let mut status = 0;
    for url in &options.urls {
        status = fetch(url, &options);
    }
    status
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if let Some(long) = word.strip_prefix("--") {
            let mut argument = || {
                rest.next()
                    .cloned()
                    .ok_or_else(|| format!("curl: option --{long}: requires parameter"))
            };
            match long {
                "location" => options.follow = true,
                "fail" => options.fail = true,
                "silent" => options.silent = true,
                "show-error" => options.show_error = true,
                "remote-name" | "remote-name-all" => options.remote_name = true,
                "output" => options.output = Some(argument()?),
                "output-dir" => options.output_dir = Some(argument()?),
                "create-dirs" => options.create_dirs = true,
                "insecure" | "progress-bar" | "no-progress-meter" | "remote-time" | "tlsv1.2"
                | "compressed" | "remote-header-name" => {}
                "retry" | "retry-delay" | "connect-timeout" | "max-time" | "proto" => {
                    drop(argument()?);
                }
                "url" => options.urls.push(argument()?),
                _ => {
                    return Err(format!(
                        "curl: option --{long}: is unknown (for an address that the lab serves)"
                    ));
                }
            }
            continue;
        }
        let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) else {
            options.urls.push(word.clone());
            continue;
        };
        for (at, letter) in short.char_indices() {
            let tail = &short[at + letter.len_utf8()..];
            match letter {
                'L' => options.follow = true,
                'f' => options.fail = true,
                's' => options.silent = true,
                'S' => options.show_error = true,
                'O' => options.remote_name = true,
                'k' | '#' | 'R' | 'J' | '4' | '6' => {}
                'o' | 'm' => {
                    let value = match tail {
                        "" => rest.next().cloned(),
                        tail => Some(tail.to_owned()),
                    };
                    let value = value
                        .ok_or_else(|| format!("curl: option -{letter}: requires parameter"))?;
                    if letter == 'o' {
                        options.output = Some(value);
                    }
                    break;
                }
                other => {
                    return Err(format!(
                        "curl: option -{other}: is unknown (for an address that the lab serves)"
                    ));
                }
            }
        }
    }
    Ok(options)
}

fn fetch(url: &str, options: &Options) -> u8 {
    let complain = |text: &str| {
        if !options.silent || options.show_error {
            eprintln!("curl: {text}");
        }
    };
    let (bytes, note) = match look_up(url, machine()) {
        Answer::Found(asset) if asset.redirected && !options.follow => {
            // As GitHub answers: 302 and an empty body, which curl takes for what was asked.
            (
                Vec::new(),
                "the address answers with a redirect, which curl follows with -L only".to_owned(),
            )
        }
        Answer::Found(asset) => (asset.bytes, asset.note),
        Answer::NotFound if options.fail => {
            complain("(22) The requested URL returned error: 404");
            return HTTP_ERROR;
        }
        Answer::NotFound => (b"Not Found".to_vec(), String::new()),
        Answer::Refused(why) => {
            complain(&format!("(22) {why}"));
            return HTTP_ERROR;
        }
        Answer::Foreign => {
            complain(&format!(
                "(6) Could not resolve host in {url}: the lab has no way out"
            ));
            return 6;
        }
    };
    let target = match target(url, options) {
        Some(path) => path,
        None if io::stdout().is_terminal() && bytes.contains(&0) => {
            complain(
                "Warning: Binary output can mess up your terminal. Use \"--output -\" to tell \
                 curl to output it to your terminal anyway, or consider \"--output <FILE>\" to \
                 save to a file.",
            );
            return WRITE_ERROR;
        }
        None => {
            return match io::stdout().write_all(&bytes) {
                Ok(()) => 0,
                Err(_) => WRITE_ERROR,
            };
        }
    };
    let made = match (target.parent(), options.create_dirs) {
        (Some(parent), true) => fs::create_dir_all(parent),
        _ => Ok(()),
    };
    if let Err(error) = made.and_then(|()| fs::write(&target, &bytes)) {
        complain(&format!(
            "(23) client returned ERROR on write: {}: {error}",
            target.display()
        ));
        return WRITE_ERROR;
    }
    if !options.silent && !note.is_empty() {
        eprintln!("Note: {note}.");
    }
    0
}

/// The file to write; `None` is standard output.
fn target(url: &str, options: &Options) -> Option<PathBuf> {
    let name = match &options.output {
        Some(output) if output == "-" => return None,
        Some(output) => output.as_str(),
        None if options.remote_name => url.rsplit('/').next()?,
        None => return None,
    };
    Some(match &options.output_dir {
        Some(dir) => Path::new(dir).join(name),
        None => PathBuf::from(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_all_their_forms() {
        for (line, output) in [
            ("-L u -o /tmp/x", Some("/tmp/x")),
            ("-fsSLo /tmp/x u", Some("/tmp/x")),
            ("-sSL -o/tmp/x u", Some("/tmp/x")),
            ("--location --output /tmp/x --url u", Some("/tmp/x")),
            ("-LO https://a/b.tar.gz", Some("b.tar.gz")),
            (
                "-L --remote-name --output-dir /tmp https://a/b",
                Some("/tmp/b"),
            ),
            ("-L u", None),
            ("-L -o - u", None),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let options = parse(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(options.follow, "{line}");
            assert_eq!(options.urls.len(), 1, "{line}");
            let path = target(&options.urls[0], &options);
            assert_eq!(path.as_deref(), output.map(Path::new), "{line}");
        }
        assert!(parse(&["-X".to_owned()]).is_err());
        assert!(parse(&["--data".to_owned()]).is_err());
        assert!(parse(&["-o".to_owned()]).is_err());
    }
}

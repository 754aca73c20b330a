//! The applet `ssh`.

use std::ffi::OsString;
use std::io::{self, BufReader, IsTerminal as _, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use super::{ERROR, EXIT, Hello, INPUT, INPUT_END, OUTPUT, PORT, WINDOW, read_frame, write_frame};
use crate::enter::{RawMode, window_size};

const USAGE: &str = "usage: ssh [-qTt] [-i identity_file] [-l login_name] [-o option] [-p port]\n           destination [command [argument ...]]";

#[derive(Debug, Default, PartialEq)]
struct Options {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    command: Vec<String>,
    /// `-t`, `-T`.
    tty: Option<bool>,
    /// `-tt`: a terminal there although there is none here.
    force_tty: bool,
    /// `-q`: no remarks.
    quiet: bool,
    /// `-n`: leave standard input to others, as in a script that is itself read from there.
    no_input: bool,
}

/// The applet.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let words: Vec<String> = args
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let outcome = parse(&words).and_then(|options| talk(&options));
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(255)
        }
    }
}

fn parse(words: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = words.iter();
    let mut ended = false;
    while let Some(word) = rest.next() {
        if !ended && word.len() > 1 && word.starts_with('-') {
            // Options may come before the host and after it, up to the command.
            match word.as_str() {
                "--" => ended = true,
                _ => take_options(&mut options, word, &mut rest)?,
            }
        } else if options.host.is_empty() {
            let plain = word.strip_prefix("ssh://").unwrap_or(word);
            let (user, host) = match plain.rsplit_once('@') {
                Some((user, host)) => (Some(user), host),
                None => (None, plain),
            };
            // The first that is named counts, as for all that is said twice.
            options.user = options.user.or(user.map(str::to_owned));
            options.host = host.to_owned();
            ended = false;
        } else {
            options.command.push(word.clone());
            options.command.extend(rest.cloned());
            break;
        }
    }
    if options.host.is_empty() {
        Err(USAGE.to_owned())
    } else {
        Ok(options)
    }
}

/// The letters of one word, with the word behind it if the last of them wants a value.
fn take_options<'a>(
    options: &mut Options,
    word: &str,
    rest: &mut impl Iterator<Item = &'a String>,
) -> Result<(), String> {
    for (at, letter) in word.char_indices().skip(1) {
        let tail = &word[at + letter.len_utf8()..];
        match letter {
            't' => {
                options.force_tty = options.tty == Some(true);
                options.tty = Some(true);
            }
            'T' => (options.tty, options.force_tty) = (Some(false), false),
            'n' => options.no_input = true,
            'q' => options.quiet = true,
            'v' | 'x' | 'X' | 'Y' | 'y' | 'A' | 'a' | 'C' | '4' | '6' | 'k' | 'K' => {}
            'f' | 'N' | 'D' | 'J' | 'L' | 'R' | 'W' => {
                return Err(format!(
                    "ssh: -{letter} is not supported between the nodes of a lab: each is reached \
                     directly, and nothing is forwarded"
                ));
            }
            'i' | 'l' | 'o' | 'p' | 'F' | 'E' | 'c' | 'm' | 'b' | 'B' | 'e' | 'I' | 'S' => {
                let value = match tail {
                    "" => rest.next().cloned(),
                    tail => Some(tail.to_owned()),
                };
                let value = value
                    .ok_or_else(|| format!("option requires an argument -- {letter}\n{USAGE}"))?;
                match letter {
                    'l' => options.user = options.user.take().or(Some(value)),
                    'p' => {
                        let port = value.parse().map_err(|_| format!("Bad port '{value}'"))?;
                        options.port = options.port.or(Some(port));
                    }
                    _ => {}
                }
                break;
            }
            other => return Err(format!("unknown option -- {other}\n{USAGE}")),
        }
    }
    Ok(())
}

fn talk(options: &Options) -> Result<u8, String> {
    let (host, port) = (&options.host, options.port.unwrap_or(PORT));
    let mut addresses = (host.as_str(), port).to_socket_addrs().map_err(|_| {
        format!("ssh: Could not resolve hostname {host}: Name or service not known")
    })?;
    let refused = |error: io::Error| {
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        format!("ssh: connect to host {host} port {port}: {text}")
    };
    let address = addresses.next().ok_or_else(|| {
        format!("ssh: Could not resolve hostname {host}: Name or service not known")
    })?;
    let stream = TcpStream::connect(address).map_err(refused)?;
    let _ = stream.set_nodelay(true);
    let terminal = io::stdin().is_terminal();
    let wanted = options.tty.unwrap_or(options.command.is_empty());
    let tty = wanted && (options.force_tty || (terminal && !options.no_input));
    if wanted && !tty && !options.quiet {
        eprintln!("Pseudo-terminal will not be allocated because stdin is not a terminal.");
    }
    let (columns, rows) = window_size().unwrap_or((80, 24));
    let hello = Hello {
        user: options.user.clone().unwrap_or_else(|| "root".to_owned()),
        command: (!options.command.is_empty()).then(|| options.command.join(" ")),
        tty,
        term: std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned()),
        columns,
        rows,
    };
    let mut line = serde_json::to_vec(&hello).map_err(|error| error.to_string())?;
    line.push(b'\n');
    (&stream).write_all(&line).map_err(refused)?;

    // Blocked before threads exist, so that only the thread below gets it.
    let mut resized = SigSet::empty();
    resized.add(Signal::SIGWINCH);
    let _ = resized.thread_block();
    let raw = if tty { RawMode::enter() } else { None };
    let stream = Arc::new(stream);
    let lock = Arc::new(Mutex::new(()));
    if options.no_input {
        let _guard = lock.lock();
        write_frame(&stream, INPUT_END, &[]).map_err(refused)?;
    } else {
        send_input(stream.clone(), lock.clone());
    }
    if tty && terminal {
        send_windows(resized, stream.clone(), lock);
    }
    let code = receive(&stream);
    drop(raw);
    let code = code.unwrap_or_else(|| {
        eprintln!("Connection to {host} closed by remote host.");
        255
    });
    if tty {
        eprintln!("Connection to {host} closed.");
    }
    Ok(code)
}

fn send_input(stream: Arc<TcpStream>, lock: Arc<Mutex<()>>) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            let length = io::stdin().read(&mut bytes).unwrap_or(0);
            // A poisoned lock guards nothing but the order of frames.
            let _guard = lock.lock();
            let kind = if length == 0 { INPUT_END } else { INPUT };
            if write_frame(&stream, kind, &bytes[..length]).is_err() || length == 0 {
                return;
            }
        }
    });
}

fn send_windows(signals: SigSet, stream: Arc<TcpStream>, lock: Arc<Mutex<()>>) {
    thread::spawn(move || {
        while signals.wait().is_ok() {
            let Some((columns, rows)) = window_size() else {
                continue;
            };
            let bytes = [columns.to_be_bytes(), rows.to_be_bytes()].concat();
            let _guard = lock.lock();
            if write_frame(&stream, WINDOW, &bytes).is_err() {
                return;
            }
        }
    });
}

/// Prints what arrives; the exit status, or `None` if the other end was lost.
fn receive(stream: &TcpStream) -> Option<u8> {
    let mut reader = BufReader::new(stream);
    while let Ok(Some((kind, bytes))) = read_frame(&mut reader) {
        match kind {
            OUTPUT => {
                let mut out = io::stdout();
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
            }
            ERROR => {
                let _ = io::stderr().write_all(&bytes);
            }
            EXIT => return bytes.last().copied(),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Options {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&words).expect("understood")
    }

    #[test]
    fn options_come_before_the_host_and_after_it() {
        let options = parsed("-o StrictHostKeyChecking=no -t root@node01 ls -t /x");
        assert_eq!(
            (options.user.as_deref(), options.host.as_str()),
            (Some("root"), "node01")
        );
        assert_eq!(options.command, ["ls", "-t", "/x"]);
        assert_eq!((options.tty, options.force_tty), (Some(true), false));
        assert!(parsed("-tt node01").force_tty && parsed("-t -t node01").force_tty);
        assert!(parsed("-n node01 ls").no_input && !options.no_input);
        assert_eq!(parsed("-p2222 -lroot node01").port, Some(2222));
        assert!(parse(&[]).is_err());

        let options = parsed("node01 -p 2222 -vl ada -t uptime -p");
        assert_eq!((options.port, options.tty), (Some(2222), Some(true)));
        assert_eq!(options.user.as_deref(), Some("ada"));
        assert_eq!(options.command, ["uptime", "-p"]);
        assert_eq!(parsed("node01 -v").command, [""; 0]);
        assert_eq!(parsed("node01 -- -v").command, ["-v"]);
        assert_eq!(parsed("-- node01 -q ls").command, ["ls"]);
        assert_eq!(
            parsed("root@node01 -l ada").user.as_deref(),
            Some("root"),
            "the first"
        );
        for (wrong, words) in [
            ("node01 -p", "option requires an argument -- p"),
            ("node01 -p x", "Bad port 'x'"),
            ("node01 -Z ls", "unknown option -- Z"),
            ("node01 -L 1:a:2", "-L is not supported"),
            ("-v", "usage: ssh"),
        ] {
            let line: Vec<String> = wrong.split(' ').map(str::to_owned).collect();
            let text = parse(&line).expect_err(wrong);
            assert!(text.contains(words), "{text}");
        }
    }
}

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
    while let Some(word) = rest.next() {
        if !options.host.is_empty() || !word.starts_with('-') {
            if options.host.is_empty() {
                let plain = word.strip_prefix("ssh://").unwrap_or(word);
                match plain.rsplit_once('@') {
                    Some((user, host)) => {
                        options.user = Some(user.to_owned());
                        options.host = host.to_owned();
                    }
                    None => options.host = plain.to_owned(),
                }
                continue;
            }
            options.command.push(word.clone());
            options.command.extend(rest.cloned());
            break;
        }
        for (at, letter) in word.char_indices().skip(1) {
            let tail = &word[at + letter.len_utf8()..];
            match letter {
                't' => options.tty = Some(true),
                'T' => options.tty = Some(false),
                'n' => options.no_input = true,
                'q' | 'v' | 'x' | 'X' | 'A' | 'a' | 'C' | '4' | '6' | 'k' => {}
                'i' | 'l' | 'o' | 'p' | 'F' | 'E' | 'c' | 'm' => {
                    let value = if tail.is_empty() {
                        rest.next().cloned()
                    } else {
                        Some(tail.to_owned())
                    };
                    let value = value.ok_or_else(|| {
                        format!("option requires an argument -- {letter}\n{USAGE}")
                    })?;
                    match letter {
                        'l' => options.user = Some(value),
                        'p' => {
                            let port = value.parse().map_err(|_| format!("Bad port '{value}'"))?;
                            options.port = Some(port);
                        }
                        _ => {}
                    }
                    break;
                }
                other => return Err(format!("unknown option -- {other}\n{USAGE}")),
            }
        }
    }
    if options.host.is_empty() {
        Err(USAGE.to_owned())
    } else {
        Ok(options)
    }
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
    let tty = options
        .tty
        .unwrap_or(options.command.is_empty() && terminal);
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
    fn options_come_before_the_host() {
        let options = parsed("-o StrictHostKeyChecking=no -t root@node01 ls -t /x");
        assert_eq!(
            (options.user.as_deref(), options.host.as_str()),
            (Some("root"), "node01")
        );
        assert_eq!(options.command, ["ls", "-t", "/x"]);
        assert_eq!(options.tty, Some(true));
        assert!(parsed("-n node01 ls").no_input && !options.no_input);
        assert_eq!(parsed("-p2222 -lroot node01").port, Some(2222));
        assert!(parse(&[]).is_err());
    }
}

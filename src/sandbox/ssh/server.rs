//! The listening end: one process a connection.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::{ERROR, EXIT, Hello, INPUT, INPUT_END, OUTPUT, PORT, WINDOW, read_frame, write_frame};
use crate::enter::{self, Request, Target, User};
use crate::error::{Context as _, Error, Result};
use crate::spec::Exec;
use crate::sys;

/// How long the other end may take to leave, once it has been told the command's end.
const CLOSING: Duration = Duration::from_secs(10);

/// `sandbox-enter sshd`: listens for ever.
pub(crate) fn serve() -> Result<u8> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).context("listen for ssh")?;
    // Ended connections leave no zombies.
    sys::ignore_signals(&[Signal::SIGCHLD, Signal::SIGPIPE]);
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if matches!(sys::fork_into(CloneFlags::empty()), Ok(None)) {
            drop(listener);
            // The commands' ends are waited for again.
            sys::reset_signals();
            sys::ignore_signals(&[Signal::SIGPIPE]);
            let _ = nix::unistd::setsid();
            let _ = stream.set_nodelay(true);
            if let Err(error) = connection(stream.try_clone()) {
                let _ = write_frame(&stream, ERROR, format!("{error}\r\n").as_bytes());
                let _ = write_frame(&stream, EXIT, &255u32.to_be_bytes());
            }
            std::process::exit(0);
        }
    }
    Ok(1)
}

fn connection(stream: std::io::Result<TcpStream>) -> Result<()> {
    let stream = stream.context("take a connection")?;
    let mut reader = BufReader::new(stream.try_clone().context("read from a connection")?);
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .context("read from a connection")?;
    let hello: Hello = serde_json::from_str(&line).context("understand the other end")?;
    let (mut command, window) = command(&hello)?;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run the command")?;
    drop(command);
    let input = child.stdin.take();
    let pid = child.id() as i32;
    let stream = Arc::new(stream);
    let outputs = [
        child
            .stdout
            .take()
            .map(|pipe| (OUTPUT, Box::new(pipe) as Box<dyn Read + Send>)),
        child
            .stderr
            .take()
            .map(|pipe| (ERROR, Box::new(pipe) as Box<dyn Read + Send>)),
    ];
    let lock = Arc::new(Mutex::new(()));
    let mut pumps = Vec::new();
    for (kind, pipe) in outputs.into_iter().flatten() {
        let (stream, lock) = (stream.clone(), lock.clone());
        pumps.push(beside(move || pump(kind, pipe, &stream, &lock))?);
    }
    let ended = Arc::new(AtomicBool::new(false));
    let (stays, left) = mpsc::channel::<()>();
    let told = ended.clone();
    beside(move || {
        take_input(&mut reader, input, window);
        // The other end is gone; then so is the command.
        if !told.load(Ordering::SeqCst) {
            let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGHUP);
        }
        drop(stays);
    })?;
    let status = child.wait().context("wait for the command")?;
    ended.store(true, Ordering::SeqCst);
    for pump in pumps {
        let _ = pump.join();
    }
    write_frame(&stream, EXIT, &code(status).to_be_bytes()).context("tell the end")?;
    let _ = stream.shutdown(Shutdown::Write);
    // A socket that is closed before it has read all that comes is reset, and what is still on
    // its way to the other end is lost.
    let _ = left.recv_timeout(CLOSING);
    Ok(())
}

fn beside<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>> {
    thread::Builder::new().spawn(run).context("begin a thread")
}

fn code(status: ExitStatus) -> u32 {
    status.code().map_or(255, |code| code as u32)
}

fn command(hello: &Hello) -> Result<(Command, Option<UnixStream>)> {
    let user = User::find(&hello.user).map_err(|_| {
        // Whoever does not exist is refused as one with a wrong key is.
        let host = nix::unistd::gethostname().unwrap_or_default();
        let (name, host) = (&hello.user, host.to_string_lossy());
        Error::Spec(format!(
            "{name}@{host}: Permission denied (publickey,password)."
        ))
    })?;
    let mut exec = match &hello.command {
        Some(line) => Exec::new([user.shell.clone(), "-c".to_owned(), line.clone()]),
        None => Exec::new([user.shell.clone(), "--login".to_owned()]),
    };
    exec.user = Some(hello.user.clone());
    exec.tty = hello.tty;
    if hello.tty {
        exec.env.push(("TERM".to_owned(), hello.term.clone()));
    }
    let (ours, theirs) = UnixStream::pair().context("make a socket")?;
    let window = hello.tty.then(|| std::os::fd::AsRawFd::as_raw_fd(&theirs));
    let request = Request {
        target: Target::Here,
        exec,
        window,
    };
    let mut command = enter::command(Path::new(crate::node::PROGRAM), &request)?;
    if !hello.tty {
        return Ok((command, None));
    }
    sys::pass_to_child(&mut command, theirs.into());
    resize(&ours, hello.columns, hello.rows);
    Ok((command, Some(ours)))
}

fn resize(mut window: &UnixStream, columns: u16, rows: u16) {
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&rows.to_ne_bytes());
    bytes[2..].copy_from_slice(&columns.to_ne_bytes());
    let _ = window.write_all(&bytes);
}

fn pump(kind: u8, mut pipe: Box<dyn Read + Send>, stream: &TcpStream, lock: &Mutex<()>) {
    let mut bytes = [0; 16384];
    loop {
        let length = match pipe.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        // A poisoned lock guards nothing but the order of frames.
        let _guard = lock.lock();
        if write_frame(stream, kind, &bytes[..length]).is_err() {
            return;
        }
    }
}

/// Until the other end is gone.
fn take_input(reader: &mut impl Read, mut input: Option<ChildStdin>, window: Option<UnixStream>) {
    while let Ok(Some((kind, bytes))) = read_frame(reader) {
        match kind {
            INPUT => {
                if let Some(pipe) = &mut input
                    && pipe.write_all(&bytes).is_err()
                {
                    input = None;
                }
            }
            INPUT_END => input = None,
            WINDOW if bytes.len() == 4 => {
                let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
                if let Some(window) = &window {
                    resize(window, half(0), half(2));
                }
            }
            _ => {}
        }
    }
}

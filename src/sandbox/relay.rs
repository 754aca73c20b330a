//! `peer-link`: a line between two sites, as a relay of TCP in userspace that a lab can make
//! slow or cut. Its configuration is a file of `name=value` lines:
//!
//! - `listen`: the address where it takes connections,
//! - `to`: the address to which it passes them on,
//! - `hold_ms`: for how long it holds back what comes from there, to send it all at once; 0
//!   (or absent) for a good line,
//! - `cut`: `yes` lets nothing through, in or out; anything else, or absent, is a whole line.
//!
//! A change of the last two counts within a moment. A connection's first seconds are never
//! held back, so that it comes about at all.
//!
//! What a site sends on connections that it opened itself passes the other site's line only.
//! So that a cut holds both ways, the lines tell each other by UDP, on the port where they
//! listen, whether they are cut: whoever has no line there does not answer, and is not cut.
//! Nothing is lost on a cut line that is whole again before an end gave up, as with TCP.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{fd::AsFd as _, unix::net::UnixDatagram},
    path::Path,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a new connection passes unhindered.
const OPENING: Duration = Duration::from_secs(3);
/// How often the file is read, and other lines are asked.
const READ_AGAIN: Duration = Duration::from_millis(200);
/// What is held back of one connection at most, in bytes.
const MOST: usize = 1 << 20;
/// What a line asks of another, and the answers.
const QUESTION: &[u8] = b"cut?";
const CUT: &[u8] = b"yes";
const WHOLE: &[u8] = b"no";

/// The applet; `args[0]` is its name, `args[1]` the file.
pub fn run(args: &[OsString]) -> ExitCode {
    let [_, file] = args else {
        eprintln!("usage: peer-link FILE");
        return ExitCode::from(2);
    };
    match relay(Path::new(file)) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("peer-link: {}: {error}", Path::new(file).display());
            ExitCode::FAILURE
        }
    }
}

/// How the line is now.
#[derive(Default)]
struct Line {
    hold_ms: AtomicU64,
    cut: AtomicBool,
    /// Whether the lines of other sites are cut, of all that ever called.
    others: Mutex<BTreeMap<IpAddr, Arc<AtomicBool>>>,
}

impl Line {
    fn set(&self, settings: &BTreeMap<String, String>) {
        let hold_ms = settings.get("hold_ms").map(|value| value.parse());
        let hold_ms = hold_ms.and_then(Result::ok).unwrap_or(0);
        let cut = settings.get("cut").is_some_and(|value| value == "yes");
        self.hold_ms.store(hold_ms, Ordering::Relaxed);
        self.cut.store(cut, Ordering::Relaxed);
    }

    /// Whether the line of a site that calls is cut, as far as is known.
    fn other(&self, site: IpAddr) -> Arc<AtomicBool> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(others.entry(site).or_default())
    }
}

/// What one connection passes: the line here and that of the caller's site.
#[derive(Clone)]
struct Way {
    line: Arc<Line>,
    other: Arc<AtomicBool>,
}

impl Way {
    fn is_cut(&self) -> bool {
        self.line.cut.load(Ordering::Relaxed) || self.other.load(Ordering::Relaxed)
    }

    /// Waits until the way is whole.
    ///
    /// # Errors
    /// `stream`'s other end gave up before.
    fn await_whole(&self, stream: &TcpStream) -> io::Result<()> {
        while self.is_cut() {
            let gave_up = PollFlags::from_bits_retain(libc::POLLRDHUP);
            let mut polled = [PollFd::new(stream.as_fd(), gave_up)];
            let wait = PollTimeout::try_from(READ_AGAIN).unwrap_or(PollTimeout::ZERO);
            if poll(&mut polled, wait)? > 0 {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }
}

fn relay(file: &Path) -> io::Result<std::convert::Infallible> {
    let settings = read(file)?;
    let named = |name: &str| {
        settings
            .get(name)
            .cloned()
            .ok_or_else(|| io::Error::other(format!("it says not {name}=ADDRESS:PORT")))
    };
    let (listen, to) = (named("listen")?, named("to")?);
    let line = Arc::new(Line::default());
    line.set(&settings);
    let taken =
        |error: io::Error| io::Error::new(error.kind(), format!("listen={listen}: {error}"));
    let listener = TcpListener::bind(&listen).map_err(taken)?;
    let questions = UdpSocket::bind(&listen).map_err(taken)?;
    let port = listener.local_addr()?.port();
    eprintln!("peer-link: {listen} to {to}");
    say_ready()?;
    let (watched, file) = (Arc::clone(&line), file.to_owned());
    thread::spawn(move || watch(&file, &watched));
    let asked = Arc::clone(&line);
    thread::spawn(move || answer(&questions, &asked));
    let asking = Arc::clone(&line);
    thread::spawn(move || ask_others(port, &asking));
    loop {
        // A connection that ended before it was taken is no reason to stop.
        let Ok((client, site)) = listener.accept() else {
            thread::sleep(READ_AGAIN);
            continue;
        };
        let to = to.clone();
        let way = Way {
            other: line.other(site.ip()),
            line: Arc::clone(&line),
        };
        thread::spawn(move || {
            // Whoever is on the other side sees the connection end, and says so.
            let _ = connect(&client, &to, &way);
        });
    }
}

/// Tells the init of the node that connections are taken, if it asked to be told (sd_notify(3)).
fn say_ready() -> io::Result<()> {
    match env::var_os("NOTIFY_SOCKET") {
        Some(path) => UnixDatagram::unbound()?.send_to(b"READY=1", path).map(drop),
        None => Ok(()),
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(file)?;
    Ok(parse(&text))
}

fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

fn watch(file: &Path, line: &Line) {
    loop {
        thread::sleep(READ_AGAIN);
        // A file that is being edited counts once it is whole again.
        if let Ok(settings) = read(file) {
            line.set(&settings);
        }
    }
}

/// Tells other lines whether this one is cut.
fn answer(questions: &UdpSocket, line: &Line) {
    let mut question = [0; 16];
    loop {
        match questions.recv_from(&mut question) {
            Ok((length, from)) if &question[..length] == QUESTION => {
                let cut = line.cut.load(Ordering::Relaxed);
                // Who asks asks again.
                let _ = questions.send_to(if cut { CUT } else { WHOLE }, from);
            }
            Ok(_) => {}
            Err(_) => thread::sleep(READ_AGAIN),
        }
    }
}

/// Asks the lines of all sites that ever called whether they are cut.
fn ask_others(port: u16, line: &Line) {
    loop {
        thread::sleep(READ_AGAIN);
        let others = line
            .others
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for (site, cut) in others {
            match ask(SocketAddr::new(site, port)) {
                Ok(is_cut) => cut.store(is_cut, Ordering::Relaxed),
                // There is no line there that could be cut.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    cut.store(false, Ordering::Relaxed);
                }
                // It is as it was, until it is known to be otherwise.
                Err(_) => {}
            }
        }
    }
}

fn ask(other: SocketAddr) -> io::Result<bool> {
    let any = match other.ip() {
        IpAddr::V4(_) => "0.0.0.0:0",
        IpAddr::V6(_) => "[::]:0",
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(other)?;
    socket.set_read_timeout(Some(READ_AGAIN))?;
    socket.send(QUESTION)?;
    let mut answer = [0; 16];
    let length = socket.recv(&mut answer)?;
    Ok(&answer[..length] == CUT)
}

fn connect(client: &TcpStream, to: &str, way: &Way) -> io::Result<()> {
    way.await_whole(client)?;
    let server = TcpStream::connect(to)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let there = way.clone();
    thread::spawn(move || {
        let _ = pass(&from_client, &to_server, &there);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let result = hold_back(&server, client, way);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    result
}

/// Passes on what comes from `from`, as long as the way is whole.
fn pass(mut from: &TcpStream, mut to: &TcpStream, way: &Way) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer)?;
        way.await_whole(from)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..count])?;
    }
}

/// Passes on what comes from `from`, all of a hold's time at once.
fn hold_back(mut from: &TcpStream, mut to: &TcpStream, way: &Way) -> io::Result<()> {
    let opened = Instant::now();
    let mut buffer = vec![0; 1 << 16];
    loop {
        from.set_read_timeout(None)?;
        let count = from.read(&mut buffer)?;
        way.await_whole(to)?;
        if count == 0 {
            return Ok(());
        }
        let mut held = buffer[..count].to_vec();
        let mut ended = false;
        let hold_ms = way.line.hold_ms.load(Ordering::Relaxed);
        let until = Instant::now() + Duration::from_millis(hold_ms);
        while opened.elapsed() > OPENING && held.len() < MOST {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if ended {
                thread::sleep(left);
                break;
            }
            from.set_read_timeout(Some(left))?;
            match from.read(&mut buffer) {
                Ok(0) => ended = true,
                Ok(count) => held.extend(&buffer[..count]),
                Err(error) if is_time_out(&error) => break,
                // A limit lets any signal end the wait.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        to.write_all(&held)?;
        if ended {
            return Ok(());
        }
    }
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_names_and_values() {
        let settings = parse("# a line\nlisten = 127.0.0.1:1\nhold_ms=250\ncut=yes\nnonsense\n");
        assert_eq!(settings["listen"], "127.0.0.1:1");
        let line = Line::default();
        for (settings, hold_ms, cut) in [
            (settings, 250, true),
            (parse("hold_ms=soon\ncut=no\n"), 0, false),
            (parse(""), 0, false),
        ] {
            line.set(&settings);
            assert_eq!(line.hold_ms.load(Ordering::Relaxed), hold_ms);
            assert_eq!(line.cut.load(Ordering::Relaxed), cut);
        }
    }

    #[test]
    fn what_was_held_back_comes_whole_and_in_order() {
        let (mut near, far) = connected();
        let (sender, mut out) = connected();
        let way = whole();
        way.line.hold_ms.store(700, Ordering::Relaxed);
        thread::spawn(move || hold_back(&far, &sender, &way));
        thread::sleep(OPENING + Duration::from_millis(100));
        let begun = Instant::now();
        near.write_all(b"one ").unwrap();
        thread::sleep(Duration::from_millis(100));
        near.write_all(b"two").unwrap();
        drop(near);
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
        assert!(begun.elapsed() >= Duration::from_millis(700));
    }

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    fn whole() -> Way {
        Way {
            line: Arc::default(),
            other: Arc::default(),
        }
    }

    /// Both lines' cuts stop both directions; what was sent meanwhile arrives afterwards.
    #[test]
    fn a_cut_holds_both_ways_and_loses_nothing() {
        for (own, forth) in [(true, true), (true, false), (false, true), (false, false)] {
            let (mut near, far) = connected();
            let (sender, mut out) = connected();
            let way = whole();
            let cut = |yes| match own {
                true => way.line.cut.store(yes, Ordering::Relaxed),
                false => way.other.store(yes, Ordering::Relaxed),
            };
            cut(true);
            let passing = way.clone();
            thread::spawn(move || match forth {
                true => pass(&far, &sender, &passing),
                false => hold_back(&far, &sender, &passing),
            });
            near.write_all(b"late").unwrap();
            out.set_read_timeout(Some(Duration::from_millis(300)))
                .unwrap();
            let mut word = [0; 4];
            let early = out.read_exact(&mut word).unwrap_err();
            assert!(is_time_out(&early), "own {own}, forth {forth}: {early}");
            cut(false);
            out.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            out.read_exact(&mut word).unwrap();
            assert_eq!(&word, b"late");
        }
    }

    #[test]
    fn who_gives_up_is_not_waited_for() {
        let (near, far) = connected();
        let way = whole();
        way.line.cut.store(true, Ordering::Relaxed);
        drop(near);
        let given_up = way.await_whole(&far).unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[test]
    fn lines_tell_each_other_whether_they_are_cut() {
        let line = Arc::new(Line::default());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let answering = Arc::clone(&line);
        thread::spawn(move || answer(&socket, &answering));
        // An answer may come late on a busy machine.
        let answered = || (0..50).find_map(|_| ask(address).ok());
        assert_eq!(answered(), Some(false));
        line.cut.store(true, Ordering::Relaxed);
        assert_eq!(answered(), Some(true));
    }
}

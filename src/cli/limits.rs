//! What a submission may use, and running it within that.

use std::{
    collections::{HashMap, HashSet},
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;

/// Limits of a run whose commands come on standard input. 0 means none.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Limits {
    /// Seconds after which the commands are ended and what is there is graded; 0 for none
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub time_limit: u64,
    /// MiB that the commands may print, after which they are ended and what is there is
    /// graded; 0 for none
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    pub output_limit: u64,
    /// MiB of memory that all of the lab's processes, and files in memory, may use together,
    /// after which the nodes are ended and nothing is graded; 0 for none
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    pub memory_limit: u64,
    /// MiB that the nodes' files may take together, after which the nodes are ended and
    /// nothing is graded; 0 for none
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    pub disk_limit: u64,
}

/// The limit that a run went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// Seconds.
    Time(u64),
    /// MiB.
    Output(u64),
    /// MiB.
    Memory(u64),
    /// MiB.
    Disk(u64),
}

impl Exceeded {
    /// Whether the nodes can't be left to go on, not even to be graded.
    pub fn ends_the_nodes(self) -> bool {
        matches!(self, Self::Memory(_) | Self::Disk(_))
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(seconds) => write!(f, "the commands ran for more than {seconds} s"),
            Self::Output(mib) => write!(f, "the commands printed more than {mib} MiB"),
            Self::Memory(mib) => {
                write!(f, "the lab's processes used more than {mib} MiB of memory")
            }
            Self::Disk(mib) => write!(f, "the nodes' files took more than {mib} MiB"),
        }
    }
}

/// How often the limits are looked at; files, which take longer, less often.
const PAUSE: Duration = Duration::from_millis(50);
const FILES_PAUSE: Duration = Duration::from_secs(1);

/// How long the last words of ended commands are waited for. What they left running may
/// hold their streams for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs `command` within `limits`. With a limit of its output, that goes to `out` as it
/// comes, both streams as one; else where the command says. The files below `files` count
/// for the disk's limit.
///
/// # Errors
/// It can't be run or waited for.
pub fn run(
    command: &mut Command,
    limits: &Limits,
    files: &Path,
    mut out: impl Write + Send + 'static,
) -> io::Result<(ExitStatus, Option<Exceeded>)> {
    let printed = Arc::new(AtomicU64::new(0));
    let (end, ended) = mpsc::channel::<()>();
    if limits.output_limit > 0 {
        let (reader, writer) = io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let (printed, limit) = (printed.clone(), mib(limits.output_limit));
        thread::spawn(move || {
            copy(reader, &mut out, &printed, limit);
            drop(end);
        });
    } else {
        drop(end);
    }
    let mut child = command.spawn()?;
    // This process's ends of the pipe, which would keep it open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (status, exceeded) = watch(&mut child, limits, files, &printed)?;
    // Nothing is ever sent: the channel closes when the stream has ended.
    let _ = ended.recv_timeout(LAST_WORDS);
    // Who is quick is past a limit before it is looked at.
    let exceeded = exceeded
        .or_else(|| files_over(limits, files))
        .or_else(|| output_over(limits, printed.load(Ordering::Relaxed)));
    Ok((status, exceeded))
}

/// Waits for the child's end, or ends it at the first limit.
fn watch(
    child: &mut Child,
    limits: &Limits,
    files: &Path,
    printed: &AtomicU64,
) -> io::Result<(ExitStatus, Option<Exceeded>)> {
    let begun = Instant::now();
    let mut files_seen = begun;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, None));
        }
        let mut exceeded = over(limits, begun.elapsed(), printed.load(Ordering::Relaxed));
        if exceeded.is_none() && files_seen.elapsed() > FILES_PAUSE {
            exceeded = files_over(limits, files);
            files_seen = Instant::now();
        }
        if exceeded.is_some() {
            child.kill()?;
            return Ok((child.wait()?, exceeded));
        }
        thread::sleep(PAUSE);
    }
}

fn mib(limit: u64) -> u64 {
    limit.saturating_mul(1 << 20)
}

fn over(limits: &Limits, ran: Duration, printed: u64) -> Option<Exceeded> {
    if limits.time_limit > 0 && ran >= Duration::from_secs(limits.time_limit) {
        return Some(Exceeded::Time(limits.time_limit));
    }
    if let Some(exceeded) = output_over(limits, printed) {
        return Some(exceeded);
    }
    if limits.memory_limit > 0 && memory_bytes() > mib(limits.memory_limit) {
        return Some(Exceeded::Memory(limits.memory_limit));
    }
    None
}

fn output_over(limits: &Limits, printed: u64) -> Option<Exceeded> {
    let limit = limits.output_limit;
    (limit > 0 && printed > mib(limit)).then_some(Exceeded::Output(limit))
}

fn files_over(limits: &Limits, files: &Path) -> Option<Exceeded> {
    let limit = limits.disk_limit;
    let is_over = limit > 0 && disk_bytes(files, mib(limit)) > mib(limit);
    is_over.then_some(Exceeded::Disk(limit))
}

/// Passes on what is printed, up to the limit; what comes after is only counted. Ends
/// when nobody holds the stream any more.
fn copy(mut stream: impl Read, out: &mut impl Write, printed: &AtomicU64, limit: u64) {
    let mut buffer = [0; 1 << 14];
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let before = printed.fetch_add(count as u64, Ordering::Relaxed);
        if limit > 0 && before > limit {
            continue;
        }
        // Whoever reads it may be gone; the commands go on.
        let _ = out.write_all(&buffer[..count]).and_then(|()| out.flush());
    }
}

/// What this process's descendants, which the nodes' processes are, hold in memory: their own,
/// and files in memory.
fn memory_bytes() -> u64 {
    let processes = descendants();
    let own: u64 = processes.iter().map(|(_, bytes)| bytes).sum();
    own + memory_files_bytes(processes.iter().map(|(pid, _)| *pid))
}

/// This process's descendants with their resident memory.
fn descendants() -> Vec<(u32, u64)> {
    let mut parents: HashMap<u32, (u32, u64)> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process may end while it is looked at.
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else {
            continue;
        };
        let number = |name: &str| -> u64 {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
                .unwrap_or(0)
        };
        parents.insert(pid, (number("PPid:") as u32, number("VmRSS:") * 1024));
    }
    let own = std::process::id();
    let descends = |mut pid: u32| {
        // No process is further down than there are processes.
        for _ in 0..=parents.len() {
            match parents.get(&pid) {
                Some((parent, _)) if *parent == own => return true,
                Some((parent, _)) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    let below = parents.iter().filter(|(pid, _)| descends(**pid));
    below.map(|(pid, (_, bytes))| (*pid, *bytes)).collect()
}

/// What the file systems in memory hold that these processes see and this one does not.
fn memory_files_bytes(pids: impl Iterator<Item = u32>) -> u64 {
    let mut known: HashSet<String> = memory_mounts("self").map(|(device, _)| device).collect();
    let mut namespaces = HashSet::new();
    let mut sum = 0;
    for pid in pids {
        let dir = Path::new("/proc").join(pid.to_string());
        let namespace = fs::read_link(dir.join("ns/mnt")).ok();
        if !namespaces.insert(namespace) {
            continue;
        }
        for (device, place) in memory_mounts(&pid.to_string()) {
            let place = dir.join("root").join(place.trim_start_matches('/'));
            let Ok(system) = nix::sys::statvfs::statvfs(&place) else {
                continue;
            };
            if known.insert(device) {
                let blocks = system.blocks().saturating_sub(system.blocks_free());
                sum += blocks * system.fragment_size();
            }
        }
    }
    sum
}

/// The devices of the file systems in memory that a process sees, and where.
fn memory_mounts(process: &str) -> impl Iterator<Item = (String, String)> {
    let path = Path::new("/proc").join(process).join("mountinfo");
    let text = fs::read_to_string(path).unwrap_or_default();
    let mounts: Vec<_> = text.lines().filter_map(memory_mount).collect();
    mounts.into_iter()
}

/// A line of mountinfo (proc(5)), if it is of a file system in memory.
fn memory_mount(line: &str) -> Option<(String, String)> {
    let (mount, system) = line.split_once(" - ")?;
    if !system.starts_with("tmpfs ") {
        return None;
    }
    let mut fields = mount.split(' ').skip(2);
    let (device, place) = (fields.next()?, fields.nth(1)?);
    let mut plain = place.to_owned();
    for (escape, one) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        plain = plain.replace(escape, one);
    }
    Some((device.to_owned(), plain))
}

/// What the files below `dir` take, as soon as it is known to be more than `enough`.
fn disk_bytes(dir: &Path, enough: u64) -> u64 {
    const BLOCK_BYTES: u64 = 512;
    let mut sum = 0;
    let mut rest = vec![dir.to_owned()];
    while let Some(dir) = rest.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            sum += metadata.blocks() * BLOCK_BYTES;
            if sum > enough {
                return sum;
            }
            if metadata.is_dir() {
                rest.push(entry.path());
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What a person would have seen.
    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a screen").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn shell(script: &str, limits: Limits, files: &Path) -> (String, bool, Option<Exceeded>) {
        let screen = Screen::default();
        let mut command = Command::new("bash");
        command.args(["-c", script]);
        let (status, exceeded) =
            run(&mut command, &limits, files, screen.clone()).expect("bash runs");
        let text = String::from_utf8(screen.0.lock().expect("a screen").clone()).expect("text");
        (text, status.success(), exceeded)
    }

    #[test]
    fn a_run_ends_at_its_limit() {
        let none = Limits {
            output_limit: 100,
            ..Limits::default()
        };
        let dir = tempfile::tempdir().expect("a directory");
        let here = dir.path();
        let (text, done, exceeded) = shell("echo out; echo err >&2", none, here);
        assert!(text.contains("out\n") && text.contains("err\n"), "{text}");
        assert_eq!((done, exceeded), (true, None));

        // What is left running does not keep a run from its end.
        let (text, done, exceeded) = shell("sleep 5 & echo $!", none, here);
        Command::new("kill")
            .arg(text.trim())
            .status()
            .expect("kill runs");
        assert_eq!((done, exceeded), (true, None));

        let limits = Limits {
            time_limit: 1,
            ..none
        };
        let (_, done, exceeded) = shell("exec sleep 100", limits, here);
        assert_eq!((done, exceeded), (false, Some(Exceeded::Time(1))));

        let limits = Limits {
            output_limit: 1,
            ..none
        };
        let (text, done, exceeded) = shell("exec yes", limits, here);
        assert!(text.len() < 2 << 20, "{} bytes were kept", text.len());
        assert_eq!((done, exceeded), (false, Some(Exceeded::Output(1))));

        let limits = Limits {
            memory_limit: 200,
            ..none
        };
        let hungry = "a=$(head -c 250M /dev/zero | tr '\\0' x); sleep 100";
        let (_, done, exceeded) = shell(hungry, limits, here);
        assert_eq!((done, exceeded), (false, Some(Exceeded::Memory(200))));

        let limits = Limits {
            disk_limit: 1,
            ..none
        };
        let fill = format!(
            "head -c 2M /dev/zero >{}; exec sleep 100",
            here.join("f").display()
        );
        let (_, done, exceeded) = shell(&fill, limits, here);
        assert_eq!((done, exceeded), (false, Some(Exceeded::Disk(1))));

        // Who is done before anyone looks.
        let quick = format!("head -c 2M /dev/zero >{}", here.join("g").display());
        let (_, _, exceeded) = shell(&quick, limits, here);
        assert_eq!(exceeded, Some(Exceeded::Disk(1)));
        let limits = Limits {
            output_limit: 1,
            ..none
        };
        let (_, _, exceeded) = shell("exec head -c 3M /dev/zero", limits, here);
        assert_eq!(exceeded, Some(Exceeded::Output(1)));
    }
}

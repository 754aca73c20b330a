//! `cargo bench --bench etcdctl`: our `etcdctl` and `etcdutl` beside the reference's, as
//! whole processes, in turn. Wall time, and the most memory that a process had at once.
//!
//! After `--`: `--size 1G` of the snapshot, `--runs 5`, `--program target/dist/kubedrill`
//! for a program that was built before.

use std::{
    env, fs,
    fs::File,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use bolt::{Db, Options};
use nix::sys::resource::{UsageWho, getrusage};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use wire::mvccpb::KeyValue;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The word by which this program calls itself to measure one process: the system tells
/// the peak of all children together, so each needs a parent of its own.
const MEASURE: &str = "--measure-one";

/// The word by which Cargo tells a benchmark from a test.
const BENCH: &str = "--bench";

/// Bytes of a value in the snapshot, as those of Kubernetes' objects are.
const VALUE_BYTES: usize = 4096;

/// Keys of one transaction while the snapshot is made.
const KEYS_AT_ONCE: u64 = 1024;

/// Ours may take this part of the reference's time and memory.
const STARTUP: f64 = 0.25;
const RESTORE: f64 = 0.5;
const MEMORY: f64 = 0.25;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((first, command)) if first == MEASURE => measure_here(command),
        _ if words.iter().any(|word| word == BENCH) => bench(&words),
        _ => {
            // `cargo test` starts it too: no test asserts a time.
            println!("nothing measured; `cargo bench --bench etcdctl` does");
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What one process has taken.
#[derive(Debug, Clone, Copy)]
struct Taken {
    wall: Duration,
    /// Bytes.
    peak: u64,
}

/// Runs a command as the only child of this process, and says what it has taken.
fn measure_here(command: &[String]) -> Result<()> {
    let (program, words) = command.split_first().ok_or("no program to measure")?;
    let begun = Instant::now();
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    let wall = begun.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{said}", output.status).into());
    }
    // The system counts in kibibytes.
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() * 1024;
    println!("{} {peak}", wall.as_nanos());
    Ok(())
}

fn measure(program: &Path, words: &[String]) -> Result<Taken> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(MEASURE).arg(program).args(words);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("ETCDCTL_") {
            command.env_remove(name);
        }
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (wall, peak) = text
        .trim()
        .split_once(' ')
        .ok_or("the process to measure failed")?;
    Ok(Taken {
        wall: Duration::from_nanos(wall.parse()?),
        peak: peak.parse()?,
    })
}

struct Plan {
    size: u64,
    runs: usize,
    /// Ours; without the flag, what Cargo has built with this benchmark.
    program: PathBuf,
}

impl Plan {
    fn read(words: &[String]) -> Result<Self> {
        let mut plan = Self {
            size: 1 << 30,
            runs: 5,
            program: env!("CARGO_BIN_EXE_kubedrill").into(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                BENCH => {}
                "--size" => plan.size = bytes(value()?)?,
                "--runs" => plan.runs = value()?.parse::<usize>()?.max(1),
                "--program" => plan.program = fs::canonicalize(value()?)?,
                other => {
                    let known = "--size, --runs and --program";
                    return Err(format!("{other}: known are {known}").into());
                }
            }
        }
        Ok(plan)
    }
}

/// `16M`, `1G`, or bytes.
fn bytes(text: &str) -> Result<u64> {
    let (number, shift) = match text.char_indices().last() {
        Some((at, 'K')) => (&text[..at], 10),
        Some((at, 'M')) => (&text[..at], 20),
        Some((at, 'G')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text}: not a size"))?;
    Ok(number << shift)
}

fn bench(words: &[String]) -> Result<()> {
    let plan = Plan::read(words)?;
    let dir = tempfile::tempdir()?;
    let snapshot = dir.path().join("snapshot.db");
    let begun = Instant::now();
    let length = make_snapshot(&snapshot, plan.size)?;
    println!(
        "a snapshot of {} MiB, made in {:.1} s; {} runs each, in turn\n",
        length >> 20,
        begun.elapsed().as_secs_f64(),
        plan.runs
    );
    let member = Member::start(dir.path())?;
    let target = dir.path().join("restored");
    let shown = |path: &Path| path.display().to_string();
    let endpoint = format!("127.0.0.1:{}", member.client);
    let put = ["--endpoints", &endpoint, "put", "k", "v"].map(str::to_owned);
    measure(&theirs("etcdctl"), &put)?;
    println!(
        "{:<18}{:<8}{:>12}{:>18}{:>12}{:>18}{:>8}{:>6}",
        "WORK", "OF", "THEIRS", "MIN-MAX", "OURS", "MIN-MAX", "RATIO", "GOAL"
    );
    let file = shown(&snapshot);
    let into = shown(&target);
    let works: [(&str, &str, f64, &[&str]); 4] = [
        ("version", "etcdctl", STARTUP, &["version"]),
        (
            "get",
            "etcdctl",
            STARTUP,
            &["--endpoints", &endpoint, "get", "k"],
        ),
        (
            "snapshot status",
            "etcdutl",
            RESTORE,
            &["snapshot", "status", &file],
        ),
        (
            "snapshot restore",
            "etcdutl",
            RESTORE,
            &["snapshot", "restore", &file, "--data-dir", &into],
        ),
    ];
    for (name, program, goal, words) in works {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let sides = [theirs(program), ours(dir.path(), &plan.program, program)?];
        let mut taken = [Vec::new(), Vec::new()];
        for _ in 0..plan.runs {
            for (side, taken) in sides.iter().zip(&mut taken) {
                taken.push(measure(side, &words)?);
                if target.exists() {
                    fs::remove_dir_all(&target)?;
                }
            }
        }
        let of =
            |read: fn(&Taken) -> f64| taken.each_ref().map(|all| all.iter().map(read).collect());
        row(name, "ms", of(|taken| taken.wall.as_secs_f64() * 1e3), goal);
        row("", "MiB", of(|taken| taken.peak as f64 / 1048576.0), MEMORY);
    }
    Ok(())
}

/// Prints a line: the medians, how far the runs lie apart, and whether ours is as much
/// less as it should be.
fn row(name: &str, of: &str, mut numbers: [Vec<f64>; 2], goal: f64) {
    for side in &mut numbers {
        side.sort_by(f64::total_cmp);
    }
    let median = |side: &[f64]| side[side.len() / 2];
    let spread = |side: &[f64]| format!("{:.1}-{:.1}", side[0], side[side.len() - 1]);
    let [theirs, ours] = &numbers;
    let ratio = median(ours) / median(theirs);
    println!(
        "{name:<18}{of:<8}{:>12.1}{:>18}{:>12.1}{:>18}{ratio:>8.2}{goal:>6.2}{}",
        median(theirs),
        spread(theirs),
        median(ours),
        spread(ours),
        if ratio <= goal { "" } else { "  missed" }
    );
}

fn theirs(program: &str) -> PathBuf {
    testkit::reference(&format!("3.5/{program}"))
}

/// Our program under the name that it is called by.
fn ours(dir: &Path, kubedrill: &Path, program: &str) -> Result<PathBuf> {
    let link = dir.join(program);
    if !link.exists() {
        std::os::unix::fs::symlink(kubedrill, &link)?;
    }
    Ok(link)
}

/// The reference's server, which both sides ask.
struct Member {
    process: Child,
    client: u16,
}

impl Member {
    fn start(dir: &Path) -> Result<Self> {
        let (client, peer) = (testkit::free_port(), testkit::free_port());
        let log = dir.join("log");
        let process = Command::new(theirs("etcd"))
            .arg("--data-dir")
            .arg(dir.join("member"))
            .arg(format!("--listen-client-urls=http://127.0.0.1:{client}"))
            .arg(format!("--advertise-client-urls=http://127.0.0.1:{client}"))
            .arg(format!("--listen-peer-urls=http://127.0.0.1:{peer}"))
            .arg(format!(
                "--initial-advertise-peer-urls=http://127.0.0.1:{peer}"
            ))
            .arg(format!("--initial-cluster=default=http://127.0.0.1:{peer}"))
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let member = Self { process, client };
        let begun = Instant::now();
        while !fs::read_to_string(&log)?.contains("ready to serve client requests") {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("the member is not ready after 30 s".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(member)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes a database of about `size` bytes, and its hash behind it, as `etcdctl snapshot
/// save` does; its length.
fn make_snapshot(path: &Path, size: u64) -> Result<u64> {
    let db = Db::open(
        path,
        Options {
            sync: false,
            ..Options::default()
        },
    )?;
    // No two values are the same, and none can be guessed from another.
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = 0;
    while next == 0 || fs::metadata(path)?.len() < size {
        let mut tx = db.begin_write()?;
        for bucket in [
            &b"key"[..],
            b"meta",
            b"lease",
            b"alarm",
            b"auth",
            b"cluster",
        ] {
            tx.create_bucket_if_missing(bucket)?;
        }
        for number in next..next + KEYS_AT_ONCE {
            let value: Vec<u8> = (0..VALUE_BYTES / 8)
                .flat_map(|_| {
                    noise ^= noise << 13;
                    noise ^= noise >> 7;
                    noise ^= noise << 17;
                    noise.to_le_bytes()
                })
                .collect();
            // Revision 1 is that of an empty store.
            let revision = i64::try_from(number)? + 2;
            let pair = KeyValue {
                key: format!("/registry/bench/{number:012}").into(),
                value: value.into(),
                create_revision: revision,
                mod_revision: revision,
                version: 1,
                ..KeyValue::default()
            };
            let place = [&revision.to_be_bytes()[..], b"_", &[0; 8]].concat();
            tx.put(b"key", &place, &pair.encode_to_vec())?;
        }
        let index = next + KEYS_AT_ONCE;
        tx.put(b"meta", b"consistent_index", &index.to_be_bytes())?;
        tx.put(b"meta", b"term", &2_u64.to_be_bytes())?;
        tx.commit()?;
        next += KEYS_AT_ONCE;
    }
    db.close()?;
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        length += read as u64;
    }
    let mut file = fs::OpenOptions::new().append(true).open(path)?;
    file.write_all(&hash.finalize())?;
    file.sync_all()?;
    Ok(length)
}

//! What the tests of labs share: a place for sessions, bounded commands, and a look
//! at what a lab leaves on the host.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// Longer than any command of a test takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The one lab there is.
pub const LAB: &str = "etcd-backup-restore";

const PROGRAM: &str = "KUBEDRILL_TEST_PROGRAM";
const LABS: &str = "KUBEDRILL_TEST_LABS";
/// Set where the tests run a second time as an ordinary user.
const AGAIN: &str = "KUBEDRILL_TEST_AGAIN";
/// A user that nobody is.
const NOBODY: u32 = 65_533;

/// The program under test.
pub fn program() -> PathBuf {
    env::var_os(PROGRAM).map_or_else(|| env!("CARGO_BIN_EXE_kubedrill").into(), PathBuf::from)
}

/// The labs of this repository.
pub fn labs() -> PathBuf {
    env::var_os(LABS).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("labs"),
        PathBuf::from,
    )
}

pub use testkit::{free_port, reference};

pub fn is_root() -> bool {
    nix_uid() == 0
}

fn nix_uid() -> u32 {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").expect("/proc/self"))
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; 128 and the signal's number if a signal ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ended {
    /// Fails with all that was printed if the status is another one.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(
            self.status, status,
            "after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.took, self.stdout, self.stderr
        );
        self
    }
}

/// What a command has printed: standard output, standard error.
type Said = Arc<(Mutex<Vec<u8>>, Mutex<Vec<u8>>)>;

/// A command that runs; killed when dropped.
pub struct Running {
    child: Child,
    begun: Instant,
    stdout: Option<JoinHandle<()>>,
    stderr: Option<JoinHandle<()>>,
    said: Said,
}

fn collect(mut from: impl Read + Send + 'static, said: Said, is_error: bool) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let text = if is_error { &said.1 } else { &said.0 };
            text.lock()
                .expect("no panic while held")
                .extend(&buffer[..count]);
        }
    })
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = Said::default();
        let stdout = child
            .stdout
            .take()
            .map(|from| collect(from, Arc::clone(&said), false));
        let stderr = child
            .stderr
            .take()
            .map(|from| collect(from, Arc::clone(&said), true));
        Self {
            child,
            begun: Instant::now(),
            stdout,
            stderr,
            said,
        }
    }

    /// kubedrill on a terminal of its own; what is printed comes as standard output.
    pub fn on_a_terminal(home: &Home, args: &[&str]) -> Self {
        let program = program();
        let mut line = format!("exec '{}'", program.display());
        for arg in args {
            line += &format!(" '{arg}'");
        }
        let mut command = Command::new("script");
        command.args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &line,
            "/dev/null",
        ]);
        home.set_up(&mut command);
        Self::start(&mut command)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input; the end of the input is not told.
    pub fn say(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("not closed yet");
        stdin.write_all(text.as_bytes()).expect("it reads");
        stdin.flush().expect("it reads");
    }

    /// Everything that it has printed so far, standard output first.
    pub fn so_far(&self) -> String {
        let (stdout, stderr) = &*self.said;
        let text = |bytes: &Mutex<Vec<u8>>| {
            String::from_utf8_lossy(&bytes.lock().expect("no panic while held")).into_owned()
        };
        text(stdout) + &text(stderr)
    }

    /// Waits until it has printed `text`.
    #[track_caller]
    pub fn await_text(&mut self, text: &str) {
        while !self.so_far().contains(text) {
            let ended = self.child.try_wait().expect("a child");
            assert!(
                ended.is_none() || self.so_far().contains(text),
                "ended without {text:?}: {}",
                self.so_far()
            );
            assert!(
                self.begun.elapsed() < PATIENCE,
                "no {text:?} in {}",
                self.so_far()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// Waits for its end, whoever else still holds its output.
    #[track_caller]
    pub fn wait_alone(mut self) {
        (self.stdout, self.stderr) = (None, None);
        self.wait();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(
                self.begun.elapsed() < PATIENCE,
                "does not end: {}",
                self.so_far()
            );
            thread::sleep(Duration::from_millis(5));
        };
        for reader in [self.stdout.take(), self.stderr.take()]
            .into_iter()
            .flatten()
        {
            // Something that outlives the command would keep the pipe open for ever.
            let until = Instant::now() + Duration::from_secs(10);
            while !reader.is_finished() {
                assert!(
                    Instant::now() < until,
                    "a process outlives its command and holds its output: {}",
                    self.so_far()
                );
                thread::sleep(Duration::from_millis(5));
            }
        }
        let (stdout, stderr) = &*self.said;
        let text = |bytes: &Mutex<Vec<u8>>| {
            String::from_utf8_lossy(&bytes.lock().expect("no panic while held")).into_owned()
        };
        use std::os::unix::process::ExitStatusExt as _;
        Ended {
            status: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: text(stdout),
            stderr: text(stderr),
            took: self.begun.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end with `input` on its standard input.
#[track_caller]
pub fn run(command: &mut Command, input: &str) -> Ended {
    let mut running = Running::start(command);
    let mut stdin = running.child.stdin.take().expect("piped");
    let input = input.to_owned();
    // The command may end without reading all of it.
    thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    running.wait()
}

/// A function for scripts: waits for a command to succeed, and says so if it never does.
pub const UNTIL_OK: &str = r#"
until_ok() {
  local deadline=$((SECONDS + 60))
  while [ $SECONDS -lt $deadline ]; do eval "$1" >/dev/null 2>&1 && return 0; sleep 0.05; done
  echo "NEVER: $1"
}
"#;

/// A home for sessions that is gone, with all that runs in it, when it is dropped.
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("kubedrill-")
            .tempdir()
            .expect("a directory");
        // The lab's users pass through it.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("open it");
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn sessions(&self) -> PathBuf {
        self.dir.path().join("sessions")
    }

    /// A lab of a cluster in which nothing is asked for: `shape` is what stands in `[cluster]`.
    pub fn bare_lab(&self, shape: &str) -> PathBuf {
        let dir = self.path().join("labs/bare");
        fs::create_dir_all(&dir).expect("a folder");
        let lab = format!(
            "[lab]\nid = \"bare\"\ntitle = \"A cluster\"\n\n[cluster]\n{shape}\n\n[[task]]\n\
             id = \"none\"\ntext = \"None.\"\n\n[[task.check]]\nfile = \"/root/none\"\n"
        );
        fs::write(dir.join("lab.toml"), lab).expect("the lab is written");
        dir
    }

    /// `kubedrill` with these arguments.
    pub fn kubedrill<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program());
        command.args(args);
        self.set_up(&mut command);
        command
    }

    /// The environment in which kubedrill uses this home.
    pub fn set_up(&self, command: &mut Command) {
        command
            .env("KUBEDRILL_HOME", self.dir.path())
            .env("KUBEDRILL_LABS", labs())
            .env("TERM", "dumb")
            .current_dir(self.dir.path());
    }

    /// What `list` says of the lab: `running`, `interrupted` or nothing.
    pub fn state(&self) -> String {
        let ended = run(&mut self.kubedrill(["list", "--format", "json"]), "").expect(0);
        let rows: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let row = rows
            .as_array()
            .and_then(|rows| rows.iter().find(|row| row["lab"] == LAB));
        row.expect("the lab is listed")["state"]
            .as_str()
            .expect("a word")
            .to_owned()
    }

    /// The processes that belong to this home.
    pub fn processes(&self) -> Vec<String> {
        let needle = self.dir.path().to_string_lossy().into_owned();
        let text = |path: PathBuf| {
            String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
        };
        let own = std::process::id().to_string();
        fs::read_dir("/proc")
            .expect("/proc")
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy() != own)
            .map(|entry| {
                let line = text(entry.path().join("cmdline")).replace('\0', " ");
                let place = text(entry.path().join("mountinfo"));
                (entry.file_name(), line, place)
            })
            .filter(|(_, line, place)| line.contains(&needle) || place.contains(&needle))
            .map(|(pid, line, _)| format!("{} {line}", pid.to_string_lossy()))
            .collect()
    }

    /// Waits until no process belongs to this home, and none has for a moment.
    #[track_caller]
    pub fn await_quiet(&self) {
        let deadline = Instant::now() + Duration::from_secs(15);
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_millis(100) {
            let left = self.processes();
            assert!(Instant::now() < deadline, "still there: {left:#?}");
            if !left.is_empty() {
                since = Instant::now();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let sessions = fs::read_dir(self.sessions())
            .into_iter()
            .flatten()
            .flatten();
        for session in sessions {
            let mut stop = self.kubedrill([OsStr::new("stop"), &session.file_name()]);
            let _ = stop.stdin(Stdio::null()).output();
        }
    }
}

/// What of a host a lab could change: mounts, links and addresses.
#[derive(Debug, PartialEq, Eq)]
pub struct Host {
    mounts: BTreeSet<String>,
    links: BTreeSet<String>,
    addresses: String,
}

impl Host {
    pub fn now() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let links = fs::read_dir("/sys/class/net")
            .into_iter()
            .flatten()
            .flatten();
        Self {
            mounts: mounts.lines().map(String::from).collect(),
            links: links
                .map(|link| link.file_name().to_string_lossy().into_owned())
                .collect(),
            addresses: fs::read_to_string("/proc/self/net/fib_trie").unwrap_or_default(),
        }
    }
}

/// As root, runs the other tests of a module again as an ordinary user. `module` is the
/// caller's `module_path!()`, `skip` is what needs root.
pub fn again_as_an_ordinary_user(module: &str, skip: &[&str]) {
    if !is_root() || env::var_os(AGAIN).is_some() {
        // They run as one already.
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("open it");
    let (tests, kubedrill) = (dir.path().join("tests"), dir.path().join("kubedrill"));
    fs::copy(env::current_exe().expect("this program"), &tests).expect("copy");
    fs::copy(program(), &kubedrill).expect("copy");
    let copied = Command::new("cp")
        .arg("-r")
        .args([&labs(), &dir.path().join("labs")])
        .status();
    assert!(copied.expect("cp").success());
    let module = module.split_once("::").map_or("", |(_, rest)| rest);
    let mut command = Command::new(&tests);
    command.args([&format!("{module}::"), "--test-threads=2"]);
    for name in skip.iter().chain(&["an_ordinary_user_too"]) {
        command.args(["--skip", name]);
    }
    let output = command
        .current_dir(dir.path())
        .env(PROGRAM, &kubedrill)
        .env(LABS, dir.path().join("labs"))
        .env(AGAIN, "yes")
        .env("TMPDIR", dir.path())
        .env("HOME", dir.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("output");
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words}");
    assert!(!words.contains(" 0 passed"), "{words}");
}

//! Running a command line on one side, and what of it can be compared.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where the reference's programs are.
pub fn reference() -> PathBuf {
    let mut dir = testkit::reference("3.5/etcdctl");
    dir.pop();
    dir
}

#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Theirs,
    Ours,
}

impl Side {
    /// The program with its name as the command line has it.
    pub fn program(self, name: &str) -> Command {
        let mut command = match self {
            Side::Theirs => Command::new(reference().join(name)),
            Side::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_kubedrill"));
                command.arg(name);
                command
            }
        };
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("ETCDCTL_") {
                command.env_remove(variable);
            }
        }
        command
    }
}

/// A line of a table.
pub struct Row {
    pub variables: Vec<(String, String)>,
    words: Vec<String>,
    pub input: Vec<u8>,
}

impl Row {
    /// The command line, its program first.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    pub fn parse(line: &str) -> Self {
        let (line, input) = match line.split_once("<<<") {
            Some((line, input)) => {
                let words = split(input);
                (line, words.concat().replace("\\n", "\n").into_bytes())
            }
            None => (line, Vec::new()),
        };
        let mut words = split(line);
        let is_variable = |word: &String| {
            word.split_once('=')
                .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        };
        let count = words.iter().take_while(|word| is_variable(word)).count();
        let variables = words
            .drain(..count)
            .filter_map(|w| w.split_once('=').map(|(n, v)| (n.into(), v.into())));
        Self {
            variables: variables.collect(),
            words,
            input,
        }
    }
}

/// Words as in a shell: spaces part them, quotes hold them together, a backslash
/// keeps a quote within double quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('"'), '\\') if chars.peek() == Some(&'"') => {
                word.get_or_insert_default().extend(chars.next())
            }
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What a command line came to, masked.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// What is put into command lines, and taken out of what they print.
pub struct Context {
    pub dir: PathBuf,
    /// In the order of replacing.
    pub words: Vec<(&'static str, String)>,
    pub masks: Vec<(String, &'static str)>,
    /// Whether two engines may fill pages differently.
    pub engines_differ: bool,
}

impl Context {
    pub fn new(dir: &Path) -> Self {
        let shown = dir.display().to_string();
        Self {
            dir: dir.to_owned(),
            words: vec![("DIR", shown.clone())],
            masks: vec![(shown, "DIR")],
            engines_differ: false,
        }
    }

    pub fn run(&self, side: Side, row: &Row, before: &[&str]) -> Seen {
        let fill = |word: &String| {
            self.words.iter().fold(word.clone(), |word, (name, value)| {
                word.replace(name, value)
            })
        };
        let mut command = side.program(&row.words[0]);
        command
            .args(if row.words[0] == "etcdctl" {
                before
            } else {
                &[]
            })
            .args(row.words[1..].iter().map(fill))
            .envs(row.variables.iter().cloned())
            .env("TZ", "")
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // A program that reads nothing may be gone already.
        let _ = child.stdin.take().expect("a pipe").write_all(&row.input);
        self.seen(&child.wait_with_output().expect("the program ends"))
    }

    pub fn seen(&self, output: &Output) -> Seen {
        let mut seen = Seen {
            status: output.status.code(),
            stdout: self.mask(&output.stdout),
            stderr: self.mask(&output.stderr),
        };
        if seen.stderr.contains("Completion ended with directive") {
            seen.stdout = undescribed(&seen.stdout);
        }
        seen
    }

    fn mask(&self, bytes: &[u8]) -> String {
        let mut text = readable(bytes);
        for (from, to) in &self.masks {
            text = text.replace(from, to);
        }
        // The header of an answer is as long as the two IDs in it are.
        for length in ["\\x18", "\\x19", "\\x1a"] {
            text = text.replace(&format!("{length}\\x08CLUSTERV"), "LENGTH\\x08CLUSTERV");
        }
        let text = mask_after(&text, "\"ts\":\"", |c| c != '"', "T");
        let text = mask_after(&text, "\"expiration\":\"", |c| c != '"', "T");
        let text = mask_after(&text, "etcd-endpoints://0x", |c| c.is_ascii_hexdigit(), "P");
        let text = mask_after(&text, "current time ", |c| c != ' ', "T");
        let text = match self.engines_differ {
            true => mask_after(&text, "\"dbSizeInUse\":", |c| c.is_ascii_digit(), "N"),
            false => text,
        };
        let text = mask_seconds_left(&mask_leases(&mask_stack(&text)));
        // The reference has a program for the terminal, which does not like a pipe.
        let text = text.replace(STTY, "");
        let text = mask_durations(&text);
        skeleton(&fetching_first(&mask_console_times(&text)))
    }
}

/// Who waits for a snapshot logs beside who receives it: the waiter's first line is put
/// before the receiver's second.
fn fetching_first(text: &str) -> String {
    const OPENED: &str = "\"opened snapshot stream; downloading\"";
    const FETCHING: &str = "\"fetching snapshot\"";
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let place = |lines: &[&str], what: &str| lines.iter().position(|line| line.contains(what));
    if let (Some(opened), Some(fetching)) = (place(&lines, OPENED), place(&lines, FETCHING)) {
        let line = lines.remove(fetching);
        let after = opened + usize::from(opened < fetching);
        lines.insert(after, line);
    }
    lines.concat()
}

const STTY: &str = "stty: 'standard input': Inappropriate ioctl for device\n";

/// Candidates of a completion without what they mean.
fn undescribed(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once('\t') {
        Some((word, about)) => {
            assert!(!about.is_empty(), "{line}");
            format!("{word}\tABOUT\n")
        }
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// IDs of leases, which the members draw.
fn mask_leases(text: &str) -> String {
    let mut text = text.to_owned();
    for remaining in ["remaining(", "\"ttl\":", "\"TTL\" : ", "\"TTL\":"] {
        text = mask_after(&text, remaining, |c| c.is_ascii_digit(), "S");
    }
    let is_id = |word: &str| word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let lines = text.split('\n').map(|line| {
        let words = line.split(' ').map(|w| if is_id(w) { "LEASE" } else { w });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A number as protobuf writes it, in the form that [`readable`] gives bytes.
pub fn varint(mut number: u64) -> String {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    readable(&bytes)
}

/// Printable ASCII, lines and tabs as they are, other bytes as `\xff`.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\n' | b'\t' | b' '..=b'~' => text.push(byte as char),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// Replaces what follows each `start` as long as `inside` holds.
fn mask_after(text: &str, start: &str, inside: impl Fn(char) -> bool, with: &str) -> String {
    let mut parts = text.split(start);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str(start);
        masked.push_str(with);
        masked.push_str(part.trim_start_matches(&inside));
    }
    masked
}

/// Without the numbers of terms: an election may have taken more than one.
pub fn without_terms(text: &str) -> String {
    let terms = ["\"raft_term\":", "\"RaftTerm\" : ", "\"raftTerm\":"];
    terms.iter().fold(text.to_owned(), |text, start| {
        mask_after(&text, start, |c| c.is_ascii_digit(), "N")
    })
}

/// The seconds that a key of the v2 API has left, unless it has no limit.
fn mask_seconds_left(text: &str) -> String {
    let lines = text
        .split('\n')
        .map(|line| match line.strip_prefix("TTL: ") {
            Some(left) if left != "0" => "TTL: S",
            _ => line,
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// Go's stack traces on lines of level error and above are not ours to have.
fn mask_stack(text: &str) -> String {
    let lines = text
        .split('\n')
        .map(|line| match line.split_once(",\"stacktrace\"") {
            Some((head, _)) => format!("{head}}}"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// `1.139603ms`, `2µs`, `1.000434914s` after the words that say a wait.
fn mask_durations(text: &str) -> String {
    let number = |c: char| c.is_ascii_digit() || c == '.';
    let mut text = text.to_owned();
    for start in ["took = ", "\"took\":\"", "\"Took\" : ", "\"took\": \""] {
        text = mask_after(&text, start, number, "D");
        for unit in ["Dms", "D\\xc2\\xb5s", "Ds"] {
            text = text.replace(&format!("{start}{unit}"), &format!("{start}D"));
        }
    }
    text
}

/// `2026-11-21T10:04:04Z` at the start of a line.
fn mask_console_times(text: &str) -> String {
    let lines = text.split('\n').map(|line| match line.split_once("Z\t") {
        Some((time, rest)) if time.len() == 19 && time.contains('T') => format!("TIME\t{rest}"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Help of `ETCDCTL_API=2` without its descriptions: names, what they take, defaults.
fn v2_skeleton(text: &str) -> String {
    let mut described = false;
    let lines = text.split('\n').filter_map(|line| {
        if line.ends_with(':') && !line.starts_with(' ') {
            described = line.starts_with("DESCRIPTION");
        }
        if described {
            return None;
        }
        let Some(entry) = line.strip_prefix("   ") else {
            return Some(line.to_owned());
        };
        let default = line.find(" (default: ").map_or("", |at| &line[at..]);
        let ends = [entry.find(" - "), entry.find("  ")];
        let end = ends.into_iter().flatten().min();
        Some(match end {
            Some(end) => format!("   {}{default}", &entry[..end]),
            None => line.to_owned(),
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Help without its descriptions.
fn skeleton(text: &str) -> String {
    if text.contains("USAGE:\n   etcdctl") {
        return v2_skeleton(text);
    }
    let etcdctl = text.starts_with("NAME:\n");
    if !etcdctl && !text.contains("Usage:\n  etcdutl") {
        return text.to_owned();
    }
    let mut described = false;
    let lines = text.split('\n').filter_map(|line| {
        if line.ends_with(':') && !line.starts_with([' ', '\t']) {
            described = line.starts_with("DESCRIPTION");
        }
        if described {
            return None;
        }
        let line = if etcdctl {
            line.trim_start_matches('\t')
        } else {
            line
        };
        let end = if etcdctl {
            line.find('\t').or_else(|| line.find(" - "))
        } else {
            line.trim_start()
                .find("  ")
                .map(|at| at + line.len() - line.trim_start().len())
        };
        let head = end.map_or(line, |end| &line[..end]);
        // Commands that only ours has.
        let more = ["  check", "  hashkv", "  migrate"];
        let more = !etcdctl && more.iter().any(|name| head.starts_with(name));
        (!more).then(|| head.trim_end().to_owned())
    });
    let mut lines: Vec<String> = lines.collect();
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    // One space stands between a short name and its description.
    for line in &mut lines {
        if !etcdctl && line.starts_with("  ") && !line.trim_start().starts_with(['-', 'e']) {
            *line = line
                .trim_start()
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned();
        }
    }
    lines.join("\n")
}

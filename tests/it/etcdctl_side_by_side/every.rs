//! Every command: that ours knows it and its flags, and that the usual mistakes are made
//! with each of them; and how many rows there are of which command in which format.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::offline::{BOTH, ctl, run, text};
use super::rows::{DOWN, FILES, MISTAKES, TALK, TLS};
use super::side::{Context, Row, Seen, Side, varint};
use super::users::{USERS, USERS_DOWN};
use super::{Member, authority, beside, certificate, compare, words};
use crate::support::free_port;

/// Commands that need more words than [`words::ANSWERS`] gives them, or whose answers are
/// compared elsewhere.
pub const MORE: &[&str] = &[
    "auth enable",
    "auth disable",
    "user add x:y",
    "user delete x",
    "user passwd x --interactive=false <<< pw",
    "user grant-role x r",
    "user revoke-role x r",
    "role add x",
    "role delete x",
    "role grant-permission x read a",
    "role revoke-permission x a",
    "member add x --peer-urls=http://127.0.0.1:1",
    "member update 77 --peer-urls=http://127.0.0.1:1",
    "member promote 77",
    "lease grant 10",
];

/// Commands, and groups of them, that `--command-timeout` does not stop, in the reference and in ours: they ask
/// until a server answers, so no dead one can be told of.
const PATIENT: &[&str] = &[
    "elect",
    "lease keep-alive",
    "lease list",
    "lease timetolive",
    "lock",
    "make-mirror",
    "role",
    "txn",
    "user",
    "watch",
];

/// Commands that run for long, or until they are ended: they have no formats.
const LONG: &[&str] = &[
    "check datascale",
    "check perf",
    "elect",
    "lock",
    "make-mirror",
    "watch",
];

/// Commands that talk to no server.
const OFFLINE: &[&str] = &[
    "completion bash",
    "completion fish",
    "completion powershell",
    "completion zsh",
    "help",
    "snapshot restore",
    "snapshot status",
    "version",
];

/// Whether a line changes so much that it can't be run in every format: a second member
/// takes the majority away, and a lease has a number that nobody knows beforehand.
pub fn only_once(line: &str) -> bool {
    line.starts_with("member add") || line.starts_with("lease grant")
}

/// `put` of `put f 1`, `lease grant` of `lease grant 10`.
fn command(words: &[&str]) -> Option<String> {
    let known = |name: &str| words::CTL.contains(&name) || words::UTL.contains(&name);
    let two = words.get(..2).map(|two| two.join(" "));
    let one = words.first().map(|one| (*one).to_owned());
    two.filter(|two| known(two))
        .or(one.filter(|one| known(one) && !one.is_empty()))
}

/// The names under a heading of a help, indented as there.
fn listed(help: &str, heading: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| line.trim() != heading);
    lines
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .map(|line| {
            let line = line.trim();
            let end = line.find('\t').or_else(|| line.find("  "));
            line[..end.unwrap_or(line.len())].to_owned()
        })
        .collect()
}

/// What `help_has_the_same_skeleton` goes through is all that the reference has.
#[test]
fn every_command_of_the_reference_is_in_the_lists() {
    let help = text(&run(Side::Theirs, "etcdctl", &["help"]).stdout);
    let ctl = listed(&help, "COMMANDS:");
    assert!(ctl.len() > 40, "{ctl:?}");
    for name in &ctl {
        assert!(words::CTL.contains(&name.as_str()), "etcdctl {name}");
    }
    let mut groups = vec![Vec::new()];
    let mut found = 0;
    while let Some(group) = groups.pop() {
        let mut words: Vec<&str> = group.iter().map(String::as_str).collect();
        words.push("-h");
        let help = text(&run(Side::Theirs, "etcdutl", &words).stdout);
        for name in listed(&help, "Available Commands:") {
            let mut path: Vec<String> = group.clone();
            path.push(name);
            let shown = path.join(" ");
            assert!(words::UTL.contains(&shown.as_str()), "etcdutl {shown}");
            found += 1;
            groups.push(path);
        }
    }
    assert!(found > 10, "{found}");
}

/// Names and defaults of the flags that a help of API 2 lists.
fn flags_of(help: &str) -> Vec<(String, String)> {
    let lines = help.lines().filter(|line| line.starts_with("   --"));
    lines
        .map(|line| {
            let line = line.trim();
            let (names, about) = line.split_once("  ").unwrap_or((line, ""));
            let default = about.rsplit_once("(default: ").map_or("", |(_, rest)| rest);
            (names.to_owned(), default.to_owned())
        })
        .collect()
}

fn help2(side: Side, words: &[&str]) -> (Option<i32>, String) {
    let mut command = side.program("etcdctl");
    command.env("ETCDCTL_API", "2").args(words);
    let output = command.output().expect("etcdctl runs");
    (output.status.code(), text(&output.stdout))
}

#[test]
fn every_command_and_flag_of_api_2_is_known() {
    let mut groups = vec![Vec::new()];
    let mut flags = 0;
    let mut commands = 0;
    while let Some(group) = groups.pop() {
        let group: Vec<String> = group;
        let mut words: Vec<&str> = group.iter().map(String::as_str).collect();
        words.push("--help");
        let [theirs, ours] = BOTH.map(|side| help2(side, &words));
        assert_eq!(ours.0, theirs.0, "{group:?}");
        assert_eq!(flags_of(&ours.1), flags_of(&theirs.1), "{group:?}");
        let [below, known] = [&theirs, &ours].map(|(_, help)| listed(help, "COMMANDS:"));
        assert_eq!(known, below, "{group:?}");
        flags += flags_of(&theirs.1).len();
        for name in below.iter().filter(|name| !name.starts_with("help")) {
            commands += 1;
            let mut path = group.clone();
            path.push(name.clone());
            groups.push(path);
        }
    }
    assert!(commands > 30 && flags > 50, "{commands} {flags}");
}

/// Every command with its words, without a program's name.
fn lines() -> impl Iterator<Item = &'static str> {
    words::ANSWERS.iter().chain(MORE).copied()
}

/// The first line of each command, so that it is not asked the same twice.
fn one_each() -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    lines()
        .filter(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let name = command(&words).unwrap_or_else(|| panic!("no command in {line}"));
            let begins = |with: &&str| name == *with || name.starts_with(&format!("{with} "));
            let asks = !OFFLINE.contains(&name.as_str()) && !PATIENT.iter().any(begins);
            asks && seen.insert(name)
        })
        .collect()
}

/// `line` of etcdctl with flags before what it reads.
pub fn row(flags: &str, line: &str) -> String {
    let (line, input) = line.split_once(" <<< ").unwrap_or((line, ""));
    let input = match (line, input) {
        ("txn", _) => "\\n\\nget f\\n\\n\\n",
        (_, input) => input,
    };
    format!("etcdctl {flags} {line} <<< \"{input}\"\n")
}

#[test]
fn unknown_flags_and_missing_words_are_told_alike() {
    let groups = |name: &&&str| !matches!(**name, "" | "help");
    let with = |more: &str| -> String {
        let ctl = words::CTL.iter().filter(groups);
        let rows = ctl.map(|name| format!("etcdctl {name} {more}\n"));
        rows.collect()
    };
    let mut table = with("--nonsense") + &with("--endpoints") + &with("-w");
    // Without words, only those are asked that then say so: the others would begin.
    for name in words::CTL.iter().filter(groups) {
        let begins = [
            "alarm disarm",
            "alarm list",
            "auth disable",
            "auth enable",
            "auth status",
            "check datascale",
            "check perf",
            "completion bash",
            "completion fish",
            "completion powershell",
            "completion zsh",
            "defrag",
            "endpoint hashkv",
            "endpoint health",
            "endpoint status",
            "lease list",
            "member list",
            "role list",
            "txn",
            "user list",
            "watch",
        ];
        if !begins.contains(name) {
            table += &format!("etcdctl {name}\n");
        }
    }
    for name in words::UTL.iter().filter(groups) {
        table += &format!("etcdutl {name} --nonsense\netcdutl {name} -w\n");
    }
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let [theirs, ours] = dirs.each_ref().map(|dir| Context::new(dir.path()));
    compare(&table, &theirs, &ours, [&[], &[]]);
}

/// How much time a command has to find out that nobody answers as it should.
const SHORT: &[&str] = &["--command-timeout=1s"];

/// How many rows wait side by side.
const WAITERS: usize = 8;

/// Compares rows that change nothing and end with the time they have: which step they had
/// come to by then depends on how busy the machine is, so that each row is run until both
/// sides agree, a few times at most.
fn compare_in_time(table: &str, context: &Context) {
    let rows: Mutex<Vec<&str>> = Mutex::new(table.lines().collect());
    let differences = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WAITERS {
            scope.spawn(|| {
                while let Some(line) = pop(&rows) {
                    if let Err(difference) = agree_in_time(line, context) {
                        differences.lock().expect("no panic").push(difference);
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().expect("no panic");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn pop<'a>(rows: &Mutex<Vec<&'a str>>) -> Option<&'a str> {
    rows.lock().expect("no panic").pop()
}

fn agree_in_time(line: &str, context: &Context) -> Result<(), String> {
    let row = Row::parse(line);
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen = vec![Side::Theirs, Side::Ours]
            .into_iter()
            .map(|side| context.run(side, &row, SHORT))
            .collect();
        if seen[0] == seen[1] {
            return Ok(());
        }
    }
    Err(format!("$ {line}\n  {seen:?}"))
}

#[test]
fn every_command_tells_a_dead_end_alike() {
    let member = Member::start(&[]);
    let context = beside(&member, free_port());
    let rows = one_each().into_iter();
    let table: String = rows
        .map(|line| row("--endpoints 127.0.0.1:CLOSED", line))
        .collect();
    compare_in_time(&table, &context);
}

#[test]
fn every_command_tells_a_wrong_certificate_alike() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path();
    let (ca, other) = (authority(path, "ca"), authority(path, "other-ca"));
    certificate(path, &ca, "server", &["localhost", "127.0.0.1"], 2100);
    certificate(path, &other, "stranger", &["client"], 2100);
    let file = |name: &str| path.join(name).display().to_string();
    let member = Member::start(&[
        "--cert-file",
        &file("server.crt"),
        "--key-file",
        &file("server.key"),
        "--client-cert-auth",
        "--trusted-ca-file",
        &file("ca.crt"),
    ]);
    let mut context = Context::new(path);
    context.words.push(("GOOD", member.client.to_string()));
    let at = "--endpoints https://127.0.0.1:GOOD --cacert";
    let ways = ["other-ca.crt", "ca.crt", "nope.crt"];
    for way in ways {
        let rows = one_each().into_iter();
        let table: String = rows.map(|line| row(&format!("{at} {way}"), line)).collect();
        compare_in_time(&table, &context);
    }
}

/// The numbers after `"ID":` in an answer.
fn ids(member: &Member, words: &str) -> BTreeSet<u64> {
    let words: Vec<&str> = words.split(' ').chain(["-w", "json"]).collect();
    // Leases have theirs in small letters.
    let text = ctl(member, &words).replace("\"id\":", "\"ID\":");
    let numbers = text.split("\"ID\":").skip(1).map(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        rest[..digits.unwrap_or(rest.len())]
            .parse()
            .expect("a number")
    });
    numbers.collect()
}

/// What a command prints that makes something with an ID nobody knows beforehand;
/// `None` if the ID would make columns or the order of a list other than they must be.
///
/// A member's ID follows from its URL and the second, so each has a port of its own.
fn made(side: Side, member: &Member, line: &str, port: u16) -> Option<Seen> {
    let command = &line.replace("PORT", &port.to_string());
    let adds = command.contains("member");
    let list = if adds { "member list" } else { "lease list" };
    let before = ids(member, list);
    let endpoint = format!("127.0.0.1:{}", member.client);
    let line = format!("--endpoints {endpoint} {command}");
    let output = run(side, "etcdctl", &line.split(' ').collect::<Vec<_>>());
    let after = ids(member, list);
    let new = *after.difference(&before).next().expect("a new ID");
    if adds {
        ctl(member, &["member", "remove", &format!("{new:x}")]);
        // Members are listed by their IDs, and leading zeros are not printed.
        if new < 1 << 63 || before.iter().any(|old| *old > new) {
            return None;
        }
    }
    let mut context = beside(member, 1);
    context.masks.push((format!(":{port}"), ":PORT"));
    context.masks.push((new.to_string(), "NEW"));
    context.masks.push((format!("{new:x}"), "NEWX"));
    context.masks.push((varint(new), "NEWV"));
    Some(context.seen(&output))
}

#[test]
fn what_is_made_reads_the_same_in_every_format() {
    let members = [Member::start_wide(), Member::start_wide()];
    let commands = [
        "member add x --learner --peer-urls=http://127.0.0.1:PORT",
        "lease grant 1000",
    ];
    let mut ports = 20_000..30_000;
    for command in commands {
        for format in words::FORMATS {
            let [theirs, ours] = [0, 1].map(|at| {
                let line = format!("{format} {command}");
                let again = || made(BOTH[at], &members[at], &line, ports.next()?);
                std::iter::repeat_with(again)
                    .take(200)
                    .find_map(|seen| seen)
                    .expect("an ID that is big enough")
            });
            assert_eq!(ours, theirs, "{command} {format}");
            // Some formats are refused when the work is done.
            assert!(matches!(theirs.status, Some(0 | 4)), "{theirs:?}");
        }
    }
}

/// The format that a row asks for.
fn format_of(words: &[String]) -> &'static str {
    let asked = |format: &str| {
        let long = format!("--write-out={format}");
        words
            .iter()
            .any(|word| *word == long || *word == format!("-w={format}"))
            || words
                .windows(2)
                .any(|two| matches!(two[0].as_str(), "-w" | "--write-out") && two[1] == format)
    };
    let known = ["json", "fields", "table", "protobuf", "simple"];
    match known.iter().find(|format| asked(format)) {
        Some(format) => format,
        None if words.iter().any(|word| word == "--hex") => "hex",
        None => "plain",
    }
}

/// Rows by command and format, as a listing: `cargo test … rows_by_command -- --nocapture`.
#[test]
fn rows_by_command_and_format() {
    let mut counts: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut count = |line: &str| {
        let row = Row::parse(line);
        let words: Vec<&str> = row.words().iter().map(String::as_str).collect();
        let Some(program) = words.first() else { return };
        let name = (1..words.len()).find_map(|at| command(&words[at..]));
        let name = format!("{program} {}", name.unwrap_or_default());
        let formats = counts.entry(name.trim_end().to_owned()).or_default();
        *formats.entry(format_of(row.words())).or_default() += 1;
    };
    let tables = [
        MISTAKES,
        TALK,
        USERS,
        USERS_DOWN,
        DOWN,
        TLS,
        FILES,
        words::COMPLETIONS,
    ];
    tables
        .iter()
        .flat_map(|table| table.lines())
        .for_each(&mut count);
    for format in words::FORMATS {
        // `what_is_made_reads_the_same_in_every_format`
        for line in lines().filter(|line| only_once(line)) {
            count(&row(format, line));
        }
        let in_formats = lines().filter(|line| !only_once(line));
        in_formats
            .for_each(|line| count(&row("", line).replace(" <<<", &format!(" {format} <<<"))));
    }
    let formats = [
        "plain", "simple", "fields", "json", "table", "protobuf", "hex",
    ];
    let heads: String = formats.iter().map(|name| format!("{name:>9}")).collect();
    println!("{:<28}{heads}", "COMMAND");
    let mut missing = Vec::new();
    for (name, counted) in &counts {
        let of = |format: &&str| counted.get(*format).copied().unwrap_or_default();
        let cells: String = formats
            .iter()
            .map(|format| format!("{:>9}", of(format)))
            .collect();
        println!("{name:<28}{cells}");
        let Some(bare) = name.strip_prefix("etcdctl ") else {
            continue;
        };
        let group = words::CTL
            .iter()
            .any(|other| other.starts_with(&format!("{bare} ")));
        if group || LONG.contains(&bare) || OFFLINE.contains(&bare) {
            continue;
        }
        for format in formats.iter().skip(1).filter(|format| of(format) == 0) {
            missing.push(format!("{name} -w {format}"));
        }
    }
    let compared = |name: &&&str| !name.is_empty() && !OFFLINE.contains(*name);
    for name in words::CTL.iter().filter(compared) {
        if !counts.contains_key(&format!("etcdctl {name}")) {
            missing.push(format!("etcdctl {name}"));
        }
    }
    assert!(missing.is_empty(), "no row of {missing:#?}");
}

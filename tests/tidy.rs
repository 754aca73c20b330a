//! What no compiler checks: the arrows between rooms, calls that a room must not
//! make, stray files, unfinished words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use toml_edit::{DocumentMut, Item, TableLike};

/// Which rooms a room may use. `testkit` is for tests alone: any room may use it there.
const ARROWS: &[(&str, &[&str])] = &[
    ("bolt", &[]),
    ("completion", &[]),
    ("depot", &[]),
    ("gowords", &[]),
    ("wire", &[]),
    ("kube", &[]),
    ("sandbox", &[]),
    ("testkit", &[]),
    ("wal", &["wire"]),
    ("mvcc", &["bolt", "wire"]),
    ("etcd", &["bolt", "gowords", "mvcc", "wal", "wire"]),
    (
        "etcdctl",
        &["bolt", "completion", "gowords", "mvcc", "wal", "wire"],
    ),
    ("rest", &["gowords", "kube"]),
    ("apiserver", &["gowords", "kube", "wire"]),
    ("kubectl", &["completion", "gowords", "kube"]),
    ("kubelet", &["gowords", "kube", "rest", "sandbox"]),
    ("lab", &["bolt", "kube", "sandbox", "wal"]),
    (
        "grade",
        &["bolt", "kube", "lab", "mvcc", "sandbox", "wal", "wire"],
    ),
    ("cli", &["grade", "lab", "sandbox"]),
];

/// What may lie at the top, beside dotfiles.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "book",
    "build.rs",
    "fixtures",
    "labs",
    "src",
    "tests",
];

/// Rooms that talk to the kernel where no safe wrapper exists.
const MAY_BE_UNSAFE: &[&str] = &["sandbox"];

/// Code files longer than this are listed below, each with the length it may grow to.
const LONG: usize = 600;
const MAY_BE_LONG: &[(&str, usize)] = &[
    // One table each.
    ("src/kubectl/commands.rs", 1400),
    ("src/kube/table/rows.rs", 900),
    // One protocol, algorithm or state each; to be split when they change next.
    ("src/apiserver/controllers/deployment.rs", 900),
    ("src/etcd/run/serving.rs", 800),
    ("src/etcd/server/bootstrap.rs", 900),
    ("src/kube/apply.rs", 800),
    ("src/kubectl/client.rs", 800),
    ("src/kubectl/verbs/describe/pod.rs", 800),
    ("src/kubelet/worker.rs", 800),
    ("src/sandbox/init/mod.rs", 800),
];

/// Where a manifest says what a crate depends on.
const SECTIONS: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];

/// Code of the root package beside its tests.
const TOP_CODE: [&str; 2] = ["build.rs", "src/main.rs"];

/// What only code that is made during the build uses, by the folder of its crate.
const IN_WHAT_IS_GENERATED: &[(&str, &str)] =
    &[("src/wire/", "prost"), ("src/wire/", "tonic-prost")];

/// A call or word that some rooms must not contain.
struct Ban {
    rooms: &'static [&'static str],
    words: &'static [&'static str],
    why: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        rooms: &["bolt", "mvcc", "wal", "wire", "kube"],
        words: &[
            "SystemTime::now",
            "Instant::now",
            "Timestamp::now",
            "Zoned::now",
            "now_utc",
            "getrandom",
            "rand::",
            "thread_rng",
        ],
        why: "its clock and its randomness are given to it, so that a run can be repeated",
    },
    Ban {
        rooms: &["bolt", "mvcc", "wal", "kube"],
        words: &[
            "tokio",
            "std::net",
            "TcpStream",
            "process::Command",
            "async fn",
        ],
        why: "it decides and does not wait: sockets and spawning belong to its callers",
    },
    Ban {
        rooms: &["bolt"],
        words: &["etcd", "kube"],
        why: "it knows pages and buckets, not who uses them",
    },
    Ban {
        rooms: &["kube"],
        words: &["std::fs", "fs::read", "fs::write", "std::env", "env::var"],
        why: "it computes; files and the environment belong to its callers",
    },
    Ban {
        rooms: &[
            "apiserver",
            "bolt",
            "cli",
            "etcd",
            "etcdctl",
            "grade",
            "kube",
            "kubectl",
            "kubelet",
            "lab",
            "mvcc",
            "rest",
            "wal",
            "wire",
        ],
        words: &[
            "nix::sched",
            "sched::",
            "nix::mount",
            "CloneFlags",
            "unshare(",
            "setns(",
            "libc::clone",
            "pivot_root(",
            "fork()",
        ],
        why: "namespaces, mounts and forks are the sandbox's",
    },
    Ban {
        rooms: &[
            "bolt", "mvcc", "wal", "wire", "kube", "rest", "lab", "grade",
        ],
        words: &["process::exit"],
        why: "only a program may end; a room returns an error",
    },
    Ban {
        rooms: &["bolt", "mvcc", "wal", "wire", "kube", "rest", "lab"],
        words: &["print!(", "println!("],
        why: "talking to people is the work of cli and of the applets",
    },
];

/// Words of unfinished work, split so that this file does not contain them.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tracked files, relative to the root; without git, all files.
fn files() -> Vec<String> {
    let listed = Command::new("git")
        .arg("-C")
        .arg(root())
        .args(["ls-files", "-z"])
        .output();
    if let Some(output) = listed
        .ok()
        .filter(|output| output.status.success() && !output.stdout.is_empty())
    {
        return String::from_utf8_lossy(&output.stdout)
            .split('\0')
            .filter(|name| !name.is_empty() && root().join(name).is_file())
            .map(String::from)
            .collect();
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    found
}

fn walk(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("a readable folder").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != ".git" && !name.starts_with("target") {
                walk(&path, found);
            }
        } else {
            let relative = path.strip_prefix(root()).expect("below the root");
            found.push(relative.to_string_lossy().into_owned());
        }
    }
}

fn text(name: &str) -> String {
    String::from_utf8_lossy(&fs::read(root().join(name)).expect(name)).into_owned()
}

fn manifest(path: &str) -> DocumentMut {
    text(path)
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names in a section of a manifest; none if there is no such section.
fn names(manifest: &DocumentMut, section: &str) -> Vec<String> {
    let table = manifest.get(section).and_then(Item::as_table_like);
    let names = table.into_iter().flat_map(TableLike::iter);
    names.map(|(name, _)| name.to_owned()).collect()
}

fn rooms() -> Vec<String> {
    let mut rooms: Vec<String> = files()
        .iter()
        .filter_map(|name| {
            name.strip_prefix("src/")?
                .strip_suffix("/Cargo.toml")
                .map(String::from)
        })
        .collect();
    rooms.sort();
    rooms
}

/// Fails with all that was found, so that one run shows everything.
fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Whether the file runs only in tests, benchmarks or the build.
fn is_for_tests(name: &str) -> bool {
    name.split('/').any(|part| {
        let stem = part.trim_end_matches(".rs");
        matches!(stem, "benches" | "build" | "examples" | "tests" | "testing")
            || stem.ends_with("_tests")
            || stem.ends_with("_test")
    })
}

/// The code that ships, with line numbers: no comments, nothing below `#[cfg(test)]`
/// when a module follows that is written out.
fn shipped(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let end = lines
        .windows(2)
        .position(|pair| {
            pair[0].trim() == "#[cfg(test)]"
                && pair[1].starts_with("mod ")
                && pair[1].trim_end().ends_with('{')
        })
        .unwrap_or(lines.len());
    lines
        .into_iter()
        .take(end)
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
        .collect()
}

/// Whether `word` stands in `line`, not as the end of a longer name.
fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let starts = !word.starts_with(is_part) || !before.is_some_and(is_part);
        let ends = !word.ends_with(is_part) || !after.is_some_and(is_part);
        starts && ends
    })
}

#[test]
fn rooms_use_only_what_their_arrows_allow() {
    let mut found = Vec::new();
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for room in rooms() {
        let Some(allowed) = arrows.get(room.as_str()) else {
            found.push(format!(
                "src/{room}: a room that ARROWS in tests/tidy.rs does not know"
            ));
            continue;
        };
        let manifest = manifest(&format!("src/{room}/Cargo.toml"));
        for section in SECTIONS {
            let is_dev = section == "dev-dependencies";
            for name in names(&manifest, section) {
                let fits = allowed.contains(&name.as_str()) || (is_dev && name == "testkit");
                if arrows.contains_key(name.as_str()) && !fits {
                    found.push(format!(
                        "src/{room}/Cargo.toml: [{section}] {room} must not use {name}"
                    ));
                }
            }
        }
    }
    none(found);
}

/// `etcdutl` works on files that nobody serves, `etcdctl` asks a server.
#[test]
fn only_etcdutl_opens_data_files() {
    let inside = |name: &str| {
        name.starts_with("src/etcdctl/snapshot/") || name.starts_with("src/etcdctl/etcdutl")
    };
    let mut found = Vec::new();
    for name in files() {
        if !name.starts_with("src/etcdctl/")
            || !name.ends_with(".rs")
            || inside(&name)
            || is_for_tests(&name)
        {
            continue;
        }
        for (line, code) in shipped(&text(&name)) {
            // The words of the v2 API open nothing.
            let code = &code.replace("mvcc::v2::", "");
            if ["bolt::", "mvcc::", "wal::"]
                .iter()
                .any(|room| contains_word(code, room))
            {
                found.push(format!(
                    "{name}:{line}: data files are opened in src/etcdctl/snapshot/ alone: {code}"
                ));
            }
        }
    }
    none(found);
}

#[test]
fn every_room_is_a_crate_of_the_workspace() {
    let mut found = Vec::new();
    for room in rooms() {
        let file = format!("src/{room}/Cargo.toml");
        let manifest = manifest(&file);
        let mut want = |path: &[&str], expected: &str| {
            let start = Some(manifest.as_item());
            let at = path.iter().fold(start, |at, key| at?.get(key));
            let value = at
                .map(|item| item.to_string().trim().trim_matches('"').to_owned())
                .unwrap_or_default();
            if value != expected {
                found.push(format!(
                    "{file}: {} must be {expected}, is {value:?}",
                    path.join(".")
                ));
            }
        };
        want(&["package", "name"], &format!("kubedrill-{room}"));
        want(&["lib", "name"], &room);
        want(&["lib", "path"], "lib.rs");
        want(&["lints", "workspace"], "true");
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            want(&["package", key, "workspace"], "true");
        }
        for section in SECTIONS {
            for name in names(&manifest, section) {
                want(&[section, &name, "workspace"], "true");
            }
        }
    }
    none(found);
}

/// What nobody uses is built by everybody all the same.
#[test]
fn what_a_crate_depends_on_is_used() {
    let mut found = Vec::new();
    let rooms = rooms().into_iter().map(|room| format!("src/{room}/"));
    for home in rooms.chain([String::new()]) {
        let texts: Vec<String> = files()
            .iter()
            .filter(|name| name.ends_with(".rs"))
            .filter(|name| match home.as_str() {
                "" => name.starts_with("tests/") || TOP_CODE.contains(&name.as_str()),
                home => name.starts_with(home),
            })
            .map(|name| text(name))
            .collect();
        let manifest = manifest(&format!("{home}Cargo.toml"));
        for name in SECTIONS.iter().flat_map(|part| names(&manifest, part)) {
            let word = name.replace('-', "_");
            let uses = [format!("{word}::"), format!("use {word}")];
            let is_used = uses
                .iter()
                .any(|word| texts.iter().any(|text| contains_word(text, word)));
            if !is_used && !IN_WHAT_IS_GENERATED.contains(&(&home, &name)) {
                found.push(format!("{home}Cargo.toml: nothing uses {name}"));
            }
        }
    }
    none(found);
}

#[test]
fn nothing_lies_about() {
    let rooms: BTreeSet<String> = rooms().into_iter().collect();
    let mut found = Vec::new();
    for name in files() {
        let top = name.split('/').next().unwrap_or_default();
        if !TOP.contains(&top) && !top.starts_with('.') {
            found.push(format!("{name}: the top level holds {TOP:?} and dotfiles"));
        }
        let mut parts = name.split('/').skip(1);
        if top == "src"
            && name != "src/main.rs"
            && !parts.next().is_some_and(|room| rooms.contains(room))
        {
            found.push(format!("{name}: src/ holds main.rs and one folder a room"));
        }
        let ends = [
            ".orig",
            ".rej",
            ".bak",
            ".tmp",
            ".swp",
            ".log",
            ".proptest-regressions",
            ".profraw",
        ];
        if ends.iter().any(|end| name.ends_with(end)) {
            found.push(format!("{name}: left over"));
        }
    }
    none(found);
}

#[test]
fn rooms_do_not_call_what_is_not_theirs() {
    let mut found = Vec::new();
    for name in files() {
        let room = name
            .strip_prefix("src/")
            .and_then(|rest| rest.split_once('/'))
            .map(|(room, _)| room);
        let Some(room) = room.filter(|_| name.ends_with(".rs") && !is_for_tests(&name)) else {
            continue;
        };
        for (line, code) in shipped(&text(&name)) {
            for ban in BANS.iter().filter(|ban| ban.rooms.contains(&room)) {
                for word in ban.words.iter().filter(|word| contains_word(code, word)) {
                    found.push(format!("{name}:{line}: `{word}` in {room}: {}", ban.why));
                }
            }
        }
    }
    none(found);
}

#[test]
fn unsafe_is_forbidden_where_it_is_not_needed() {
    let mut found = Vec::new();
    let mut roots: Vec<String> = rooms()
        .iter()
        .filter(|room| !MAY_BE_UNSAFE.contains(&room.as_str()))
        .map(|room| format!("src/{room}/lib.rs"))
        .collect();
    roots.push("src/main.rs".into());
    for name in roots {
        if !text(&name)
            .lines()
            .any(|line| line == "#![forbid(unsafe_code)]")
        {
            found.push(format!("{name}: lacks #![forbid(unsafe_code)]"));
        }
    }
    none(found);
}

#[test]
fn every_room_says_what_it_is_for() {
    let found = rooms()
        .into_iter()
        .filter(|room| !text(&format!("src/{room}/lib.rs")).starts_with("//! "))
        .map(|room| format!("src/{room}/lib.rs: starts with no `//!` sentence"))
        .collect();
    none(found);
}

#[test]
fn nothing_is_left_unfinished() {
    let mut found = Vec::new();
    let kinds = [".rs", ".toml", ".sh", ".md", ".proto", ".yaml"];
    for name in files() {
        if !kinds.iter().any(|kind| name.ends_with(kind)) && !name.starts_with(".ci/") {
            continue;
        }
        for (at, line) in text(&name).lines().enumerate() {
            for word in UNFINISHED.iter().filter(|word| contains_word(line, word)) {
                found.push(format!("{name}:{}: {word}", at + 1));
            }
            if line.trim() == concat!("#[ig", "nore]") {
                found.push(format!(
                    "{name}:{}: an ignored test says why: #[ignore = \"…\"]",
                    at + 1
                ));
            }
        }
    }
    none(found);
}

/// A clone elsewhere must be the same: no path of a machine, no registry but the public one.
#[test]
fn no_machine_is_told_of() {
    let mut places = vec![root().to_string_lossy().into_owned()];
    for name in [
        "CARGO_HOME",
        "CARGO_TARGET_DIR",
        "KUBEDRILL_REFERENCE_BINARIES",
    ] {
        places.extend(
            env::var(name)
                .ok()
                .filter(|value| Path::new(value).components().count() > 2),
        );
    }
    places.extend([
        ".cargo/registry".into(),
        ".rustup/toolchains".into(),
        "replace-with".into(),
    ]);
    let mut found = Vec::new();
    for name in files().iter().filter(|name| *name != "tests/tidy.rs") {
        for (at, line) in text(name).lines().enumerate() {
            for place in places.iter().filter(|place| line.contains(place.as_str())) {
                found.push(format!("{name}:{}: {place}", at + 1));
            }
        }
    }
    let public = concat!("registry+https://github.com/rust-lang/", "crates.io-index");
    for package in manifest("Cargo.lock")["package"]
        .as_array_of_tables()
        .expect("packages")
    {
        let source = package
            .get("source")
            .and_then(Item::as_str)
            .unwrap_or(public);
        if source != public {
            found.push(format!(
                "Cargo.lock: {} comes from {source}",
                package["name"]
            ));
        }
    }
    none(found);
}

#[test]
fn files_are_short() {
    let mut found = Vec::new();
    let exceptions: BTreeMap<_, _> = MAY_BE_LONG.iter().copied().collect();
    for name in files() {
        if !name.starts_with("src/") || !name.ends_with(".rs") || is_for_tests(&name) {
            continue;
        }
        let length = text(&name).lines().count();
        let limit = exceptions.get(name.as_str()).copied().unwrap_or(LONG);
        if length > limit {
            found.push(format!(
                "{name}: {length} lines, {limit} allowed; split it by what it does"
            ));
        }
    }
    for (name, _) in exceptions {
        if !PathBuf::from(root()).join(name).exists() {
            found.push(format!("{name}: listed in tests/tidy.rs, but gone"));
        }
    }
    none(found);
}

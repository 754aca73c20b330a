//! The command blocks of the README and the book, run from the pages themselves.
//!
//! What a fence says after its three backquotes decides:
//!
//! | fence | what is done |
//! |---|---|
//! | `sh` | run by bash in a folder with the labs, like a clone; `sh,status=1` if it is to end with 1 |
//! | `sh,typed=exit` | one command, run on a terminal; the word is typed at the node's prompt |
//! | `sh,node` | typed on the first node of the first lab |
//! | `sh,ignore` | not run, for the reason in the comment above it: `<!-- not run: … -->` |
//! | `text`, `toml` | only shown |

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::support::{Home, LAB, Running, labs, program, run};

/// Pages whose blocks are run in one folder, in this order.
const FOR_LEARNERS: &[&str] = &[
    "README.md",
    "book/src/first-lab.md",
    "book/src/lab-format.md",
    "book/src/differences.md",
    "book/src/threat-model.md",
];
const FOR_AUTHORS: &[&str] = &["book/src/own-lab.md"];

const NOT_RUN: &str = "<!-- not run: ";

struct Block {
    /// The page and the line.
    place: String,
    fence: String,
    text: String,
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The blocks of a page. One that is not run needs a reason above it.
fn blocks(name: &str) -> Vec<Block> {
    let page = page(name);
    let mut blocks = Vec::new();
    let mut above = "";
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else {
            if !line.trim().is_empty() {
                above = line;
            }
            continue;
        };
        let text = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| !line.starts_with("```"))
            .map(|line| format!("{line}\n"))
            .collect();
        let place = format!("{name}:{}", number + 1);
        let reason = above.strip_prefix(NOT_RUN);
        assert!(
            fence != "sh,ignore" || reason.is_some_and(|reason| reason.len() > 15),
            "{place}: without a reason why it is not run"
        );
        let fence = fence.to_owned();
        blocks.push(Block { place, fence, text });
    }
    blocks
}

/// A folder like a clone, in which `kubedrill` and the README's `cargo run` are the program
/// under test.
fn clone_in(home: &Home) -> PathBuf {
    let clone = home.path().join("clone");
    let bin = home.path().join("bin");
    fs::create_dir(&clone).expect("made");
    fs::create_dir(&bin).expect("made");
    let copied = Command::new("cp")
        .arg("-r")
        .args([&labs(), &clone.join("labs")])
        .status();
    assert!(copied.expect("cp").success());
    symlink(program(), bin.join("kubedrill")).expect("linked");
    let cargo = "#!/bin/sh\n[ \"$1 $2 $3\" = 'run --release --' ] || exit 97\n\
                 shift 3; exec kubedrill \"$@\"\n";
    fs::write(bin.join("cargo"), cargo).expect("written");
    fs::set_permissions(bin.join("cargo"), fs::Permissions::from_mode(0o755)).expect("set");
    clone
}

fn in_bash(home: &Home, clone: &Path, block: &Block, status: i32) {
    let mut bash = Command::new("bash");
    home.set_up(bash.args(["-e", "-c", &block.text]));
    let path = env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", home.path().join("bin").display());
    bash.current_dir(clone).env("PATH", path);
    let ended = run(&mut bash, "");
    assert_eq!(ended.status, status, "{}: {ended:?}", block.place);
}

fn at_a_terminal(home: &Home, block: &Block, word: &str) {
    let line = block.text.trim();
    let line = line.strip_prefix("cargo run --release --").unwrap_or(line);
    let words = line.split_whitespace();
    let words: Vec<&str> = words.skip_while(|word| *word == "kubedrill").collect();
    let mut terminal = Running::on_a_terminal(home, &words);
    terminal.await_text("root@");
    terminal.say(&format!("{word}\n"));
    if word == "finish" {
        // The other labs are open yet.
        terminal.await_text("[y/N]");
        terminal.say("y\n");
    }
    let ended = terminal.wait();
    assert_eq!(ended.status, 1, "{}: {ended:?}", block.place);
}

fn on_a_node(home: &Home, block: &Block) {
    let script = format!("set -e\n{}\necho to the end\n", block.text);
    let ended = run(&mut home.kubedrill(["start", LAB, "--discard"]), &script).expect(1);
    assert!(
        ended.stdout.contains("to the end\n"),
        "{}: {ended:?}",
        block.place
    );
}

fn tour(pages: &[&str]) {
    let home = Home::new();
    let clone = clone_in(&home);
    let mut seen = BTreeSet::new();
    for block in pages.iter().flat_map(|page| blocks(page)) {
        // What two pages begin with is run once.
        if !seen.insert((block.fence.clone(), block.text.clone())) {
            continue;
        }
        let option = block.fence.split_once('=');
        match (block.fence.as_str(), option) {
            ("sh", _) => in_bash(&home, &clone, &block, 0),
            ("sh,node", _) => on_a_node(&home, &block),
            ("sh,ignore" | "text" | "toml", _) => {}
            (_, Some(("sh,status", status))) => {
                in_bash(&home, &clone, &block, status.parse().expect("a number"));
            }
            (_, Some(("sh,typed", word))) => at_a_terminal(&home, &block, word),
            (other, _) => panic!("{}: what is a block of `{other}`?", block.place),
        }
    }
    home.await_quiet();
}

#[test]
fn what_a_learner_reads_runs_as_written() {
    tour(FOR_LEARNERS);
}

#[test]
fn a_lab_of_ones_own_is_proven_as_written() {
    tour(FOR_AUTHORS);
}

/// The labs of the table's rows that begin a line with `| about |`.
fn rows_of_labs(page: &str) -> Vec<(String, Vec<String>)> {
    let table = page.split("\n| about | labs |\n|---|---|\n").nth(1);
    let rows = table.expect("a table of labs").lines();
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let about = cells.next().unwrap_or_default().to_owned();
            let labs = cells.next().unwrap_or_default();
            let labs = labs.split('`').skip(1).step_by(2);
            (about, labs.map(str::to_owned).collect())
        })
        .collect()
}

/// `labs/order.toml` is the one source of the order; the book shows it.
#[test]
fn the_book_has_the_labs_in_their_order() {
    let text = fs::read_to_string(labs().join("order.toml")).expect("the order");
    let order: toml_edit::DocumentMut = text.parse().expect("TOML");
    let groups = order["group"].as_array_of_tables().expect("groups");
    let mut groups: Vec<(String, Vec<String>)> = groups
        .iter()
        .map(|group| {
            let labs = group["labs"].as_array().expect("labs").iter();
            let labs = labs.map(|lab| lab.as_str().expect("a name").to_owned());
            let about = group["about"].as_str().expect("a text").to_owned();
            (about, labs.collect())
        })
        .collect();
    let mut named: Vec<String> = groups.iter().flat_map(|(_, labs)| labs.clone()).collect();
    named.sort();
    let mut there: Vec<String> = fs::read_dir(labs())
        .expect("the labs")
        .flatten()
        .filter(|entry| entry.path().join("lab.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    assert_eq!(named, there, "each lab has one place in the order");
    // The page that shows the rest is about the first.
    assert_eq!(groups.remove(0).1, [LAB]);
    assert_eq!(rows_of_labs(&page("book/src/first-lab.md")), groups);
}

/// The command lines in the text of a page: `kubedrill …` between backquotes.
fn mentioned(page: &str) -> Vec<String> {
    let outside: String = page.split("```").step_by(2).collect::<Vec<_>>().join("\n");
    let spans = outside.split('`').skip(1).step_by(2);
    spans
        .filter(|span| span.starts_with("kubedrill "))
        .map(|span| span.split(['<', '…']).next().unwrap_or_default())
        .map(|span| {
            span.split_whitespace()
                .skip(1)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[test]
fn every_command_that_a_page_names_is_one() {
    let home = Home::new();
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src");
    let pages = fs::read_dir(book).expect("the book").flatten();
    let mut pages: Vec<_> = pages
        .map(|page| format!("book/src/{}", page.file_name().to_string_lossy()))
        .collect();
    pages.push("README.md".to_owned());
    let named: BTreeSet<String> = pages
        .iter()
        .flat_map(|name| mentioned(&page(name)))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for line in named {
        // A line that is understood up to this word shows its help. A program has to be one.
        let words = line.split(' ').map(|word| match word {
            "PATH" => "/bin/sh",
            other => other,
        });
        let words = words.chain(["--help"]);
        let ended = run(&mut home.kubedrill(words), "");
        assert_eq!(ended.status, 0, "kubedrill {line}: {ended:?}");
    }
}

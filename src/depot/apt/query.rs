//! What `apt` and `apt-cache` tell of the archive: search, list, show, policy, madison.

use std::path::Path;

use super::{Asked, FAILED, PACKAGE, VERSION, installed, nothing_else, record};
use crate::release::machine;

/// The archive's one line in dpkg's lists.
const SUMMARY: &str = "etcd client binaries";
const ARCHIVE: &str = "file:/usr/local/lib/kubedrill lab/main";

/// Prints the answer; apt's exit status. `cache`: by `apt-cache`, whose answers are plainer.
pub fn answer(verb: &str, cache: bool, asked: &Asked, root: &Path) -> u8 {
    let names = &asked.names;
    let known = |name: &&String| package_of(name) == PACKAGE;
    match verb {
        "search" => return search(cache, asked, root),
        "list" => {
            println!("Listing... Done");
            let there = installed(root);
            let fits = |name: &String| glob(name, PACKAGE);
            // There is one version, so that nothing is out of date.
            if (names.is_empty() || names.iter().any(fits))
                && (there || !asked.installed_only)
                && !asked.upgradable_only
            {
                println!("{}", line(root));
            }
            return 0;
        }
        _ if asked.names.is_empty() && verb != "policy" => {
            eprintln!("E: No packages found");
            return FAILED;
        }
        "policy" if asked.names.is_empty() => {
            println!("Package files:\n 100 /var/lib/dpkg/status\n     release a=now");
            println!(" 500 {ARCHIVE} {} Packages", machine());
            println!("Pinned packages:");
            return 0;
        }
        _ => {}
    }
    let mut printed = false;
    for _ in asked.names.iter().filter(known) {
        println!("{}", paragraph(verb, root));
        printed = true;
    }
    let unknown: Vec<&String> = asked.names.iter().filter(|name| !known(name)).collect();
    for name in &unknown {
        eprintln!("N: Unable to locate package {}", package_of(name));
    }
    // Only what shows a record is wrong about a package without one.
    let failed = verb == "show" && !printed;
    if failed {
        eprintln!("E: No packages found");
    }
    if !unknown.is_empty() {
        nothing_else();
    }
    if failed { FAILED } else { 0 }
}

/// `name=version`, `name:arch` and `name/release` are about `name`.
fn package_of(word: &str) -> &str {
    let end = word.find(['=', ':', '/']).unwrap_or(word.len());
    &word[..end]
}

fn search(cache: bool, asked: &Asked, root: &Path) -> u8 {
    if asked.names.is_empty() {
        eprintln!("E: You must give at least one search pattern");
        return FAILED;
    }
    if !cache {
        println!("Sorting... Done\nFull Text Search... Done");
    }
    let fits = |pattern: &String| found(pattern, asked.names_only);
    let all = asked.names.iter().all(fits);
    match (all, cache) {
        (true, true) => println!("{PACKAGE} - {SUMMARY}"),
        (true, false) => println!("{}\n  {SUMMARY}\n", line(root)),
        (false, _) => nothing_else(),
    }
    0
}

/// Whether a pattern is in the name or in what is said of the package. Of regular expressions
/// the anchors alone are understood: with one package there is little to narrow down.
fn found(pattern: &str, names_only: bool) -> bool {
    let pattern = pattern.to_lowercase();
    let wanted = pattern.trim_start_matches('^').trim_end_matches('$');
    let fits = |text: &str| {
        let from_start = !pattern.starts_with('^') || text.starts_with(wanted);
        let to_end = !pattern.ends_with('$') || text.ends_with(wanted);
        text.contains(wanted) && from_start && to_end
    };
    fits(PACKAGE)
        || (!names_only && fits(&format!("{SUMMARY}\n the lab's own etcdctl and etcdutl")))
}

/// A shell's pattern with `*`, as `apt list` takes it.
fn glob(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| glob(tail, &rest[at..]))
        }),
    }
}

/// As `apt list` and `apt search` name the package.
fn line(root: &Path) -> String {
    let state = if installed(root) { " [installed]" } else { "" };
    format!("{PACKAGE}/lab {VERSION} {}{state}", machine())
}

fn paragraph(verb: &str, root: &Path) -> String {
    let there = installed(root);
    match verb {
        "madison" => format!(
            "{PACKAGE} | {VERSION:>10} | {ARCHIVE} {} Packages",
            machine()
        ),
        "policy" => {
            let own = if there { VERSION } else { "(none)" };
            let mark = if there { "***" } else { "   " };
            let mut text = format!(
                "{PACKAGE}:\n  Installed: {own}\n  Candidate: {VERSION}\n  Version table:\n \
                 {mark} {VERSION} 500\n        500 {ARCHIVE} {} Packages",
                machine()
            );
            if there {
                text += "\n        100 /var/lib/dpkg/status";
            }
            text
        }
        _ => {
            record()
                .replace("Status: install ok installed\n", "")
                .trim_end()
                .to_owned()
                + "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_package_is_found_by_what_it_is() {
        for (pattern, names_only, expected) in [
            ("etcd", false, true),
            ("ETCD", true, true),
            ("^etcd", true, true),
            ("client$", true, true),
            ("^client", false, false),
            ("binaries", false, true),
            ("binaries", true, false),
            ("etcdutl", false, true),
            ("nano", false, false),
        ] {
            assert_eq!(found(pattern, names_only), expected, "{pattern}");
        }
        assert!(glob("etcd*", PACKAGE) && glob("*client*", PACKAGE) && !glob("etcd", PACKAGE));
        assert_eq!(package_of("etcd-client=3.5.16-4"), PACKAGE);
    }

    #[test]
    fn what_is_told_depends_on_what_is_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        assert!(paragraph("policy", root).contains("Installed: (none)\n  Candidate: 3.5.16-4\n"));
        assert!(!line(root).contains("[installed]"));
        let list = root.join(super::super::LIST);
        std::fs::create_dir_all(list.parent().expect("a folder")).expect("made");
        std::fs::write(list, "/.\n").expect("written");
        let text = paragraph("policy", root);
        assert!(text.contains("\n *** 3.5.16-4 500\n"), "{text}");
        assert!(
            text.ends_with("\n        100 /var/lib/dpkg/status"),
            "{text}"
        );
        assert!(line(root).ends_with(" [installed]"));
        assert!(!paragraph("show", root).contains("Status:"));
    }
}

//! What runs from the boot on.

use std::fs;

use super::super::unit;
use super::{Manager, Outcome};

impl Manager {
    /// Starts what `multi-user.target` and its like want, as it was enabled.
    pub(in super::super) fn start_enabled(&mut self) {
        let mut names = Vec::new();
        for target in [
            "sysinit",
            "basic",
            "multi-user",
            "graphical",
            "default",
            "network-online",
            "timers",
        ] {
            for kind in ["wants", "requires"] {
                let path = format!("/etc/systemd/system/{target}.target.{kind}");
                let entries = fs::read_dir(path).into_iter().flatten().flatten();
                names.extend(entries.filter_map(|entry| entry.file_name().into_string().ok()));
            }
        }
        names.sort();
        names.dedup();
        let mut ordered = Vec::new();
        for name in &names {
            self.order(name, &names, &mut ordered, 0);
        }
        for name in ordered {
            if let Outcome::Refused(reason) = self.start(&name) {
                self.journal.tell(&name, &format!("{name}: {reason}"));
            }
        }
    }

    fn order(&mut self, name: &str, all: &[String], ordered: &mut Vec<String>, depth: usize) {
        if ordered.iter().any(|known| known == name) || depth > all.len() {
            return;
        }
        if let Ok(true) = self.load(name) {
            let after = self.services[name].unit.after.clone();
            for other in after.iter().filter(|other| all.contains(other)) {
                self.order(other, all, ordered, depth + 1);
            }
        }
        if !ordered.iter().any(|known| known == name) {
            ordered.push(name.to_owned());
        }
    }
}

/// The names of all unit files, for `list-unit-files`.
pub(in super::super) fn all_files() -> Vec<String> {
    let mut names: Vec<String> = unit::PATHS
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            [".service", ".target", ".timer"]
                .iter()
                .any(|kind| name.ends_with(kind))
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

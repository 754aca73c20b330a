//! `/metrics`: what is known of this server, in Prometheus' text format. The names are
//! the reference's; a name without a value is left out.

use std::fmt::Write as _;

use futures_util::future::join_all;
use kube::resources::{RESOURCES, Resource};

use super::Context;

/// Ticks of a process' times in a second; Linux shows them in no other unit.
const TICKS: f64 = 100.0;

/// The whole text.
pub async fn metrics(context: &Context) -> String {
    let mut out = String::new();
    let version = kube::openapi::VERSION;
    family(
        &mut out,
        "kubernetes_build_info",
        "The version that is served; always 1.",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "kubernetes_build_info{{git_version=\"{version}\",major=\"1\",minor=\"32\"}} 1"
    );
    family(
        &mut out,
        "apiserver_storage_objects",
        "How many objects of a resource are stored; -1 where etcd did not answer.",
    );
    for (name, count) in stored(context).await {
        let _ = writeln!(
            out,
            "apiserver_storage_objects{{resource=\"{name}\"}} {count}"
        );
    }
    process(&mut out);
    out
}

fn family(out: &mut String, name: &str, about: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {about}\n# TYPE {name} gauge");
}

/// The number of objects of every stored resource, by name.
async fn stored(context: &Context) -> Vec<(String, i64)> {
    let counted = RESOURCES
        .iter()
        // Events of the newer group are the same objects.
        .filter(|r| r.stored() && r.group != "events.k8s.io")
        .map(|resource| async {
            let count = context.app.etcd.count(&resource.key_prefix("")).await;
            (qualified(resource), count.unwrap_or(-1))
        });
    let mut counted = join_all(counted).await;
    counted.sort();
    counted
}

fn qualified(resource: &Resource) -> String {
    if resource.group.is_empty() {
        resource.plural.to_owned()
    } else {
        format!("{}.{}", resource.plural, resource.group)
    }
}

/// What the kernel says of this process; what it does not say is left out.
fn process(out: &mut String) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let started = started(&read("/proc/self/stat"), &read("/proc/stat"));
    let status = read("/proc/self/status");
    let bytes = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib = line.trim().trim_end_matches(" kB");
        Some(kib.parse::<f64>().ok()? * 1024.0)
    };
    let open = std::fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
    for (name, about, value) in [
        (
            "process_open_fds",
            "Open file descriptors.",
            open.map(|n| n as f64),
        ),
        (
            "process_resident_memory_bytes",
            "Memory in use, in bytes.",
            bytes("VmRSS:"),
        ),
        (
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            started,
        ),
        (
            "process_virtual_memory_bytes",
            "Memory that is mapped, in bytes.",
            bytes("VmSize:"),
        ),
    ] {
        if let Some(value) = value {
            family(out, name, about);
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{name} {value}");
        }
    }
}

/// The boot's time and the process' start after it, out of the kernel's own texts.
fn started(own: &str, system: &str) -> Option<f64> {
    // The second field is the program's name, which may hold anything.
    let (_, rest) = own.rsplit_once(')')?;
    let ticks: f64 = rest.split_whitespace().nth(19)?.parse().ok()?;
    let boot = system
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + ticks / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_counted_from_the_boot() {
        let own = "7 (a ) b) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 3 0 2500 99 88";
        assert_eq!(
            started(own, "cpu 1\nbtime 1700000000\n"),
            Some(1_700_000_025.0)
        );
        assert_eq!(started(own, "cpu 1\n"), None);
    }

    #[test]
    fn every_name_has_a_value() {
        let mut out = String::new();
        process(&mut out);
        let names = |start: &str| out.lines().filter(|line| line.starts_with(start)).count();
        assert!(names("# HELP") >= 4, "{out}");
        assert_eq!(names("# HELP"), names("process_"), "{out}");
    }
}

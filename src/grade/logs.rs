//! The lines that etcd wrote on a node, wherever they were kept: in the logs of its Pod or
//! in the journal.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use crate::{
    node::{Entry, Node},
    verdict::Outcome,
};

/// Where the journal of a node is, and what it was before it grew too long (sandbox's init).
const JOURNALS: [&str; 2] = [
    "/var/log/journal/node.journal.1",
    "/var/log/journal/node.journal",
];
const POD_LOGS: &str = "/var/log/pods";

/// Every line of etcd on the node that contains `mark`, as the JSON that etcd wrote.
///
/// # Errors
/// A log is there and can't be read, which is no finding.
pub fn etcd_lines(node: &Node<'_>, mark: &str) -> Result<Vec<Value>, Outcome> {
    let mut paths: Vec<String> = JOURNALS.map(str::to_owned).to_vec();
    for pod in node.list(POD_LOGS)? {
        if !pod.starts_with("kube-system_etcd-") {
            continue;
        }
        let dir = format!("{POD_LOGS}/{pod}/etcd");
        let names = node.list(&dir)?;
        paths.extend(names.iter().map(|name| format!("{dir}/{name}")));
    }
    let mut found = Vec::new();
    for path in paths {
        let Entry::File(file, _) = node.entry(&path)? else {
            continue;
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(|error| node.blind(&path, error.to_string()))?;
            let line = String::from_utf8_lossy(&line);
            found.extend(inner_json(&line).filter(|_| line.contains(mark)));
        }
    }
    Ok(found)
}

/// What etcd wrote, in whatever a container runtime or the journal wraps it.
fn inner_json(line: &str) -> Option<Value> {
    let json: Value = serde_json::from_str(&line[line.find('{')?..]).ok()?;
    match json["message"].as_str() {
        Some(message) => inner_json(message),
        None => Some(json),
    }
}

#[cfg(test)]
mod tests {
    use super::inner_json;

    #[test]
    fn etcds_lines_are_unwrapped() {
        let etcd = r#"{"level":"info","msg":"became leader"}"#;
        let container = format!("2026-11-27T18:00:00Z stderr F {etcd}");
        let journal = serde_json::json!({"unit": "etcd.service", "message": etcd}).to_string();
        for line in [etcd, container.as_str(), journal.as_str()] {
            let json = inner_json(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(json["msg"], "became leader", "{line}");
        }
        for other in ["", "started", "{", r#"{"message":"Started etcd."}"#] {
            assert_eq!(inner_json(other), None, "{other}");
        }
    }
}

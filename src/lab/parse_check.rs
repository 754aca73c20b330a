//! From `[[task.check]]` to a [`Check`].

use kube::jsonpath::{JsonPath, relaxed};

use crate::{
    model::{
        Check, Cluster, DataDirProbe, Event, FileProbe, HandoverProbe, HistoryProbe, ManifestProbe,
        MembersProbe, ObjectProbe, PROBES, Probe, SnapshotProbe,
    },
    parse_live,
    read::{Fields, Reader, list},
};

/// Probes that make no sense in a lab of etcd alone.
const NEED_KUBERNETES: [&str; 5] = ["access", "history", "manifest", "object", "restore_order"];

/// Reads one check of a task that is done on `node`; `None` if it names no probe,
/// which has been reported.
pub fn read(
    reader: &mut Reader,
    mut fields: Fields<'_>,
    node: &str,
    cluster: Cluster,
) -> Option<Check> {
    let nodes = cluster.node_names();
    let named: Vec<&str> = PROBES
        .into_iter()
        .filter(|probe| fields.has(probe))
        .collect();
    let [probe] = named[..] else {
        reader.diagnostics.add(
            "lab::probe",
            fields.span(),
            match named.len() {
                0 => "the check names no probe".to_owned(),
                _ => format!("the check names {} probes", named.len()),
            },
            format!("expected exactly one of {}", list(&PROBES)),
        );
        return None;
    };
    if cluster.control_planes == 0 && NEED_KUBERNETES.contains(&probe) {
        reader.diagnostics.add(
            "lab::no-api",
            fields.span_of(probe),
            format!("`{probe}` looks at Kubernetes, which this lab has not"),
            "expected a control plane in [cluster]",
        );
    }
    let name = fields.text(reader, "name");
    let own_node = fields.text(reader, "node");
    if let Some(own) = own_node.as_ref().filter(|own| !nodes.contains(own)) {
        reader.diagnostics.add(
            "lab::unknown-node",
            fields.span_of("node"),
            format!("the cluster has no node `{own}`"),
            format!("expected one of {}", nodes.join(", ")),
        );
    }
    let (probe, default_name) = match probe {
        "snapshot" => snapshot(reader, &mut fields, cluster),
        "data_dir" => data_dir(reader, &mut fields),
        "history" => history(reader, &mut fields),
        "manifest" => manifest(reader, &mut fields),
        "members" => members(reader, &mut fields, cluster),
        "handover" => handover(reader, &mut fields),
        "object" => object(reader, &mut fields, &nodes),
        "file" => file(reader, &mut fields),
        other => parse_live::read(reader, &mut fields, other, cluster),
    };
    fields.finish(reader);
    Some(Check {
        name: name.unwrap_or(default_name),
        node: own_node.unwrap_or_else(|| node.to_owned()),
        probe,
    })
}

/// A path of a node, which must be absolute.
pub(crate) fn path(reader: &mut Reader, fields: &mut Fields<'_>, key: &'static str) -> String {
    let path = fields.required_text(reader, key);
    absolute(reader, fields, key, path)
}

/// The same where none may be given, which is an empty one.
pub(crate) fn optional_path(
    reader: &mut Reader,
    fields: &mut Fields<'_>,
    key: &'static str,
) -> String {
    let path = fields.text(reader, key).unwrap_or_default();
    absolute(reader, fields, key, path)
}

fn absolute(reader: &mut Reader, fields: &Fields<'_>, key: &str, path: String) -> String {
    if !path.is_empty() && !path.starts_with('/') {
        reader.diagnostics.add(
            "lab::path",
            fields.span_of(key),
            format!("`{path}` is no absolute path"),
            "expected a path of the node, from /",
        );
    }
    path
}

pub(crate) fn keys(reader: &mut Reader, fields: &mut Fields<'_>, key: &'static str) -> Vec<String> {
    let keys = fields.texts(reader, key).unwrap_or_default();
    for name in &keys {
        if !name.starts_with('/') {
            reader.diagnostics.add(
                "lab::key",
                fields.span_of(key),
                format!("`{name}` is no key of Kubernetes"),
                "expected /registry/<resource>/<namespace>/<name>",
            );
        }
    }
    keys
}

fn snapshot(reader: &mut Reader, fields: &mut Fields<'_>, cluster: Cluster) -> (Probe, String) {
    // It is the namespace kube-system that tells clusters apart.
    let tells_apart = cluster.control_planes > 0;
    if !tells_apart && fields.flag(reader, "this_cluster") == Some(true) {
        reader.diagnostics.add(
            "lab::no-api",
            fields.span_of("this_cluster"),
            "without Kubernetes nothing tells this cluster's snapshots from another's",
            "expected no `this_cluster`, or keys in `holds`",
        );
    }
    let probe = SnapshotProbe {
        path: path(reader, fields, "snapshot"),
        this_cluster: fields.flag(reader, "this_cluster").unwrap_or(tells_apart),
        since_start: fields.flag(reader, "since_start").unwrap_or(true),
        holds: keys(reader, fields, "holds"),
        lacks: keys(reader, fields, "lacks"),
    };
    let name = format!("{} is a snapshot of this cluster", probe.path);
    (Probe::Snapshot(probe), name)
}

fn data_dir(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = DataDirProbe {
        path: path(reader, fields, "data_dir"),
        in_use: fields.flag(reader, "in_use").unwrap_or(false),
        restored: fields.flag(reader, "restored").unwrap_or(false),
        owner: fields.text(reader, "owner").unwrap_or_default(),
        initial_cluster: fields.text(reader, "initial_cluster").unwrap_or_default(),
        token: fields.text(reader, "token").unwrap_or_default(),
        holds: keys(reader, fields, "holds"),
        lacks: keys(reader, fields, "lacks"),
    };
    founders(reader, fields, &probe);
    let name = if probe.in_use {
        format!("etcd runs on {}", probe.path)
    } else {
        format!("{} is a data directory of etcd", probe.path)
    };
    (Probe::DataDir(probe), name)
}

/// A founder's ID is made of its URLs and the token: one without the other says nothing.
fn founders(reader: &mut Reader, fields: &Fields<'_>, probe: &DataDirProbe) {
    for (key, value, other) in [
        ("initial_cluster", &probe.initial_cluster, &probe.token),
        ("token", &probe.token, &probe.initial_cluster),
    ] {
        if !value.is_empty() && other.is_empty() {
            reader.diagnostics.add(
                "lab::members",
                fields.span_of(key),
                format!("`{key}` alone says nothing about who founded the directory"),
                "expected both `initial_cluster` and `token`",
            );
        }
    }
    let is_founder = |one: &str| {
        let url = one.split_once('=').filter(|(name, _)| !name.is_empty());
        url.is_some_and(|(_, url)| url.starts_with("https://") || url.starts_with("http://"))
    };
    let mut all = probe.initial_cluster.split_terminator(',');
    if let Some(odd) = all.find(|one| !is_founder(one)) {
        reader.diagnostics.add(
            "lab::members",
            fields.span_of("initial_cluster"),
            format!("`{odd}` is no member with its URL"),
            "expected `name=https://address:2380`, several separated by commas",
        );
    }
}

fn history(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let within = fields.texts(reader, "history").unwrap_or_default();
    if within.is_empty() || within.iter().any(|path| !path.starts_with('/')) {
        reader.diagnostics.add(
            "lab::path",
            fields.span_of("history"),
            "`history` says not where to look",
            "expected absolute paths of data directories or snapshots",
        );
    }
    let mut order = Vec::new();
    for mut event in fields.tables(reader, "order") {
        let create = event.text(reader, "create");
        let delete = event.text(reader, "delete");
        let snapshot = event.text(reader, "snapshot");
        match (create, delete, snapshot) {
            (Some(key), None, None) => order.push(Event::Create(key)),
            (None, Some(key), None) => order.push(Event::Delete(key)),
            (None, None, Some(file)) => order.push(Event::Snapshot(file)),
            _ => {
                reader.diagnostics.add(
                    "lab::event",
                    event.span(),
                    "an event is one change",
                    "expected { create = key }, { delete = key } or { snapshot = file }",
                );
            }
        }
        event.finish(reader);
    }
    if !fields.has("order") {
        reader.diagnostics.add(
            "lab::missing-key",
            fields.span(),
            "`history` has no `order`",
            "expected a list of events",
        );
    }
    (
        Probe::History(HistoryProbe { within, order }),
        "things happened in the right order".into(),
    )
}

fn manifest(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = ManifestProbe {
        path: path(reader, fields, "manifest"),
        volume: fields.text(reader, "volume").unwrap_or_default(),
        host_path: fields.text(reader, "host_path").unwrap_or_default(),
        flags: fields.texts(reader, "flags").unwrap_or_default(),
        unchanged: fields.flag(reader, "unchanged").unwrap_or(false),
    };
    if probe.volume.is_empty() != probe.host_path.is_empty() {
        reader.diagnostics.add(
            "lab::manifest",
            fields.span(),
            "`volume` and `host_path` go together",
            "expected both or neither",
        );
    }
    let name = if probe.volume.is_empty() {
        format!("{} is as asked", probe.path)
    } else {
        format!(
            "{} mounts {} from {}",
            probe.path, probe.volume, probe.host_path
        )
    };
    (Probe::Manifest(probe), name)
}

fn members(reader: &mut Reader, fields: &mut Fields<'_>, cluster: Cluster) -> (Probe, String) {
    let nodes = cluster.node_names();
    let probe = MembersProbe {
        count: fields.integer(reader, "members", 1..=9).unwrap_or(1) as u32,
        healthy: fields.flag(reader, "healthy").unwrap_or(true),
        learners: fields
            .integer(reader, "learners", 0..=9)
            .map(|number| number as u32),
        names: fields.texts(reader, "names").unwrap_or_default(),
        restored: fields.flag(reader, "restored").unwrap_or(false),
        replaced: fields.texts(reader, "replaced").unwrap_or_default(),
        kept: fields.texts(reader, "kept").unwrap_or_default(),
        learned: fields.texts(reader, "learned").unwrap_or_default(),
        leader: fields.text(reader, "leader").unwrap_or_default(),
        token: fields.text(reader, "token").unwrap_or_default(),
        same_data: fields.flag(reader, "same_data").unwrap_or(false),
    };
    // Members are called like their nodes; a lab that wants other names can't compare them.
    for (key, names) in [
        ("replaced", &probe.replaced),
        ("kept", &probe.kept),
        ("learned", &probe.learned),
    ] {
        if let Some(name) = names.iter().find(|name| !nodes.contains(name)) {
            reader.diagnostics.add(
                "lab::unknown-node",
                fields.span_of(key),
                format!("no node is called `{name}`, as its member would be"),
                format!("expected names of {}", nodes.join(", ")),
            );
        }
    }
    if !probe.names.is_empty() && probe.names.len() != probe.count as usize {
        reader.diagnostics.add(
            "lab::members",
            fields.span_of("names"),
            format!("{} names for {} members", probe.names.len(), probe.count),
            "expected as many names as members",
        );
    }
    let noun = if probe.count == 1 {
        "member"
    } else {
        "members"
    };
    let name = format!(
        "etcd has {} {}{noun}",
        probe.count,
        if probe.healthy { "healthy " } else { "" }
    );
    (Probe::Members(probe), name)
}

fn handover(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = HandoverProbe {
        to: fields.required_text(reader, "handover"),
    };
    let name = format!("leadership was handed over to {}", probe.to);
    (Probe::Handover(probe), name)
}

fn object(reader: &mut Reader, fields: &mut Fields<'_>, nodes: &[String]) -> (Probe, String) {
    let reference = fields.required_text(reader, "object");
    if !reference.is_empty() && reference.split('/').filter(|part| !part.is_empty()).count() != 2 {
        reader.diagnostics.add(
            "lab::object",
            fields.span_of("object"),
            format!("`{reference}` names no object"),
            "expected kind/name, as in deploy/web",
        );
    }
    let probe = ObjectProbe {
        namespace: fields
            .text(reader, "namespace")
            .unwrap_or_else(|| "default".into()),
        exists: fields.flag(reader, "exists").unwrap_or(true),
        ready: fields.text(reader, "ready").unwrap_or_default(),
        field: fields.text(reader, "field").unwrap_or_default(),
        value: fields.text(reader, "value").unwrap_or_default(),
        same_as_in: fields.text(reader, "same_as_in").unwrap_or_default(),
        snapshot_node: fields.text(reader, "snapshot_node").unwrap_or_default(),
        reference,
    };
    if !probe.snapshot_node.is_empty() && !nodes.contains(&probe.snapshot_node) {
        reader.diagnostics.add(
            "lab::unknown-node",
            fields.span_of("snapshot_node"),
            format!("the cluster has no node `{}`", probe.snapshot_node),
            format!("expected one of {}", nodes.join(", ")),
        );
    }
    check_field(reader, fields, &probe);
    let has_more = [&probe.ready, &probe.field, &probe.same_as_in]
        .iter()
        .any(|asked| !asked.is_empty());
    if !probe.exists && has_more {
        reader.diagnostics.add(
            "lab::object",
            fields.span(),
            "an object that must not exist has nothing else to be checked",
            "expected `exists = false` alone",
        );
    }
    let name = match (probe.exists, probe.ready.as_str()) {
        (false, _) => format!("{} is gone", probe.reference),
        (true, "") if !probe.field.is_empty() => {
            format!("{} of {} is {}", probe.field, probe.reference, probe.value)
        }
        (true, "") => format!("{} is there", probe.reference),
        (true, ready) => format!("{} is ready, {ready}", probe.reference),
    };
    (Probe::Object(probe), name)
}

/// A value needs a place, and a place must be one.
fn check_field(reader: &mut Reader, fields: &Fields<'_>, probe: &ObjectProbe) {
    if probe.field.is_empty() {
        if !probe.value.is_empty() {
            reader.diagnostics.add(
                "lab::object",
                fields.span_of("value"),
                "a value without a place",
                "expected `field` beside it, as in field = \".data.name\"",
            );
        }
        return;
    }
    let parsed = relaxed(&probe.field).and_then(|template| JsonPath::parse(&template));
    if let Err(reason) = parsed {
        reader.diagnostics.add(
            "lab::object",
            fields.span_of("field"),
            format!("`{}` is no path into an object: {reason}", probe.field),
            "expected one as `kubectl get -o jsonpath` takes it: .data.name",
        );
    }
}

fn file(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = FileProbe {
        path: path(reader, fields, "file"),
        exists: fields.flag(reader, "exists").unwrap_or(true),
        mode: fields.text(reader, "mode").unwrap_or_default(),
        lines: fields.texts(reader, "lines").unwrap_or_default(),
    };
    if !probe.mode.is_empty() && u32::from_str_radix(&probe.mode, 8).is_err() {
        reader.diagnostics.add(
            "lab::mode",
            fields.span_of("mode"),
            format!("`{}` is no file mode", probe.mode),
            "expected permission bits in octal, as in \"0600\"",
        );
    }
    let name = match probe.exists {
        true => format!("{} is as asked", probe.path),
        false => format!("{} is gone", probe.path),
    };
    (Probe::File(probe), name)
}

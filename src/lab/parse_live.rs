//! From `[[task.check]]` to the probes of [`crate::probes`].

use crate::{
    model::{Cluster, Probe},
    parse_check::{keys, optional_path, path},
    probes::{
        AccessProbe, AnswerProbe, Authority, CertificateProbe, ColdDatabaseProbe, CommandProbe,
        Component, FACTS, Fact, HealthProbe, KeyProbe, ProcessProbe, RestoreOrderProbe, UnitProbe,
    },
    read::{Fields, Reader, list},
};

/// Takes one of `known` by its word.
fn choice<T: Copy>(
    reader: &mut Reader,
    fields: &mut Fields<'_>,
    key: &'static str,
    known: &[(&'static str, T)],
) -> Option<T> {
    let word = fields.text(reader, key)?;
    let found = known.iter().find(|(name, _)| *name == word);
    if found.is_none() {
        let words: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        reader.diagnostics.add(
            "lab::choice",
            fields.span_of(key),
            format!("`{word}` is no `{key}`"),
            format!("expected one of {}", list(&words)),
        );
    }
    found.map(|(_, value)| *value)
}

/// Reads the check whose probe is `probe`; a probe of [`crate::model::PROBES`] that
/// [`crate::parse_check`] does not read itself.
pub fn read(
    reader: &mut Reader,
    fields: &mut Fields<'_>,
    probe: &str,
    cluster: Cluster,
) -> (Probe, String) {
    match probe {
        "key" => key(reader, fields),
        "certificate" => certificate(reader, fields),
        "health" => health(reader, fields),
        "process" => process(reader, fields),
        "unit" => unit(reader, fields),
        "command" => command(reader, fields),
        "access" => access(reader, fields),
        "restore_order" => restore_order(reader, fields, cluster),
        "cold_database" => cold_database(reader, fields),
        _ => answer(reader, fields),
    }
}

fn key(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = KeyProbe {
        key: fields.required_text(reader, "key"),
        exists: fields.flag(reader, "exists").unwrap_or(true),
        value: fields.text(reader, "value").unwrap_or_default(),
        starts_with: fields.text(reader, "starts_with").unwrap_or_default(),
        below: fields.flag(reader, "below").unwrap_or(false),
        since_start: fields.flag(reader, "since_start").unwrap_or(false),
        written: fields.integer(reader, "written", 1..=1000).unwrap_or(0) as u32,
    };
    let name = match (probe.exists, probe.below) {
        (false, _) => format!("{} is not in etcd", probe.key),
        (true, true) => format!("the keys below {} are as asked", probe.key),
        (true, false) => format!("{} is in etcd", probe.key),
    };
    (Probe::Key(probe), name)
}

fn certificate(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let authorities = [
        ("etcd", Authority::Etcd),
        ("kubernetes", Authority::Kubernetes),
        ("any", Authority::Any),
    ];
    let probe = CertificateProbe {
        path: path(reader, fields, "certificate"),
        signed_by: choice(reader, fields, "signed_by", &authorities).unwrap_or(Authority::Any),
        names: fields.texts(reader, "names").unwrap_or_default(),
        common_name: fields.text(reader, "common_name").unwrap_or_default(),
        private_key: optional_path(reader, fields, "private_key"),
        days: fields.integer(reader, "days", 0..=36500).unwrap_or(0) as u32,
    };
    let name = format!("{} is a certificate that is accepted", probe.path);
    (Probe::Certificate(probe), name)
}

fn health(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let components = [
        ("etcd", Component::Etcd),
        ("kube-apiserver", Component::ApiServer),
    ];
    let word = fields.text(reader, "health").unwrap_or_default();
    let probe = HealthProbe {
        component: choice(reader, fields, "health", &components).unwrap_or(Component::Etcd),
        size_below_mib: fields
            .integer(reader, "size_below_mib", 1..=8192)
            .unwrap_or(0) as u32,
        refuses_anonymous: fields.flag(reader, "refuses_anonymous").unwrap_or(false),
    };
    let for_etcd = probe.size_below_mib > 0 || probe.refuses_anonymous;
    if for_etcd && probe.component != Component::Etcd {
        reader.diagnostics.add(
            "lab::health",
            fields.span(),
            "`size_below_mib` and `refuses_anonymous` are about etcd",
            "expected `health = \"etcd\"`",
        );
    }
    (Probe::Health(probe), format!("{word} is healthy"))
}

fn process(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = ProcessProbe {
        name: fields.required_text(reader, "process"),
        running: fields.flag(reader, "running").unwrap_or(true),
        flags: fields.texts(reader, "flags").unwrap_or_default(),
        started_after: fields.text(reader, "started_after").unwrap_or_default(),
    };
    let name = match probe.running {
        true => format!("{} runs as asked", probe.name),
        false => format!("{} does not run", probe.name),
    };
    (Probe::Process(probe), name)
}

fn unit(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = UnitProbe {
        name: fields.required_text(reader, "unit"),
        active: fields.flag(reader, "active"),
        enabled: fields.flag(reader, "enabled"),
    };
    if probe.active.is_none() && probe.enabled.is_none() {
        reader.diagnostics.add(
            "lab::missing-key",
            fields.span(),
            "`unit` says not what is asked of it",
            "expected `active` or `enabled`",
        );
    }
    let name = format!("the unit {} is as asked", probe.name);
    (Probe::Unit(probe), name)
}

fn command(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = CommandProbe {
        script: fields.required_text(reader, "command"),
        status: fields.integer(reader, "status", 0..=255).unwrap_or(0) as i32,
        prints: fields.texts(reader, "prints").unwrap_or_default(),
        seconds: fields.integer(reader, "seconds", 1..=60).unwrap_or(15) as u32,
    };
    let first = probe.script.trim().lines().next().unwrap_or_default();
    let name = format!("`{first}` works");
    (Probe::Command(probe), name)
}

fn access(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = AccessProbe {
        user: fields.required_text(reader, "access"),
        groups: fields.texts(reader, "groups").unwrap_or_default(),
        verb: fields.required_text(reader, "verb"),
        resource: fields.required_text(reader, "resource"),
        namespace: fields
            .text(reader, "namespace")
            .unwrap_or_else(|| "default".into()),
        object_name: fields.text(reader, "object_name").unwrap_or_default(),
        allowed: fields.flag(reader, "allowed").unwrap_or(true),
    };
    let name = format!(
        "{} {} {} {}",
        probe.user,
        if probe.allowed { "may" } else { "may not" },
        probe.verb,
        probe.resource
    );
    (Probe::Access(probe), name)
}

fn restore_order(
    reader: &mut Reader,
    fields: &mut Fields<'_>,
    cluster: Cluster,
) -> (Probe, String) {
    let known = cluster.node_names();
    let probe = RestoreOrderProbe {
        restored: path(reader, fields, "restore_order"),
        before: path(reader, fields, "before"),
        nodes: fields.texts(reader, "nodes").unwrap_or_default(),
    };
    if let Some(name) = probe.nodes.iter().find(|name| !known.contains(name)) {
        reader.diagnostics.add(
            "lab::unknown-node",
            fields.span_of("nodes"),
            format!("the cluster has no node `{name}`"),
            format!("expected some of {}", known.join(", ")),
        );
    }
    let name = "no API server ran while etcd was restored".to_owned();
    (Probe::RestoreOrder(probe), name)
}

fn cold_database(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let probe = ColdDatabaseProbe {
        path: path(reader, fields, "cold_database"),
        of: path(reader, fields, "of"),
        holds: keys(reader, fields, "holds"),
    };
    let name = format!("{} is the database of a stopped member", probe.path);
    (Probe::ColdDatabase(probe), name)
}

fn answer(reader: &mut Reader, fields: &mut Fields<'_>) -> (Probe, String) {
    let fact = choice(reader, fields, "fact", &FACTS);
    if !fields.has("fact") {
        reader.diagnostics.add(
            "lab::missing-key",
            fields.span(),
            "`answer` says not which fact it is about",
            "expected `fact`",
        );
    }
    let probe = AnswerProbe {
        path: path(reader, fields, "answer"),
        line: fields.text(reader, "line").unwrap_or_default(),
        fact: fact.unwrap_or(Fact::Version),
        of: fields.text(reader, "of").unwrap_or_default(),
        field: fields.text(reader, "field").unwrap_or_default(),
        namespace: fields
            .text(reader, "namespace")
            .unwrap_or_else(|| "default".into()),
    };
    let needs_of = matches!(
        probe.fact,
        Fact::Keys
            | Fact::ModRevision
            | Fact::CreateRevision
            | Fact::KeyVersion
            | Fact::KeyValue
            | Fact::Object
            | Fact::SnapshotStatus
    );
    if needs_of == probe.of.is_empty() && fact.is_some() {
        reader.diagnostics.add(
            "lab::answer",
            fields.span(),
            match needs_of {
                true => "this fact is of a key, a prefix or an object",
                false => "this fact is of the cluster",
            },
            match needs_of {
                true => "expected `of`",
                false => "expected no `of`",
            },
        );
    }
    if (probe.fact == Fact::Object) == probe.field.is_empty() && fact.is_some() {
        reader.diagnostics.add(
            "lab::answer",
            fields.span(),
            "`field` goes with the fact `object`",
            "expected both or neither",
        );
    }
    let name = match probe.line.as_str() {
        "" => format!("{} is right", probe.path),
        line => format!("the answer `{line}` is right"),
    };
    (Probe::Answer(probe), name)
}

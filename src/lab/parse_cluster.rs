//! From `[cluster]` to a [`Cluster`].

use crate::{
    model::{Cluster, Spare},
    read::{Fields, Reader},
};

/// How many machines for etcd a lab may have, members and spare ones together.
const MOST_ETCD_MACHINES: u8 = 7;

/// Reads the machines of a lab.
pub fn read(reader: &mut Reader, mut fields: Fields<'_>) -> Cluster {
    let usual = Cluster::default();
    let mut count = |key, most, usual: u8| {
        fields
            .integer(reader, key, 0..=most)
            .map_or(usual, |number| number as u8)
    };
    let control_planes = count("control_planes", 5, usual.control_planes);
    // A lab of etcd alone need not say that it has no workers.
    let workers = count("workers", 3, usual.workers.min(control_planes));
    let etcd = count("etcd", i64::from(MOST_ETCD_MACHINES), usual.etcd);
    let spare = count("spare", i64::from(MOST_ETCD_MACHINES), usual.spare);
    let spare_kind = match fields.text(reader, "spare_kind").as_deref() {
        None => usual.spare_kind,
        Some("prepared") => Spare::Prepared,
        Some("bare") => Spare::Bare,
        Some(other) => {
            reader.diagnostics.add(
                "lab::cluster",
                fields.span_of("spare_kind"),
                format!("`{other}` is no kind of a spare machine"),
                "expected \"prepared\" or \"bare\"",
            );
            usual.spare_kind
        }
    };
    let users = fields.flag(reader, "users").unwrap_or(usual.users);
    let cluster = Cluster {
        control_planes,
        workers,
        etcd,
        spare,
        spare_kind,
        users,
    };
    refuse_contradictions(reader, &fields, cluster);
    fields.finish(reader);
    cluster
}

fn refuse_contradictions(reader: &mut Reader, fields: &Fields<'_>, cluster: Cluster) {
    let mut mistake = |key, message: &str, label: &str| {
        reader
            .diagnostics
            .add("lab::cluster", fields.span_of(key), message, label);
    };
    if cluster.etcd + cluster.spare > MOST_ETCD_MACHINES {
        mistake(
            "spare",
            "too many machines for etcd",
            "expected `etcd` and `spare` to be 7 at most together",
        );
    }
    if cluster.control_planes == 0 && cluster.workers > 0 {
        mistake(
            "workers",
            "workers without a control plane",
            "expected 0, or `control_planes` to be at least 1",
        );
    }
    if cluster.control_planes == 0 && cluster.etcd + cluster.spare == 0 {
        mistake(
            "control_planes",
            "the lab has no machine",
            "expected a control plane, or machines for etcd in `etcd` or `spare`",
        );
    }
    if cluster.spare == 0 && fields.has("spare_kind") {
        mistake(
            "spare_kind",
            "`spare_kind` says something about no machine",
            "expected `spare` to be at least 1",
        );
    }
}

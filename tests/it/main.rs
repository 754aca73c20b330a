//! Everything that needs more than one room: the program as people use it, beside the
//! reference's programs, in namespaces, interrupted and killed.

mod apiserver_kubectl;
mod book_commands;
mod control_plane_behaviour;
mod etcd_auth;
mod etcd_cluster;
mod etcd_conformance;
mod etcd_corrupt;
mod etcd_crash;
mod etcd_crossing;
mod etcd_flags;
mod etcd_health;
mod etcd_metrics;
mod etcd_mixed;
mod etcd_start;
mod etcdctl_side_by_side;
mod kubectl_side_by_side;
mod kubelet_node;
mod lab_authoring;
mod lab_backup_restore;
mod lab_exam;
mod lab_faults;
mod lab_interrupts;
mod lab_many;
mod lab_mistakes;
mod lab_submissions;
mod node_tools;
mod node_units;
mod node_words;
mod sandbox_fabric;
mod seed_commands;
mod support;

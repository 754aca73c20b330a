//! Room: etcd.

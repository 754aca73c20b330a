//! Room: etcdctl.

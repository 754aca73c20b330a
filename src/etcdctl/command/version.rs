//! `etcdctl version` and `etcdutl version`.

use crate::exit::Outcome;
use crate::flags::Invocation;
use crate::print;
use crate::version::{API, ETCD};

/// `etcdctl version`.
pub fn etcdctl(_: &mut Invocation) -> Outcome {
    print::stdout(format!("etcdctl version: {ETCD}\nAPI version: {API}\n").as_bytes())
}

/// `etcdutl version`.
pub fn etcdutl(_: &mut Invocation) -> Outcome {
    print::stdout(format!("etcdutl version: {ETCD}\nAPI version: {API}\n").as_bytes())
}

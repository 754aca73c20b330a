//! Protobuf of etcd's APIs and records, generated at build time from our own
//! `.proto` text in `proto/`.
//!
//! Source of numbers and names: etcd 3.5.16 (`api/`, `raft/raftpb`,
//! `server/wal/walpb`, `server/lease/leasepb`). Two habits of the reference are
//! kept because they are visible on disk and on the wire: fields that Go's
//! generated code always writes are proto2 `required` fields here, and every
//! `bytes` field is [`bytes::Bytes`], so that a decoded message shares its buffer.
//!
//! This room holds no logic: types only.

#![forbid(unsafe_code)]
// Generated code is not ours to lint.
#![allow(clippy::all, rust_2018_idioms)]

pub mod mvccpb {
    tonic::include_proto!("mvccpb");
}
pub mod authpb {
    tonic::include_proto!("authpb");
}
pub mod etcdserverpb {
    tonic::include_proto!("etcdserverpb");
}
pub mod v3lockpb {
    tonic::include_proto!("v3lockpb");
}
pub mod v3electionpb {
    tonic::include_proto!("v3electionpb");
}
pub mod healthpb {
    tonic::include_proto!("grpc.health.v1");
}
pub mod membershippb {
    tonic::include_proto!("membershippb");
}
pub mod raftpb {
    tonic::include_proto!("raftpb");
}
pub mod walpb {
    tonic::include_proto!("walpb");
}
pub mod snappb {
    tonic::include_proto!("snappb");
}
pub mod leasepb {
    tonic::include_proto!("leasepb");
}

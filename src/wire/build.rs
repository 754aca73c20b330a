//! Compiles our `.proto` text with protox, so that no `protoc` is needed.

use std::{error::Error, path::Path};

const FILES: [&str; 13] = [
    "mvcc",
    "auth",
    "rpc",
    "membership",
    "v2",
    "internal",
    "raft",
    "wal",
    "snap",
    "lease",
    "lock",
    "election",
    "health",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("proto");
    println!("cargo:rerun-if-changed=proto");
    let paths = FILES.map(|name| root.join(name).with_extension("proto"));
    let descriptors = protox::compile(&paths, [root])?;
    tonic_prost_build::configure()
        .bytes(".")
        // Prost would call the acronym `Id` and the like; the default is what we want.
        .compile_fds(descriptors)?;
    Ok(())
}

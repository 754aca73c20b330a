//! Describes the v3 API for the JSON gateway, from the same text that room
//! `wire` generates its types from.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("../wire/proto");
    println!("cargo:rerun-if-changed=../wire/proto");
    let descriptors = protox::Compiler::new([root])?
        .include_imports(true)
        .open_files(["rpc.proto", "lock.proto", "election.proto"].map(|name| root.join(name)))?
        .encode_file_descriptor_set();
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("rpc.descriptors"),
        descriptors,
    )?;
    Ok(())
}

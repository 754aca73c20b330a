//! Says how the program is linked.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        // A position-independent program has some 97,000 addresses corrected whenever it
        // starts, which is half of what a short command takes, and a third of its memory.
        // Go's linker leaves its programs where they are, too.
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}

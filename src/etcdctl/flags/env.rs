//! `ETCDCTL_*`: every inherited flag may be set by the environment, as
//! `pkg/flags/flag.go` of the reference does it.

use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::Flag;
use super::parse::Parsed;
use crate::exit::{Exit, Outcome, code};
use crate::log::{Field, Json, Level};

/// `--write-out` is `ETCDCTL_WRITE_OUT`.
pub fn variable(prefix: &str, name: &str) -> String {
    format!("{prefix}_{}", name.replace('-', "_").to_uppercase())
}

/// Sets `flags` that the command line left alone. A variable that the command
/// line contradicts ends the program; one that nobody knows is warned of.
pub fn apply(
    parsed: &mut Parsed,
    flags: &[&'static Flag],
    prefix: &str,
    extra: &[&str],
) -> Outcome {
    let mut used = Vec::new();
    let mut shadowed = Vec::new();
    for flag in flags {
        let name = variable(prefix, flag.name);
        if parsed.changed(flag.name) {
            shadowed.push(name);
            continue;
        }
        let Some(value) = std::env::var_os(&name).filter(|v| !v.is_empty()) else {
            continue;
        };
        // A value that can't be read leaves the flag alone without a word, and
        // so does the reference.
        let _ = parsed.set(flag, value.as_bytes());
        used.push(name);
    }
    used.extend(extra.iter().map(|name| variable(prefix, name)));
    let logger = Json::new("");
    for (name, value) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if used.iter().any(|u| *u == shown) || shown == format!("{prefix}_API") {
            continue;
        }
        if shadowed.iter().any(|s| *s == shown) {
            logger.write(
                Level::Fatal,
                "flags/flag.go:85",
                "conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))",
                &[Field::text("environment-variable", &shown)],
            );
            return Err(Exit::silent(code::ERROR));
        }
        if shown.starts_with(&format!("{prefix}_")) {
            let mut whole = name.clone().into_vec();
            whole.push(b'=');
            whole.extend(value.into_vec());
            logger.write(
                Level::Warn,
                "flags/flag.go:93",
                "unrecognized environment variable",
                &[Field::text(
                    "environment-variable",
                    &String::from_utf8_lossy(&whole),
                )],
            );
        }
    }
    Ok(())
}

//! `exec-watch`.

use std::process::{Command, exit};

use super::{End, bad_args, end_at_interrupt, server_error};
use crate::v2::{Context, client::Client, keys::Watch, response::Response};

/// Runs a program at every change of a key.
pub fn run(context: &Context) -> Result<(), End> {
    let mut client = Client::new(context)?;
    let args = &context.args;
    // With a `--`, the key comes first; without, it is the last word.
    let separated = args.iter().skip(1).any(|word| word == "--");
    let (key, command) = match args.as_slice() {
        [key, _, command @ ..] if separated => (key, command),
        [command @ .., key] if !command.is_empty() => (key, command),
        _ => return Err(bad_args("key and command to exec required")),
    };
    let Some((program, words)) = command.split_first() else {
        return Err(bad_args("key and command to exec required"));
    };
    end_at_interrupt();
    let after = context.int("after-index") as u64;
    let mut watch = Watch::new(key, after, context.is_set("recursive"));
    loop {
        let response = watch.next(&mut client).map_err(server_error)?;
        if response.node.dir {
            tell!("Ignored dir {} change", response.node.key);
            continue;
        }
        start(program, words, &response);
    }
}

/// Starts the program and does not wait for it.
fn start(program: &str, words: &[String], response: &Response) {
    let started = Command::new(program)
        .args(words)
        .env("ETCD_WATCH_ACTION", &response.action)
        .env(
            "ETCD_WATCH_MODIFIED_INDEX",
            response.node.modified_index.to_string(),
        )
        .env("ETCD_WATCH_KEY", &response.node.key)
        .env("ETCD_WATCH_VALUE", &response.node.value)
        .spawn();
    match started {
        Ok(mut child) => {
            std::thread::spawn(move || {
                // How it ended is its own affair.
                let _ = child.wait();
            });
        }
        Err(error) => {
            let why = match (error.kind(), program.contains('/')) {
                (std::io::ErrorKind::NotFound, false) => {
                    format!("exec: {program:?}: executable file not found in $PATH")
                }
                _ => format!("fork/exec {program}: {}", gowords::errno(&error)),
            };
            let _ = std::io::Write::write_all(&mut std::io::stderr(), why.as_bytes());
            exit(1);
        }
    }
}

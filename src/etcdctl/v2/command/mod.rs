//! What the commands do, one file a command.

pub mod auth;
pub mod backup;
pub mod cluster_health;
pub mod exec_watch;
pub mod get;
pub mod ls;
pub mod member;
pub mod mk;
pub mod mkdir;
pub mod rm;
pub mod rmdir;
pub mod role;
pub mod set;
pub mod update;
pub mod user;
pub mod watch;

use std::io::Read as _;

use super::{
    Context, End,
    client::{Client, Failure},
    code,
};

/// What a command does.
pub type Action = fn(&Context) -> Result<(), End>;

/// The client that the flags describe, and the key, which comes after it: a client that
/// can't be made is told before a missing key.
fn client_and_key(context: &Context) -> Result<(Client, &str), End> {
    let client = Client::new(context)?;
    match context.args.first() {
        Some(key) => Ok((client, key)),
        None => Err(bad_args("key required")),
    }
}

fn bad_args(text: &str) -> End {
    End::error(code::BAD_ARGS, &Failure::Other(text.to_owned()))
}

fn server_error(failure: Failure) -> End {
    End::error(code::SERVER_ERROR, &failure)
}

/// A failure alone on its line, as the commands about members and users tell it.
fn plain(failure: Failure) -> End {
    End::line(code::ERROR, failure)
}

/// The second word, or all of standard input.
fn value(context: &Context) -> Result<String, End> {
    if let Some(value) = context.args.get(1) {
        return Ok(value.clone());
    }
    let mut bytes = Vec::new();
    match std::io::stdin().read_to_end(&mut bytes) {
        Ok(_) if !bytes.is_empty() => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Err(bad_args("value required")),
    }
}

/// Ends the program with success at CTRL+C, whatever it waits for.
fn end_at_interrupt() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // Without it, the signal ends the program all the same.
        let Ok(runtime) = runtime else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            std::process::exit(0);
        }
    });
}

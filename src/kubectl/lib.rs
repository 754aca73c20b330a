//! The built-in `kubectl`, one file a verb.
//!
//! Reference: kubectl 1.32.3. Output, error texts and exit statuses are its;
//! what is not done here is refused by name.

#![forbid(unsafe_code)]

pub mod client;
mod commands;
mod complete;
mod cx;
mod error;
mod files;
mod flags;
mod mapping;
mod print;
mod source;
mod terminal;
mod tls;
mod verbs;
mod websocket;
mod wrap;

use cx::Cx;
use error::{Error, Outcome};
use flags::Flags;
use std::ffi::OsString;
use std::process::ExitCode;

/// The applet `kubectl`; `args[0]` is its name.
#[must_use]
pub fn run(args: Vec<OsString>) -> ExitCode {
    let words: Vec<String> = args
        .into_iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(execute(words));
            // A thread may still wait for standard input; nothing waits for it.
            runtime.shutdown_background();
            outcome
        }
        Err(e) => Err(Error::Io(e)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(141),
        Err(e) => {
            let (message, code) = e.report();
            if !message.is_empty() {
                eprint!(
                    "{message}{}",
                    if message.ends_with('\n') { "" } else { "\n" }
                );
            }
            ExitCode::from(code)
        }
    }
}

async fn execute(words: Vec<String>) -> Outcome {
    if let Some((first, words)) = words.split_first()
        && let Some(described) = completion::asked(first.as_bytes())
    {
        return complete::run(words, described).await;
    }
    let (command, rest) = match commands::find(&words)? {
        commands::Found::Command(command, rest) => (command, rest),
        commands::Found::Help(text) => return cx::put(&text),
        commands::Found::HelpAndFail(text) => {
            cx::put(&text)?;
            return Err(Error::Exit(1));
        }
    };
    let flags = Flags::parse(command.flags, &rest).map_err(|e| {
        Error::Message(format!(
            "{e}\nSee 'kubectl {} --help' for usage.",
            command.path
        ))
    })?;
    if flags.bool("help") {
        return cx::put(&commands::help::of(command));
    }
    verbs::dispatch(&Cx::new(command.path, flags)).await
}

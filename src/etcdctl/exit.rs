//! How a command ends when it does not succeed.

/// Exit statuses, as `pkg/cobrautl/error.go` of the reference names them.
pub mod code {
    /// The server, or the command itself, failed.
    pub const ERROR: u8 = 1;
    /// No connection could be had.
    pub const BAD_CONNECTION: u8 = 2;
    /// Standard input (of `txn` and `watch -i`) made no sense.
    pub const INVALID_INPUT: u8 = 3;
    /// A known flag was given a value that isn't supported.
    pub const BAD_FEATURE: u8 = 4;
    /// Something that was under way was cut short.
    pub const INTERRUPTED: u8 = 5;
    /// The arguments are wrong.
    pub const BAD_ARGS: u8 = 128;
}

/// The end of a command that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", message.as_deref().unwrap_or("the command failed and has said why"))]
pub struct Exit {
    /// The process's exit status.
    pub code: u8,
    /// Printed to standard error as `Error: …`; nothing is printed when absent
    /// because the command has already said what it had to say.
    pub message: Option<String>,
}

impl Exit {
    /// An exit that prints `Error: message`.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }

    /// An exit that prints nothing more.
    pub fn silent(code: u8) -> Self {
        Self {
            code,
            message: None,
        }
    }

    /// Shorthand for wrong arguments.
    pub fn bad_args(message: impl Into<String>) -> Self {
        Self::new(code::BAD_ARGS, message)
    }

    /// Shorthand for a plain failure.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(code::ERROR, message)
    }
}

/// What every command gives back.
pub type Outcome = Result<(), Exit>;

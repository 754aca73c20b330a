//! What can go wrong, and how kubectl says it.
//!
//! Reference: `kubectl/pkg/cmd/util/helpers.go` (`checkErr`) of Kubernetes 1.32.

use kube::object::{list, text};
use serde_json::Value;
use thiserror::Error;

/// A command's failure.
#[derive(Debug, Error)]
pub enum Error {
    /// The API server answered with a `Status`.
    #[error("{}", text(.0, "message"))]
    Status(Value),
    /// Nothing listens at the server's address (`host:port`).
    #[error("dial tcp {0}: connect: connection refused")]
    Refused(String),
    /// The server could not be reached, or not be trusted.
    #[error("{0}")]
    Connect(String),
    /// Anything else: printed after `error: `.
    #[error("{0}")]
    Message(String),
    /// Printed as it is, without `error: `.
    #[error("{0}")]
    Verbatim(String),
    /// Several failures, one a line.
    #[error("[{}]", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Many(Vec<Error>),
    /// Nothing more to say: exit with this status.
    #[error("exit")]
    Exit(u8),
    /// A command in a container ended with this status.
    #[error("command terminated with exit code {0}")]
    Command(u8),
    /// Standard output or a file could not be written or read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// The outcome of a command or a part of one.
pub type Outcome<T = ()> = Result<T, Error>;

/// A failure with a message of its own.
pub fn fail<T>(message: impl Into<String>) -> Outcome<T> {
    Err(Error::Message(message.into()))
}

impl From<kube::yaml::YamlError> for Error {
    fn from(e: kube::yaml::YamlError) -> Self {
        Self::Message(e.to_string())
    }
}

impl From<kube::jsonpath::JsonPathError> for Error {
    fn from(e: kube::jsonpath::JsonPathError) -> Self {
        Self::Message(e.to_string())
    }
}

impl From<kube::kubeconfig::KubeconfigError> for Error {
    fn from(e: kube::kubeconfig::KubeconfigError) -> Self {
        match e {
            kube::kubeconfig::KubeconfigError::NoContext(name) => Self::Verbatim(format!(
                "Error in configuration: context was not found for specified context: {name}"
            )),
            other => Self::Message(other.to_string()),
        }
    }
}

impl Error {
    /// One of several failures collapses to itself; none is success.
    pub fn collect(mut errors: Vec<Error>) -> Outcome {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Many(errors)),
        }
    }

    /// The `reason` of a `Status`, otherwise empty.
    pub fn reason(&self) -> &str {
        match self {
            Self::Status(status) => text(status, "reason"),
            _ => "",
        }
    }

    /// Whether the server says that the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.reason() == "NotFound"
    }

    /// Whether the server says that somebody else was faster.
    pub fn is_conflict(&self) -> bool {
        self.reason() == "Conflict"
    }

    /// Whether the server says that the object is there already.
    pub fn is_already_exists(&self) -> bool {
        self.reason() == "AlreadyExists"
    }

    /// `error when creating "FILE": …`; nothing changes without a source.
    #[must_use]
    pub fn with_source(self, doing: &str, source: &str) -> Self {
        if source.is_empty() {
            return self;
        }
        match self {
            Self::Status(mut status) => {
                let message = text(&status, "message").to_owned();
                let quoted = kube::gofmt::quote(source);
                status["message"] = Value::from(format!("error when {doing} {quoted}: {message}"));
                Self::Status(status)
            }
            other => Self::Message(format!(
                "error when {doing} {}: {other}",
                kube::gofmt::quote(source)
            )),
        }
    }

    /// What stderr gets, and the exit status.
    pub fn report(&self) -> (String, u8) {
        match self {
            Self::Exit(code) => (String::new(), *code),
            Self::Command(code) => (self.to_string(), *code),
            Self::Status(status) if text(status, "reason") == "Invalid" => (invalid(status), 1),
            Self::Many(errors) => {
                let lines: Vec<String> = errors
                    .iter()
                    .map(|e| e.standard().unwrap_or_else(|| e.to_string()))
                    .collect();
                (lines.join("\n"), 1)
            }
            Self::Verbatim(text) => (text.clone(), 1),
            other => {
                let message = other.standard().unwrap_or_else(|| {
                    let message = other.to_string();
                    if message.starts_with("error: ") {
                        message
                    } else {
                        format!("error: {message}")
                    }
                });
                (message, 1)
            }
        }
    }

    /// The standard form of a failure of the server or of the way to it.
    fn standard(&self) -> Option<String> {
        match self {
            Self::Status(status) => {
                let message = text(status, "message");
                Some(match text(status, "reason") {
                    "Unauthorized" => {
                        format!("error: You must be logged in to the server ({message})")
                    }
                    "" => format!("Error from server: {message}"),
                    reason => format!("Error from server ({reason}): {message}"),
                })
            }
            Self::Refused(host) => Some(format!(
                "The connection to the server {host} was refused - did you specify the right host or port?"
            )),
            Self::Connect(why) => Some(format!("Unable to connect to the server: {why}")),
            _ => None,
        }
    }
}

fn invalid(status: &Value) -> String {
    let message = text(status, "message");
    let details = &status["details"];
    if details.is_null() {
        return if message.is_empty() {
            "The request is invalid".to_owned()
        } else {
            format!("The request is invalid: {message}")
        };
    }
    let (kind, name) = (text(details, "kind"), text(details, "name"));
    let mut causes: Vec<String> = Vec::new();
    for cause in list(details, "causes") {
        let line = format!("{}: {}", text(cause, "field"), text(cause, "message"));
        if !causes.contains(&line) {
            causes.push(line);
        }
    }
    let subject = if !kind.is_empty() || !name.is_empty() {
        format!("The {kind} {} is invalid", kube::gofmt::quote(name))
    } else if !message.is_empty() && causes.is_empty() {
        format!("The request is invalid: {message}")
    } else {
        "The request is invalid".to_owned()
    };
    match causes.as_slice() {
        [] => subject,
        [one] => format!("{subject}: {one}"),
        many => {
            let lines: String = many.iter().map(|cause| format!("* {cause}\n")).collect();
            format!("{subject}: \n{lines}")
        }
    }
}

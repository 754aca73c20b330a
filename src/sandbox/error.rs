//! What can go wrong in this room, in words that say what happened, why and
//! what to do about it.

use std::path::PathBuf;

/// The errors of the sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host does not let this user make namespaces.
    #[error(transparent)]
    Preflight(#[from] Preflight),

    /// A system call, or a step made of some, failed.
    #[error("could not {what}: {source}")]
    Io {
        /// The step in the infinitive, such as `mount the overlay on /usr`.
        what: String,
        /// What the kernel answered.
        #[source]
        source: std::io::Error,
    },

    /// One of the processes that build the fabric gave up; its own words.
    #[error("{0}")]
    Child(String),

    /// A fabric of this session directory runs already.
    #[error("the lab in {} is running already (process {pid}); stop it first, or attach to it", dir.display())]
    AlreadyRunning {
        /// The session directory.
        dir: PathBuf,
        /// The supervising process.
        pid: i32,
    },

    /// The fabric is gone: it was stopped, or its processes were killed.
    #[error("the lab in {} is not running", .0.display())]
    NotRunning(PathBuf),

    /// The specification names no such node.
    #[error("there is no node {name:?}; the nodes are {known}")]
    NoSuchNode {
        /// The name that was asked for.
        name: String,
        /// The names that exist, joined by commas.
        known: String,
    },

    /// The node exists but is switched off.
    #[error("the node {0:?} is down; reboot it first")]
    NodeDown(String),

    /// The specification contradicts itself.
    #[error("{0}")]
    Spec(String),

    /// The program of a container could not be executed. The text is the one
    /// that a container runtime gives.
    #[error("exec: {argv0:?}: {reason}")]
    Exec {
        /// The program as it was written.
        argv0: String,
        /// Such as `executable file not found in $PATH`.
        reason: String,
    },

    /// There is no such container, or its state was cleared away.
    #[error("there is no container {0}")]
    NoSuchContainer(String),

    /// A unit file, a command to init or an answer of it is not understood.
    #[error("{0}")]
    Unit(String),
}

/// Why the host cannot run a fabric. Each variant is one clear sentence that
/// says what to switch on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Preflight {
    /// Debian's and Arch's switch.
    #[error(
        "unprivileged user namespaces are switched off (kernel.unprivileged_userns_clone = 0): \
         switch them on with `sudo sysctl -w kernel.unprivileged_userns_clone=1`"
    )]
    UsernsClone,
    /// The limit on user namespaces is zero.
    #[error(
        "user namespaces are switched off (user.max_user_namespaces = 0): \
         switch them on with `sudo sysctl -w user.max_user_namespaces=15000`"
    )]
    MaxUserNamespaces,
    /// Ubuntu's restriction since 23.10.
    #[error(
        "AppArmor keeps unprivileged user namespaces powerless \
         (kernel.apparmor_restrict_unprivileged_userns = 1): switch that off with \
         `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"
    )]
    AppArmor,
    /// The kernel was built without them, or something (seccomp, a container
    /// runtime) refuses the call.
    #[error(
        "this process may not make a {namespace} namespace ({reason}): if it runs in a container, \
         start that with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined \
         --security-opt systempaths=unconfined`; otherwise ask for a kernel with user namespaces"
    )]
    Refused {
        /// `user`, `mount`, `pid`, `network`, `ipc` or `uts`.
        namespace: &'static str,
        /// What the kernel answered.
        reason: String,
    },
    /// `/proc` of a surrounding container is covered by masks, which the kernel
    /// does not let a new `/proc` uncover.
    #[error(
        "a fresh /proc may not be mounted ({reason}): parts of this container's /proc are covered; \
         start the container with `--security-opt systempaths=unconfined`"
    )]
    MaskedProc {
        /// What the kernel answered.
        reason: String,
    },
    /// Another trial step failed.
    #[error("this host cannot run a lab: could not {what} ({reason})")]
    Other {
        /// The step in the infinitive.
        what: String,
        /// What the kernel answered.
        reason: String,
    },
}

/// The result of most functions here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was being done when a system call failed.
pub(crate) trait Context<T> {
    /// `what` completes the sentence “could not …”.
    fn context(self, what: impl Into<String>) -> Result<T>;
    /// As [`Context::context`], with the text made only when it is needed.
    fn with_context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| Error::Io {
            what: what.into(),
            source: error.into(),
        })
    }

    fn with_context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io {
            what: what(),
            source: error.into(),
        })
    }
}

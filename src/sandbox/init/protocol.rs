//! What `systemctl` and process 1 say to each other.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use super::manager::Outcome;
use super::service::End;
use crate::error::{Context as _, Result};

/// Where `systemctl` asks.
pub(super) const CONTROL_SOCKET: &str = "/run/kubedrill/init.sock";

/// What `systemctl` asks for, one line of JSON a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// `start`, `stop`, `restart`, `try-restart`, `reload`, `reload-or-restart`.
    Job {
        verb: String,
        units: Vec<String>,
        wait: bool,
    },
    Kill {
        units: Vec<String>,
        signal: i32,
    },
    ResetFailed {
        units: Vec<String>,
    },
    DaemonReload,
    /// No names: all that are loaded.
    Show {
        units: Vec<String>,
    },
    /// Whether to boot again.
    Shutdown {
        reboot: bool,
    },
}

/// The answer, one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Response {
    Jobs(Vec<(String, Outcome)>),
    /// `None`: there is no such unit.
    Units(Vec<(String, Option<Info>)>),
    Ok,
}

/// What is known of a unit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Info {
    pub(super) description: String,
    pub(super) documentation: Vec<String>,
    /// `simple`, `notify`…
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// User= and Group=; empty means root.
    pub(super) user: String,
    pub(super) group: String,
    /// Restart=.
    pub(super) restart: String,
    pub(super) path: String,
    pub(super) drop_ins: Vec<String>,
    pub(super) active: String,
    pub(super) sub: String,
    /// Microseconds since 1970; 0 if it never was active.
    pub(super) since: i64,
    pub(super) main: Option<i32>,
    pub(super) result: String,
    pub(super) last_main: Option<End>,
    pub(super) start_command: String,
    /// Environment=, and the files of EnvironmentFile= with whether each may be absent.
    pub(super) environment: Vec<(String, String)>,
    pub(super) environment_files: Vec<(String, bool)>,
    pub(super) last_control: Option<(String, End)>,
    pub(super) restarts: u32,
    pub(super) status: String,
    pub(super) processes: Vec<i32>,
    pub(super) outdated: bool,
    pub(super) refused: Option<String>,
    /// Of a timer: what it starts, and the microseconds since 1970 at which it will and did;
    /// 0 for never.
    pub(super) triggers: String,
    pub(super) next: i64,
    pub(super) last: i64,
    /// Milliseconds until it is restarted.
    pub(super) restart_in: Option<u64>,
}

/// Asks process 1, from an applet.
pub(super) fn ask(request: &Request) -> Result<Response> {
    let what = "reach process 1 of this node";
    let stream = UnixStream::connect(CONTROL_SOCKET).context(what)?;
    let mut line = serde_json::to_vec(request).context(what)?;
    line.push(b'\n');
    (&stream).write_all(&line).context(what)?;
    let mut answer = String::new();
    BufReader::new(&stream)
        .read_line(&mut answer)
        .context(what)?;
    serde_json::from_str(&answer).context("understand process 1 of this node")
}

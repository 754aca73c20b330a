//! The commands and flags of both programs.

mod ctl;
mod users;
mod utl;

pub use ctl::ETCDCTL;
pub use utl::ETCDUTL;

use crate::flags::{Flag, Kind};

/// `--write-out`, which both programs have.
const WRITE_OUT: Flag = Flag::new(
    "write-out",
    Kind::Text,
    "simple",
    "how answers are printed: fields, json, protobuf, simple or table",
)
.short('w');

/// The flags of `snapshot restore` that both programs have; the two differ in
/// whether `--data-dir` is demanded and in the default of `--initial-memory-map-size`.
macro_rules! restore_flags {
    ($data_dir:expr, $memory_map:literal) => {
        &[
            $data_dir,
            Flag::new("wal-dir", Kind::Text, "", "directory of the log, when it isn't to lie below --data-dir"),
            Flag::new("initial-cluster", Kind::Text, "default=http://localhost:2380", "all members of the new cluster as NAME=PEER-URL, comma-separated"),
            Flag::new("initial-cluster-token", Kind::Text, "etcd-cluster", "token that keeps the new cluster apart from others"),
            Flag::new("initial-advertise-peer-urls", Kind::Text, "http://localhost:2380", "peer URLs of this member"),
            Flag::new("name", Kind::Text, "default", "name of this member"),
            Flag::new("skip-hash-check", Kind::Bool, "false", "restore without checking the hash at the end (a file copied from a data directory has none)"),
            Flag::new("bump-revision", Kind::Uint, "0", "add so much to the latest revision"),
            Flag::new("mark-compacted", Kind::Bool, "false", "mark the latest revision as compacted (goes with --bump-revision, which needs it)"),
            Flag::new("initial-memory-map-size", Kind::Uint, $memory_map, "accepted for compatibility; the file isn't mapped into memory"),
        ]
    };
}
use restore_flags;

/// `completion`, with a command for each shell that `$run` serves by its name.
macro_rules! completion {
    ($program:literal, $run:expr) => {
        Command {
            children: &[
                completion!(shell $program, $run, "bash"),
                completion!(shell $program, $run, "fish"),
                completion!(shell $program, $run, "powershell"),
                completion!(shell $program, $run, "zsh"),
            ],
            long: concat!("Prints a script that completes the words of ", $program, " when Tab is pressed. The help of each shell's command says where the script belongs."),
            ..Command::new("completion", "completion", "Scripts that let a shell complete words")
        }
    };
    (shell $program:literal, $run:expr, $shell:literal) => {
        Command {
            run: Some($run),
            flags: &[Flag::new("no-descriptions", Kind::Bool, "false", "offer words without what they mean")],
            long: crate::command::completion::about($shell),
            // Only this one of the reference has it so.
            no_flags_in_usage: matches!($shell.as_bytes(), b"bash"),
            ..Command::new($shell, $shell, concat!("Prints the script for ", $shell))
        }
    };
}
use completion;

//! `etcdutl`'s table.

use super::{WRITE_OUT, restore_flags};
use crate::command as run;
use crate::flags::{Command, Flag, HelpStyle, Kind, Program, unsupported};

/// The program.
pub static ETCDUTL: Program = Program {
    style: HelpStyle::Cobra,
    root: Command {
        persistent: &[WRITE_OUT],
        children: COMMANDS,
        ..Command::new("etcdutl", "etcdutl", "works on etcd's files")
    },
};

const COMMANDS: &[Command] = &[
    Command {
        hidden: true,
        refused: true,
        run: Some(unsupported),
        ..Command::new("backup", "backup", "")
    },
    Command {
        hidden: true,
        refused: true,
        run: Some(unsupported),
        ..Command::new("completion", "completion", "")
    },
    Command {
        run: Some(run::defrag::offline),
        flags: &[Flag::new(
            "data-dir",
            Kind::Text,
            "",
            "a data directory that no etcd is using",
        )
        .required()],
        ..Command::new(
            "defrag",
            "defrag",
            "Gives unused disk space of a data directory back",
        )
    },
    Command {
        run: Some(run::help_utl),
        ..Command::new("help", "help [command]", "Shows the help of a command")
    },
    Command {
        children: &[
            Command {
                run: Some(run::snapshot::restore),
                flags: restore_flags!(
                    Flag::new("data-dir", Kind::Text, "", "the data directory to make").required(),
                    "10737418240"
                ),
                ..Command::new(
                    "restore",
                    "restore <filename> --data-dir {output dir} [options]",
                    "Makes a data directory from a snapshot",
                )
            },
            Command {
                run: Some(run::snapshot::save_refused),
                hidden: true,
                deprecated: "Use `etcdctl snapshot save` to download snapshot",
                ..Command::new("save", "save <filename>", "")
            },
            Command {
                run: Some(run::snapshot::status),
                long: "The simple format lists, separated by commas: hash, revision, total keys, total size.",
                ..Command::new(
                    "status",
                    "status <filename>",
                    "Shows what a snapshot file holds",
                )
            },
        ],
        ..Command::new("snapshot", "snapshot <subcommand>", "Snapshots of a member")
    },
    Command {
        run: Some(run::version::etcdutl),
        ..Command::new("version", "version", "Shows the version of etcdutl")
    },
];

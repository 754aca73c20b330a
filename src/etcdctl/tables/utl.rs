//! `etcdutl`'s table.

use super::{WRITE_OUT, completion, restore_flags};
use crate::command as run;
use crate::flags::{Command, Flag, HelpStyle, Kind, Program};

/// The program.
pub static ETCDUTL: Program = Program {
    style: HelpStyle::Cobra,
    root: Command {
        persistent: &[WRITE_OUT],
        children: COMMANDS,
        ..Command::new("etcdutl", "etcdutl", "works on etcd's files")
    },
};

const fn path(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Text, "", help)
}

const COMMANDS: &[Command] = &[
    Command {
        run: Some(run::utl::backup::run),
        flags: &[
            path("data-dir", "the data directory to copy").required(),
            path("wal-dir", "its log, when that isn't below --data-dir"),
            path("backup-dir", "the directory to make").required(),
            path(
                "backup-wal-dir",
                "its log, when that isn't to lie below --backup-dir",
            ),
            Flag::new("with-v3", Kind::Bool, "true", "copy what API 3 stored, too"),
        ],
        ..Command::new(
            "backup",
            "backup",
            "[legacy] Copies a data directory for --force-new-cluster",
        )
    },
    Command {
        run: Some(run::utl::check::run),
        flags: &[path(
            "wal-dir",
            "the log, when it isn't below the data directory",
        )],
        ..Command::new(
            "check",
            "check <data directory, database file or snapshot>",
            "Says what is wrong with files, and where",
        )
    },
    Command {
        run: Some(run::utl::hashkv::run),
        flags: &[Flag::new(
            "rev",
            Kind::Int,
            "0",
            "hash up to this revision (default: all)",
        )],
        ..Command::new(
            "hashkv",
            "hashkv <filename>",
            "Shows the hash of a file's history",
        )
    },
    Command {
        run: Some(run::utl::migrate::run),
        flags: &[
            path("data-dir", "a data directory that no etcd is using").required(),
            path(
                "target-version",
                "storage version to migrate to: \"3.5\" or \"3.6\"",
            )
            .required(),
            Flag::new(
                "force",
                Kind::Bool,
                "false",
                "set the version whatever speaks against it",
            ),
        ],
        ..Command::new(
            "migrate",
            "migrate",
            "Changes the storage version of a data directory",
        )
    },
    completion!("etcdutl", run::completion::etcdutl),
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
                no_flags_in_usage: true,
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

//! `etcdctl`'s table.

use super::{WRITE_OUT, completion, restore_flags, users};
use crate::command as run;
use crate::flags::{Command, Flag, HelpStyle, Kind, Program};

/// The program.
pub static ETCDCTL: Program = Program {
    style: HelpStyle::Etcdctl,
    root: Command {
        persistent: GLOBAL,
        children: COMMANDS,
        ..Command::new("etcdctl", "etcdctl", "talks to an etcd cluster (API 3)")
    },
};

const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Bool, "false", help)
}

const fn text(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Text, "", help)
}

const GLOBAL: &[Flag] = &[
    Flag::new(
        "endpoints",
        Kind::List,
        "127.0.0.1:2379",
        "members to talk to, comma-separated",
    ),
    switch("debug", "show the flags in force"),
    WRITE_OUT,
    switch("hex", "print keys, values and IDs in hexadecimal"),
    Flag::new(
        "dial-timeout",
        Kind::Duration,
        "2s",
        "how long logging in may take",
    ),
    Flag::new(
        "command-timeout",
        Kind::Duration,
        "5s",
        "how long a short command may take",
    ),
    Flag::new(
        "keepalive-time",
        Kind::Duration,
        "2s",
        "how often an idle connection is probed",
    ),
    Flag::new(
        "keepalive-timeout",
        Kind::Duration,
        "6s",
        "how long a probe may stay unanswered",
    ),
    Flag::new(
        "insecure-transport",
        Kind::Bool,
        "true",
        "talk without TLS where no certificate and no https:// asks for it",
    ),
    Flag::new(
        "insecure-discovery",
        Kind::Bool,
        "true",
        "accept endpoints without TLS from DNS",
    ),
    switch(
        "insecure-skip-tls-verify",
        "trust any server certificate (for experiments only)",
    ),
    text("cert", "client certificate file"),
    text("key", "key file of the client certificate"),
    text(
        "cacert",
        "file of the authorities that server certificates are checked against",
    ),
    text("user", "user name, or name:password"),
    text("password", "password of --user"),
    text(
        "discovery-srv",
        "domain whose SRV records name the endpoints",
    )
    .short('d'),
    text("discovery-srv-name", "service name of those SRV records"),
];

/// In the order in which mistyped words are compared with them.
const COMMANDS: &[Command] = &[
    Command {
        run: Some(run::get::run),
        flags: GET,
        ..Command::new(
            "get",
            "get [options] <key> [range_end]",
            "Reads a key or a range of keys",
        )
    },
    Command {
        run: Some(run::put::run),
        flags: &[
            Flag::new(
                "lease",
                Kind::Text,
                "0",
                "ID of the lease (hexadecimal) that the key shall live on",
            ),
            switch("prev-kv", "show what the key held before"),
            switch("ignore-value", "keep the value that the key has"),
            switch("ignore-lease", "keep the lease that the key has"),
        ],
        long: "A value that begins with '-' needs '--' before it:\n\n$ put <key> -- <value>\n$ put -- <key> <value>\n\nWithout a value on the command line (and without --ignore-value) the value is read from standard input:\n\n$ cat file | put <key>",
        ..Command::new(
            "put",
            "put [options] <key> <value> (<value> can also be given from stdin)",
            "Writes a key",
        )
    },
    Command {
        run: Some(run::del::run),
        flags: DEL,
        ..Command::new(
            "del",
            "del [options] <key> [range_end]",
            "Deletes a key or the keys of a range [key, range_end)",
        )
    },
    Command {
        run: Some(run::txn::run),
        flags: &[switch("interactive", "say what is read next").short('i')],
        ..Command::new(
            "txn",
            "txn [options]",
            "Runs requests together in one transaction",
        )
    },
    Command {
        run: Some(run::compaction::run),
        flags: &[switch(
            "physical",
            "wait until the old revisions are off the disk",
        )],
        ..Command::new(
            "compaction",
            "compaction [options] <revision>",
            "Forgets the history before a revision",
        )
    },
    Command {
        children: &[
            Command {
                run: Some(run::alarm::disarm),
                ..Command::new("disarm", "disarm", "Clears every alarm")
            },
            Command {
                run: Some(run::alarm::list),
                ..Command::new("list", "list", "Shows the alarms that are raised")
            },
        ],
        ..Command::new("alarm", "alarm <subcommand>", "Alarms of the cluster")
    },
    Command {
        run: Some(run::defrag::run),
        persistent: &[switch("cluster", "every endpoint of the member list")],
        flags: &[text(
            "data-dir",
            "a data directory that no etcd is using, instead of a member",
        )],
        ..Command::new(
            "defrag",
            "defrag",
            "Gives a member's unused disk space back",
        )
    },
    Command {
        persistent: &[switch("cluster", "every endpoint of the member list")],
        children: &[
            Command {
                run: Some(run::endpoint::hashkv),
                persistent: &[Flag::new(
                    "rev",
                    Kind::Int,
                    "0",
                    "hash up to this revision (default: all)",
                )],
                ..Command::new(
                    "hashkv",
                    "hashkv",
                    "Shows the hash of each endpoint's history",
                )
            },
            Command {
                run: Some(run::endpoint::health),
                ..Command::new("health", "health", "Asks each endpoint for proof of health")
            },
            Command {
                run: Some(run::endpoint::status),
                long: "The simple format lists for each endpoint, separated by commas:\nendpoint, ID, version, database size, is leader, is learner, raft term, raft index, raft applied index, errors.",
                ..Command::new("status", "status", "Shows the state of each endpoint")
            },
        ],
        ..Command::new(
            "endpoint",
            "endpoint <subcommand>",
            "The members themselves, one by one",
        )
    },
    Command {
        run: Some(run::move_leader::run),
        ..Command::new(
            "move-leader",
            "move-leader <transferee-member-id>",
            "Hands the leadership to another member",
        )
    },
    Command {
        run: Some(run::watch::run),
        flags: &[
            switch("interactive", "read watches from standard input").short('i'),
            switch("prefix", "every key that begins with the given one"),
            Flag::new("rev", Kind::Int, "0", "begin at this revision"),
            switch("prev-kv", "show what keys held before"),
            switch(
                "progress-notify",
                "let the server report its progress from time to time",
            ),
        ],
        ..Command::new(
            "watch",
            "watch [options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
            "Shows changes of keys as they happen",
        )
    },
    Command {
        run: Some(run::version::etcdctl),
        ..Command::new("version", "version", "Shows the version of etcdctl")
    },
    Command {
        children: &[
            Command {
                run: Some(run::lease::grant),
                ..Command::new("grant", "grant <ttl>", "Makes a lease of so many seconds")
            },
            Command {
                run: Some(run::lease::keep_alive),
                flags: &[switch("once", "renew once and stop")],
                ..Command::new(
                    "keep-alive",
                    "keep-alive [options] <leaseID>",
                    "Renews a lease again and again",
                )
            },
            Command {
                run: Some(run::lease::list),
                ..Command::new("list", "list", "Shows the leases that live")
            },
            Command {
                run: Some(run::lease::revoke),
                ..Command::new(
                    "revoke",
                    "revoke <leaseID>",
                    "Ends a lease and deletes its keys",
                )
            },
            Command {
                run: Some(run::lease::time_to_live),
                flags: &[switch("keys", "show the lease's keys, too")],
                ..Command::new(
                    "timetolive",
                    "timetolive <leaseID> [options]",
                    "Shows what is left of a lease",
                )
            },
        ],
        ..Command::new("lease", "lease <subcommand>", "Leases")
    },
    MEMBER,
    SNAPSHOT,
    MAKE_MIRROR,
    Command {
        run: Some(run::lock::run),
        flags: &[Flag::new(
            "ttl",
            Kind::Int,
            "10",
            "seconds until the lock is lost when this program dies",
        )],
        ..Command::new(
            "lock",
            "lock <lockname> [exec-command arg1 arg2 ...]",
            "Waits for a lock and holds it",
        )
    },
    Command {
        run: Some(run::elect::run),
        flags: &[switch("listen", "only show who leads").short('l')],
        ..Command::new(
            "elect",
            "elect <election-name> [proposal]",
            "Stands for election, or shows who leads",
        )
    },
    users::AUTH,
    users::USER,
    users::ROLE,
    CHECK,
    Command {
        run: Some(run::help),
        ..Command::new("help", "help [command]", "Shows the help of a command")
    },
    completion!("etcdctl", run::completion::etcdctl),
];

/// Flags of `get`.
pub const GET: &[Flag] = &[
    Flag::new(
        "consistency",
        Kind::Text,
        "l",
        "l: linearizable; s: serializable, whatever the one member holds",
    ),
    text("order", "ASCEND or DESCEND (ASCEND without saying)"),
    text(
        "sort-by",
        "what is sorted by: CREATE, KEY, MODIFY, VALUE or VERSION",
    ),
    Flag::new("limit", Kind::Int, "0", "at most so many results"),
    switch("prefix", "every key that begins with the given one"),
    switch("from-key", "every key from the given one on, by bytes"),
    Flag::new("rev", Kind::Int, "0", "as of this revision"),
    switch("keys-only", "keys without values"),
    switch("count-only", "only how many there are"),
    switch(
        "print-value-only",
        "values without keys (format \"simple\")",
    ),
];

/// Flags of `del`.
pub const DEL: &[Flag] = &[
    switch("prefix", "every key that begins with the given one"),
    switch("prev-kv", "show what was deleted"),
    switch("from-key", "every key from the given one on, by bytes"),
    switch("range", "delete a range without a warning"),
];

const MEMBER: Command = Command {
    children: &[
        Command {
            run: Some(run::member::add),
            flags: &[
                text("peer-urls", "peer URLs of the new member, comma-separated"),
                switch("learner", "let it learn before it votes"),
            ],
            ..Command::new(
                "add",
                "add <memberName> [options]",
                "Tells the cluster of a new member",
            )
        },
        Command {
            run: Some(run::member::list),
            long: "The simple format lists for each member, separated by commas:\nID, status, name, peer addresses, client addresses, is learner.",
            ..Command::new("list", "list", "Shows the members of the cluster")
        },
        Command {
            run: Some(run::member::promote),
            ..Command::new("promote", "promote <memberID>", "Lets a learner vote")
        },
        Command {
            run: Some(run::member::remove),
            ..Command::new(
                "remove",
                "remove <memberID>",
                "Takes a member out of the cluster",
            )
        },
        Command {
            run: Some(run::member::update),
            flags: &[text(
                "peer-urls",
                "the member's new peer URLs, comma-separated",
            )],
            ..Command::new(
                "update",
                "update <memberID> [options]",
                "Changes a member's peer URLs",
            )
        },
    ],
    ..Command::new("member", "member <subcommand>", "Membership of the cluster")
};

const CHECK: Command = Command {
    children: &[
        Command {
            run: Some(run::check::datascale::run),
            flags: &[
                LOAD,
                Flag::new(
                    "prefix",
                    Kind::Text,
                    "/etcdctl-check-datascale/",
                    "what the written keys begin with",
                ),
                AUTO_COMPACT,
                AUTO_DEFRAG,
            ],
            long: "Asks the first endpoint how much memory it has, before and after keys were written.",
            ..Command::new(
                "datascale",
                "datascale [options]",
                "Measures the memory that a member needs for keys",
            )
        },
        Command {
            run: Some(run::check::perf),
            flags: &[
                LOAD,
                Flag::new(
                    "prefix",
                    Kind::Text,
                    "/etcdctl-check-perf/",
                    "what the written keys begin with",
                ),
                AUTO_COMPACT,
                AUTO_DEFRAG,
            ],
            ..Command::new(
                "perf",
                "perf [options]",
                "Writes for a minute and judges the speed",
            )
        },
    ],
    ..Command::new(
        "check",
        "check <subcommand>",
        "Load on a cluster, and whether it bears it",
    )
};

const LOAD: Flag = Flag::new(
    "load",
    Kind::Text,
    "s",
    "how much: s(small), m(medium), l(large) or xl(xLarge)",
);

const AUTO_COMPACT: Flag = switch("auto-compact", "compact afterwards");

const AUTO_DEFRAG: Flag = switch("auto-defrag", "defragment afterwards");

const MAKE_MIRROR: Command = Command {
    run: Some(run::make_mirror::run),
    flags: &[
        text("prefix", "only keys that begin so"),
        text("dest-prefix", "what the mirror's keys begin with instead"),
        switch("no-dest-prefix", "the mirror's keys are without the prefix"),
        text("dest-cert", "client certificate file for the mirror"),
        text("dest-key", "key file of that certificate"),
        text(
            "dest-cacert",
            "file of the authorities of the mirror's servers",
        ),
        Flag::new(
            "dest-insecure-transport",
            Kind::Bool,
            "true",
            "talk to the mirror without TLS where nothing asks for it",
        ),
        text("dest-user", "user name for the mirror, or name:password"),
        text("dest-password", "password of --dest-user"),
    ],
    ..Command::new(
        "make-mirror",
        "make-mirror [options] <destination>",
        "Copies keys and their changes into another cluster",
    )
};

const SNAPSHOT: Command = Command {
    children: &[
        Command {
            run: Some(run::snapshot::restore_deprecated),
            flags: restore_flags!(text("data-dir", "the data directory to make"), "0"),
            long: "Has moved to `etcdutl snapshot restore`.",
            ..Command::new(
                "restore",
                "restore <filename> [options]",
                "Makes a data directory from a snapshot",
            )
        },
        Command {
            run: Some(run::snapshot::save),
            ..Command::new(
                "save",
                "save <filename>",
                "Fetches a snapshot of a member into a file",
            )
        },
        Command {
            run: Some(run::snapshot::status_deprecated),
            long: "The simple format lists, separated by commas: hash, revision, total keys, total size.\n\nHas moved to `etcdutl snapshot status`.",
            ..Command::new(
                "status",
                "status <filename>",
                "[deprecated] Shows what a snapshot file holds",
            )
        },
    ],
    ..Command::new("snapshot", "snapshot <subcommand>", "Snapshots of a member")
};

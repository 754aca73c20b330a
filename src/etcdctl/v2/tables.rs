//! The commands and their flags (`ctlv2/ctl.go`, `ctlv2/command`).

use super::{
    app::Command,
    command::{
        auth, backup, cluster_health, exec_watch, get, ls, member, mk, mkdir, rm, rmdir, role, set,
        update, user, watch,
    },
    flags::{Flag, Kind},
};

const fn flag(names: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag {
        names,
        kind,
        default,
        value: "",
        help,
    }
}

const fn yes(names: &'static str, help: &'static str) -> Flag {
    flag(names, Kind::Bool, "", help)
}

const fn text(names: &'static str, help: &'static str) -> Flag {
    flag(names, Kind::Text, "", help)
}

const fn int(names: &'static str, help: &'static str) -> Flag {
    flag(names, Kind::Int, "0", help)
}

/// Flags before the command.
pub const GLOBAL: &[Flag] = &[
    yes("debug", "show each request as a cURL command"),
    yes(
        "no-sync",
        "use the endpoints as given, do not ask the members for theirs",
    ),
    Flag {
        value: "simple",
        ..flag(
            "output, o",
            Kind::Text,
            "\"simple\"",
            "form of the answer (simple, `extended` or `json`)",
        )
    },
    text(
        "discovery-srv, D",
        "domain whose SRV records name the endpoints",
    ),
    yes("insecure-discovery", "take SRV records for plain HTTP, too"),
    text("peers, C", "old name of --endpoints"),
    text("endpoint", "old name of --endpoints"),
    text(
        "endpoints",
        "comma-separated URLs of members (default: \"http://127.0.0.1:2379,http://127.0.0.1:4001\")",
    ),
    text("cert-file", "file of the client's certificate"),
    text("key-file", "file of the client's key"),
    text(
        "ca-file",
        "file of the authorities that servers are trusted by",
    ),
    text(
        "username, u",
        "name[:password]; asks for the password if it is not given",
    ),
    flag(
        "timeout",
        Kind::Duration,
        "2000000000",
        "limit of one request",
    ),
    flag(
        "total-timeout",
        Kind::Duration,
        "5000000000",
        "limit of the command, watches excepted",
    ),
    yes("version, v", "print the version"),
];

const TTL: Flag = int("ttl", "seconds that it lives; 0 for ever");
const SORT: Flag = yes("sort", "sort by name");
const QUORUM: Flag = yes("quorum, q", "read what a quorum agrees on");
const AFTER: Flag = int("after-index", "begin after this index");
const ROLES: Flag = flag(
    "roles",
    Kind::List,
    "",
    "a role; may be given several times",
);

const PERMISSIONS: &[Flag] = &[
    text("path", "the path, or its beginning and *"),
    yes("read", "reading only"),
    yes("write", "writing only"),
    yes("readwrite, rw", "both"),
];

/// All commands.
pub const COMMANDS: &[Command] = &[
    Command {
        usage: "[deprecated] back up a data directory that no member uses.",
        description: "Copies the data directory of a member that does not run.\n\nThe same as `etcdutl backup`; of a member that runs, `etcdctl snapshot save` makes a\nbackup.\n\n",
        flags: &[
            text("data-dir", "data directory of the member"),
            text("wal-dir", "its directory of logs, if that is another"),
            text("backup-dir", "directory to write"),
            text(
                "backup-wal-dir",
                "directory to write logs to, if that is another",
            ),
            yes("with-v3", "copy the v3 keys, too"),
        ],
        action: Some(backup::run),
        ..Command::new("backup", "", "--data-dir=... --backup-dir={output}")
    },
    Command {
        flags: &[yes("forever, f", "look again every 10 seconds")],
        action: Some(cluster_health::run),
        ..Command::new("cluster-health", " ", "ask every member how it is")
    },
    Command {
        flags: &[
            yes(
                "in-order",
                "make a key below <key> that is named by its place in the order",
            ),
            TTL,
        ],
        action: Some(mk::run),
        ..Command::new("mk", "<key> <value>", "make a key that is not there yet")
    },
    Command {
        flags: &[TTL],
        action: Some(mkdir::make),
        ..Command::new("mkdir", "<key>", "make a directory that is not there yet")
    },
    Command {
        flags: &[
            yes("dir", "remove it if it is a key or an empty directory"),
            yes("recursive, r", "remove a directory with all below it"),
            text("with-value", "only if this is its value"),
            int("with-index", "only if this is its index"),
        ],
        action: Some(rm::run),
        ..Command::new("rm", "<key>", "remove a key or a directory")
    },
    Command {
        action: Some(rmdir::run),
        ..Command::new("rmdir", "<key>", "remove an empty directory or a key")
    },
    Command {
        flags: &[SORT, QUORUM],
        action: Some(get::run),
        ..Command::new("get", "<key>", "show the value of a key")
    },
    Command {
        flags: &[
            SORT,
            yes("recursive, r", "show all below it"),
            yes("p", "show directories with a slash at the end"),
            QUORUM,
        ],
        action: Some(ls::run),
        ..Command::new("ls", "[key]", "list a directory")
    },
    Command {
        description: "Sets the value of a key, which is made if it is not there.\n\n   A value that begins with '-' looks like a flag; put '--' before the key:\n\n   $ set -- <key> <value>",
        flags: &[
            TTL,
            text("swap-with-value", "only if this is its value now"),
            int("swap-with-index", "only if this is its index now"),
        ],
        action: Some(set::run),
        ..Command::new("set", "<key> <value>", "set the value of a key")
    },
    Command {
        flags: &[TTL],
        action: Some(mkdir::set),
        ..Command::new(
            "setdir",
            "<key>",
            "make a directory, or change how long one lives",
        )
    },
    Command {
        flags: &[TTL],
        action: Some(update::run),
        ..Command::new(
            "update",
            "<key> <value>",
            "set the value of a key that is there",
        )
    },
    Command {
        flags: &[TTL],
        action: Some(mkdir::update),
        ..Command::new(
            "updatedir",
            "<key> <value>",
            "change how long a directory lives",
        )
    },
    Command {
        flags: &[
            yes("forever, f", "show every change, until CTRL+C"),
            AFTER,
            yes("recursive, r", "watch all below it, too"),
        ],
        action: Some(watch::run),
        ..Command::new("watch", "<key>", "wait for a change of a key")
    },
    Command {
        flags: &[AFTER, yes("recursive, r", "watch all below it, too")],
        action: Some(exec_watch::run),
        ..Command::new(
            "exec-watch",
            "<key> <command> [args...]",
            "run a program at every change of a key",
        )
    },
    Command {
        children: &[
            Command {
                action: Some(member::list),
                ..Command::new("list", " ", "list the members")
            },
            Command {
                action: Some(member::add),
                ..Command::new("add", "<name> <peerURL>", "let a new member in")
            },
            Command {
                action: Some(member::remove),
                ..Command::new("remove", "<memberID>", "put a member out")
            },
            Command {
                action: Some(member::update),
                ..Command::new(
                    "update",
                    "<memberID> <peerURLs>",
                    "change a member's peer URLs",
                )
            },
        ],
        ..Command::new("member", "", "the members of the cluster")
    },
    Command {
        children: &[
            Command {
                action: Some(user::add),
                ..Command::new("add", "<user>", "make a user")
            },
            Command {
                action: Some(user::get),
                ..Command::new("get", "<user>", "show a user and its roles")
            },
            Command {
                action: Some(user::list),
                ..Command::new("list", "<user>", "list the users")
            },
            Command {
                action: Some(user::remove),
                ..Command::new("remove", "<user>", "remove a user")
            },
            Command {
                flags: &[ROLES],
                action: Some(user::grant),
                ..Command::new("grant", "<user>", "give roles to a user")
            },
            Command {
                flags: &[ROLES],
                action: Some(user::revoke),
                ..Command::new("revoke", "<user>", "take roles from a user")
            },
            Command {
                action: Some(user::passwd),
                ..Command::new("passwd", "<user>", "change the password of a user")
            },
        ],
        ..Command::new("user", "", "the users of the v2 API")
    },
    Command {
        children: &[
            Command {
                action: Some(role::add),
                ..Command::new("add", "<role> ", "make a role")
            },
            Command {
                action: Some(role::get),
                ..Command::new("get", "<role>", "show what a role may do")
            },
            Command {
                action: Some(role::list),
                ..Command::new("list", " ", "list the roles")
            },
            Command {
                action: Some(role::remove),
                ..Command::new("remove", "<role>", "remove a role")
            },
            Command {
                flags: PERMISSIONS,
                action: Some(role::grant),
                ..Command::new("grant", "<role>", "let a role into a path")
            },
            Command {
                flags: PERMISSIONS,
                action: Some(role::revoke),
                ..Command::new("revoke", "<role>", "keep a role out of a path")
            },
        ],
        ..Command::new("role", "", "the roles of the v2 API")
    },
    Command {
        children: &[
            Command {
                action: Some(auth::enable),
                ..Command::new("enable", " ", "let in only who has a password")
            },
            Command {
                action: Some(auth::disable),
                ..Command::new("disable", " ", "let everyone in")
            },
        ],
        ..Command::new("auth", "", "authentication by the v2 API")
    },
];

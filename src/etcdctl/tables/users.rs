//! `etcdctl`'s commands about users and roles.

use crate::command as run;
use crate::flags::{Command, Flag, Kind};

const fn switch(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Bool, default, help)
}

/// `auth`.
pub const AUTH: Command = Command {
    children: &[
        Command {
            run: Some(run::auth::disable),
            ..Command::new("disable", "disable", "Lets everyone do everything again")
        },
        Command {
            run: Some(run::auth::enable),
            ..Command::new("enable", "enable", "Demands that clients log in")
        },
        Command {
            run: Some(run::auth::status),
            ..Command::new("status", "status", "Shows whether clients must log in")
        },
    ],
    ..Command::new(
        "auth",
        "auth <enable or disable>",
        "Whether clients must log in",
    )
};

/// `user`.
pub const USER: Command = Command {
    children: &[
        Command {
            run: Some(run::user::add),
            flags: &[
                switch(
                    "interactive",
                    "true",
                    "ask for the password on the terminal; false takes a word of standard input",
                ),
                Flag::new(
                    "new-user-password",
                    Kind::Text,
                    "",
                    "the password, which others on this machine may then see",
                ),
                switch(
                    "no-password",
                    "false",
                    "a user who can log in with a certificate only",
                ),
            ],
            ..Command::new(
                "add",
                "add <user name or user:password> [options]",
                "Makes a user",
            )
        },
        Command {
            run: Some(run::user::delete),
            ..Command::new("delete", "delete <user name>", "Removes a user")
        },
        Command {
            run: Some(run::user::get),
            flags: &[switch(
                "detail",
                "false",
                "what each of the user's roles allows, too",
            )],
            ..Command::new("get", "get <user name> [options]", "Shows a user's roles")
        },
        Command {
            run: Some(run::user::grant_role),
            ..Command::new(
                "grant-role",
                "grant-role <user name> <role name>",
                "Gives a user a role",
            )
        },
        Command {
            run: Some(run::user::list_all),
            ..Command::new("list", "list", "Shows the users")
        },
        Command {
            run: Some(run::user::passwd),
            flags: &[switch(
                "interactive",
                "true",
                "ask for the password on the terminal; false takes a word of standard input",
            )],
            ..Command::new(
                "passwd",
                "passwd <user name> [options]",
                "Changes a user's password",
            )
        },
        Command {
            run: Some(run::user::revoke_role),
            ..Command::new(
                "revoke-role",
                "revoke-role <user name> <role name>",
                "Takes a role from a user",
            )
        },
    ],
    ..Command::new("user", "user <subcommand>", "Users")
};

const RANGE: &[Flag] = &[
    switch(
        "prefix",
        "false",
        "every key that begins with the given one",
    ),
    switch(
        "from-key",
        "false",
        "every key from the given one on, by bytes",
    ),
];

/// `role`.
pub const ROLE: Command = Command {
    children: &[
        Command {
            run: Some(run::role::add),
            ..Command::new("add", "add <role name>", "Makes a role")
        },
        Command {
            run: Some(run::role::delete),
            ..Command::new("delete", "delete <role name>", "Removes a role")
        },
        Command {
            run: Some(run::role::get),
            ..Command::new("get", "get <role name>", "Shows what a role allows")
        },
        Command {
            run: Some(run::role::grant),
            flags: RANGE,
            ..Command::new(
                "grant-permission",
                "grant-permission [options] <role name> <permission type> <key> [endkey]",
                "Lets a role read or write keys",
            )
        },
        Command {
            run: Some(run::role::list),
            ..Command::new("list", "list", "Shows the roles")
        },
        Command {
            run: Some(run::role::revoke),
            flags: RANGE,
            ..Command::new(
                "revoke-permission",
                "revoke-permission <role name> <key> [endkey]",
                "Takes the leave to use keys from a role",
            )
        },
    ],
    ..Command::new("role", "role <subcommand>", "Roles")
};

//! Every command by its name: for its help, its formats and its completion.

/// Each command of `etcdctl`.
pub const CTL: &[&str] = &[
    "",
    "alarm",
    "alarm disarm",
    "alarm list",
    "auth",
    "auth disable",
    "auth enable",
    "auth status",
    "check",
    "check datascale",
    "check perf",
    "compaction",
    "completion",
    "completion bash",
    "completion fish",
    "completion powershell",
    "completion zsh",
    "defrag",
    "del",
    "elect",
    "endpoint",
    "endpoint hashkv",
    "endpoint health",
    "endpoint status",
    "get",
    "help",
    "lease",
    "lease grant",
    "lease keep-alive",
    "lease list",
    "lease revoke",
    "lease timetolive",
    "lock",
    "make-mirror",
    "member",
    "member add",
    "member list",
    "member promote",
    "member remove",
    "member update",
    "move-leader",
    "put",
    "role",
    "role add",
    "role delete",
    "role get",
    "role grant-permission",
    "role list",
    "role revoke-permission",
    "snapshot",
    "snapshot restore",
    "snapshot save",
    "snapshot status",
    "txn",
    "user",
    "user add",
    "user delete",
    "user get",
    "user grant-role",
    "user list",
    "user passwd",
    "user revoke-role",
    "version",
    "watch",
];

/// Each command of `etcdutl` 3.5.
pub const UTL: &[&str] = &[
    "backup",
    "completion",
    "completion bash",
    "completion fish",
    "completion powershell",
    "completion zsh",
    "defrag",
    "help",
    "snapshot",
    "snapshot restore",
    "snapshot save",
    "snapshot status",
    "version",
];

/// Command lines that are run in each of [`FORMATS`].
pub const ANSWERS: &[&str] = &[
    "put f 1",
    "put f 2 --prev-kv",
    "put f --ignore-value",
    "get f",
    "get f --keys-only",
    "get f --count-only",
    "get f --print-value-only",
    "get '' --prefix --limit 1",
    "get f --order=DESCEND --sort-by=VALUE",
    "get f g --sort-by=VERSION --order=ASCEND",
    "get '' --from-key --sort-by=CREATE --order=DESCEND",
    "get '' --prefix --sort-by=MODIFY",
    "get nothing",
    "get f --rev 1",
    "get f --consistency=s",
    "del nothing",
    "del f --prev-kv",
    "del '' --prefix",
    "txn",
    "compaction 1",
    "alarm list",
    "alarm disarm",
    "auth status",
    "user list",
    "user get u",
    "role list",
    "role get r",
    "defrag",
    "endpoint health",
    "endpoint status",
    "endpoint hashkv",
    "lease list",
    "lease timetolive 77",
    "lease timetolive 77 --keys",
    "lease revoke 77",
    "lease keep-alive --once 77",
    "member list",
    "member remove 77",
    "move-leader 77",
    "snapshot save DIR/s.db",
    "version",
];

/// What is added to each of them.
pub const FORMATS: &[&str] = &[
    "-w simple",
    "-w fields",
    "-w json",
    "-w table",
    "-w protobuf",
    "--hex",
    "--hex -w json",
];

/// Command lines up to the cursor.
pub const COMPLETIONS: &str = r#"
etcdctl __complete ''
etcdctl __complete lea
etcdctl __complete m
etcdctl __complete lease ''
etcdctl __complete lease k
etcdctl __complete get ''
etcdctl __complete get a ''
etcdctl __complete get -
etcdctl __complete get --
etcdctl __complete get --wr
etcdctl __complete get --write-out ''
etcdctl __complete get --write-out=j
etcdctl __complete get -w ''
etcdctl __complete get -w
etcdctl __complete get -w json --
etcdctl __complete get --limit=3 --l
etcdctl __complete get --limit 3 --
etcdctl __complete get --endpoints a --e
etcdctl __complete get --nope=
etcdctl __complete get --nope ''
etcdctl __complete get -- -
etcdctl __complete nope ''
etcdctl __complete nop
etcdctl __complete --hex ''
etcdctl __complete -
etcdctl __complete --d
etcdctl __complete put -h ''
etcdctl __complete help ''
etcdctl __complete help l
etcdctl __complete help lease ''
etcdctl __complete completion ''
etcdctl __complete completion z
etcdctl __complete completion bash ''
etcdctl __complete completion bash --
etcdctl __complete member list ''
etcdctl __complete snapshot ''
etcdctl __complete snapshot restore --
etcdctl __complete endpoint --c
etcdctl __complete endpoint health --
etcdctl __complete user add --
etcdctl __completeNoDesc mem
etcdctl __completeNoDesc get --w
etcdutl __complete snapshot ''
etcdutl __complete snapshot restore ''
etcdutl __complete snapshot restore --
etcdutl __complete snapshot restore --data-dir x --i
etcdutl __complete snapshot restore --data-dir=x ''
etcdutl __complete defrag ''
etcdutl __complete defrag --data-dir ''
etcdutl __complete backup --
etcdutl __complete backup --data-dir=x --
etcdutl __complete completion ''
"#;

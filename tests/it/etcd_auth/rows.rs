//! The tables of [`super`].

/// The reference's etcdctl against each member; what follows `<<<` is what it reads.
pub const COMMANDS: &str = r#"
etcdctl auth status
etcdctl auth enable
etcdctl auth disable
etcdctl --user root:root get k
etcdctl user list
etcdctl role list
etcdctl user get nobody
etcdctl user delete nobody
etcdctl user grant-role nobody root
etcdctl user revoke-role nobody root
etcdctl user passwd nobody --interactive=false <<<"x\n"
etcdctl role get nothing
etcdctl role delete nothing
etcdctl role grant-permission nothing read a
etcdctl role revoke-permission nothing a
etcdctl user add root:root
etcdctl user add root:root
etcdctl user add "" --new-user-password=x
etcdctl auth enable
etcdctl user grant-role root root
etcdctl user grant-role root root
etcdctl user grant-role root missing
etcdctl user get root
etcdctl user get root --detail
etcdctl user add ann --interactive=false <<<"ann\n"
etcdctl user add bob --new-user-password=bob
etcdctl user add empty --new-user-password=
etcdctl user add cert --no-password
etcdctl user add long --new-user-password=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
etcdctl role add ""
etcdctl role add writer
etcdctl role add writer
etcdctl role add reader
etcdctl role add all
etcdctl role grant-permission writer readwrite a d
etcdctl role grant-permission writer write w
etcdctl role grant-permission reader read m --prefix
etcdctl role grant-permission reader read z --from-key
etcdctl role grant-permission all readwrite --prefix ""
etcdctl role grant-permission writer read b a
etcdctl role grant-permission writer sing a
etcdctl role get writer
etcdctl role get reader
etcdctl role get all
etcdctl -w json role get writer
etcdctl -w fields role get reader
etcdctl role revoke-permission reader nothing
etcdctl role revoke-permission reader z --from-key
etcdctl role revoke-permission reader z --from-key
etcdctl role grant-permission writer read w
etcdctl role get writer
etcdctl role grant-permission writer write w
etcdctl user grant-role ann writer
etcdctl user grant-role ann reader
etcdctl user grant-role bob all
etcdctl user revoke-role bob reader
etcdctl user list
etcdctl role list
etcdctl -w json user list
etcdctl -w json auth status
etcdctl put z outside
etcdctl put m inside
etcdctl --user ann:ann get m
etcdctl auth enable
etcdctl auth enable
etcdctl --user root:root auth enable
etcdctl --user root:root auth status
etcdctl --user root:root -w json auth status
etcdctl --user ann:ann auth status
etcdctl get a
etcdctl --user ann:wrong get a
etcdctl --user nobody:x get a
etcdctl --user cert:x get a
etcdctl --user empty: get a
etcdctl --user root:root get --prefix ""
etcdctl --user ann:ann put a 1
etcdctl --user ann:ann put b 2 --prev-kv
etcdctl --user ann:ann put d 3
etcdctl --user ann:ann put w 4
etcdctl --user ann:ann put w 5 --prev-kv
etcdctl --user ann:ann get w
etcdctl --user ann:ann get a
etcdctl --user ann:ann get a d
etcdctl --user ann:ann get a e
etcdctl --user ann:ann get a --from-key
etcdctl --user ann:ann get m --prefix
etcdctl --user ann:ann get m z
etcdctl --user ann:ann get n
etcdctl --user ann:ann get --prefix ""
etcdctl --user ann:ann get a --consistency=s
etcdctl --user ann:ann get z --consistency=s
etcdctl --user bob:bob get --prefix "" --keys-only
etcdctl --user bob:bob get z
etcdctl --user ann:ann del a d --prev-kv
etcdctl --user ann:ann del w
etcdctl --user ann:ann del w --prev-kv
etcdctl --user ann:ann del a e
etcdctl --user ann:ann put m 1
etcdctl --user ann:ann txn <<<"ver(\"a\") = \"0\"\n\nput a txn\nget m\n\nput b txn\n\n"
etcdctl --user ann:ann txn <<<"ver(\"z\") = \"0\"\n\nput a txn\n\n\n"
etcdctl --user ann:ann txn <<<"ver(\"a\") = \"1\"\n\nput a txn\n\nput z txn\n\n"
etcdctl --user ann:ann txn <<<"ver(\"a\") = \"1\"\n\nget a\n\nget a\n\n"
etcdctl --user ann:ann txn <<<"ver(\"a\") = \"1\"\n\nget a\n\nget z\n\n"
etcdctl --user ann:ann txn <<<"\ndel a z\n\n\n"
etcdctl --user ann:ann user list
etcdctl --user ann:ann user get ann
etcdctl --user ann:ann user get bob
etcdctl --user ann:ann user get ann --detail
etcdctl --user ann:ann role get writer
etcdctl --user ann:ann role get all
etcdctl --user ann:ann role list
etcdctl --user ann:ann user add eve --new-user-password=eve
etcdctl --user ann:ann user delete bob
etcdctl --user ann:ann user passwd ann --interactive=false <<<"new\n"
etcdctl --user ann:ann user grant-role ann all
etcdctl --user ann:ann user revoke-role ann writer
etcdctl --user ann:ann role add eve
etcdctl --user ann:ann role delete all
etcdctl --user ann:ann role grant-permission reader read z
etcdctl --user ann:ann role revoke-permission reader m --prefix
etcdctl --user ann:ann auth disable
etcdctl auth disable
etcdctl user list
etcdctl --user ann:ann compaction 2
etcdctl --user ann:ann compaction 2
etcdctl compaction 1
etcdctl --user ann:ann member list
etcdctl member list
etcdctl member add m2 --peer-urls=http://127.0.0.1:1
etcdctl member remove 1234
etcdctl member update 1234 --peer-urls=http://127.0.0.1:1
etcdctl member promote 1234
etcdctl --user ann:ann member add m2 --peer-urls=http://127.0.0.1:1
etcdctl --user ann:ann member remove 1234
etcdctl --user ann:ann member update 1234 --peer-urls=http://127.0.0.1:1
etcdctl --user ann:ann member promote 1234
etcdctl --user root:root member remove 1234
etcdctl alarm list
etcdctl --user ann:ann alarm list
etcdctl --user ann:ann alarm disarm
etcdctl defrag
etcdctl --user ann:ann defrag
etcdctl --user root:root defrag
etcdctl endpoint hashkv
etcdctl --user ann:ann endpoint hashkv
etcdctl snapshot save DIR/s.db
etcdctl --user ann:ann snapshot save DIR/s.db
etcdctl --user ann:ann move-leader 1234
etcdctl --user ann:ann endpoint health
etcdctl --user root:root endpoint health
etcdctl --user ann:ann watch z
etcdctl watch a
etcdctl --user root:root user delete root
etcdctl --user root:root user revoke-role root root
etcdctl --user root:root role delete root
etcdctl --user root:root role add root
etcdctl --user root:root role get root
etcdctl --user root:root user passwd ann --interactive=false <<<"new\n"
etcdctl --user ann:ann get a
etcdctl --user ann:new get a
etcdctl --user root:root user revoke-role ann reader
etcdctl --user ann:new get m
etcdctl --user ann:new get a
etcdctl --user root:root role delete writer
etcdctl --user ann:new get a
etcdctl --user root:root user get ann
etcdctl --user root:root user delete ann
etcdctl --user ann:new get a
etcdctl --user root:root user list
etcdctl --user root:root role list
etcdctl --user root:root auth disable
etcdctl --user root:root auth disable
etcdctl --user root:root auth status
etcdctl auth status
etcdctl get --prefix ""
etcdctl user delete root
etcdctl role delete root
etcdctl auth enable
"#;

/// The gateway: whose token, path, body. Bytes are in base64.
pub const POSTS: &[(&str, &str, &str)] = &[
    ("", "/v3/auth/status", "{}"),
    (
        "",
        "/v3/auth/authenticate",
        r#"{"name":"root","password":"root"}"#,
    ),
    ("", "/v3/auth/user/add", r#"{"name":""}"#),
    (
        "",
        "/v3/auth/user/add",
        r#"{"name":"root","password":"root"}"#,
    ),
    (
        "",
        "/v3/auth/user/add",
        r#"{"name":"ann","password":"ann"}"#,
    ),
    (
        "",
        "/v3/auth/user/add",
        r#"{"name":"cn","options":{"no_password":true}}"#,
    ),
    (
        "",
        "/v3/auth/user/add",
        r#"{"name":"cn2","password":"given","options":{"no_password":true}}"#,
    ),
    (
        "",
        "/v3/auth/user/changepw",
        r#"{"name":"cn","password":"x"}"#,
    ),
    // A hash of the caller's own: taken for a change, replaced for a new user.
    (
        "",
        "/v3/auth/user/changepw",
        r#"{"name":"cn2","hashedPassword":"!"}"#,
    ),
    (
        "",
        "/v3/auth/user/add",
        r#"{"name":"own","hashedPassword":"!"}"#,
    ),
    (
        "",
        "/v3/auth/user/changepw",
        r#"{"name":"own","hashedPassword":"!"}"#,
    ),
    ("", "/v3/auth/role/add", r#"{"name":"r"}"#),
    ("", "/v3/auth/role/grant", r#"{"name":"r"}"#),
    (
        "",
        "/v3/auth/role/grant",
        r#"{"name":"r","perm":{"key":""}}"#,
    ),
    (
        "",
        "/v3/auth/role/grant",
        r#"{"name":"r","perm":{"key":"YQ==","range_end":"Yw==","permType":"READWRITE"}}"#,
    ),
    (
        "",
        "/v3/auth/role/grant",
        r#"{"name":"r","perm":{"key":"YQ==","range_end":"ZA==","permType":"READ"}}"#,
    ),
    (
        "",
        "/v3/auth/role/grant",
        r#"{"name":"r","perm":{"key":"YQ==","range_end":"ZA==","permType":"WRITE"}}"#,
    ),
    ("", "/v3/auth/role/get", r#"{"role":"r"}"#),
    ("", "/v3/auth/user/grant", r#"{"user":"ann","role":"r"}"#),
    (
        "",
        "/v3/auth/user/grant",
        r#"{"user":"root","role":"root"}"#,
    ),
    ("", "/v3/auth/user/get", r#"{"name":"root"}"#),
    ("", "/v3/kv/put", r#"{"key":"eg==","value":"MQ=="}"#),
    ("", "/v3/lease/grant", r#"{"ID":"77","TTL":"1000"}"#),
    (
        "",
        "/v3/kv/put",
        r#"{"key":"eg==","value":"MQ==","lease":"77"}"#,
    ),
    ("", "/v3/lease/grant", r#"{"ID":"78","TTL":"1000"}"#),
    (
        "",
        "/v3/kv/put",
        r#"{"key":"YQ==","value":"MQ==","lease":"78"}"#,
    ),
    ("", "/v3/auth/enable", "{}"),
    ("", "/v3/auth/enable", "{}"),
    ("", "/v3/auth/status", "{}"),
    ("nonsense", "/v3/auth/status", "{}"),
    (
        "",
        "/v3/auth/authenticate",
        r#"{"name":"root","password":"wrong"}"#,
    ),
    (
        "",
        "/v3/auth/authenticate",
        r#"{"name":"cn","password":""}"#,
    ),
    (
        "",
        "/v3/auth/authenticate",
        r#"{"name":"own","password":""}"#,
    ),
    ("root", "/v3/auth/status", "{}"),
    ("ann", "/v3/auth/status", "{}"),
    ("nonsense", "/v3/kv/range", r#"{"key":"YQ=="}"#),
    ("nonsense", "/v3/kv/put", r#"{"key":"YQ=="}"#),
    ("nonsense", "/v3/kv/compaction", r#"{"revision":"1"}"#),
    ("nonsense", "/v3/lease/grant", r#"{"ID":"99","TTL":"100"}"#),
    ("nonsense", "/v3/lease/leases", "{}"),
    ("nonsense", "/v3/lease/keepalive", r#"{"ID":"78"}"#),
    ("nonsense", "/v3/cluster/member/list", "{}"),
    ("nonsense", "/v3/cluster/member/remove", r#"{"ID":"5"}"#),
    ("nonsense", "/v3/maintenance/alarm", "{}"),
    ("nonsense", "/v3/maintenance/hashkv", "{}"),
    (
        "nonsense",
        "/v3/watch",
        r#"{"create_request":{"key":"YQ=="}}"#,
    ),
    ("", "/v3/kv/range", r#"{"key":"YQ=="}"#),
    ("", "/v3/kv/range", r#"{"key":"YQ==","serializable":true}"#),
    ("ann", "/v3/kv/range", r#"{"key":"YQ=="}"#),
    (
        "ann",
        "/v3/kv/range",
        r#"{"key":"YQ==","range_end":"Yw=="}"#,
    ),
    (
        "ann",
        "/v3/kv/range",
        r#"{"key":"YQ==","range_end":"ZA=="}"#,
    ),
    (
        "ann",
        "/v3/kv/range",
        r#"{"key":"YQ==","range_end":"AA=="}"#,
    ),
    (
        "ann",
        "/v3/kv/range",
        r#"{"key":"Yg==","range_end":"YQ=="}"#,
    ),
    ("ann", "/v3/kv/put", r#"{"key":"Yw==","value":"MQ=="}"#),
    (
        "ann",
        "/v3/kv/put",
        r#"{"key":"Yw==","value":"MQ==","prev_kv":true}"#,
    ),
    // Lease 77 holds a key that ann can't write, 78 does not.
    (
        "ann",
        "/v3/kv/put",
        r#"{"key":"Yg==","value":"MQ==","lease":"77"}"#,
    ),
    (
        "ann",
        "/v3/kv/put",
        r#"{"key":"Yg==","value":"MQ==","lease":"78"}"#,
    ),
    (
        "ann",
        "/v3/kv/put",
        r#"{"key":"Yg==","value":"MQ==","lease":"79"}"#,
    ),
    ("ann", "/v3/lease/timetolive", r#"{"ID":"77"}"#),
    ("", "/v3/lease/timetolive", r#"{"ID":"77"}"#),
    ("", "/v3/lease/timetolive", r#"{"ID":"77","keys":true}"#),
    ("ann", "/v3/lease/timetolive", r#"{"ID":"77","keys":true}"#),
    ("ann", "/v3/lease/timetolive", r#"{"ID":"78","keys":true}"#),
    ("ann", "/v3/lease/timetolive", r#"{"ID":"79","keys":true}"#),
    ("root", "/v3/lease/timetolive", r#"{"ID":"77","keys":true}"#),
    ("", "/v3/lease/leases", "{}"),
    ("", "/v3/lease/revoke", r#"{"ID":"78"}"#),
    ("ann", "/v3/lease/revoke", r#"{"ID":"77"}"#),
    ("ann", "/v3/lease/revoke", r#"{"ID":"78"}"#),
    ("ann", "/v3/lease/revoke", r#"{"ID":"78"}"#),
    ("root", "/v3/lease/revoke", r#"{"ID":"77"}"#),
    ("", "/v3/lease/grant", r#"{"ID":"80","TTL":"1000"}"#),
    ("", "/v3/lease/revoke", r#"{"ID":"80"}"#),
    ("", "/v3/lease/keepalive", r#"{"ID":"80"}"#),
    // A transaction within a transaction is not looked at in 3.5.16.
    (
        "ann",
        "/v3/kv/txn",
        r#"{"success":[{"request_put":{"key":"eg==","value":"MQ=="}}]}"#,
    ),
    (
        "ann",
        "/v3/kv/txn",
        r#"{"success":[{"request_txn":{"success":[{"request_put":{"key":"eg==","value":"Mg=="}}]}}]}"#,
    ),
    (
        "ann",
        "/v3/kv/txn",
        r#"{"success":[{"request_range":{"key":"eg=="}}]}"#,
    ),
    (
        "ann",
        "/v3/kv/txn",
        r#"{"success":[{"request_delete_range":{"key":"YQ==","range_end":"Yw==","prev_kv":true}}]}"#,
    ),
    (
        "ann",
        "/v3/kv/txn",
        r#"{"success":[{"request_delete_range":{"key":"YQ==","range_end":"ZA==","prev_kv":true}}]}"#,
    ),
    (
        "ann",
        "/v3/kv/txn",
        r#"{"compare":[{"key":"YQ==","range_end":"AA=="}]}"#,
    ),
    (
        "ann",
        "/v3/kv/deleterange",
        r#"{"key":"YQ==","range_end":"AA=="}"#,
    ),
    ("ann", "/v3/watch", r#"{"create_request":{"key":"eg=="}}"#),
    ("ann", "/v3/watch", r#"{"create_request":{"key":"YQ=="}}"#),
    (
        "ann",
        "/v3/watch",
        r#"{"create_request":{"key":"YQ==","range_end":"ZA=="}}"#,
    ),
    // The end that stands for no end is not looked at in 3.5.16.
    (
        "ann",
        "/v3/watch",
        r#"{"create_request":{"key":"YQ==","range_end":"AA=="}}"#,
    ),
    ("ann", "/v3/watch", r#"{"create_request":{}}"#),
    (
        "root",
        "/v3/watch",
        r#"{"create_request":{"range_end":"AA=="}}"#,
    ),
    ("", "/v3/watch", r#"{"create_request":{"key":"YQ=="}}"#),
    ("ann", "/v3/maintenance/hash", "{}"),
    ("", "/v3/maintenance/hash", "{}"),
    ("ann", "/v3/maintenance/hashkv", "{}"),
    ("ann", "/v3/maintenance/defragment", "{}"),
    ("", "/v3/maintenance/snapshot", "{}"),
    ("ann", "/v3/maintenance/alarm", "{}"),
    ("", "/v3/maintenance/alarm", "{}"),
    (
        "ann",
        "/v3/maintenance/transfer-leadership",
        r#"{"targetID":"1"}"#,
    ),
    (
        "ann",
        "/v3/cluster/member/add",
        r#"{"peerURLs":["http://127.0.0.1:1"]}"#,
    ),
    (
        "ann",
        "/v3/cluster/member/add",
        r#"{"peerURLs":["nonsense"]}"#,
    ),
    ("", "/v3/cluster/member/promote", r#"{"ID":"5"}"#),
    ("ann", "/v3/auth/user/get", r#"{"name":"ann"}"#),
    ("ann", "/v3/auth/user/get", r#"{"name":"root"}"#),
    ("ann", "/v3/auth/user/get", r#"{"name":"nobody"}"#),
    ("ann", "/v3/auth/role/get", r#"{"role":"r"}"#),
    ("ann", "/v3/auth/role/get", r#"{"role":"root"}"#),
    ("", "/v3/auth/role/get", r#"{"role":"r"}"#),
    (
        "root",
        "/v3/auth/user/revoke",
        r#"{"name":"root","role":"root"}"#,
    ),
    (
        "root",
        "/v3/auth/user/revoke",
        r#"{"name":"ann","role":"none"}"#,
    ),
    (
        "root",
        "/v3/auth/role/revoke",
        r#"{"role":"r","key":"YQ==","range_end":"ZA=="}"#,
    ),
    (
        "root",
        "/v3/auth/role/revoke",
        r#"{"role":"r","key":"YQ==","range_end":"ZA=="}"#,
    ),
    ("ann", "/v3/kv/put", r#"{"key":"Yw==","value":"MQ=="}"#),
    // A simple token goes with the user's password.
    (
        "root",
        "/v3/auth/user/changepw",
        r#"{"name":"ann","password":"new"}"#,
    ),
    ("ann", "/v3/kv/range", r#"{"key":"YQ=="}"#),
    ("root", "/v3/auth/role/delete", r#"{"role":"r"}"#),
    ("root", "/v3/auth/user/delete", r#"{"name":"ann"}"#),
    ("root", "/v3/auth/user/list", "{}"),
    ("root", "/v3/auth/role/list", "{}"),
    ("root", "/v3/auth/disable", "{}"),
    ("root", "/v3/auth/status", "{}"),
    ("", "/v3/auth/status", "{}"),
];

/// Those who come with a certificate of their name; `CERT` stands for the files.
pub const CERTIFIED: &str = r#"
etcdctl CERT-root put a 1
etcdctl CERT-root user add root:root
etcdctl CERT-root user grant-role root root
etcdctl CERT-root user add ann --no-password
etcdctl CERT-root role add r
etcdctl CERT-root role grant-permission r readwrite a c
etcdctl CERT-root user grant-role ann r
etcdctl CERT-root auth enable
etcdctl CERT-root auth status
etcdctl CERT-root user list
etcdctl CERT-root get --prefix ""
etcdctl CERT-ann get a
etcdctl CERT-ann put b 1
etcdctl CERT-ann get z
etcdctl CERT-ann user list
etcdctl CERT-ann user get ann
etcdctl CERT-ann defrag
etcdctl CERT-eve get a
etcdctl CERT-eve user list
etcdctl CERT-ann --user root:root user list
etcdctl CERT-ann --user root:wrong user list
etcdctl CERT-ann --user ann:x get a
etcdctl CERT-root auth disable
"#;

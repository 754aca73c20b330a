//! Users, roles and logging in: command lines, as in `rows`.

/// A conversation that ends with authentication enabled and disabled again.
pub const USERS: &str = r#"
etcdctl auth status
etcdctl auth status -w json
etcdctl auth status -w fields
etcdctl auth status -w table
etcdctl auth status -w protobuf
etcdctl auth status x
etcdctl auth enable x
etcdctl auth disable x
etcdctl auth
etcdctl auth enable
etcdctl auth disable
etcdctl user
etcdctl user add
etcdctl user add a b
etcdctl user add :pw
etcdctl user add root <<< "\n"
etcdctl user add root <<< "pw\nother\n"
etcdctl user add root <<< "pw\npw\n"
etcdctl user add root <<< "pw\npw\n"
etcdctl user add reader:pw
etcdctl user add writer:pw -w json
etcdctl user add third --new-user-password pw -w fields
etcdctl user add fourth --interactive=false <<< "pw rest\n"
etcdctl user add fifth --no-password
etcdctl user add sixth:pw -w table
etcdctl user add seventh:pw -w protobuf
etcdctl user add '' --no-password
etcdctl user passwd
etcdctl user passwd third --interactive=false <<< "new\n"
etcdctl user passwd third <<< "pw\npw\n"
etcdctl user passwd nobody <<< "pw\npw\n"
etcdctl user list
etcdctl user list -w json
etcdctl user list -w fields
etcdctl user list -w table
etcdctl user list -w protobuf
etcdctl user list x
etcdctl user get
etcdctl user get nobody
etcdctl user get reader
etcdctl user get reader -w json
etcdctl user get reader -w fields
etcdctl user get reader -w protobuf
etcdctl user get reader --detail
etcdctl role
etcdctl role add
etcdctl role add r
etcdctl role add r
etcdctl role add w -w json
etcdctl role add x -w fields
etcdctl role add y -w table
etcdctl role add z -w protobuf
etcdctl role list
etcdctl role list -w json
etcdctl role list -w fields
etcdctl role list -w table
etcdctl role list -w protobuf
etcdctl role list x
etcdctl role grant-permission
etcdctl role grant-permission r read
etcdctl role grant-permission r nope a
etcdctl role grant-permission nobody read a
etcdctl role grant-permission r read a
etcdctl role grant-permission r READ b c -w json
etcdctl role grant-permission r readwrite p/ --prefix -w fields
etcdctl role grant-permission w write m --from-key -w protobuf
etcdctl role grant-permission x readwrite '' --prefix
etcdctl role grant-permission y readwrite ''
etcdctl role grant-permission r read a b --prefix
etcdctl role grant-permission r read a b --from-key
etcdctl role grant-permission r read a --prefix --from-key
etcdctl role grant-permission r read '' --prefix --from-key
etcdctl role grant-permission --prefix r read q
etcdctl role get
etcdctl role get nobody
etcdctl role get r
etcdctl role get r -w json
etcdctl role get r -w fields
etcdctl role get r -w table
etcdctl role get r -w protobuf
etcdctl role get w
etcdctl role get x
etcdctl role revoke-permission
etcdctl role revoke-permission r
etcdctl role revoke-permission r q --prefix
etcdctl role revoke-permission r b c
etcdctl role revoke-permission r b c
etcdctl role revoke-permission w m --from-key -w json
etcdctl role revoke-permission y '' -w fields
etcdctl role revoke-permission nobody a
etcdctl role get r
etcdctl user grant-role
etcdctl user grant-role reader
etcdctl user grant-role reader r
etcdctl user grant-role reader r
etcdctl user grant-role reader nobody
etcdctl user grant-role nobody r
etcdctl user grant-role writer r -w json
etcdctl user grant-role writer w -w fields
etcdctl user grant-role writer x -w protobuf
etcdctl user get writer --detail
etcdctl user revoke-role
etcdctl user revoke-role writer x
etcdctl user revoke-role writer x
etcdctl user revoke-role writer w -w json
etcdctl user delete
etcdctl user delete nobody
etcdctl user delete seventh
etcdctl user delete sixth -w json
etcdctl role delete
etcdctl role delete nobody
etcdctl role delete z
etcdctl role delete y -w json
etcdctl put a 1
etcdctl put zz 1
etcdctl --user root:pw get a
etcdctl --user root:wrong get a
etcdctl --user reader:pw put zz 2
etcdctl --user reader get a <<< "pw\n"
etcdctl --user reader: get a
etcdctl auth enable
etcdctl auth status
etcdctl --user root:pw auth status -w json
etcdctl auth enable
etcdctl --user root:pw auth enable
etcdctl get a
etcdctl get a -w json
etcdctl put a 2
etcdctl --user root:pw get a
etcdctl --user root:wrong get a
etcdctl --user nobody:pw get a
etcdctl --user fifth:pw get a
etcdctl --user root: get a
etcdctl --user root get a <<< "pw\n"
etcdctl --user root get a <<< "wrong\n"
etcdctl --user root get a <<< ""
etcdctl --user root --password pw get a
etcdctl --user root --password wrong get a
etcdctl --password pw get a
ETCDCTL_USER=root:pw etcdctl get a
ETCDCTL_USER=root ETCDCTL_PASSWORD=pw etcdctl get a
ETCDCTL_USER=root:pw etcdctl --user reader:pw get a
etcdctl --user reader:pw get a
etcdctl --user reader:pw get zz
etcdctl --user reader:pw get a z
etcdctl --user reader:pw get '' --prefix
etcdctl --user reader:pw get p/ --prefix
etcdctl --user reader:pw put a 2
etcdctl --user reader:pw put p/1 2
etcdctl --user reader:pw del a
etcdctl --user reader:pw del p/ --prefix
etcdctl --user reader:pw put p/1 3 --prev-kv
etcdctl --user reader:pw txn <<< "value(\"a\") = \"1\"\n\nput p/2 1\n\n\n"
etcdctl --user reader:pw txn <<< "value(\"zz\") = \"1\"\n\nput p/2 1\n\n\n"
etcdctl --user reader:pw txn <<< "\nput zz 1\n\n\n"
etcdctl --user reader:pw watch zz
etcdctl --user reader:pw watch zz -w json
etcdctl watch a
etcdctl --user root:wrong watch a
etcdctl --user reader:pw compaction 2
etcdctl --user root:pw compaction 2
etcdctl --user reader:pw lease list
etcdctl lease list
etcdctl lease grant 100
etcdctl --user reader:pw lease timetolive 1
etcdctl --user reader:pw lease revoke 1
etcdctl --user reader:pw lease keep-alive --once 1
etcdctl --user reader:pw user list
etcdctl --user reader:pw user get reader
etcdctl --user reader:pw user get root
etcdctl --user reader:pw user add x:y
etcdctl --user reader:pw role list
etcdctl --user reader:pw role get r
etcdctl --user reader:pw role get w
etcdctl --user reader:pw role add q
etcdctl --user root:pw user get root --detail
etcdctl --user root:pw role get root
etcdctl --user root:pw user delete root
etcdctl --user root:pw role delete root
etcdctl --user root:pw user revoke-role root root
etcdctl --user root:pw user passwd reader --interactive=false <<< "new\n"
etcdctl --user reader:pw get a
etcdctl --user reader:new get a
etcdctl member list
etcdctl --user reader:new member list
etcdctl --user reader:new member add m2 --peer-urls=http://127.0.0.1:1
etcdctl --user root:pw member remove 1
etcdctl endpoint health
etcdctl --user reader:new endpoint health
etcdctl --user root:pw endpoint health
etcdctl --user root:wrong endpoint health
etcdctl --user root:wrong endpoint health -w json
etcdctl --user root:pw endpoint health --cluster
etcdctl --user root:wrong endpoint status
etcdctl endpoint hashkv
etcdctl --user root:pw endpoint hashkv
etcdctl alarm list
etcdctl --user root:pw alarm list
etcdctl alarm disarm
etcdctl defrag
etcdctl --user reader:new defrag
etcdctl --user root:pw defrag
etcdctl --user root:pw defrag --cluster
etcdctl snapshot save DIR/s.db
etcdctl --user reader:new snapshot save DIR/s.db
etcdctl --user root:wrong snapshot save DIR/s.db
etcdctl --user root:pw snapshot save DIR/s.db
etcdctl move-leader 1
etcdctl --user root:pw move-leader 1
etcdctl lock l
etcdctl --user reader:new lock l
etcdctl --user root:wrong lock l
etcdctl elect e p
etcdctl --user reader:new elect e p
etcdctl make-mirror 127.0.0.1:CLIENT
etcdctl --user root:wrong make-mirror 127.0.0.1:CLIENT
etcdctl --user root:pw make-mirror 127.0.0.1:CLIENT --dest-user root:wrong
etcdctl check perf
etcdctl check datascale
etcdctl auth disable
etcdctl --user reader:new auth disable
etcdctl --user root:pw auth disable
etcdctl --user root:pw auth disable
etcdctl get a
"#;

/// Words before which there is nobody to ask.
pub const USERS_DOWN: &str = r#"
etcdctl --endpoints 127.0.0.1:CLOSED --user root:pw --dial-timeout 300ms get a
etcdctl --endpoints 127.0.0.1:CLOSED --user root:pw --dial-timeout 300ms endpoint health
etcdctl --endpoints 127.0.0.1:CLOSED --user root:pw --dial-timeout 300ms snapshot save DIR/x.db
etcdctl --endpoints 127.0.0.1:CLOSED --user root:pw --dial-timeout 300ms move-leader 1
etcdctl --endpoints 127.0.0.1:CLOSED --user root:pw --dial-timeout 300ms lock l
etcdctl --endpoints 127.0.0.1:CLOSED auth status
etcdctl --endpoints 127.0.0.1:CLOSED auth enable
etcdctl --endpoints unix://DIR/nobody get a
etcdctl --endpoints unix:nobody get a
etcdctl --endpoints unixs:///nobody get a
etcdctl --endpoints unix://nobody endpoint health
"#;

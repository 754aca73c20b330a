//! Command lines, a table for each situation.

/// Mistakes that no server is needed for.
pub const MISTAKES: &str = r#"
etcdctl version
etcdctl version -w json
etcdctl get
etcdctl get a --nope
etcdctl get a -x
etcdctl get a --limit=abc
etcdctl get a --limit 99999999999999999999
etcdctl get a --limit
etcdctl get a -w
etcdctl get a --write-out
etcdctl get a ---x
etcdctl get --=x
etcdctl get --prefix=maybe a
etcdctl get a --command-timeout 5
etcdctl get a --command-timeout 5parsecs
etcdctl get a -w nope
etcdctl get a -wx
etcdctl get a --order=foo
etcdctl get a --sort-by=foo
etcdctl get a --consistency=x
etcdctl get a b --prefix
etcdctl get a --prefix --from-key
etcdctl get a --keys-only --count-only
etcdctl get a -h
etcdctl get -hw json a
etcdctl help get
etcdctl help lease grant
etcdctl nope
etcdctl e
etcdctl --prefix get a
etcdctl endpoint
etcdctl endpoint nope
etcdctl endpoint health -h
etcdctl lease
etcdctl alarm
etcdctl member
etcdctl snapshot
etcdctl put
etcdctl put a
etcdctl put b --lease=zz x
etcdctl put b v --ignore-value
etcdctl del
etcdctl del a b c
etcdctl del a b --prefix
etcdctl del a --prefix --from-key
etcdctl compaction
etcdctl compaction abc
etcdctl lease grant
etcdctl lease grant abc
etcdctl lease revoke
etcdctl lease revoke xyz
etcdctl lease timetolive
etcdctl lease keep-alive
etcdctl lease keep-alive xyz
etcdctl member add
etcdctl member add a
etcdctl member add a b http://x
etcdctl member add a --peer-urls=foo
etcdctl member add a --peer-urls=127.0.0.1:1
etcdctl member add a --peer-urls=http://127.0.0.1
etcdctl member add a --peer-urls=http://127.0.0.1:1/x
etcdctl member remove
etcdctl member remove xyz
etcdctl member update 1
etcdctl member promote zz
etcdctl move-leader
etcdctl move-leader zz
etcdctl alarm list x
etcdctl alarm disarm x
etcdctl txn x
etcdctl watch
etcdctl watch a b c --
etcdctl watch a b --prefix
ETCDCTL_WATCH_RANGE_END=x etcdctl watch a
ETCDCTL_WATCH_KEY=x etcdctl watch a
ETCDCTL_API=4 etcdctl get a
ETCDCTL_ENDPOINTS=x:1 etcdctl --endpoints y:1 get a
etcdctl --endpoints '' get a
etcdctl --cert DIR/nope.crt get a
etcdctl --cert DIR/nope.crt --key DIR/nope.key get a
etcdctl --cacert DIR/nope.crt get a
etcdctl --cacert '' get a
etcdctl --cacert DIR get a
etcdctl snapshot save
etcdctl snapshot save --foo
etcdctl --endpoints a:1,b:1 snapshot save x.db
etcdctl lock
etcdctl lock --ttl=abc l
etcdctl elect
etcdctl elect a
etcdctl elect a b c
etcdctl elect -l a b
etcdctl elect -l
etcdctl make-mirror
etcdctl make-mirror a b
etcdctl make-mirror 127.0.0.1:1 --dest-cert DIR/nope.crt
etcdctl make-mirror 127.0.0.1:1 --dest-cert DIR/nope.crt --dest-key DIR/nope.key
etcdctl make-mirror 127.0.0.1:1 --dest-cacert DIR/nope.crt
etcdctl make-mirror 127.0.0.1:1 --nope
etcdctl check
etcdctl check perf --load=foo
etcdctl check perf --nope
etcdctl check datascale --load=foo
etcdctl check nope
etcdctl completion
etcdctl completion nope
etcdctl completion bash --nope
etcdctl auth nope
etcdctl user nope
etcdctl user add --nope
etcdctl role grant-permission --nope
etcdctl lease nope
etcdctl loc
etcdctl elct
etcdctl compl
etcdctl rol
etcdctl get a --rev=x
etcdctl get a --limit=-
etcdctl get --hex=maybe a
etcdctl watch a --rev=x
etcdctl lease grant 1 2
etcdctl member remove 1 2
etcdctl endpoint health --nope
etcdctl endpoint hashkv --rev=x
etcdctl defrag --nope
etcdctl snapshot restore
etcdctl snapshot status
etcdctl --keepalive-time=x get a
etcdctl --dial-timeout 1 get a
ETCDCTL_API=x etcdctl version
ETCDCTL_CACERT=nope.crt etcdctl get a
ETCDCTL_CERT=nope.crt etcdctl get a
ETCDCTL_CERT=nope.crt ETCDCTL_KEY=nope.key etcdctl get a
ETCDCTL_WRITE_OUT=nope etcdctl get a
ETCDCTL_WRITE_OUT=json etcdctl -w simple get a
ETCDCTL_HEX=true etcdctl --hex get a
etcdutl backup
etcdutl backup --data-dir x
etcdutl backup --backup-dir x
etcdutl backup --nope
etcdutl completion
etcdutl completion nope
etcdutl snap
etcdutl defrg
etcdutl -w nope snapshot status x
etcdutl snapshot status a b
etcdutl snapshot restore a b --data-dir x
etcdutl snapshot restore --data-dir x
etcdutl defrag --data-dir
etcdutl version
etcdutl version -h
etcdutl snapshot
etcdutl snapshot -h
etcdutl help snapshot
etcdutl nope
etcdutl snapshot save x
etcdutl snapshot status
etcdutl snapshot status a --foo
etcdutl snapshot restore
etcdutl snapshot restore x
etcdutl snapshot restore -h
etcdutl defrag
"#;

/// A conversation with a member; each row sees what the rows before it did.
pub const TALK: &str = r#"
etcdctl put a b
etcdctl get a
etcdctl get a -w json
etcdctl get a -w fields
etcdctl get a -w table
etcdctl put a '<&>é"\ '
etcdctl get a -w fields
etcdctl get a -w json
etcdctl get a --hex
etcdctl get a --print-value-only
etcdctl get a --print-value-only -w json
etcdctl get a --count-only
etcdctl get a --count-only -w fields
etcdctl put x y
etcdctl put x z --prev-kv
etcdctl put x z --prev-kv -w json
etcdctl put x z --prev-kv -w fields
etcdctl put x z --prev-kv -w table
etcdctl put b 1 -w fields
etcdctl put c <<< "from standard input\n"
etcdctl put -- -k -v
etcdctl get -- -k
etcdctl put '' a
etcdctl put nope --ignore-value
etcdctl put b --ignore-value --prev-kv
etcdctl put b --lease=123 x
etcdctl get '' --prefix --keys-only
etcdctl get '' --from-key
etcdctl get a z --limit 1 -w json
etcdctl get b --keys-only -w json
etcdctl get nokey -w json
etcdctl get '' --prefix --order=descend --sort-by=modify
etcdctl get '' --prefix --order=ascend --sort-by=key
etcdctl get a --consistency=s
etcdctl get a --rev 2
etcdctl get a --rev 100000
etcdctl del nokey
etcdctl del x --prev-kv -w json
etcdctl del x -w fields
etcdctl del y z
etcdctl del y z --range
etcdctl txn <<< "value(\"b\") = \"1\"\nver(\"b\") > \"0\"\n\nput q 1\nget b\ndel c\n\nget zzz\n\n"
etcdctl txn -w json <<< "value(\"b\") = \"1\"\nver(\"b\") > \"0\"\n\nput q 1\nget b\ndel c\n\nget zzz\n\n"
etcdctl txn -w fields <<< "value(\"b\") = \"2\"\n\n\nput q 1\nget b\ndel c\n\n"
etcdctl txn -i <<< "mod(\"b\") != \"0\"\n\nput 'q' \"1 2\"\n\n\n"
etcdctl txn <<< "foo\n\n"
etcdctl txn <<< "value(\"b\") = \"1\""
etcdctl txn <<< "value(\"b\" = \"1\"\n\n"
etcdctl txn <<< "x(\"b\") = \"1\"\n\n"
etcdctl txn <<< "ver(\"b\") = \"abc\"\n\n"
etcdctl txn <<< "\nfoo bar\n\n\n"
etcdctl txn <<< "\nget\n\n\n"
etcdctl txn <<< "\n\n\n"
etcdctl txn <<< "\nput a b\nput a c\n\n\n"
etcdctl compaction 3
etcdctl compaction 3
etcdctl compaction 100000
etcdctl compaction 4 --physical
etcdctl get a --rev 2
etcdctl watch a --rev 1
etcdctl watch a --rev 1 -w json
etcdctl watch a --rev 1 -w fields
etcdctl watch a --rev 1 -w table
etcdctl watch -i <<< "foo\n\nwatch\nwatch a b --prefix\n"
etcdctl watch -i <<< "watch a --nope\n"
etcdctl watch -i <<< "watch a --\n"
etcdctl lease revoke 123
etcdctl lease timetolive 123
etcdctl lease timetolive 123 -w json
etcdctl lease timetolive 123 --keys -w fields
etcdctl lease timetolive 123 -w table
etcdctl lease keep-alive 123
etcdctl lease keep-alive --once 123
etcdctl lease list
etcdctl lease list -w json
etcdctl lease list -w fields
etcdctl lease list -w table
etcdctl alarm list
etcdctl alarm list -w json
etcdctl alarm list -w fields
etcdctl alarm list -w table
etcdctl alarm disarm
etcdctl alarm disarm -w json
etcdctl defrag
etcdctl defrag --cluster
etcdctl endpoint health
etcdctl endpoint health -w json
etcdctl endpoint health -w fields
etcdctl endpoint health -w protobuf
etcdctl endpoint health --cluster
etcdctl endpoint status
etcdctl endpoint status -w json
etcdctl endpoint status -w fields
etcdctl endpoint status -w table
etcdctl endpoint status -w protobuf
etcdctl endpoint status --cluster -w table
etcdctl endpoint hashkv
etcdctl endpoint hashkv -w json
etcdctl endpoint hashkv -w fields
etcdctl endpoint hashkv -w table
etcdctl endpoint hashkv --rev 5
etcdctl member list
etcdctl member list -w json
etcdctl member list -w json --hex
etcdctl member list -w table
etcdctl member list -w fields
etcdctl member remove 1
etcdctl member update 1 --peer-urls=http://127.0.0.1:1
etcdctl member promote 1
etcdctl move-leader 1
etcdctl move-leader 1 -w json
etcdctl snapshot save DIR/s.db
etcdctl snapshot save /nope/x.db
etcdctl snapshot save DIR/s.db --command-timeout 1s
etcdctl snapshot save DIR/data
ETCDCTL_FOO=1 etcdctl get b
ETCDCTL_COMMAND_TIMEOUT=x ETCDCTL_WRITE_OUT=json etcdctl get b
ETCDCTL_WRITE_OUT=fields etcdctl get b
ETCDCTL_API=3 etcdctl get b
ETCDCTL_API= etcdctl get b
ETCDCTL_DIAL_TIMEOUT=1s etcdctl get b
ETCDCTL_KEEPALIVE_TIME=3s ETCDCTL_KEEPALIVE_TIMEOUT=4s etcdctl get b
ETCDCTL_HEX=true etcdctl get b
ETCDCTL_HEX=maybe etcdctl get b
ETCDCTL_INSECURE_TRANSPORT=true ETCDCTL_INSECURE_SKIP_TLS_VERIFY=true etcdctl get b
ETCDCTL_INSECURE_DISCOVERY=false etcdctl get b
ETCDCTL_PASSWORD=x etcdctl get b
ETCDCTL_DISCOVERY_SRV_NAME=x etcdctl get b
ETCDCTL_WATCH_KEY=x etcdctl get b
ETCDCTL_WATCH_KEY=a etcdctl watch --rev 1
ETCDCTL_COMMAND_TIMEOUT=3s etcdctl get b
etcdctl get b --limit=0
etcdctl get b --limit=-1
etcdctl get b --rev=-1
etcdctl get b a
etcdctl get '' ''
etcdctl get b ''
etcdctl get 'b c'
etcdctl del '' --from-key --prev-kv
etcdctl put b 1
etcdctl put "a b" "c d"
etcdctl get "a b" --hex
etcdctl get "a b" --hex --print-value-only
etcdctl get '' --prefix --keys-only --hex
etcdctl get '' --prefix --keys-only --print-value-only
etcdctl watch -i <<< "progress\nwatch\n"
etcdctl txn <<< "c(\"b\") > \"0\"\nm(\"b\") < \"1000\"\nval(\"b\") != \"x\"\nversion(\"b\") = \"1\"\n\nget b\n\n\n"
etcdctl txn <<< "create(\"b\") > \"0\"\n\nget b --print-value-only\nput \"x y\" z\ndel \"x z\"\n\n\n"
etcdctl txn --interactive <<< "\nget b\n\n\n"
etcdctl -w=json ge b
etcdctl en he
etcdctl get b -wjson --hex=true
"#;

/// Nobody listens, or nobody listens there.
pub const DOWN: &str = r#"
etcdctl --endpoints 127.0.0.1:CLOSED get a
etcdctl --endpoints 127.0.0.1:CLOSED put a b
etcdctl --endpoints 127.0.0.1:CLOSED endpoint health
etcdctl --endpoints 127.0.0.1:CLOSED endpoint health -w json
etcdctl --endpoints 127.0.0.1:CLOSED,127.0.0.1:CLIENT endpoint health
etcdctl --endpoints 127.0.0.1:CLOSED,127.0.0.1:CLIENT endpoint status
etcdctl --endpoints 127.0.0.1:CLOSED endpoint status
etcdctl --endpoints 127.0.0.1:CLOSED endpoint status -w table
etcdctl --endpoints 127.0.0.1:CLOSED endpoint status -w json
etcdctl --endpoints 127.0.0.1:CLOSED endpoint status --cluster
etcdctl --endpoints 127.0.0.1:CLOSED endpoint hashkv
etcdctl --endpoints 127.0.0.1:CLOSED member list
etcdctl --endpoints 127.0.0.1:CLOSED defrag
etcdctl --endpoints 127.0.0.1:CLOSED lease grant 10
etcdctl --endpoints 127.0.0.1:CLOSED alarm list
etcdctl --endpoints 127.0.0.1:CLOSED move-leader 1
etcdctl --endpoints 127.0.0.1:CLOSED snapshot save DIR/q.db
etcdctl --endpoints 127.0.0.1:CLOSED,127.0.0.1:CLIENT get nokey
etcdctl --endpoints https://127.0.0.1:CLIENT get a
etcdctl --endpoints https://127.0.0.1 get a
etcdctl --endpoints 127.0.0.1:99999 get a
etcdctl --endpoints htp://127.0.0.1:1 get a
etcdctl --endpoints 127.0.0.1:CLIENT/ get a
etcdctl --endpoints http://127.0.0.1:CLIENT/ get nokey
etcdctl --endpoints ' 127.0.0.1:CLIENT' get nokey
etcdctl --endpoints localhost:CLOSED get a
"#;

/// Certificates right and wrong; `tls` makes the files and starts the servers.
pub const TLS: &str = r#"
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints https://localhost:GOOD --cacert ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints 127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key member list
ETCDCTL_CACERT=ca.crt ETCDCTL_CERT=client.crt ETCDCTL_KEY=client.key etcdctl --endpoints https://127.0.0.1:GOOD get a
etcdctl --endpoints http://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert other-ca.crt --cert client.crt --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert stranger.crt --key stranger.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key stranger.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.key --key client.crt get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.crt get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert text --key client.key get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key text get a
etcdctl --endpoints https://127.0.0.1:GOOD --cacert text get a
etcdctl --endpoints https://127.0.0.1:EXPIRED --cacert ca.crt get a
etcdctl --endpoints https://127.0.0.1:NAMED --cacert ca.crt get a
etcdctl --endpoints https://localhost:NAMED --cacert ca.crt get a
etcdctl --endpoints https://127.0.0.1:NAMED --insecure-skip-tls-verify get a
etcdctl --endpoints https://127.0.0.1:NAMED --insecure-skip-tls-verify --insecure-transport=false get a
etcdctl --endpoints https://127.0.0.1:EXPIRED --cacert ca.crt endpoint health
etcdctl --endpoints https://127.0.0.1:GOOD --cacert ca.crt --cert client.crt --key client.key snapshot save s.db
"#;

/// Files good and bad; the tables' names are made by `files`.
pub const FILES: &str = r#"
etcdctl snapshot status s.db
etcdctl snapshot status s.db -w table
etcdctl snapshot status s.db -w json
etcdctl snapshot status s.db -w fields
etcdctl snapshot status s.db -w protobuf
etcdctl snapshot status s.db -w foo
etcdctl snapshot status nope.db
etcdctl snapshot status
etcdctl snapshot status text.db
etcdctl snapshot status noise.db
etcdctl snapshot status empty.db
etcdctl snapshot status flipped.db
etcdctl snapshot status live.db
etcdutl snapshot status s.db
etcdutl snapshot status s.db -w table
etcdutl snapshot status live.db -w json
etcdctl snapshot restore
etcdctl snapshot restore s.db --foo
etcdctl snapshot restore nope.db --data-dir new
etcdctl snapshot restore text.db --data-dir new
etcdctl snapshot restore empty.db --data-dir new
etcdctl snapshot restore noise.db --data-dir new1
etcdctl snapshot restore flipped.db --data-dir new2
etcdctl snapshot restore live.db --data-dir new3
etcdctl snapshot restore live.db --data-dir copied --skip-hash-check
etcdctl snapshot restore flipped.db --data-dir unchecked --skip-hash-check
etcdctl snapshot restore s.db
etcdctl snapshot restore s.db
etcdctl snapshot restore s.db --data-dir ./restored/
etcdctl snapshot restore s.db --data-dir restored
etcdctl snapshot restore s.db --data-dir exists
etcdctl snapshot restore s.db --data-dir new --wal-dir exists
etcdctl snapshot restore s.db --data-dir apart --wal-dir apart-wal
etcdctl snapshot restore s.db --data-dir new --name m1
etcdctl snapshot restore s.db --data-dir new --initial-cluster m1=http://127.0.0.1:1
etcdctl snapshot restore s.db --data-dir new --initial-cluster default=http://127.0.0.1:1
etcdctl snapshot restore s.db --data-dir new --initial-cluster foo
etcdctl snapshot restore s.db --data-dir new --initial-cluster a=foo
etcdctl snapshot restore s.db --data-dir new --initial-advertise-peer-urls=foo
etcdctl snapshot restore s.db --data-dir new --initial-advertise-peer-urls=http://localhost:2380,http://localhost:2381
etcdctl snapshot restore s.db --data-dir new --bump-revision 10
etcdctl snapshot restore s.db --data-dir new --mark-compacted
etcdctl snapshot restore s.db --data-dir bumped --bump-revision 10 --mark-compacted
etcdctl snapshot restore s.db --data-dir three --name b --initial-cluster a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380 --initial-advertise-peer-urls http://10.0.0.2:2380 --initial-cluster-token tok
etcdutl snapshot restore s.db --data-dir by-etcdutl
etcdutl defrag --data-dir by-etcdutl
etcdctl defrag --data-dir by-etcdutl
"#;

/// Directories that rows of [`FILES`] make, and where the log of each is.
pub const RESTORED: [(&str, &str); 7] = [
    ("default.etcd", "default.etcd/member/wal"),
    ("copied", "copied/member/wal"),
    ("restored", "restored/member/wal"),
    ("apart", "apart-wal"),
    ("bumped", "bumped/member/wal"),
    ("three", "three/member/wal"),
    ("by-etcdutl", "by-etcdutl/member/wal"),
];

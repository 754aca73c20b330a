//! Requests and command lines of the v2 API, a table for each situation.

/// Requests to a member with `--enable-v2`: the method, the path, and what the body is
/// (`form` or `json`). `@name:password` before it is a basic authorization, and a bare
/// `@` one that makes no sense.
pub const HTTP: &str = r##"
GET /v2/keys
GET /v2/keys/
GET /v2/keys/a
PUT /v2/keys/a form value=1
PUT /v2/keys/a form value=2
GET /v2/keys/a
HEAD /v2/keys/a
GET /v2/keys/a?quorum=true
PUT /v2/keys/a?prevExist=false form value=3
PUT /v2/keys/a?prevExist=true form value=3
PUT /v2/keys/b?prevExist=true form value=3
PUT /v2/keys/a?prevValue=9 form value=4
PUT /v2/keys/a?prevValue=3 form value=4
PUT /v2/keys/a?prevIndex=1 form value=4
PUT /v2/keys/a?prevIndex=1&prevValue=x form value=4
PUT /v2/keys/a?prevValue= form value=4
PUT /v2/keys/a?prevIndex=x form value=4
PUT /v2/keys/a?prevExist=maybe form value=4
PUT /v2/keys/a?ttl=x form value=4
PUT /v2/keys/a?ttl= form value=4
PUT /v2/keys/a?dir=x
PUT /v2/keys/a?refresh=x
PUT /v2/keys/t form value=1&ttl=100
GET /v2/keys/t
PUT /v2/keys/t form refresh=true&ttl=200
PUT /v2/keys/t form refresh=true&ttl=50&prevExist=true
PUT /v2/keys/t form refresh=true&value=1&ttl=1
PUT /v2/keys/t form refresh=true
PUT /v2/keys/nt form refresh=true&ttl=20
PUT /v2/keys/t form value=forever
GET /v2/keys/t
PUT /v2/keys/t form value=1&ttl=100
PUT /v2/keys/t?prevExist=true form value=2
PUT /v2/keys/t?prevExist=true form value=2&ttl=5000000000
PUT /v2/keys/d form dir=true
PUT /v2/keys/d form dir=true
PUT /v2/keys/d?prevExist=true form dir=true
PUT /v2/keys/d?prevExist=true form dir=true&ttl=30
PUT /v2/keys/d form value=x
PUT /v2/keys/d?prevExist=true form value=x
PUT /v2/keys/d?prevValue=s form value=x
PUT /v2/keys/d/e/f form value=deep
PUT /v2/keys/d/e/_h form value=hidden
GET /v2/keys/d
GET /v2/keys/d?recursive=true&sorted=true
GET /v2/keys/d/e/_h
GET /v2/keys/d/e/f/g
PUT /v2/keys/d/e/f/g form value=1
PUT /v2/keys/d/e/f/g?prevExist=false form value=1
POST /v2/keys/d/e/f form value=1
POST /v2/keys/q form value=one
POST /v2/keys/q form value=two&ttl=60
POST /v2/keys/q form dir=true
GET /v2/keys/q?recursive=true&sorted=true
DELETE /v2/keys/q
DELETE /v2/keys/q?dir=true
DELETE /v2/keys/q?recursive=true
DELETE /v2/keys/q
DELETE /v2/keys/a?prevValue=no
DELETE /v2/keys/a?prevIndex=3&prevValue=no
DELETE /v2/keys/a?prevValue=4
DELETE /v2/keys/d?prevValue=4
DELETE /v2/keys/d?prevIndex=4
DELETE /v2/keys
DELETE /v2/keys?recursive=true
PUT /v2/keys form value=1
PUT /v2/keys form dir=true
POST /v2/keys form value=root
PUT /v2/keys?prevExist=true form value=1
PUT /v2/keys?prevIndex=1 form value=1
DELETE /v2/keys?prevIndex=1
PATCH /v2/keys/a
GET /v2/keys/a?wait=maybe
PUT /v2/keys/a?wait=true
HEAD /v2/keys/a?wait=true
GET /v2/keys/a?waitIndex=x&wait=true
GET /v2/keys?recursive=yes
GET /v2/keys?recursive
GET /v2/keys?sorted=2
GET /v2/keys?quorum=2
GET /v2/keys?stream=2
GET /v2/keys?noValueOnSuccess=2
PUT /v2/keys/n?noValueOnSuccess=true form value=1
PUT /v2/keys/n?noValueOnSuccess=true form value=1
DELETE /v2/keys/n?noValueOnSuccess=true
PUT /v2/keys/u form value=%3Ca%3E%26%22%C3%A9%00%E2%80%A8
GET /v2/keys/u
PUT /v2/keys/%C3%A9%20x form value=1
GET /v2/keys/%C3%A9%20x
PUT /v2/keys/u form value=%zz
PUT /v2/keys/u?a;b form value=1
PUT /v2/keys/u form value=+plus%2B
PUT /v2/keys/u json value=json
PUT /v2/keys/u?value=query form value=body
PUT /v2/keys/u?value=query
PUT /v2/keys/empty
GET /v2/keys//a
GET /v2/keys/../keys/a?x=y
PUT /v2//keys/a form value=1
GET /v2/keysx
GET /v2
GET /v2/
GET /v2/foo
GET /v2/keys/x/
PUT /v2/keys/x/ form value=1
GET /v2/keys/x
PUT /v2/keys/x form value=trailing
GET /v2/keys/x?wait=true&waitIndex=5
GET /v2/keys/?wait=true&recursive=true&waitIndex=8
GET /v2/keys/d?wait=true&recursive=true&waitIndex=1
GET /v2/keys/q/zz?wait=true&waitIndex=9
GET /v2/members
GET /v2/members/
GET /v2/members/leader
GET /v2/members/foo
PATCH /v2/members
POST /v2/members form {"peerURLs":["http://127.0.0.1:9"]}
POST /v2/members json {"peerURLs":["http://127.0.0.1"]}
POST /v2/members json {"peerURLs":[]}
POST /v2/members json {
POST /v2/members json 
DELETE /v2/members
DELETE /v2/members/zz
DELETE /v2/members/1234
PUT /v2/members/1234 json {"peerURLs":["http://127.0.0.1:9"]}
PUT /v2/members form {}
GET /v2/machines
HEAD /v2/machines
PUT /v2/machines
GET /v2/stats/store
PUT /v2/stats/store
GET /v2/stats/self
GET /v2/stats/leader
GET /v2/stats
GET /v2/stats/foo
GET /livez
GET /readyz
GET /health
GET /version
OPTIONS /v2/keys
GET /v2/auth/enable
PUT /v2/auth/enable
DELETE /v2/auth/enable
POST /v2/auth/enable
GET /v2/auth/users
GET /v2/auth/users/
GET /v2/auth/roles
GET /v2/auth/roles/root
GET /v2/auth/roles/x
GET /v2/auth/users/x
GET /v2/auth/users/x/y
GET /v2/auth/roles/x/y
GET /v2/auth
PUT /v2/auth/users
POST /v2/auth/users/x
PUT /v2/auth/users/x json {
PUT /v2/auth/users/x json {"user":"y"}
PUT /v2/auth/users/x json {"user":"x"}
PUT /v2/auth/users/root json {"user":"root","password":"pw"}
PUT /v2/auth/users/root json {"user":"root","password":"pw","roles":["a"]}
PUT /v2/auth/users/al json {"user":"al","password":"pw"}
PUT /v2/auth/users/al json {"user":"al","roles":["a"],"grant":["b"]}
GET /v2/auth/users
GET /v2/auth/users/root
PUT /v2/auth/roles/r json {"role":"r"}
PUT /v2/auth/roles/r json {"role":"r"}
PUT /v2/auth/roles/root json {"role":"root"}
PUT /v2/auth/roles/z json {"role":"y"}
PUT /v2/auth/roles/z json x
PUT /v2/auth/roles/r json {"role":"r","grant":{"kv":{"read":["/d/*"],"write":["/a"]}}}
PUT /v2/auth/roles/r json {"role":"r","grant":{"kv":{"read":["/d/*"],"write":["/a"]}}}
PUT /v2/auth/roles/r json {"role":"r","permissions":{"kv":{"read":["/d"],"write":[]}},"grant":{"kv":{"read":["/z"]}}}
PUT /v2/auth/roles/r json {"role":"r","revoke":{"kv":{"write":["/nope"],"read":[]}}}
PUT /v2/auth/roles/none json {"role":"none","grant":{"kv":{"read":["/z"]}}}
GET /v2/auth/roles/r
GET /v2/auth/roles
PUT /v2/auth/users/al json {"user":"al","grant":["r","nonexist"]}
PUT /v2/auth/users/al json {"user":"al","grant":["r"]}
PUT /v2/auth/users/al json {"user":"al","revoke":["nonexist"]}
PUT /v2/auth/users/al json {"user":"al","revoke":["q"]}
PUT /v2/auth/users/al json {"user":"al","password":"new"}
PUT /v2/auth/users/al json {"user":"al"}
PUT /v2/auth/users/none json {"user":"none","grant":["x"]}
GET /v2/auth/users
GET /v2/auth/users/al
DELETE /v2/auth/users/zz
DELETE /v2/auth/roles/zz
DELETE /v2/auth/roles/root
PUT /v2/auth/enable
@root:pw PUT /v2/auth/enable
GET /v2/auth/enable
GET /v2/auth/users
@root:bad GET /v2/auth/users
@root:pw GET /v2/auth/users
@al:new GET /v2/auth/users
@al:new GET /v2/keys/d
@al:new GET /v2/keys/d?recursive=true&sorted=true
@al:new GET /v2/keys/d/e/f
@al:new GET /v2/keys/d/?recursive=true&sorted=true
@al:new PUT /v2/keys/a form value=al
@al:new PUT /v2/keys/b form value=al
PUT /v2/keys/b form value=guest
@root:pw GET /v2/auth/roles/guest
@root:pw PUT /v2/auth/roles/guest json {"role":"guest","revoke":{"kv":{"write":["/*"],"read":[]}}}
PUT /v2/keys/b form value=guest
GET /v2/keys/b
POST /v2/members json {}
GET /v2/members
@root:pw DELETE /v2/auth/users/root
@root:pw DELETE /v2/auth/users/al
@root:pw DELETE /v2/auth/roles/r
@ GET /v2/keys/b
DELETE /v2/auth/enable
@root:pw DELETE /v2/auth/enable
DELETE /v2/auth/enable
GET /v2/stats/store
"##;

/// Command lines with a member that has `--enable-v2`.
pub const COMMANDS: &str = r##"
ETCDCTL_API=2 etcdctl ls
ETCDCTL_API=2 etcdctl get
ETCDCTL_API=2 etcdctl get nope
ETCDCTL_API=2 etcdctl set a 1
ETCDCTL_API=2 etcdctl set a
ETCDCTL_API=2 etcdctl set /b/c x
ETCDCTL_API=2 etcdctl set b y
ETCDCTL_API=2 etcdctl set b/c/d y
ETCDCTL_API=2 etcdctl get a
ETCDCTL_API=2 etcdctl get /a/
ETCDCTL_API=2 etcdctl -o extended get a
ETCDCTL_API=2 etcdctl -o json get a
ETCDCTL_API=2 etcdctl -o yaml get a
ETCDCTL_API=2 etcdctl --output=extended set a 2
ETCDCTL_API=2 etcdctl -o json set a 3
ETCDCTL_API=2 etcdctl set a 4 --swap-with-value 3
ETCDCTL_API=2 etcdctl set a 5 --swap-with-value 3
ETCDCTL_API=2 etcdctl set a 5 --swap-with-index 1
ETCDCTL_API=2 etcdctl set --ttl 100 t v
ETCDCTL_API=2 etcdctl -o extended get t
ETCDCTL_API=2 etcdctl set a --ttl x
ETCDCTL_API=2 etcdctl set --ttl
ETCDCTL_API=2 etcdctl set a 1 --nope
ETCDCTL_API=2 etcdctl set --nope a 1
ETCDCTL_API=2 etcdctl set -- -k -v
ETCDCTL_API=2 etcdctl get -- -k
ETCDCTL_API=2 etcdctl mk a 1
ETCDCTL_API=2 etcdctl mk m 1
ETCDCTL_API=2 etcdctl mk --in-order q 1
ETCDCTL_API=2 etcdctl mk --in-order q 2 --ttl 50
ETCDCTL_API=2 etcdctl ls q --sort
ETCDCTL_API=2 etcdctl -o json ls --sort q
ETCDCTL_API=2 etcdctl -o extended ls --sort q
ETCDCTL_API=2 etcdctl ls -r --sort
ETCDCTL_API=2 etcdctl ls -p --sort
ETCDCTL_API=2 etcdctl ls -r -p --sort
ETCDCTL_API=2 etcdctl ls --sort -q
ETCDCTL_API=2 etcdctl ls a
ETCDCTL_API=2 etcdctl ls nope
ETCDCTL_API=2 etcdctl get q
ETCDCTL_API=2 etcdctl mkdir d
ETCDCTL_API=2 etcdctl mkdir d
ETCDCTL_API=2 etcdctl -o json mkdir d2 --ttl 40
ETCDCTL_API=2 etcdctl setdir d3
ETCDCTL_API=2 etcdctl setdir d3
ETCDCTL_API=2 etcdctl setdir d3 --ttl 30
ETCDCTL_API=2 etcdctl updatedir d
ETCDCTL_API=2 etcdctl updatedir d --ttl 20
ETCDCTL_API=2 etcdctl updatedir nodir
ETCDCTL_API=2 etcdctl update a 9
ETCDCTL_API=2 etcdctl update nokey 9
ETCDCTL_API=2 etcdctl -o extended update a 10
ETCDCTL_API=2 etcdctl rm a
ETCDCTL_API=2 etcdctl rm a
ETCDCTL_API=2 etcdctl rm d
ETCDCTL_API=2 etcdctl rm --dir d
ETCDCTL_API=2 etcdctl rm b --recursive
ETCDCTL_API=2 etcdctl rm --recursive q
ETCDCTL_API=2 etcdctl -o extended rm m
ETCDCTL_API=2 etcdctl -o json rm t
ETCDCTL_API=2 etcdctl set v 1
ETCDCTL_API=2 etcdctl rm v --with-value 2
ETCDCTL_API=2 etcdctl rm v --with-index 1
ETCDCTL_API=2 etcdctl rm v --with-value 1
ETCDCTL_API=2 etcdctl rmdir d2
ETCDCTL_API=2 etcdctl rmdir d3
ETCDCTL_API=2 etcdctl rmdir nope
ETCDCTL_API=2 etcdctl mkdir full
ETCDCTL_API=2 etcdctl set full/x 1
ETCDCTL_API=2 etcdctl rmdir full
ETCDCTL_API=2 etcdctl rmdir full/x
ETCDCTL_API=2 etcdctl -o json rmdir full
ETCDCTL_API=2 etcdctl get --quorum -k
ETCDCTL_API=2 etcdctl get
ETCDCTL_API=2 etcdctl mk
ETCDCTL_API=2 etcdctl mk a
ETCDCTL_API=2 etcdctl mk a <<<from stdin
ETCDCTL_API=2 etcdctl set s <<<
ETCDCTL_API=2 etcdctl set s <<<line
ETCDCTL_API=2 etcdctl get s
ETCDCTL_API=2 etcdctl rm
ETCDCTL_API=2 etcdctl rmdir
ETCDCTL_API=2 etcdctl mkdir
ETCDCTL_API=2 etcdctl setdir
ETCDCTL_API=2 etcdctl updatedir
ETCDCTL_API=2 etcdctl update
ETCDCTL_API=2 etcdctl update a
ETCDCTL_API=2 etcdctl watch
ETCDCTL_API=2 etcdctl watch --after-index 5 -r /
ETCDCTL_API=2 etcdctl watch --after-index 4 a
ETCDCTL_API=2 etcdctl watch --after-index 4 b/c
ETCDCTL_API=2 etcdctl -o json watch --after-index 4 b/c
ETCDCTL_API=2 etcdctl exec-watch
ETCDCTL_API=2 etcdctl exec-watch a
ETCDCTL_API=2 etcdctl member list
ETCDCTL_API=2 etcdctl member list x
ETCDCTL_API=2 etcdctl member
ETCDCTL_API=2 etcdctl member nope
ETCDCTL_API=2 etcdctl member add
ETCDCTL_API=2 etcdctl member add x
ETCDCTL_API=2 etcdctl member add x nourl
ETCDCTL_API=2 etcdctl member add x http://127.0.0.1
ETCDCTL_API=2 etcdctl member remove
ETCDCTL_API=2 etcdctl member remove nope
ETCDCTL_API=2 etcdctl member remove m1
ETCDCTL_API=2 etcdctl member update
ETCDCTL_API=2 etcdctl member update 1 http://127.0.0.1:1
ETCDCTL_API=2 etcdctl member update zz http://127.0.0.1:1
ETCDCTL_API=2 etcdctl member update zz foo
ETCDCTL_API=2 etcdctl cluster-health
ETCDCTL_API=2 etcdctl cluster-health x
ETCDCTL_API=2 etcdctl nope
ETCDCTL_API=2 etcdctl help
ETCDCTL_API=2 etcdctl help set
ETCDCTL_API=2 etcdctl help member
ETCDCTL_API=2 etcdctl help nope
ETCDCTL_API=2 etcdctl member help add
ETCDCTL_API=2 etcdctl member help nope
ETCDCTL_API=2 etcdctl member --help
ETCDCTL_API=2 etcdctl member -x
ETCDCTL_API=2 etcdctl set --help
ETCDCTL_API=2 etcdctl set -h
ETCDCTL_API=2 etcdctl --help
ETCDCTL_API=2 etcdctl -h
ETCDCTL_API=2 etcdctl --version
ETCDCTL_API=2 etcdctl -v
ETCDCTL_API=2 etcdctl --nope
ETCDCTL_API=2 etcdctl --timeout 5 get a
ETCDCTL_API=2 etcdctl --timeout=2parsecs get a
ETCDCTL_API=2 etcdctl --total-timeout=0 get a
ETCDCTL_API=2 etcdctl --debug get nope
ETCDCTL_API=2 etcdctl --debug set a 1
ETCDCTL_API=2 etcdctl --debug --no-sync get a
ETCDCTL_API=2 etcdctl --debug member list
ETCDCTL_API=2 etcdctl --debug rm a
ETCDCTL_API=2 etcdctl --no-sync set e/u "x y&z"
ETCDCTL_API=2 etcdctl --debug get "e/u"
ETCDCTL_API=2 etcdctl --endpoints 127.0.0.1:CLOSED get a
ETCDCTL_API=2 etcdctl --endpoints localhost:CLOSED get a
ETCDCTL_API=2 etcdctl --endpoints http://127.0.0.1:CLOSED get a
ETCDCTL_API=2 etcdctl --endpoints http://127.0.0.1:CLOSED --no-sync get a
ETCDCTL_API=2 etcdctl --endpoints http://127.0.0.1:CLOSED --no-sync set a 1
ETCDCTL_API=2 etcdctl --endpoints http://127.0.0.1:CLOSED --no-sync mk a 1
ETCDCTL_API=2 etcdctl --endpoints http://127.0.0.1:CLOSED --no-sync rm a
ETCDCTL_API=2 etcdctl --endpoints http://127.0.0.1:CLOSED member list
ETCDCTL_API=2 etcdctl --endpoints http://127.0.0.1:CLOSED cluster-health
ETCDCTL_API=2 etcdctl --endpoints http://127.0.0.1:CLOSED --debug get a
ETCDCTL_API=2 etcdctl --endpoints https://127.0.0.1:CLIENT get a
ETCDCTL_API=2 etcdctl --endpoints https://127.0.0.1:CLIENT cluster-health
ETCDCTL_API=2 etcdctl --endpoints ftp://127.0.0.1:CLIENT get a
ETCDCTL_API=2 etcdctl --endpoints http:// get a
ETCDCTL_API=2 etcdctl --endpoints http://a:b get a
ETCDCTL_API=2 etcdctl --endpoints , get a
ETCDCTL_API=2 etcdctl --cert-file /nope get a
ETCDCTL_API=2 etcdctl --cert-file /nope --key-file /nope get a
ETCDCTL_API=2 etcdctl --ca-file /nope get a
ETCDCTL_API=2 etcdctl user list
ETCDCTL_API=2 etcdctl user list x
ETCDCTL_API=2 etcdctl user get nope
ETCDCTL_API=2 etcdctl user add
ETCDCTL_API=2 etcdctl user add root:pw
ETCDCTL_API=2 etcdctl user add root:pw
ETCDCTL_API=2 etcdctl user add al:secret
ETCDCTL_API=2 etcdctl user get root
ETCDCTL_API=2 etcdctl user get al
ETCDCTL_API=2 etcdctl user list
ETCDCTL_API=2 etcdctl user grant al
ETCDCTL_API=2 etcdctl user grant al --roles r1 --roles r2
ETCDCTL_API=2 etcdctl user grant al --roles r1
ETCDCTL_API=2 etcdctl user revoke al --roles r2
ETCDCTL_API=2 etcdctl user revoke al --roles zz
ETCDCTL_API=2 etcdctl user get al
ETCDCTL_API=2 etcdctl user remove al
ETCDCTL_API=2 etcdctl user remove al
ETCDCTL_API=2 etcdctl user grant nope --roles x
ETCDCTL_API=2 etcdctl role list
ETCDCTL_API=2 etcdctl role get nope
ETCDCTL_API=2 etcdctl role add r1
ETCDCTL_API=2 etcdctl role add r1
ETCDCTL_API=2 etcdctl role get r1
ETCDCTL_API=2 etcdctl role get root
ETCDCTL_API=2 etcdctl role grant r1
ETCDCTL_API=2 etcdctl role grant r1 --path x
ETCDCTL_API=2 etcdctl role grant r1 --path /x/*
ETCDCTL_API=2 etcdctl role grant r1 --path /x/* --read --write
ETCDCTL_API=2 etcdctl role grant r1 --path /x/* --readwrite
ETCDCTL_API=2 etcdctl role grant r1 --path /x/* --read
ETCDCTL_API=2 etcdctl role revoke r1 --path /y --read
ETCDCTL_API=2 etcdctl role revoke r1 --path /x/* -rw
ETCDCTL_API=2 etcdctl role get r1
ETCDCTL_API=2 etcdctl role list
ETCDCTL_API=2 etcdctl role remove r1
ETCDCTL_API=2 etcdctl role remove r1
ETCDCTL_API=2 etcdctl role remove root
ETCDCTL_API=2 etcdctl role add
ETCDCTL_API=2 etcdctl role list x
ETCDCTL_API=2 etcdctl auth
ETCDCTL_API=2 etcdctl auth enable x
ETCDCTL_API=2 etcdctl auth enable
ETCDCTL_API=2 etcdctl auth enable
ETCDCTL_API=2 etcdctl get a
ETCDCTL_API=2 etcdctl -u root:pw user list
ETCDCTL_API=2 etcdctl -u root:bad user list
ETCDCTL_API=2 etcdctl user list
ETCDCTL_API=2 etcdctl -u al:pw get a
ETCDCTL_API=2 etcdctl -u root:pw auth enable
ETCDCTL_API=2 etcdctl -u root <<<pw
ETCDCTL_API=2 etcdctl auth disable
ETCDCTL_API=2 etcdctl -u root:pw auth disable
ETCDCTL_API=2 etcdctl auth disable
"##;

/// Command lines with a member that serves no v2 API.
pub const WITHOUT: &str = r##"
ETCDCTL_API=2 etcdctl ls
ETCDCTL_API=2 etcdctl get a
ETCDCTL_API=2 etcdctl set a 1
ETCDCTL_API=2 etcdctl rm a
ETCDCTL_API=2 etcdctl mk a 1
ETCDCTL_API=2 etcdctl mkdir d
ETCDCTL_API=2 etcdctl watch a
ETCDCTL_API=2 etcdctl member list
ETCDCTL_API=2 etcdctl member add x http://127.0.0.1:9
ETCDCTL_API=2 etcdctl member remove 1
ETCDCTL_API=2 etcdctl cluster-health
ETCDCTL_API=2 etcdctl user list
ETCDCTL_API=2 etcdctl user add a:b
ETCDCTL_API=2 etcdctl role list
ETCDCTL_API=2 etcdctl role add x
ETCDCTL_API=2 etcdctl auth enable
ETCDCTL_API=2 etcdctl auth disable
ETCDCTL_API=2 etcdctl --debug get a
ETCDCTL_API=2 etcdctl --no-sync get a
"##;

/// What both sides do to a directory before the other one takes it over.
pub const HISTORY: &[&str] = &[
    "PUT /v2/keys/a form value=1",
    "PUT /v2/keys/dir/b form value=2",
    "PUT /v2/keys/dir/_hidden form value=3",
    "PUT /v2/keys/short form value=4&ttl=1",
    "PUT /v2/keys/long form value=5&ttl=1000",
    "PUT /v2/keys/folder form dir=true&ttl=2000",
    "PUT /v2/keys/long form refresh=true&ttl=3000&prevExist=true",
    "POST /v2/keys/queue form value=6",
    "POST /v2/keys/queue form value=%3C7%3E%26",
    "PUT /v2/keys/a?prevValue=1 form value=8",
    "PUT /v2/keys/gone form value=9",
    "DELETE /v2/keys/gone",
    "PUT /v2/auth/users/root json {\"user\":\"root\",\"password\":\"pw\"}",
    "PUT /v2/auth/roles/r json {\"role\":\"r\"}",
];

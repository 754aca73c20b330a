//! Users of the v2 API who come with certificates.

use std::fs;

use rustls::pki_types::ServerName;
use serde_json::Value;

use super::super::{Member, Side};
use super::{Answer, connect, exchange};
use crate::etcd_cluster::Certificates;

/// The first word is the name in the certificate; the rest is a row as elsewhere. There are
/// users `root` and `al`, and none who is called `eve`.
const ROWS: &str = r#"
eve PUT /v2/keys/d/a form value=1
eve PUT /v2/keys/d/b/c form value=1
eve PUT /v2/auth/users/root json {"user":"root","password":"pw"}
eve PUT /v2/auth/users/al json {"user":"al","password":"pw"}
eve PUT /v2/auth/roles/r json {"role":"r"}
eve PUT /v2/auth/roles/r json {"role":"r","grant":{"kv":{"read":["/d/*"],"write":["/d/a"]}}}
eve PUT /v2/auth/users/al json {"user":"al","grant":["r"]}
eve PUT /v2/auth/enable
eve GET /v2/auth/enable
eve DELETE /v2/auth/enable
al DELETE /v2/auth/enable
eve GET /v2/auth/users
al GET /v2/auth/users
root GET /v2/auth/users
root GET /v2/auth/users/al
root GET /v2/auth/roles
al GET /v2/auth/roles/r
eve GET /v2/auth/roles/r
root PUT /v2/auth/roles/guest json {"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}}
root GET /v2/auth/roles/guest
eve GET /v2/keys/d/a
eve GET /v2/keys/?recursive=true&sorted=true
eve PUT /v2/keys/d/a form value=2
al GET /v2/keys/d/a
al GET /v2/keys/d/?recursive=true&sorted=true
al GET /v2/keys/?sorted=true
al PUT /v2/keys/d/a form value=3
al PUT /v2/keys/d/b/c form value=3
al DELETE /v2/keys/d/a
root GET /v2/keys/?recursive=true&sorted=true
root PUT /v2/keys/e form value=4
root DELETE /v2/keys/e
eve @al:pw GET /v2/keys/d/b/c
eve @al:pw PUT /v2/keys/d/a form value=5
eve @root:pw GET /v2/auth/users
root @al:pw GET /v2/auth/users
root @al:bad GET /v2/keys/d/a
root @eve:x GET /v2/keys/d/a
root @ GET /v2/keys/d/a
root @ GET /v2/auth/users
al POST /v2/members json {}
eve POST /v2/members json {}
root POST /v2/members json {}
al DELETE /v2/members/1
root DELETE /v2/auth/roles/guest
eve GET /v2/keys/d/a
al @root:pw DELETE /v2/auth/enable
eve GET /v2/keys/d/a
"#;

struct Secured {
    member: Member,
    certificates: Certificates,
    _dir: tempfile::TempDir,
}

impl Secured {
    fn start(side: Side) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let certificates = Certificates::new(dir.path());
        for name in ["server", "root", "al", "eve"] {
            certificates.issue(name);
        }
        let file = |name: &str| certificates.path(name).display().to_string();
        let member = Member::start_as(
            side,
            &[
                "--enable-v2",
                "--client-cert-auth",
                "--trusted-ca-file",
                &file("ca.crt"),
                "--cert-file",
                &file("server.crt"),
                "--key-file",
                &file("server.key"),
            ],
        );
        Self {
            member,
            certificates,
            _dir: dir,
        }
    }

    fn ask(&self, name: &str, row: &str) -> Answer {
        let server = ServerName::try_from("localhost").expect("a name");
        let client = rustls::ClientConnection::new(self.certificates.client(name), server);
        let port = self.member.client;
        let stream = rustls::StreamOwned::new(client.expect("a client"), connect(port));
        let mut answer = exchange(stream, port, row);
        answer
            .headers
            .retain(|(name, _)| name != "x-etcd-cluster-id");
        answer
    }

    /// What the log says of those who were refused.
    fn warnings(&self) -> Vec<String> {
        let log = fs::read_to_string(self.member.dir.path().join("log")).expect("a log");
        let lines = log.lines().filter_map(|line| {
            let mut line: Value = serde_json::from_str(line).ok()?;
            let caller = line["caller"].as_str()?;
            let about = caller.starts_with("v2http/client_auth.go");
            line.as_object_mut()?.remove("ts");
            about.then(|| line.to_string())
        });
        lines.collect()
    }
}

#[test]
fn certificates_name_v2_users_alike() {
    let sides = [Side::Theirs, Side::Ours].map(Secured::start);
    let mut differences = Vec::new();
    for line in ROWS.lines().filter(|line| !line.is_empty()) {
        let (name, row) = line.split_once(' ').expect("a name and a row");
        let [theirs, ours] = sides.each_ref().map(|side| side.ask(name, row));
        if theirs != ours {
            differences.push(format!("{line}\n  theirs: {theirs:?}\n  ours:   {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let [theirs, ours] = sides.each_ref().map(Secured::warnings);
    assert_eq!(theirs, ours);
    assert!(theirs.len() > 10, "{theirs:?}");
}

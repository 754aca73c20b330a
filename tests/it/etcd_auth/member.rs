//! Members whose directories and neighbours a test chooses.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{CHEAP, post, token};
use crate::etcdctl_side_by_side::side::Side;
use crate::etcdctl_side_by_side::wait_for;

/// A member of either side on a directory that there is.
pub struct Again {
    process: Child,
    pub client: u16,
}

impl Again {
    /// A member alone in its cluster.
    pub fn start(side: Side, data: &Path, ports: (u16, u16), more: &[&str]) -> Self {
        let member = Self::start_among(side, data, &[ports], 0, more);
        member.ready();
        member
    }

    /// The member of that place in a cluster on these client and peer ports.
    pub fn start_among(
        side: Side,
        data: &Path,
        ports: &[(u16, u16)],
        place: usize,
        more: &[&str],
    ) -> Self {
        Self::spawn(side.program("etcd"), data, ports, place, more)
    }

    pub fn spawn(
        mut etcd: Command,
        data: &Path,
        ports: &[(u16, u16)],
        place: usize,
        more: &[&str],
    ) -> Self {
        let (client, peer) = ports[place];
        let cluster: Vec<String> = ports
            .iter()
            .enumerate()
            .map(|(at, (_, peer))| format!("m{at}=http://127.0.0.1:{peer}"))
            .collect();
        let log = fs::File::create(data.with_extension("log")).expect("a log");
        let process = etcd
            .arg("--data-dir")
            .arg(data)
            .args([
                format!("--name=m{place}"),
                format!("--listen-client-urls=http://127.0.0.1:{client}"),
                format!("--advertise-client-urls=http://127.0.0.1:{client}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-cluster={}", cluster.join(",")),
                CHEAP.to_owned(),
            ])
            .args(more)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd starts");
        Self { process, client }
    }

    pub fn ready(&self) {
        wait_for("a member", || {
            let status = post(self.client, "/v3/maintenance/status", "", "{}");
            status.is_ok_and(|(status, answer)| status == 200 && answer.contains("\"leader\""))
        });
    }

    /// Empties what 3.5.16 may read an older version of a user from (see `UNHURRIED`): a
    /// hash commits, and the second commit without a change to users drops the buffer.
    pub fn settle(&self) {
        for _ in 0..2 {
            self.done("root", "/v3/maintenance/hash", &json!({}));
        }
    }

    /// As an operator does it, or as a power cut.
    pub fn end(mut self, gently: bool) {
        if gently {
            let pid = self.process.id().to_string();
            let told = Command::new("kill").arg(pid).status();
            assert!(told.expect("kill runs").success());
            self.process.wait().expect("it ends");
        }
    }

    pub fn ask(&self, user: &str, path: &str, body: &Value) -> (u16, String) {
        let token = match user {
            "" => String::new(),
            user => token(self.client, user, user),
        };
        post(self.client, path, &token, &body.to_string()).expect("an answer")
    }

    pub fn done(&self, user: &str, path: &str, body: &Value) {
        let (status, answer) = self.ask(user, path, body);
        assert_eq!(status, 200, "{path} {body}: {answer}");
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn set_up(member: &Again) {
    for user in ["root", "ann"] {
        member.done(
            "",
            "/v3/auth/user/add",
            &json!({ "name": user, "password": user }),
        );
    }
    member.done("", "/v3/auth/role/add", &json!({ "name": "r" }));
    // From a up to c.
    let permission = json!({ "key": "YQ==", "range_end": "Yw==", "permType": "READWRITE" });
    member.done(
        "",
        "/v3/auth/role/grant",
        &json!({ "name": "r", "perm": permission }),
    );
    member.done(
        "",
        "/v3/auth/user/grant",
        &json!({ "user": "ann", "role": "r" }),
    );
    member.done(
        "",
        "/v3/auth/user/grant",
        &json!({ "user": "root", "role": "root" }),
    );
    member.done("", "/v3/auth/enable", &json!({}));
}

/// What everyone may and may not do, and who there is.
pub fn look(member: &Again) -> Vec<(u16, String)> {
    let key = |key: &str| json!({ "key": key });
    let rows = [
        (
            "ann",
            "/v3/kv/put",
            json!({ "key": "YQ==", "value": "MQ==" }),
        ),
        (
            "ann",
            "/v3/kv/put",
            json!({ "key": "eg==", "value": "MQ==" }),
        ),
        ("root", "/v3/kv/range", key("YQ==")),
        ("", "/v3/kv/range", key("YQ==")),
        ("root", "/v3/auth/user/list", json!({})),
        ("root", "/v3/auth/role/list", json!({})),
        ("root", "/v3/auth/user/get", json!({ "name": "ann" })),
        ("root", "/v3/auth/role/get", json!({ "role": "r" })),
        ("root", "/v3/auth/status", json!({})),
    ];
    let seen = rows.iter().map(|(user, path, body)| {
        let (status, answer) = member.ask(user, path, body);
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
        for volatile in ["header", "kvs"] {
            answer.as_object_mut().expect("an object").remove(volatile);
        }
        (status, answer.to_string())
    });
    seen.collect()
}

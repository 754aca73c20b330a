//! Users, roles and permissions: our etcd beside the reference's, with the reference's
//! `etcdctl` and through the JSON gateway; and what one of them set up, in the hands of
//! the other.
//!
//! A new case is a new line in one of the tables.

mod crossing;
mod member;
mod rows;
mod tokens;

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::etcdctl_side_by_side::side::{Context, Row, Seen, Side};
use crate::etcdctl_side_by_side::{Member, UNHURRIED, authority, beside, certificate, wait_for};
use rows::{CERTIFIED, COMMANDS, POSTS};

pub const SIDES: [Side; 2] = [Side::Theirs, Side::Ours];

/// Hashing takes long where nobody waits for it.
pub const CHEAP: &str = "--bcrypt-cost=4";

pub fn name(side: Side) -> &'static str {
    if side == Side::Ours { "ours" } else { "theirs" }
}

/// Fails with all differences at once.
pub fn no_differences(differences: &[String]) {
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// Runs a table with the reference's `etcdctl` on a member of each side.
fn compare(table: &str, contexts: &[Context; 2], before: [Vec<String>; 2]) {
    let mut differences = Vec::new();
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let row = Row::parse(line);
        let [theirs, ours]: [Seen; 2] = [0, 1].map(|at| {
            let words: Vec<&str> = before[at].iter().map(String::as_str).collect();
            contexts[at].run(Side::Theirs, &row, &words)
        });
        if theirs != ours {
            differences.push(format!(
                "$ {line}\n  theirs: {theirs:?}\n  ours:   {ours:?}"
            ));
        }
    }
    no_differences(&differences);
}

#[test]
fn etcdctl_is_answered_alike() {
    let members = SIDES.map(|side| Member::start_as(side, &[CHEAP, UNHURRIED]));
    let contexts = members.each_ref().map(|member| Context {
        engines_differ: true,
        ..beside(member, 1)
    });
    let before = members.each_ref().map(|member| {
        vec![
            "--endpoints".to_owned(),
            format!("127.0.0.1:{}", member.client),
            "--command-timeout=3s".to_owned(),
        ]
    });
    compare(COMMANDS, &contexts, before);
}

#[test]
fn certificates_name_users_alike() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let ca = authority(path, "ca");
    certificate(path, &ca, "server", &["localhost", "127.0.0.1"], 2100);
    for user in ["root", "ann", "eve"] {
        certificate(path, &ca, user, &[user], 2100);
    }
    let file = |name: &str| path.join(name).display().to_string();
    let flags = [
        "--cert-file",
        &file("server.crt"),
        "--key-file",
        &file("server.key"),
        "--client-cert-auth",
        "--trusted-ca-file",
        &file("ca.crt"),
        CHEAP,
        UNHURRIED,
    ];
    let members = SIDES.map(|side| Member::start_as(side, &flags));
    let contexts = members.each_ref().map(|member| {
        let mut context = Context::new(path);
        context
            .masks
            .push((format!(":{}", member.client), ":CLIENT"));
        context
    });
    let table: String = CERTIFIED
        .lines()
        .map(|line| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if let Some(user) = words.get(1).and_then(|word| word.strip_prefix("CERT-")) {
                let flags = format!("--cert DIR/{user}.crt --key DIR/{user}.key");
                words[1] = flags;
            }
            words.join(" ") + "\n"
        })
        .collect();
    let before = members.each_ref().map(|member| {
        vec![
            "--endpoints".to_owned(),
            format!("https://127.0.0.1:{}", member.client),
            "--cacert".to_owned(),
            file("ca.crt"),
        ]
    });
    compare(&table, &contexts, before);
}

/// Posts to the gateway; the status and the first of what is answered.
pub fn post(port: u16, path: &str, token: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let authorization = match token {
        "" => String::new(),
        token => format!("Authorization: {token}\r\n"),
    };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 65536];
    // A watch goes on for ever: its first line is the answer.
    let streams = path == "/v3/watch";
    while let count @ 1.. = stream.read(&mut buffer)? {
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer);
        if streams
            && text
                .split_once("\r\n\r\n")
                .is_some_and(|(_, body)| body.contains("}\n"))
        {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let json = |line: &&str| line.starts_with('{');
    let body = match body.lines().find(json) {
        Some(line) if head.to_ascii_lowercase().contains("chunked") => line,
        _ => body,
    };
    let status = status.ok_or_else(|| io::Error::other(answer.clone()))?;
    Ok((status, body.to_owned()))
}

/// A token for a user; waits for the election that may be going on.
pub fn token(port: u16, user: &str, password: &str) -> String {
    let body = json!({ "name": user, "password": password }).to_string();
    let ask = || {
        let (_, answer) = post(port, "/v3/auth/authenticate", "", &body).ok()?;
        let answer: Value = serde_json::from_str(&answer).ok()?;
        answer["token"].as_str().map(str::to_owned)
    };
    let token = std::cell::OnceCell::new();
    wait_for("a token", || {
        ask().is_some_and(|found| token.set(found).is_ok())
    });
    token.into_inner().unwrap_or_default()
}

/// JSON without what must differ.
pub fn masked(context: &Context, body: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(body) else {
        return body.to_owned();
    };
    let mut inner = &mut value;
    if inner.get("result").is_some() {
        inner = &mut inner["result"];
    }
    if inner.get("token").is_some() {
        inner["token"] = "TOKEN".into();
    }
    // Seconds may have gone by.
    if inner.get("TTL").is_some() && inner.get("grantedTTL").is_some() {
        inner["TTL"] = "TTL".into();
    }
    // Go lists them in no order.
    if let Some(keys) = inner.get_mut("keys").and_then(Value::as_array_mut) {
        keys.sort_by_key(Value::to_string);
    }
    // The log of ours holds as many entries, but terms may differ on a busy machine.
    if let Some(header) = inner.get_mut("header").and_then(Value::as_object_mut) {
        header.remove("raft_term");
    }
    if inner.get("hash").is_some() {
        inner["hash"] = "HASH".into();
    }
    let mut text = value.to_string();
    for (from, to) in &context.masks {
        text = text.replace(from, to);
    }
    text
}

#[test]
fn the_gateway_answers_alike() {
    let mut differences = Vec::new();
    let members = SIDES.map(|side| Member::start_as(side, &[CHEAP, UNHURRIED]));
    let contexts = members.each_ref().map(|member| beside(member, 1));
    // Tokens are asked for when they are first needed, and then kept.
    let mut tokens: [Vec<(&str, String)>; 2] = Default::default();
    for (user, path, body) in POSTS {
        let [theirs, ours] = [0, 1].map(|at| {
            let known = &mut tokens[at];
            if matches!(*user, "root" | "ann") && !known.iter().any(|(name, _)| name == user) {
                known.push((user, token(members[at].client, user, user)));
            }
            let token = known.iter().find(|(name, _)| name == user);
            let token = token.map_or(*user, |(_, token)| token);
            let (status, answer) = post(members[at].client, path, token, body)
                .unwrap_or_else(|error| panic!("{path} {body}: {error}"));
            (status, masked(&contexts[at], &answer))
        });
        if theirs != ours {
            differences.push(format!(
                "{user:?} {path} {body}\n  theirs: {theirs:?}\n  ours:   {ours:?}"
            ));
        }
    }
    no_differences(&differences);
}

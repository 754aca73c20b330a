//! `--auth-token`: JSON web tokens, and options that can't be.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::member::{Again, set_up};
use super::{SIDES, name, post, token};
use crate::support::free_port;

/// Key files of every kind, made by openssl; the words are options of `--auth-token=jwt`.
const KEYS: &[(&str, &[&str], &str)] = &[
    ("HS256", &[], "priv-key=DIR/secret"),
    ("HS512", &[], "priv-key=DIR/secret,ttl=10m"),
    (
        "RS256",
        &[
            "genrsa -out DIR/rsa.pem 2048",
            "rsa -in DIR/rsa.pem -pubout -out DIR/rsa.pub",
        ],
        "priv-key=DIR/rsa.pem,pub-key=DIR/rsa.pub",
    ),
    ("PS384", &[], "priv-key=DIR/rsa.pem"),
    (
        "ES256",
        &["ecparam -name prime256v1 -genkey -noout -out DIR/ec256.pem"],
        "priv-key=DIR/ec256.pem",
    ),
    (
        "ES384",
        &[
            "ecparam -name secp384r1 -genkey -noout -out DIR/sec1.pem",
            "pkcs8 -topk8 -nocrypt -in DIR/sec1.pem -out DIR/ec384.pem",
            "ec -in DIR/sec1.pem -pubout -out DIR/ec384.pub",
        ],
        "priv-key=DIR/ec384.pem,pub-key=DIR/ec384.pub",
    ),
    (
        "ES512",
        &[
            "ecparam -name secp521r1 -genkey -noout -out DIR/ec521.pem",
            "ec -in DIR/ec521.pem -pubout -out DIR/ec521.pub",
        ],
        "priv-key=DIR/ec521.pem,pub-key=DIR/ec521.pub",
    ),
    (
        "ES512",
        &["pkcs8 -topk8 -nocrypt -in DIR/ec521.pem -out DIR/pkcs8.pem"],
        "priv-key=DIR/pkcs8.pem",
    ),
];

fn openssl(dir: &Path, command: &str) {
    let command = command.replace("DIR", &dir.display().to_string());
    let made = Command::new("openssl").args(command.split(' ')).output();
    assert!(made.expect("openssl runs").status.success(), "{command}");
}

/// A token that one has signed is good for the other, as long as the auth revision is.
#[test]
fn web_tokens_are_understood_by_both() {
    let keys = tempfile::tempdir().unwrap();
    fs::write(keys.path().join("secret"), "a secret of some length").unwrap();
    for (method, commands, options) in KEYS {
        commands
            .iter()
            .for_each(|command| openssl(keys.path(), command));
        let options = options.replace("DIR", &keys.path().display().to_string());
        let flag = format!("--auth-token=jwt,sign-method={method},{options}");
        let home = tempfile::tempdir().unwrap();
        let members = SIDES.map(|side| {
            let data = home.path().join(name(side));
            let member = Again::start(side, &data, (free_port(), free_port()), &[&flag]);
            set_up(&member);
            member
        });
        let tokens = members
            .each_ref()
            .map(|member| token(member.client, "ann", "ann"));
        for (at, member) in members.iter().enumerate() {
            let range = |token: &str| {
                let body = r#"{"key":"YQ=="}"#;
                post(member.client, "/v3/kv/range", token, body)
                    .expect("an answer")
                    .0
            };
            let seen = tokens.each_ref().map(|token| range(token));
            assert_eq!(seen, [200, 200], "{method} on {}", name(SIDES[at]));
            assert_eq!(range(&tokens[1 - at][1..]), 401, "{method}");
            // One revision later both are old.
            member.done("root", "/v3/auth/role/add", &json!({ "name": "later" }));
            let seen = tokens.each_ref().map(|token| range(token));
            assert_eq!(seen, [400, 400], "{method} on {}", name(SIDES[at]));
        }
    }
}

/// A member with only the public key checks tokens and signs none.
#[test]
fn a_public_key_checks_and_does_not_sign() {
    let home = tempfile::tempdir().unwrap();
    for command in [
        "genrsa -out DIR/rsa.pem 2048",
        "rsa -in DIR/rsa.pem -pubout -out DIR/rsa.pub",
        "ecparam -name secp521r1 -genkey -noout -out DIR/ec.pem",
        "ec -in DIR/ec.pem -pubout -out DIR/ec.pub",
    ] {
        openssl(home.path(), command);
    }
    checks_and_does_not_sign(home.path(), "RS256", "rsa");
    checks_and_does_not_sign(home.path(), "ES512", "ec");
}

fn checks_and_does_not_sign(keys: &Path, method: &str, files: &str) {
    let home = tempfile::tempdir().unwrap();
    let key = |kind: &str, end: &str| {
        let path = keys.join(format!("{files}.{end}"));
        format!(
            "--auth-token=jwt,sign-method={method},{kind}={}",
            path.display()
        )
    };
    let [theirs, ours] = SIDES.map(|side| {
        let (data, ports) = (home.path().join(name(side)), (free_port(), free_port()));
        let member = Again::start(side, &data, ports, &[&key("priv-key", "pem")]);
        set_up(&member);
        let token = token(member.client, "ann", "ann");
        member.end(false);
        let member = Again::start(side, &data, ports, &[&key("pub-key", "pub")]);
        let ask = |path, token, body: &str| post(member.client, path, token, body).unwrap();
        let (status, _) = ask("/v3/kv/range", &token, r#"{"key":"YQ=="}"#);
        assert_eq!(status, 200, "{}", name(side));
        ask(
            "/v3/auth/authenticate",
            "",
            r#"{"name":"ann","password":"ann"}"#,
        )
    });
    assert_eq!(theirs.0, 500, "{theirs:?}");
    let told = |(_, body): &(u16, String)| serde_json::from_str::<Value>(body).unwrap();
    assert_eq!(told(&theirs)["message"], told(&ours)["message"]);
}

/// A key of another curve than the method's is taken, and no token can be had with it.
#[test]
fn keys_of_another_curve_sign_nothing() {
    let keys = tempfile::tempdir().unwrap();
    for curve in ["prime256v1", "secp384r1", "secp521r1"] {
        let command = format!("ecparam -name {curve} -genkey -noout -out DIR/{curve}");
        openssl(keys.path(), &command);
    }
    for (method, curve) in [
        ("ES256", "secp521r1"),
        ("ES384", "prime256v1"),
        ("ES512", "secp384r1"),
    ] {
        let key = keys.path().join(curve).display().to_string();
        let flag = format!("--auth-token=jwt,sign-method={method},priv-key={key}");
        let [theirs, ours] = SIDES.map(|side| {
            let home = tempfile::tempdir().unwrap();
            let data = home.path().join("data");
            let member = Again::start(side, &data, (free_port(), free_port()), &[&flag]);
            set_up(&member);
            let (path, body) = (
                "/v3/auth/authenticate",
                r#"{"name":"ann","password":"ann"}"#,
            );
            let answer = post(member.client, path, "", body).expect("an answer");
            member.end(false);
            answer
        });
        assert_eq!(theirs, ours, "{method} with {curve}");
        assert_eq!(theirs.0, 500, "{theirs:?}");
    }
}

/// What `--auth-token` can't be, and what is said.
#[test]
fn token_options_that_can_not_be_are_told_alike() {
    let keys = tempfile::tempdir().unwrap();
    for command in [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out DIR/rsa.pem",
        "rsa -in DIR/rsa.pem -pubout -out DIR/rsa.pub",
        "ecparam -name secp521r1 -genkey -noout -out DIR/ec.pem",
        "ec -in DIR/ec.pem -pubout -out DIR/ec.pub",
    ] {
        openssl(keys.path(), command);
    }
    for options in [
        "foo",
        "simple,foo",
        "jwt",
        "jwt,sign-method=none",
        "jwt,sign-method=HS256",
        "jwt,sign-method=RS256,pub-key=/nonexistent",
        "jwt,sign-method=EdDSA",
        "jwt,sign-method=HS256,ttl=x",
        "jwt,a=b,a=c",
        "jwt,sign-method=ES512",
        "jwt,sign-method=ES512,priv-key=KEYS/rsa.pem",
        "jwt,sign-method=ES512,pub-key=KEYS/rsa.pub",
        "jwt,sign-method=RS256,pub-key=KEYS/ec.pub",
    ] {
        let options = options.replace("KEYS", &keys.path().display().to_string());
        let [theirs, ours] = SIDES.map(|side| {
            let home = tempfile::tempdir().unwrap();
            let url = |port| format!("http://127.0.0.1:{port}");
            let (client, peer) = (url(free_port()), url(free_port()));
            let output = side
                .program("etcd")
                .arg("--data-dir")
                .arg(home.path().join("data"))
                .args([
                    format!("--listen-client-urls={client}"),
                    format!("--advertise-client-urls={client}"),
                    format!("--listen-peer-urls={peer}"),
                    format!("--initial-advertise-peer-urls={peer}"),
                    format!("--initial-cluster=default={peer}"),
                    format!("--auth-token={options}"),
                ])
                .output()
                .expect("etcd runs");
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            let lines = log.lines().filter_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let level = line["level"].as_str()?.to_owned();
                let about = line["msg"].as_str()?.contains("oken") || level != "warn";
                (about && level != "info").then(|| {
                    let text = |key: &str| line[key].to_string();
                    (level, text("caller"), text("msg"), text("error"))
                })
            });
            (output.status.code(), lines.collect::<Vec<_>>())
        });
        assert_eq!(theirs, ours, "{options}");
        assert_eq!(theirs.0, Some(1), "{options}");
    }
}

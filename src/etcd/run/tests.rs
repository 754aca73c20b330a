//! The applet as a whole, under Google's etcdctl and beside Google's etcd.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use super::{serving::Harness, *};

use testkit::{free_port, reference};

fn options(words: &[String]) -> Options {
    match flags::command_line(words) {
        Ok(Asked::Run(values)) => Options::from_values(&values).expect("good values"),
        other => panic!("{other:?}"),
    }
}

/// Flags of one member of a cluster, whose ports are (client, peer).
fn member_flags(dir: &Path, index: usize, ports: &[(u16, u16)], scheme: &str) -> Vec<String> {
    let (client, peer) = ports[index];
    let cluster: Vec<String> = ports
        .iter()
        .enumerate()
        .map(|(n, (_, peer))| format!("m{n}={scheme}://127.0.0.1:{peer}"))
        .collect();
    vec![
        format!("--name=m{index}"),
        format!("--data-dir={}", dir.join(format!("m{index}")).display()),
        format!("--listen-client-urls={scheme}://127.0.0.1:{client}"),
        format!("--advertise-client-urls={scheme}://127.0.0.1:{client}"),
        format!("--listen-peer-urls={scheme}://127.0.0.1:{peer}"),
        format!("--initial-advertise-peer-urls={scheme}://127.0.0.1:{peer}"),
        format!("--initial-cluster={}", cluster.join(",")),
    ]
}

fn pairs(count: usize) -> Vec<(u16, u16)> {
    (0..count).map(|_| (free_port(), free_port())).collect()
}

/// Runs Google's etcdctl; what it prints.
async fn etcdctl(words: &[&str]) -> Output {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let run = move || {
        Command::new(reference("3.5/etcdctl"))
            .args(["--command-timeout=3s", "--dial-timeout=1s"])
            .args(words)
            .env("ETCDCTL_API", "3")
            .output()
            .expect("etcdctl runs")
    };
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

async fn says(words: &[&str]) -> String {
    let output = etcdctl(words).await;
    assert!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Kills a process when it goes out of scope.
struct Google(Child);

impl Drop for Google {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn google(flags: &[String]) -> Google {
    let child = Command::new(reference("3.5/etcd"))
        .args(flags)
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    Google(child.expect("etcd starts"))
}

async fn until_healthy(endpoints: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !etcdctl(&["--endpoints", endpoints, "endpoint", "health"])
        .await
        .status
        .success()
    {
        assert!(
            Instant::now() < deadline,
            "{endpoints} did not become healthy"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_answers_googles_etcdctl() {
    let dir = tempfile::tempdir().expect("a directory");
    let ports = pairs(1);
    let member = Harness::start(&options(&member_flags(dir.path(), 0, &ports, "http"))).await;
    let endpoint = format!("127.0.0.1:{}", ports[0].0);
    let ctl = |words: &[&str]| {
        let mut all = vec!["--endpoints".to_owned(), endpoint.clone()];
        all.extend(words.iter().map(|word| (*word).to_owned()));
        async move { says(&all.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    assert_eq!(ctl(&["put", "foo", "bar"]).await, "OK\n");
    assert_eq!(
        ctl(&["put", "foo", "baz", "--prev-kv"]).await,
        "OK\nfoo\nbar\n"
    );
    assert_eq!(ctl(&["get", "foo", "--rev=2"]).await, "foo\nbar\n");
    assert_eq!(ctl(&["del", "foo"]).await, "1\n");
    assert!(
        ctl(&["lease", "grant", "50"])
            .await
            .ends_with("granted with TTL(50s)\n")
    );
    assert_eq!(ctl(&["compact", "3"]).await, "compacted revision 3\n");
    let compacted = etcdctl(&["--endpoints", &endpoint, "get", "foo", "--rev=2"]).await;
    assert!(
        String::from_utf8_lossy(&compacted.stderr)
            .contains("Error: etcdserver: mvcc: required revision has been compacted"),
    );
    let empty = etcdctl(&["--endpoints", &endpoint, "put", "", "x"]).await;
    assert!(
        String::from_utf8_lossy(&empty.stderr).contains("Error: etcdserver: key is not provided")
    );
    let file = dir.path().join("backup.db");
    ctl(&["snapshot", "save", &file.display().to_string()]).await;
    let status = Command::new(reference("3.5/etcdutl"))
        .args(["snapshot", "status"])
        .arg(&file)
        .output();
    assert!(
        status.expect("etcdutl runs").status.success(),
        "etcdutl does not take the snapshot"
    );
    assert!(
        ctl(&["endpoint", "status", "-w", "json"])
            .await
            .contains("\"version\":\"3.5.16\"")
    );
    member.stop().await;
    // What was written is there again, for Google's own server.
    let _theirs = google(&member_flags(dir.path(), 0, &ports, "http"));
    until_healthy(&endpoint).await;
    assert!(ctl(&["lease", "list"]).await.starts_with("found 1 leases"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_may_mix_our_members_with_googles() {
    let dir = tempfile::tempdir().expect("a directory");
    let ports = pairs(3);
    let flags = |index| member_flags(dir.path(), index, &ports, "http");
    let endpoints: Vec<String> = ports
        .iter()
        .map(|(client, _)| format!("127.0.0.1:{client}"))
        .collect();
    let _theirs = [google(&flags(0)), google(&flags(2))];
    let member = Harness::start(&options(&flags(1))).await;
    let all = endpoints.join(",");
    until_healthy(&all).await;
    for (n, endpoint) in endpoints.iter().enumerate() {
        says(&["--endpoints", endpoint, "put", &format!("key{n}"), "value"]).await;
    }
    for endpoint in &endpoints {
        assert_eq!(
            says(&[
                "--endpoints",
                endpoint,
                "get",
                "key",
                "--prefix",
                "--keys-only"
            ])
            .await,
            "key0\n\nkey1\n\nkey2\n\n"
        );
    }
    let hashes = says(&["--endpoints", &all, "endpoint", "hashkv"]).await;
    let mut hashes: Vec<&str> = hashes
        .lines()
        .filter_map(|line| line.rsplit(", ").next())
        .collect();
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "{hashes:?}");
    // Each member leads once.
    let status = says(&["--endpoints", &all, "endpoint", "status"]).await;
    for line in status.lines() {
        let fields: Vec<&str> = line.split(", ").collect();
        let leads = says(&["--endpoints", fields[0], "endpoint", "status"])
            .await
            .contains(", true, ");
        if !leads {
            says(&["--endpoints", &all, "move-leader", fields[1]]).await;
        }
        says(&["--endpoints", fields[0], "put", "led-by", fields[1]]).await;
    }
    member.stop().await;
}

fn certificates(dir: &Path) -> Vec<String> {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    fs::write(
        dir.join("ca.crt"),
        params.self_signed(&key).expect("a CA").pem(),
    )
    .expect("a writable directory");
    let issuer = rcgen::Issuer::new(params, key);
    for name in ["server", "peer", "client"] {
        let params = rcgen::CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()])
            .expect("good names");
        let key = rcgen::KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &issuer).expect("a leaf");
        fs::write(dir.join(format!("{name}.crt")), leaf.pem()).expect("a writable directory");
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem())
            .expect("a writable directory");
    }
    let path = |name: &str| dir.join(name).display().to_string();
    vec![
        format!("--cert-file={}", path("server.crt")),
        format!("--key-file={}", path("server.key")),
        "--client-cert-auth=true".to_owned(),
        format!("--trusted-ca-file={}", path("ca.crt")),
        format!("--peer-cert-file={}", path("peer.crt")),
        format!("--peer-key-file={}", path("peer.key")),
        "--peer-client-cert-auth=true".to_owned(),
        format!("--peer-trusted-ca-file={}", path("ca.crt")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_only_certificates_of_the_ca_get_in() {
    let dir = tempfile::tempdir().expect("a directory");
    let ports = pairs(2);
    let certificates = certificates(dir.path());
    let flags = |index| {
        let mut flags = member_flags(dir.path(), index, &ports, "https");
        flags.extend(certificates.iter().cloned());
        flags
    };
    let _theirs = google(&flags(0));
    let member = Harness::start(&options(&flags(1))).await;
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (ca, cert, key) = (path("ca.crt"), path("client.crt"), path("client.key"));
    let endpoint = format!("https://127.0.0.1:{}", ports[1].0);
    let with_certificate = [
        "--endpoints",
        &endpoint,
        "--cacert",
        &ca,
        "--cert",
        &cert,
        "--key",
        &key,
    ];
    let put: Vec<&str> = with_certificate
        .iter()
        .copied()
        .chain(["put", "a", "b"])
        .collect();
    assert_eq!(says(&put).await, "OK\n");
    let without = etcdctl(&["--endpoints", &endpoint, "--cacert", &ca, "get", "a"]).await;
    assert!(!without.status.success());
    assert!(String::from_utf8_lossy(&without.stderr).contains("context deadline exceeded"));
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_at_the_start_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let ports = pairs(1);
    let mut flags = member_flags(dir.path(), 0, &ports, "http");
    flags[0] = "--name=other".into();
    let error = Harness::refused(&options(&flags)).await;
    assert_eq!(
        error,
        "couldn't find local name \"other\" in the initial cluster configuration"
    );
    // A pair of its own: a program that another test started while the listeners of the first
    // start were open holds them until its `exec`.
    let ports = pairs(1);
    let taken = std::net::TcpListener::bind(("127.0.0.1", ports[0].0)).expect("a free port");
    let error = Harness::refused(&options(&member_flags(dir.path(), 0, &ports, "http"))).await;
    assert_eq!(
        error,
        format!(
            "listen tcp 127.0.0.1:{}: bind: address already in use",
            ports[0].0
        )
    );
    drop(taken);
}

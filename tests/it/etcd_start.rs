//! How members start, beside the reference's: what they tell the system and the log,
//! and what they read from the disk again later.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

use crate::etcd_cluster::{Certificates, Cluster, PATIENCE, Plan, Whose, eventually};
use crate::support::free_port;

use Whose::{Ours, Theirs};

/// A process that ends with the test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn systemd_is_told_when_a_member_is_ready() {
    for whose in [Ours, Theirs] {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout above zero");
        let (client, peer) = (free_port(), free_port());
        let process = whose
            .etcd()
            .arg("--data-dir")
            .arg(dir.path().join("data"))
            .args([
                format!("--listen-client-urls=http://127.0.0.1:{client}"),
                format!("--advertise-client-urls=http://127.0.0.1:{client}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
            ])
            .env("NOTIFY_SOCKET", &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let _process = Ending(process.expect("etcd starts"));
        let mut buffer = [0; 100];
        let count = socket.recv(&mut buffer).expect("a datagram");
        assert_eq!(&buffer[..count], b"READY=1", "{whose:?}");
        // Ready is ready.
        TcpStream::connect(("127.0.0.1", client)).expect("a member that listens");
    }
}

/// The certificate that is shown to whoever connects.
fn shown(port: u16, certificates: &Certificates) -> Result<CertificateDer<'static>, String> {
    let name = ServerName::try_from("localhost").expect("a name");
    let config = Arc::clone(&certificates.client("root"));
    let session = rustls::ClientConnection::new(config, name).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .map_err(|error| error.to_string())?;
    let mut stream = rustls::StreamOwned::new(session, stream);
    let asked = stream
        .write_all(b"GET /version HTTP/1.0\r\n\r\n")
        .and_then(|()| stream.read(&mut [0; 16]));
    asked.map_err(|error| error.to_string())?;
    let chain = stream.conn.peer_certificates().unwrap_or_default();
    let leaf = chain.first().ok_or("no certificate")?;
    Ok(leaf.clone().into_owned())
}

/// Renewed on the disk, a certificate is shown to those who connect from then on, on both
/// ports, and the members go on talking to each other with it.
#[test]
fn certificates_that_were_renewed_are_shown_without_a_restart() {
    let plan = Plan {
        secure: true,
        ..Plan::default()
    };
    let mut cluster = Cluster::start(&[Ours, Theirs, Ours], &plan);
    let certificates = cluster.certificates.as_ref().expect("a secure cluster");
    let on_disk =
        || CertificateDer::from_pem_file(certificates.path("member.crt")).expect("a certificate");
    let before = on_disk();
    certificates.issue("member");
    let renewed = on_disk();
    assert_ne!(before, renewed);
    for member in &cluster.members {
        for port in [member.client, member.peer] {
            eventually("the renewed certificate", || {
                let found = shown(port, certificates)?;
                (found == renewed)
                    .then_some(())
                    .ok_or_else(|| format!("{}: another one", member.name))
            });
        }
    }
    // With half of a pair that is none, nobody is let in until it is whole again.
    fs::write(certificates.path("member.key"), "no key\n").expect("a writable directory");
    for member in &cluster.members {
        let found = shown(member.client, certificates);
        assert!(found.is_err(), "{}: {found:?}", member.name);
    }
    certificates.issue("member");
    // New connections between members: one of them starts anew.
    cluster.lead(0);
    cluster.kill(2);
    cluster.endpoint(0).put("a", "1").expect("a put");
    cluster.run(2);
    cluster.settle();
    cluster.expect_equal();
}

/// What a member in a network of its own says of its addresses: `route` is what is done
/// there before it starts.
fn said(whose: Whose, route: &str, flags: &[&str]) -> Vec<Value> {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("log");
    let etcd = whose.etcd();
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--map-root-user", "sh", "-ec"])
        .arg(format!("ip link set lo up; {route}; exec \"$@\""))
        .arg("sh")
        .arg(etcd.get_program())
        .args(etcd.get_args())
        .arg("--data-dir")
        .arg(dir.path().join("data"))
        .args(flags)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).expect("a log"));
    let mut process = Ending(command.spawn().expect("unshare runs"));
    let lines = eventually("a start or an end", || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let ended = process.0.try_wait().expect("a child").is_some();
        let done = ended || text.contains("serving client traffic insecurely");
        done.then_some(text)
            .ok_or_else(|| fs::read_to_string(&log).unwrap_or_default())
    });
    let wanted = [
        "detected default host for advertise",
        "failed to detect default host",
        "starting an etcd server",
        "discovery failed",
    ];
    let lines = lines.lines().filter_map(|line| {
        let json: Value = serde_json::from_str(line).ok()?;
        let message = json["msg"].as_str()?;
        let is_wanted = wanted.contains(&message);
        is_wanted.then(|| {
            let mut kept = json!({"msg": message, "caller": json["caller"]});
            for field in [
                "host",
                "error",
                "initial-advertise-peer-urls",
                "advertise-client-urls",
                "initial-cluster",
            ] {
                kept[field] = json[field].clone();
            }
            if message != "detected default host for advertise" {
                // Where in a file depends on the compiler there.
                kept["caller"] = Value::Null;
            }
            kept
        })
    });
    lines.collect()
}

#[test]
fn the_machines_own_host_is_advertised_alike() {
    let link = "ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up";
    let route = format!(
        "{link}; ip address add 10.9.8.7/24 dev d0; ip address add 10.9.8.9/24 dev d0; \
         ip route add default via 10.9.8.1 dev d0"
    );
    let source = format!("{route} src 10.9.8.9");
    let everywhere = [
        "--listen-peer-urls=http://0.0.0.0:3380",
        "--listen-client-urls=http://0.0.0.0:3379",
        "--advertise-client-urls=http://localhost:2379",
    ];
    let named = [&["--name=m"][..], &everywhere].concat();
    let own = [
        &named[..],
        &["--initial-advertise-peer-urls=http://127.0.0.1:3380"],
    ]
    .concat();
    // Names are looked up before URLs differ, but not this one.
    let other = [&own[..], &["--initial-cluster=m=http://localhost:3380"]].concat();
    let more = "--initial-cluster=m=http://127.0.0.1:3380,m=http://127.0.0.1:3381";
    let more = [&own[..], &[more]].concat();
    let cases: [(&str, &[&str], &str); 8] = [
        (&route, &named, "m=http://10.9.8.7:3380"),
        (&source, &named, "m=http://10.9.8.9:3380"),
        // Its cluster is the default one, in which it is not.
        (&route, &everywhere, "missing from"),
        (&route, &own, "http://10.9.8.7:3379"),
        (&route, &[], "http://localhost:2379"),
        ("true", &named, "could not find default route"),
        ("true", &other, "resolved urls"),
        ("true", &more, "missing from"),
    ];
    for (at, (route, flags, expected)) in cases.into_iter().enumerate() {
        let [ours, theirs] = [Ours, Theirs].map(|whose| said(whose, route, flags));
        assert_eq!(ours, theirs, "case {at}: {route} {flags:?}");
        let text = format!("{ours:?}");
        assert!(text.contains(expected), "case {at}: {text}");
    }
}

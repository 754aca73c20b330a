//! Clusters of members as processes, ours and the reference's, over HTTP or HTTPS, and a
//! client of what a member serves by HTTP (the JSON gateway, health, metrics).

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};

use crate::support::{Home, free_port, program, reference};

/// For an election, a catching up and what follows from them, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whose etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Ours,
    Theirs,
    /// The reference's 3.4.
    Old,
}

impl Whose {
    pub fn etcd(self) -> Command {
        let mut command = match self {
            Whose::Ours => {
                let mut command = Command::new(program());
                command.arg("etcd");
                command
            }
            Whose::Theirs => Command::new(reference("3.5/etcd")),
            Whose::Old => Command::new(reference("3.4/etcd")),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ETCD_") {
                command.env_remove(name);
            }
        }
        command
    }
}

/// A CA and a certificate of it for `127.0.0.1` and `localhost`, as files.
pub struct Certificates {
    ca: rcgen::Issuer<'static, rcgen::KeyPair>,
    dir: PathBuf,
}

impl Certificates {
    pub fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("a directory");
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "test-ca");
        let pem = params.self_signed(&key).expect("a CA").pem();
        fs::write(dir.join("ca.crt"), pem).expect("a writable directory");
        Self {
            ca: rcgen::Issuer::new(params, key),
            dir: dir.to_owned(),
        }
    }

    /// Makes `NAME.crt` and `NAME.key`; the common name is the name.
    pub fn issue(&self, name: &str) {
        self.issue_as(name, name);
    }

    /// Makes `FILE.crt` and `FILE.key` for a common name.
    pub fn issue_as(&self, file: &str, common_name: &str) {
        let names = vec!["localhost".into(), "127.0.0.1".into()];
        let mut params = rcgen::CertificateParams::new(names).expect("good names");
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, common_name);
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = rcgen::KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.ca).expect("a leaf");
        fs::write(self.path(&format!("{file}.crt")), leaf.pem()).expect("a writable directory");
        fs::write(self.path(&format!("{file}.key")), key.serialize_pem())
            .expect("a writable directory");
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// A client's settings, with the certificate of that name.
    pub fn client(&self, name: &str) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.path("ca.crt")).expect("a CA");
        roots.add(ca).expect("a CA");
        let chain = CertificateDer::from_pem_file(self.path(&format!("{name}.crt")));
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key")));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![chain.expect("a leaf")], key.expect("a key"))
            .expect("a pair");
        Arc::new(config)
    }
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// In lower case, as `name: value`.
    pub headers: Vec<String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// Where a member serves its clients.
#[derive(Clone)]
pub struct Endpoint {
    pub port: u16,
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Endpoint {
    fn connect(&self, limit: Duration) -> io::Result<Box<dyn Wire>> {
        let at = ([127, 0, 0, 1], self.port).into();
        let stream = TcpStream::connect_timeout(&at, Duration::from_millis(500))?;
        // A handshake is several small writes, and none may wait for an answer.
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let Some(config) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let session =
            rustls::ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Box::new(rustls::StreamOwned::new(session, stream)))
    }

    /// A request and its answer; one that streams is read until it ends, or until the
    /// limit has passed without a byte.
    pub fn ask(&self, limit: Duration, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        self.ask_until(limit, method, path, body, &|_| false)
    }

    /// The same, but `enough` may end it earlier.
    pub fn ask_until(
        &self,
        limit: Duration,
        method: &str,
        path: &str,
        body: &str,
        enough: &dyn Fn(&str) -> bool,
    ) -> io::Result<Answer> {
        let mut stream = self.connect(limit)?;
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                // The end of TLS without its last word.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                // A limit lets any signal end the wait.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if bytes.is_empty() => return Err(error),
                Err(_) => break,
            }
            if enough(&String::from_utf8_lossy(&bytes)) {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no HTTP: {text}")))?;
        let headers = lines.map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
            None => line.to_owned(),
        });
        Ok(Answer {
            status,
            headers: headers.collect(),
            body: body.to_owned(),
        })
    }

    /// A request to the JSON gateway; what is no success is an error with the answer.
    pub fn post(&self, path: &str, body: &Value) -> io::Result<Value> {
        self.post_within(Duration::from_secs(8), path, body)
    }

    pub fn post_within(&self, limit: Duration, path: &str, body: &Value) -> io::Result<Value> {
        let answer = self.ask(limit, "POST", path, &body.to_string())?;
        if answer.status != 200 {
            return Err(io::Error::other(format!(
                "{}: {}",
                answer.status, answer.body
            )));
        }
        serde_json::from_str(&answer.body).map_err(io::Error::other)
    }

    pub fn put(&self, key: &str, value: &str) -> io::Result<Value> {
        let put = json!({"key": base64(key), "value": base64(value)});
        self.post("/v3/kv/put", &put)
    }

    /// The value of a key, agreed upon by the cluster.
    pub fn get(&self, key: &str) -> io::Result<Option<String>> {
        let range = self.post("/v3/kv/range", &json!({"key": base64(key)}))?;
        let value = range["kvs"][0]["value"].as_str();
        Ok(value.and_then(|value| {
            STANDARD
                .decode(value)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
        }))
    }
}

pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// Repeats until there is a result; fails with the last trouble.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(trouble) => assert!(Instant::now() < until, "{what}: {trouble}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A member, whether it runs or not.
pub struct Member {
    pub name: String,
    pub whose: Whose,
    pub client: u16,
    pub peer: u16,
    process: Option<Child>,
    /// How it joins: `NAME=URL,…`, and whether the cluster exists already.
    initial: (String, bool),
    /// Flags of its own.
    pub flags: Vec<String>,
}

impl Member {
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }
}

/// A cluster whose processes end with it.
pub struct Cluster {
    pub home: Home,
    pub members: Vec<Member>,
    /// Flags of every member.
    pub flags: Vec<String>,
    pub certificates: Option<Certificates>,
}

/// How a cluster is set up.
#[derive(Default)]
pub struct Plan<'a> {
    pub flags: &'a [&'a str],
    /// Certificates on both ports, of clients and of peers.
    pub secure: bool,
}

impl Cluster {
    /// Starts a cluster with one member for each of `cast`, and waits until it serves.
    pub fn start(cast: &[Whose], plan: &Plan<'_>) -> Self {
        let cluster = Self::begin(cast, plan);
        cluster.settle();
        cluster
    }

    /// The same without waiting.
    pub fn begin(cast: &[Whose], plan: &Plan<'_>) -> Self {
        let home = Home::new();
        let certificates = plan.secure.then(|| {
            let certificates = Certificates::new(&home.path().join("pki"));
            certificates.issue("member");
            certificates.issue("root");
            certificates
        });
        let mut cluster = Self {
            home,
            members: Vec::new(),
            flags: plan.flags.iter().map(|flag| (*flag).to_owned()).collect(),
            certificates,
        };
        for whose in cast {
            cluster.plan_member(*whose);
        }
        let initial = cluster.initial();
        for at in 0..cast.len() {
            cluster.members[at].initial = (initial.clone(), false);
            cluster.run(at);
        }
        cluster
    }

    fn plan_member(&mut self, whose: Whose) -> usize {
        let at = self.members.len();
        let (client, peer) = (free_port(), free_port());
        self.members.push(Member {
            name: format!("m{at}"),
            whose,
            client,
            peer,
            process: None,
            initial: (String::new(), false),
            flags: Vec::new(),
        });
        at
    }

    pub fn scheme(&self) -> &'static str {
        if self.certificates.is_some() {
            "https"
        } else {
            "http"
        }
    }

    pub fn peer_url(&self, at: usize) -> String {
        format!("{}://127.0.0.1:{}", self.scheme(), self.members[at].peer)
    }

    pub fn client_url(&self, at: usize) -> String {
        format!("{}://127.0.0.1:{}", self.scheme(), self.members[at].client)
    }

    fn initial(&self) -> String {
        let all: Vec<_> = (0..self.members.len())
            .map(|at| format!("{}={}", self.members[at].name, self.peer_url(at)))
            .collect();
        all.join(",")
    }

    pub fn dir(&self, at: usize) -> PathBuf {
        self.home.path().join(&self.members[at].name)
    }

    pub fn log_path(&self, at: usize) -> PathBuf {
        self.home
            .path()
            .join(format!("{}.log", self.members[at].name))
    }

    pub fn log(&self, at: usize) -> String {
        fs::read_to_string(self.log_path(at)).unwrap_or_default()
    }

    /// Starts a member's process.
    pub fn run(&mut self, at: usize) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path(at))
            .expect("a log");
        let (client, peer) = (self.client_url(at), self.peer_url(at));
        let member = &self.members[at];
        let mut command = member.whose.etcd();
        command.args([
            &format!("--name={}", member.name),
            &format!("--data-dir={}", self.dir(at).display()),
            &format!("--listen-client-urls={client}"),
            &format!("--advertise-client-urls={client}"),
            &format!("--listen-peer-urls={peer}"),
            &format!("--initial-advertise-peer-urls={peer}"),
            &format!("--initial-cluster={}", member.initial.0),
            "--logger=zap",
        ]);
        if member.initial.1 {
            command.arg("--initial-cluster-state=existing");
        }
        if let Some(certificates) = &self.certificates {
            let file = |name: &str| certificates.path(name).display().to_string();
            for side in ["", "peer-"] {
                command.args([
                    format!("--{side}cert-file={}", file("member.crt")),
                    format!("--{side}key-file={}", file("member.key")),
                    format!("--{side}trusted-ca-file={}", file("ca.crt")),
                    format!("--{side}client-cert-auth"),
                ]);
            }
        }
        command.args(&self.flags).args(&member.flags);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let process = command.spawn().expect("a member");
        self.members[at].process = Some(process);
    }

    /// `kill -9`.
    pub fn kill(&mut self, at: usize) {
        if let Some(mut process) = self.members[at].process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Tells a member to end, as an operator does, and waits for it.
    #[track_caller]
    pub fn stop(&mut self, at: usize) {
        let process = self.members[at].process.as_ref().expect("it runs");
        let told = Command::new("kill").arg(process.id().to_string()).status();
        assert!(told.expect("kill runs").success());
        self.await_end(at);
    }

    /// Waits until a member has ended by itself; its exit status.
    #[track_caller]
    pub fn await_end(&mut self, at: usize) -> Option<i32> {
        let log = self.log_path(at);
        let mut process = self.members[at].process.take().expect("it runs");
        eventually("the end of a member", || {
            match process.try_wait().expect("a child") {
                Some(status) => Ok(status.code()),
                None => Err(format!("it runs; {}", tail(&log))),
            }
        })
    }

    pub fn endpoint(&self, at: usize) -> Endpoint {
        Endpoint {
            port: self.members[at].client,
            tls: self
                .certificates
                .as_ref()
                .map(|certificates| certificates.client("root")),
        }
    }

    /// The numbers of those that run.
    pub fn running(&self) -> Vec<usize> {
        (0..self.members.len())
            .filter(|at| self.members[*at].runs())
            .collect()
    }

    /// Waits until every running member answers a read that the cluster agrees upon.
    #[track_caller]
    pub fn settle(&self) {
        for at in self.running() {
            self.settle_one(at);
        }
    }

    #[track_caller]
    pub fn settle_one(&self, at: usize) {
        eventually("a member that serves", || {
            self.endpoint(at)
                .get("serves?")
                .map_err(|error| format!("m{at}: {error}; {}", self.logs()))
        });
    }

    /// A member's id, as it says.
    #[track_caller]
    pub fn id(&self, at: usize) -> String {
        eventually("a member's id", || {
            let status = self
                .endpoint(at)
                .post("/v3/maintenance/status", &json!({}))
                .map_err(|error| format!("m{at}: {error}; {}", self.logs()))?;
            let id = status["header"]["member_id"].as_str();
            id.map(str::to_owned)
                .ok_or_else(|| format!("no id in {status}"))
        })
    }

    /// The running member that leads, as it says itself.
    #[track_caller]
    pub fn leader(&self) -> usize {
        eventually("a leader", || {
            for at in self.running() {
                let status = self
                    .endpoint(at)
                    .post("/v3/maintenance/status", &json!({}))
                    .unwrap_or_default();
                if status["leader"].is_string() && status["leader"] == status["header"]["member_id"]
                {
                    return Ok(at);
                }
            }
            Err(self.logs())
        })
    }

    /// Makes a member the leader.
    #[track_caller]
    pub fn lead(&self, at: usize) {
        let target = self.id(at);
        eventually("a chosen leader", || {
            let now = self.leader();
            if now == at {
                return Ok(());
            }
            let path = "/v3/maintenance/transfer-leadership";
            let moved = self.endpoint(now).post(path, &json!({"targetID": target}));
            Err(format!("m{now} leads: {moved:?}; {}", self.logs()))
        });
    }

    /// Adds a member through `through` and starts it.
    #[track_caller]
    pub fn add(&mut self, through: usize, whose: Whose, is_learner: bool) -> usize {
        let at = self.plan_member(whose);
        let add = json!({"peerURLs": [self.peer_url(at)], "isLearner": is_learner});
        eventually("a member to be added", || {
            // The reference refuses until connections have lasted for five seconds.
            self.endpoint(through)
                .post("/v3/cluster/member/add", &add)
                .map_err(|error| format!("{error}; {}", self.logs()))
        });
        let listed = self.listed(through);
        let all: Vec<_> = self
            .members
            .iter()
            .enumerate()
            .filter(|(at, _)| listed.contains(&self.peer_url(*at)))
            .map(|(at, member)| format!("{}={}", member.name, self.peer_url(at)))
            .collect();
        self.members[at].initial = (all.join(","), true);
        self.run(at);
        at
    }

    /// The peer URLs of all members, as one of them says.
    fn listed(&self, through: usize) -> Vec<String> {
        let list = eventually("the list of members", || {
            self.endpoint(through)
                .post("/v3/cluster/member/list", &json!({}))
                .map_err(|error| error.to_string())
        });
        let members = list["members"].as_array().cloned().unwrap_or_default();
        members
            .iter()
            .flat_map(|member| member["peerURLs"].as_array().cloned().unwrap_or_default())
            .filter_map(|url| url.as_str().map(str::to_owned))
            .collect()
    }

    /// Waits until all running members have the same hash of all revisions.
    #[track_caller]
    pub fn expect_equal(&self) {
        eventually("equal members", || {
            let mut found = Vec::new();
            for at in self.running() {
                let hash = self
                    .endpoint(at)
                    .post("/v3/maintenance/hash", &json!({}))
                    .map_err(|error| format!("m{at}: {error}; {}", self.logs()))?;
                let field = |name: &str| hash[name].clone();
                found.push((
                    field("hash"),
                    field("compact_revision"),
                    hash["header"]["revision"].clone(),
                ));
            }
            let same = found.iter().all(|one| one == &found[0]) && found[0].0.is_number();
            same.then_some(())
                .ok_or_else(|| format!("{found:?}\n{}; {}", self.differences(), self.logs()))
        });
    }

    /// What is not the same in the databases of the running members.
    fn differences(&self) -> String {
        let all: Vec<(usize, BTreeSet<String>)> = self
            .running()
            .into_iter()
            .map(|at| (at, contents(&self.dir(at).join("member/snap/db"))))
            .collect();
        let mut lines = Vec::new();
        for (at, rows) in &all {
            let elsewhere = |row: &&String| !all.iter().all(|(_, rows)| rows.contains(*row));
            let own = rows.iter().filter(elsewhere);
            lines.extend(own.map(|row| format!("m{at} {:?} {row}", self.members[*at].whose)));
        }
        lines.join("\n")
    }

    /// The ends of the members' logs.
    pub fn logs(&self) -> String {
        let tails: Vec<_> = (0..self.members.len())
            .map(|at| format!("m{at} {}", tail(&self.log_path(at))))
            .collect();
        tails.join("\n")
    }
}

/// Each bucket, key and value in a copy of a database.
fn contents(path: &Path) -> BTreeSet<String> {
    let copy = tempfile::NamedTempFile::new().expect("a file");
    let read = || -> bolt::Result<BTreeSet<String>> {
        let mut rows = BTreeSet::new();
        let db = bolt::Db::open(copy.path(), bolt::Options::default())?;
        let tx = db.begin_read()?;
        for name in tx.root_buckets()? {
            let Some(bucket) = tx.bucket(&name)? else {
                continue;
            };
            let mut cursor = bucket.cursor();
            let mut pair = cursor.first()?;
            while let Some((key, value)) = pair {
                let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
                let value = value.as_deref().map(text).unwrap_or_default();
                rows.insert(format!("{} {} {value}", text(&name), text(&key)));
                pair = cursor.next()?;
            }
        }
        Ok(rows)
    };
    match fs::copy(path, copy.path()) {
        Ok(_) => read().unwrap_or_else(|error| BTreeSet::from([error.to_string()])),
        Err(error) => BTreeSet::from([error.to_string()]),
    }
}

fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let panics = text.lines().filter(|line| line.contains("panicked at"));
    let lines: Vec<_> = panics.chain(text.lines().rev().take(8)).collect();
    lines.join("\n    ")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.members.len()).for_each(|at| self.kill(at));
    }
}

//! `kubectl` beside the reference's 1.32: the same command lines against one
//! API server of ours, the same standard output, standard error and exit status.
//!
//! Each side has a namespace (and a node) of its own, `NS` in the rows, so that
//! commands that change something can be rows, too. What must differ between two
//! runs (ages, UIDs, versions, addresses) is masked. A new row is a new line in
//! `kubectl_side_by_side/*.rows`: the command line and, after `<<<`, what it
//! reads from standard input, with `\n` for line breaks. A row that begins with
//! `+` is run by our side for both and not compared.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// As long as each other, so that columns line up alike.
const OURS: &str = "ns-ours-x";
const THEIRS: &str = "ns-theirs";

use testkit::reference;

use crate::support::free_port;

/// An etcd of the reference and an API server of ours.
struct Server {
    dir: tempfile::TempDir,
    processes: Vec<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            // They may be gone already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn certificates(dir: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let named = |name: &str, organization: Option<&str>| {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
                .expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(organization) = organization {
            params
                .distinguished_name
                .push(DnType::OrganizationName, organization);
        }
        params
    };
    let mut ca = named("kubernetes", None);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().expect("a key");
    let certificate = ca.self_signed(&ca_key).expect("a certificate");
    fs::write(dir.join("ca.crt"), certificate.pem()).expect("written");
    let issuer = Issuer::new(ca, ca_key);
    for (file, params) in [
        ("apiserver", named("kube-apiserver", None)),
        ("admin", named("kubernetes-admin", Some("system:masters"))),
    ] {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        fs::write(dir.join(format!("{file}.crt")), certificate.pem()).expect("written");
        fs::write(dir.join(format!("{file}.key")), key.serialize_pem()).expect("written");
    }
    let tokens = KeyPair::generate().expect("a key");
    fs::write(dir.join("sa.key"), tokens.serialize_pem()).expect("written");
    fs::write(dir.join("sa.pub"), tokens.public_key_pem()).expect("written");
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        certificates(dir.path());
        let (client, peer, secure) = (free_port(), free_port(), free_port());
        let quiet = |command: &mut Command| {
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("it starts")
        };
        let etcd = quiet(Command::new(reference("3.5/etcd")).args([
            format!("--data-dir={}", dir.path().join("data").display()),
            format!("--listen-client-urls=http://127.0.0.1:{client}"),
            format!("--advertise-client-urls=http://127.0.0.1:{client}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
            format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
        ]));
        let file = |name: &str| dir.path().join(name).display().to_string();
        let api = quiet(Command::new(env!("CARGO_BIN_EXE_kubedrill")).args([
            "kube-apiserver".to_owned(),
            format!("--etcd-servers=http://127.0.0.1:{client}"),
            format!("--secure-port={secure}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/12".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            format!("--service-account-key-file={}", file("sa.pub")),
            format!("--service-account-signing-key-file={}", file("sa.key")),
        ]));
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: kubernetes-admin@kubernetes\n\
             clusters: [{{name: kubernetes, cluster: {{server: \"https://127.0.0.1:{secure}\", certificate-authority: {}}}}}]\n\
             users: [{{name: kubernetes-admin, user: {{client-certificate: {}, client-key: {}}}}}]\n\
             contexts: [{{name: kubernetes-admin@kubernetes, context: {{cluster: kubernetes, user: kubernetes-admin}}}}]\n",
            file("ca.crt"),
            file("admin.crt"),
            file("admin.key")
        );
        fs::write(dir.path().join("config"), kubeconfig).expect("written");
        let server = Self {
            dir,
            processes: vec![etcd, api],
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while server.run(Side::Ours, "get ns default", None).2 != Some(0) {
            assert!(
                Instant::now() < deadline,
                "the API server did not come up within 30 s"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn run(&self, side: Side, line: &str, input: Option<&str>) -> (String, String, Option<i32>) {
        use std::io::Write as _;
        let words = words(line);
        let mut command = match side {
            Side::Theirs => Command::new(reference("k1.32/kubectl")),
            Side::Ours => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_kubedrill"));
                command.arg("kubectl");
                command
            }
        };
        let mut child = command
            .args(words.iter().map(|word| word.replace("NS", side.name())))
            .env("KUBECONFIG", self.dir.path().join("config"))
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let text = input
            .unwrap_or_default()
            .replace("\\n", "\n")
            .replace("NS", side.name());
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that reads nothing may have closed it.
        let _ = stdin.write_all(text.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("kubectl ends");
        let masked = |bytes: &[u8]| mask(&String::from_utf8_lossy(bytes));
        (
            masked(&output.stdout),
            masked(&output.stderr),
            output.status.code(),
        )
    }

    /// Runs all rows and says what differs.
    fn compare(&self, rows: &str) {
        let mut differences = Vec::new();
        let mut count = 0;
        for row in rows
            .lines()
            .filter(|row| !row.is_empty() && !row.starts_with('#'))
        {
            let (line, input) = row
                .split_once(" <<< ")
                .map_or((row, None), |(line, input)| (line, Some(input)));
            if let Some(setup) = line.strip_prefix('+') {
                // Google's side is set up by our program, too: under test is
                // what comes after.
                for side in [Side::Ours, Side::Theirs] {
                    let line = setup.replace("NS", side.name());
                    let input = input.map(|text| text.replace("NS", side.name()));
                    let (_, err, code) = self.run(Side::Ours, &line, input.as_deref());
                    assert_eq!(code, Some(0), "{row}: {err}");
                }
                continue;
            }
            count += 1;
            let theirs = self.run(Side::Theirs, line, input);
            let ours = self.run(Side::Ours, line, input);
            if theirs != ours {
                differences.push(format!(
                    "== {row}\n-- theirs: {:?}\n{}{}-- ours: {:?}\n{}{}",
                    theirs.2, theirs.0, theirs.1, ours.2, ours.0, ours.1
                ));
            }
        }
        assert!(
            differences.is_empty(),
            "{} of {count} rows differ:\n{}",
            differences.len(),
            differences.join("\n")
        );
    }
}

#[derive(Clone, Copy)]
enum Side {
    Ours,
    Theirs,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => OURS,
            Self::Theirs => THEIRS,
        }
    }
}

/// Splits a line as a shell would, as far as single quotes go.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                begun = true;
            }
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            other => {
                word.push(other);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// `5s`, `2m10s`, `3d4h`
fn is_age(word: &str) -> bool {
    let mut digits = 0;
    let mut units = 0;
    for c in word.chars() {
        match c {
            '0'..='9' => digits += 1,
            's' | 'm' | 'h' | 'd' if digits > 0 => {
                digits = 0;
                units += 1;
            }
            _ => return false,
        }
    }
    units > 0 && digits == 0
}

fn is_uid(word: &str) -> bool {
    word.len() == 36
        && word.chars().enumerate().all(|(i, c)| {
            if matches!(i, 8 | 13 | 18 | 23) {
                c == '-'
            } else {
                c.is_ascii_hexdigit()
            }
        })
}

fn is_time(word: &str) -> bool {
    word.len() >= 20
        && word.ends_with('Z')
        && word.as_bytes()[4] == b'-'
        && word.as_bytes()[10] == b'T'
}

fn mask_word(word: &str) -> Option<String> {
    if is_age(word) {
        // An age that grows by a digit between the two is no difference.
        return Some("#".to_owned());
    }
    if is_uid(word) {
        return Some("UID".to_owned());
    }
    if is_time(word) || is_clock(word) {
        return Some("TIME".to_owned());
    }
    // 10.96.0.0/12, the range of services.
    let octets: Vec<u8> = word
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect();
    if matches!(octets[..], [10, 96..=111, _, _]) {
        return Some("IP".to_owned());
    }
    if word.starts_with("kube-api-access-") {
        return Some("kube-api-access-#".to_owned());
    }
    let port = word
        .parse::<u32>()
        .is_ok_and(|n| (30000..32768).contains(&n));
    port.then(|| "PORT".to_owned())
}

/// `23:59:59`, as `describe` has it after the date.
fn is_clock(word: &str) -> bool {
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    word.split(':').count() == 3 && word.split(':').all(two_digits)
}

/// Replaces what may differ between two runs.
fn mask(text: &str) -> String {
    let text = text.replace(OURS, "NS").replace(THEIRS, "NS");
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut masked = String::new();
        let mut rest = line;
        while !rest.is_empty() {
            let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '+');
            let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            if end == 0 {
                let c = rest.chars().next().unwrap_or_default();
                masked.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            }
            let word = &rest[..end];
            match mask_word(word) {
                Some(mask) => masked.push_str(&mask),
                None => masked.push_str(word),
            }
            rest = &rest[end..];
        }
        // Versions grow.
        if masked.contains("resourceVersion") {
            masked = digits_gone(&masked);
        }
        out.push_str(&masked);
    }
    // Addresses are longer or shorter, and so is what pads them.
    if out.contains("IP ") || out.contains("PORT") {
        let lines = out
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        return lines.collect::<Vec<_>>().join("\n");
    }
    out
}

fn digits_gone(line: &str) -> String {
    let mut out = String::new();
    for c in line.chars() {
        if c.is_ascii_digit() {
            if !out.ends_with('#') {
                out.push('#');
            }
        } else {
            out.push(c);
        }
    }
    out
}

const WEB: &str = include_str!("kubectl_side_by_side/web.yaml");

fn server_with_files() -> Server {
    let server = Server::start();
    let dir = server.dir.path();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("written");
    write("web.yaml", WEB);
    write(
        "web2.yaml",
        &WEB.replace("nginx:1", "nginx:2")
            .replace("replicas: 1", "replicas: 2"),
    );
    write(
        "bad.yaml",
        &WEB.replace("image: nginx:1", "imagee: x\n        image: nginx:1"),
    );
    write("pod.yaml", include_str!("kubectl_side_by_side/pod.yaml"));
    write(
        "unknown.yaml",
        "apiVersion: foo/v1\nkind: Bar\nmetadata: {name: x}\n",
    );
    write("nokind.yaml", "a: 1\n");
    write("noyaml.yaml", "a: 1\nb: c: d\n");
    write("empty.yaml", "");
    write(
        "elsewhere.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: other}\n",
    );
    server
}

#[test]
fn objects_by_command_line() {
    server_with_files().compare(include_str!("kubectl_side_by_side/objects.rows"));
}

#[test]
fn objects_by_file() {
    server_with_files().compare(include_str!("kubectl_side_by_side/files.rows"));
}

#[test]
fn words_are_completed() {
    Server::start().compare(include_str!("kubectl_side_by_side/completion.rows"));
}

#[test]
fn generators_need_no_server() {
    server_with_files().compare(include_str!("kubectl_side_by_side/generators.rows"));
}

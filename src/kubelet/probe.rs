//! Probes of containers that run for real.

use std::{sync::Arc, time::Duration};

use kube::object;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sandbox::{Exec, container::Container};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::Instant,
};

/// How long a new container is looked at often, at least, and how often that is.
const EAGER: Duration = Duration::from_secs(10);
const EAGER_PERIOD: Duration = Duration::from_millis(25);

/// Which of a container's probes it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Startup,
    Liveness,
    Readiness,
}

impl Kind {
    pub fn field(self) -> &'static str {
        match self {
            Self::Startup => "startupProbe",
            Self::Liveness => "livenessProbe",
            Self::Readiness => "readinessProbe",
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

/// What a look has shown.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub kind: Kind,
    pub ok: bool,
    /// Whether the probe's state is now that one: failure or success has come often enough.
    pub decided: bool,
    /// What the last failure said.
    pub message: String,
}

/// A probe with its port as a number; it may be named after one of the container's.
pub fn with_port(probe: &Value, container: &Value) -> Value {
    let mut probe = probe.clone();
    for action in ["httpGet", "tcpSocket"] {
        let Some(name) = probe[action]["port"].as_str().map(str::to_owned) else {
            continue;
        };
        let named = object::list(container, "ports")
            .iter()
            .find(|port| object::text(port, "name") == name)
            .and_then(|port| object::int(port, "containerPort"));
        if let Some(number) = named.or_else(|| name.parse().ok()) {
            probe[action]["port"] = number.into();
        }
    }
    probe
}

/// Probes until the receiver is gone; tells of each failure, and when success or failure
/// has come often enough. A startup probe ends with its first success.
pub async fn run(
    kind: Kind,
    spec: Value,
    address: String,
    container_id: String,
    verdicts: mpsc::Sender<Verdict>,
) {
    let number = |key: &str, default: u64| {
        object::int(&spec, key)
            .and_then(|n| u64::try_from(n).ok())
            .filter(|n| *n > 0)
            .unwrap_or(default)
    };
    let period = Duration::from_secs(number("periodSeconds", 10));
    let timeout = Duration::from_secs(number("timeoutSeconds", 1));
    let failures_allowed = number("failureThreshold", 3);
    let successes_needed = number("successThreshold", 1);
    let delay = Duration::from_secs(number("initialDelaySeconds", 0));
    // These nodes are up in a fraction of a second. Instead of sitting out the delay, a
    // startup or readiness probe looks often during it, and a failure does not count yet.
    let eager_until = Instant::now() + delay.max(EAGER);
    if kind == Kind::Liveness {
        tokio::time::sleep(delay).await;
    }
    let (mut failures, mut successes, mut told) = (0, 0, None);
    loop {
        let looking = tokio::time::timeout(timeout, once(&spec, &address, &container_id));
        let outcome = looking
            .await
            .unwrap_or_else(|_| Err(too_slow(&spec, &address, timeout)));
        let eager = kind != Kind::Liveness && told.is_none() && Instant::now() < eager_until;
        let verdict = match outcome {
            Ok(()) => {
                (successes, failures) = (successes + 1, 0);
                (successes >= successes_needed && told != Some(true)).then(|| (true, String::new()))
            }
            Err(_) if eager => {
                (successes, failures) = (0, 0);
                None
            }
            Err(message) => {
                (successes, failures) = (0, failures + 1);
                Some((failures >= failures_allowed, message))
            }
        };
        if let Some((decided, message)) = verdict {
            let ok = failures == 0;
            if decided {
                failures = 0;
                told = Some(ok);
            }
            let verdict = Verdict {
                kind,
                ok,
                decided,
                message,
            };
            if verdicts.send(verdict).await.is_err() {
                return;
            }
            if ok && kind == Kind::Startup {
                return;
            }
        }
        let eager = eager && told.is_none();
        tokio::time::sleep(if eager { EAGER_PERIOD } else { period }).await;
    }
}

/// What the kubelet says of a look that did not end in time.
fn too_slow(spec: &Value, address: &str, limit: Duration) -> String {
    if let Some(get) = spec.get("httpGet") {
        let url = url(get, address);
        return format!(
            "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        );
    }
    if let Some(tcp) = spec.get("tcpSocket") {
        return format!("dial tcp {}: i/o timeout", socket(tcp, address));
    }
    let command: Vec<&str> = object::list(spec, "exec.command")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let command = command.join(" ");
    format!(
        "command timed out: {command:?} timed out after {}s",
        limit.as_secs()
    )
}

/// Host and port of an action that may name another host than the Pod's.
fn socket(action: &Value, address: &str) -> String {
    let host = match object::text(action, "host") {
        "" => address,
        host => host,
    };
    let port = object::int(action, "port").unwrap_or(80);
    format!("{host}:{port}")
}

fn url(get: &Value, address: &str) -> String {
    let https = object::text(get, "scheme").eq_ignore_ascii_case("https");
    let scheme = if https { "https" } else { "http" };
    let (socket, path) = (socket(get, address), object::text(get, "path"));
    format!("{scheme}://{socket}{path}")
}

async fn once(spec: &Value, address: &str, container_id: &str) -> Result<(), String> {
    if spec.get("httpGet").is_some() {
        http(object::at(spec, "httpGet"), address).await
    } else if spec.get("tcpSocket").is_some() {
        let socket = socket(object::at(spec, "tcpSocket"), address);
        TcpStream::connect(&socket)
            .await
            .map(drop)
            .map_err(|error| gowords::dial(&socket, &error))
    } else if spec.get("exec").is_some() {
        let argv = object::list(spec, "exec.command")
            .iter()
            .filter_map(Value::as_str);
        let container = Container::open(container_id).map_err(|error| error.to_string())?;
        let command = container
            .exec(&Exec::new(argv))
            .map_err(|error| error.to_string())?;
        let output = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => {
                Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
            }
        }
    } else {
        Err("the probe names no action that this kubelet knows: httpGet, tcpSocket, exec".into())
    }
}

async fn http(get: &Value, address: &str) -> Result<(), String> {
    let host = match object::text(get, "host") {
        "" => address,
        host => host,
    };
    let path = object::text(get, "path");
    let https = object::text(get, "scheme").eq_ignore_ascii_case("https");
    let url = url(get, address);
    let failed = |error: String| format!("Get \"{url}\": {error}");
    let socket = socket(get, address);
    let stream = TcpStream::connect(&socket)
        .await
        .map_err(|error| failed(gowords::dial(&socket, &error)))?;
    let status = if https {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
        let stream = tokio_rustls::TlsConnector::from(blind_tls())
            .connect(name, stream)
            .await
            .map_err(|error| failed(error.to_string()))?;
        exchange(stream, host, path).await
    } else {
        exchange(stream, host, path).await
    };
    match status.map_err(failed)? {
        200..=399 => Ok(()),
        code => Err(format!("HTTP probe failed with statuscode: {code}")),
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    path: &str,
) -> Result<u16, String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: kube-probe/1.32\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n"
    );
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|error| error.to_string())?;
    let mut head = [0; 64];
    let mut length = 0;
    while length < 12 {
        let count = stream
            .read(&mut head[length..])
            .await
            .map_err(|error| error.to_string())?;
        if count == 0 {
            return Err("EOF".into());
        }
        length += count;
    }
    let line = String::from_utf8_lossy(&head[..length]);
    line.get(9..12)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| format!("malformed HTTP response {line:?}"))
}

/// Probes do not verify whom they talk to, as Kubernetes documents it.
fn blind_tls() -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map(|builder| {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
                .with_no_client_auth()
        });
    Arc::new(config.expect("ring supports every version of TLS"))
}

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_found_by_name() {
        let container = json!({"ports": [{"name": "probe-port", "containerPort": 2381}]});
        let probe = with_port(&json!({"httpGet": {"port": "probe-port"}}), &container);
        assert_eq!(probe["httpGet"]["port"], 2381);
        let probe = with_port(&json!({"tcpSocket": {"port": 80}}), &container);
        assert_eq!(probe["tcpSocket"]["port"], 80);
    }

    #[test]
    fn what_took_too_long_is_told_as_the_kubelet_tells_it() {
        for (spec, words) in [
            (
                json!({"exec": {"command": ["sleep", "10"]}}),
                "command timed out: \"sleep 10\" timed out after 2s",
            ),
            (
                json!({"tcpSocket": {"port": 80}}),
                "dial tcp 10.0.0.1:80: i/o timeout",
            ),
            (
                json!({"httpGet": {"port": 81, "path": "/x", "host": "h", "scheme": "HTTPS"}}),
                "Get \"https://h:81/x\": context deadline exceeded (Client.Timeout exceeded \
                 while awaiting headers)",
            ),
        ] {
            assert_eq!(too_slow(&spec, "10.0.0.1", Duration::from_secs(2)), words);
        }
    }
}

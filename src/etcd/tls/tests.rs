//! TLS settings against certificates made for the test.

use std::{fs, path::Path};

use super::*;

struct Ca {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

fn ca() -> Ca {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("a CA").pem();
    Ca {
        issuer: rcgen::Issuer::new(params, key),
        pem,
    }
}

/// Writes a leaf signed by the CA, and the CA.
fn make(dir: &Path, ca: &Ca, name: &str) -> TlsInfo {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()])
        .expect("good names");
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = params.signed_by(&key, &ca.issuer).expect("a leaf");
    let write = |file: &str, text: String| {
        let path = dir.join(format!("{name}.{file}"));
        fs::write(&path, text).expect("a writable directory");
        path
    };
    TlsInfo {
        cert_file: Some(write("crt", leaf.pem())),
        key_file: Some(write("key", key.serialize_pem())),
        trusted_ca_file: Some(write("ca", ca.pem.clone())),
        client_cert_auth: true,
        ..TlsInfo::default()
    }
}

#[test]
fn what_is_wrong_with_files_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let (a, b) = (make(dir.path(), &ca(), "a"), make(dir.path(), &ca(), "b"));
    assert!(a.server_config().is_ok() && a.client_config().is_ok());
    let error = |info: &TlsInfo| {
        info.server_config()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let mixed = TlsInfo {
        key_file: b.key_file.clone(),
        ..a.clone()
    };
    assert!(
        error(&mixed).starts_with("tls: private key does not match public key"),
        "{}",
        error(&mixed)
    );
    let missing = TlsInfo {
        cert_file: Some("/no/such".into()),
        ..a.clone()
    };
    assert_eq!(error(&missing), "open /no/such: no such file or directory");
    let half = TlsInfo {
        key_file: None,
        cert_file: Some("/c".into()),
        ..a.clone()
    };
    assert_eq!(
        error(&half),
        "KeyFile and CertFile must both be present[key: , cert: /c]"
    );
    let suite = TlsInfo {
        cipher_suites: vec!["TLS_NOPE".into()],
        ..a.clone()
    };
    assert_eq!(error(&suite), "unexpected TLS cipher suite \"TLS_NOPE\"");
    let weak = TlsInfo {
        cipher_suites: vec!["TLS_RSA_WITH_AES_128_CBC_SHA".into()],
        ..a
    };
    assert!(error(&weak).contains("is not supported by this server"));
}

#[test]
fn it_prints_as_the_reference_does() {
    let info = TlsInfo {
        cert_file: Some("/c".into()),
        key_file: Some("/k".into()),
        client_cert_auth: true,
        ..TlsInfo::default()
    };
    assert_eq!(
        info.to_string(),
        "cert = /c, key = /k, client-cert=, client-key=, trusted-ca = , client-cert-auth = true, crl-file = "
    );
}

async fn handshake(server: &TlsInfo, client: Arc<ClientConfig>) -> Result<Vec<String>, String> {
    let acceptor = tokio_rustls::TlsAcceptor::from(server.server_config().expect("good files"));
    let connector = tokio_rustls::TlsConnector::from(client);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = rustls_pki_types::ServerName::try_from("localhost").expect("a host name");
    let asking = tokio::spawn(async move {
        let mut stream = connector.connect(name, near).await?;
        // The server's refusal of a certificate comes after the client's own handshake.
        tokio::io::AsyncReadExt::read(&mut stream, &mut [0]).await
    });
    let answer = match acceptor.accept(far).await {
        Ok(stream) => {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            Ok(chain
                .iter()
                .map(|der| check::Names::of(der).common)
                .collect())
        }
        Err(error) => Err(gowords::stream(&error)),
    };
    asking.abort();
    answer
}

#[tokio::test]
async fn clients_need_a_certificate_of_the_ca() {
    let dir = tempfile::tempdir().expect("a directory");
    let (a, b) = (make(dir.path(), &ca(), "a"), make(dir.path(), &ca(), "b"));
    assert_eq!(
        handshake(&a, a.client_config().expect("good files")).await,
        Ok(vec!["a".to_owned()])
    );
    let stranger = TlsInfo {
        trusted_ca_file: a.trusted_ca_file.clone(),
        ..b
    };
    assert_eq!(
        handshake(&a, stranger.client_config().expect("good files")).await,
        Err(
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
                .into()
        )
    );
    let nobody = TlsInfo {
        cert_file: None,
        key_file: None,
        ..a.clone()
    };
    assert_eq!(
        handshake(&a, nobody.client_config().expect("a good CA")).await,
        Err("tls: client didn't provide a certificate".into())
    );
}

#[tokio::test]
async fn peers_that_are_dialed_need_an_allowed_name_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let a = make(dir.path(), &ca(), "a");
    let dials = async |info: TlsInfo| {
        let client = info.client_config().expect("good files");
        handshake(&a, client).await.is_ok()
    };
    let named = |name: &str| TlsInfo {
        allowed_cns: vec![name.to_owned()],
        ..a.clone()
    };
    assert!(dials(named("a")).await);
    assert!(!dials(named("b")).await);
    let hosts = |name: &str| TlsInfo {
        allowed_hostnames: vec![name.to_owned()],
        ..a.clone()
    };
    assert!(dials(hosts("localhost")).await);
    assert!(!dials(hosts("elsewhere")).await);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = ca();
    let a = make(dir.path(), &ca, "a");
    let config = a.client_config().expect("good files");
    assert_eq!(
        handshake(&a, Arc::clone(&config)).await,
        Ok(vec!["a".to_owned()])
    );
    let b = make(dir.path(), &ca, "b");
    for (from, to) in [(&b.cert_file, &a.cert_file), (&b.key_file, &a.key_file)] {
        fs::rename(from.as_ref().expect("named"), to.as_ref().expect("named"))
            .expect("the same directory");
    }
    assert_eq!(handshake(&a, config).await, Ok(vec!["b".to_owned()]));
}

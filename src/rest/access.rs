//! Where the API server is and who we are, from a kubeconfig.

use std::{path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::kubeconfig::{self, Overrides};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::{Map, Value};

use crate::Error;

/// Everything that a connection needs.
#[derive(Clone)]
pub struct Access {
    pub host: String,
    pub port: u16,
    pub(crate) name: ServerName<'static>,
    pub(crate) tls: Arc<ClientConfig>,
    /// A bearer token; `None` if a certificate says who we are.
    pub(crate) token: Option<String>,
}

impl Access {
    /// Reads the current context of a kubeconfig.
    ///
    /// # Errors
    /// The file or one that it names can't be read or used.
    pub fn from_kubeconfig(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let wrong = |reason: String| Error::Config {
            file: file.clone(),
            reason,
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let mut config =
            kubeconfig::parse(&file, &text).map_err(|error| wrong(error.to_string()))?;
        kubeconfig::anchor_files(&mut config, path.parent().unwrap_or(Path::new("/")));
        let chosen = kubeconfig::choose(&config, &Overrides::default())
            .map_err(|error| wrong(error.to_string()))?;
        let server = chosen
            .cluster
            .get("server")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(authority) = server.strip_prefix("https://") else {
            return Err(wrong(format!(
                "the server {server:?} is no https:// address"
            )));
        };
        let authority = authority.trim_end_matches('/');
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (
                host,
                port.parse()
                    .map_err(|_| wrong(format!("no port: {port}")))?,
            ),
            None => (authority, 443),
        };
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|error| wrong(error.to_string()))?;
        let tls = tls(&chosen.cluster, &chosen.user).map_err(&wrong)?;
        let token = chosen
            .user
            .get("token")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Ok(Self {
            host,
            port,
            name,
            tls: Arc::new(tls),
            token,
        })
    }
}

/// The bytes of `<key>-data`, or of the file that `<key>` names.
fn material(section: &Map<String, Value>, key: &str) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = section.get(&format!("{key}-data")).and_then(Value::as_str) {
        return STANDARD
            .decode(data)
            .map(Some)
            .map_err(|error| format!("{key}-data: {error}"));
    }
    let Some(file) = section.get(key).and_then(Value::as_str) else {
        return Ok(None);
    };
    std::fs::read(file)
        .map(Some)
        .map_err(|error| format!("{file}: {error}"))
}

fn tls(cluster: &Map<String, Value>, user: &Map<String, Value>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let authority = material(cluster, "certificate-authority")?.unwrap_or_default();
    for cert in CertificateDer::pem_slice_iter(&authority) {
        let cert = cert.map_err(|error| format!("certificate-authority: {error}"))?;
        roots
            .add(cert)
            .map_err(|error| format!("certificate-authority: {error}"))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let cert = material(user, "client-certificate")?;
    let key = material(user, "client-key")?;
    let mut config = match (cert, key) {
        (Some(cert), Some(key)) => {
            let chain = CertificateDer::pem_slice_iter(&cert)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| format!("client-certificate: {error}"))?;
            let key = PrivateKeyDer::from_pem_slice(&key)
                .map_err(|error| format!("client-key: {error}"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| error.to_string())?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

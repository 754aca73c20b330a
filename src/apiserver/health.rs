//! The health port of the controller manager and the scheduler, which the kubelet
//! probes: HTTPS with a certificate made at the start, as the real ones do when they are
//! given none.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::flags::Flags;

/// Serves `/healthz`, `/livez` and `/readyz` on `--bind-address` and `--secure-port`, in
/// the background; the port 0 means that nothing is served.
///
/// # Errors
/// A flag makes no sense, or the port is taken.
pub async fn serve(flags: &Flags, default_port: i64) -> Result<(), String> {
    let port = flags
        .number("secure-port", default_port)
        .map_err(|e| e.to_string())?;
    if port == 0 {
        return Ok(());
    }
    let port = u16::try_from(port).map_err(|_| "--secure-port must be between 0 and 65535")?;
    let bind = flags.get("bind-address").unwrap_or("0.0.0.0");
    let address: IpAddr = bind
        .parse()
        .map_err(|_| format!("--bind-address: \"{bind}\" is no IP address"))?;
    let listener = TcpListener::bind((address, port))
        .await
        .map_err(|e| format!("failed to create listener: listen tcp {address}:{port}: {e}"))?;
    let acceptor = TlsAcceptor::from(Arc::new(self_signed(address)?));
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever breaks off learns nothing; there is nobody to tell.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            });
        }
    });
    Ok(())
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match request.uri().path() {
        "/healthz" | "/livez" | "/readyz" => (StatusCode::OK, "ok"),
        // Everything else wants a user who may see it, and none is asked for here.
        _ => (StatusCode::FORBIDDEN, "Forbidden\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    Ok(response)
}

fn self_signed(address: IpAddr) -> Result<ServerConfig, String> {
    let names = vec![address.to_string(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(|e| e.to_string())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(|e| e.to_string())
}

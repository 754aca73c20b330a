//! The kubelet's own server: logs and exec for the API server, health for people.

mod exec;
mod logs;

use std::{convert::Infallible, net::Ipv4Addr, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::object;
use rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};
use tokio_rustls::TlsAcceptor;

use crate::{config::Config, kubelet::Question, state::ContainerState};

/// What is sent back.
pub type Body = BoxBody<Bytes, Infallible>;

/// A whole answer.
pub fn full(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()).boxed());
    *response.status_mut() = status;
    response
}

/// An answer whose pieces come as they are made.
pub fn streamed(pieces: mpsc::Receiver<Bytes>) -> Response<Body> {
    let stream = futures_util::stream::unfold(pieces, |mut pieces| async move {
        pieces.recv().await.map(|piece| (piece, pieces))
    });
    let body = StreamBody::new(stream.map(|piece| Ok::<_, Infallible>(Frame::data(piece))));
    let mut response = Response::new(BodyExt::boxed(body));
    let text = header::HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// Serves HTTPS on the node's address and health on loopback, for ever. A port that is
/// taken, or a certificate that can't be read, is said and tried again.
pub async fn run(config: Config, questions: mpsc::UnboundedSender<Question>) {
    if config.healthz_port != 0 {
        tokio::spawn(health(config.healthz_port));
    }
    let mut told = String::new();
    loop {
        match serve(&config, &questions).await {
            Ok(()) => {}
            Err(error) if error == told => {}
            Err(error) => {
                crate::log::error("Failed to listen and serve", &[("err", &error)]);
                told = error;
            }
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

async fn serve(config: &Config, questions: &mpsc::UnboundedSender<Question>) -> Result<(), String> {
    let acceptor = TlsAcceptor::from(Arc::new(tls(&config.client_ca)?));
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, config.port))
        .await
        .map_err(|error| format!("listen tcp 0.0.0.0:{}: {error}", config.port))?;
    loop {
        let (stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
        let (acceptor, questions) = (acceptor.clone(), questions.clone());
        tokio::spawn(async move {
            // Whoever is not let in sees why in the handshake.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| {
                let questions = questions.clone();
                async move { Ok::<_, Infallible>(route(request, &questions).await) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

fn tls(client_ca: &Path) -> Result<ServerConfig, String> {
    let dir = Path::new("/var/lib/kubelet/pki");
    let read =
        |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let chain = CertificateDer::pem_slice_iter(&read(&dir.join("kubelet.crt"))?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_slice(&read(&dir.join("kubelet.key"))?)
        .map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(&read(client_ca)?) {
        let cert = cert.map_err(|error| error.to_string())?;
        roots.add(cert).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
        .build()
        .map_err(|error| error.to_string())?;
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| error.to_string())
}

async fn health(port: u16) {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        let service = service_fn(|request: Request<Incoming>| async move {
            let status = match request.uri().path() {
                "/healthz" => StatusCode::OK,
                _ => StatusCode::NOT_FOUND,
            };
            Ok::<_, Infallible>(full(
                status,
                if status == StatusCode::OK { "ok" } else { "" },
            ))
        });
        tokio::spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A Pod of this node and one of its containers.
pub struct Target {
    pub pod: Value,
    pub container: ContainerState,
}

/// Every Pod of this node.
pub async fn pods(
    questions: &mpsc::UnboundedSender<Question>,
) -> Vec<(Value, Vec<ContainerState>)> {
    let (answer, pods) = oneshot::channel();
    let _ = questions.send(Question::Pods(answer));
    pods.await.unwrap_or_default()
}

/// Query parameters, in their order, decoded.
pub fn query(request: &Request<Incoming>) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'+' => bytes.push(b' '),
                b'%' => {
                    let digits: Vec<u8> = rest.by_ref().take(2).collect();
                    let digits = String::from_utf8_lossy(&digits).into_owned();
                    bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
                }
                other => bytes.push(other),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let query = request.uri().query().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

async fn route(
    request: Request<Incoming>,
    questions: &mpsc::UnboundedSender<Question>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts[..] {
        ["healthz"] => full(StatusCode::OK, "ok"),
        ["pods"] => {
            let items: Vec<Value> = pods(questions)
                .await
                .into_iter()
                .map(|(pod, _)| pod)
                .collect();
            let list = serde_json::json!({
                "apiVersion": "v1", "items": items, "kind": "PodList", "metadata": {},
            });
            full(StatusCode::OK, list.to_string())
        }
        ["containerLogs", namespace, pod, container] if request.method() == Method::GET => {
            match target(questions, namespace, pod, container).await {
                Ok(target) => logs::answer(&target, &query(&request)).await,
                Err(response) => response,
            }
        }
        ["exec", namespace, pod, container] => {
            match target(questions, namespace, pod, container).await {
                Ok(target) => exec::answer(request, &target),
                Err(response) => response,
            }
        }
        _ => full(StatusCode::NOT_FOUND, "404 page not found\n"),
    }
}

async fn target(
    questions: &mpsc::UnboundedSender<Question>,
    namespace: &str,
    name: &str,
    container: &str,
) -> Result<Target, Response<Body>> {
    let found = pods(questions)
        .await
        .into_iter()
        .find(|(pod, _)| object::namespace(pod) == namespace && object::name(pod) == name);
    let Some((pod, states)) = found else {
        let text = format!("pod does not exist: {namespace}/{name}");
        return Err(full(StatusCode::NOT_FOUND, text));
    };
    match states.into_iter().find(|state| state.name == container) {
        Some(container) => Ok(Target { pod, container }),
        None => {
            let text = format!("container \"{container}\" not found in pod \"{name}_{namespace}\"");
            Err(full(StatusCode::NOT_FOUND, text))
        }
    }
}

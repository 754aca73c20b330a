//! What the kubelet answers: logs, exec, attach, port-forward. Requests are passed
//! on to its HTTPS port; upgraded connections are joined byte by byte.

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kube::object::{self, list, text};
use kube::resources::{self, Resource};
use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio_stream::StreamExt;

use super::{Answer, Body, Context};
use crate::status::Failure;

/// Host and port of a node's kubelet.
fn kubelet_address(context: &Context, node: &Value) -> Option<(String, u16)> {
    let addresses = list(node, "status.addresses");
    let address = context.app.settings.address_types.iter().find_map(|kind| {
        addresses
            .iter()
            .find(|a| text(a, "type") == kind)
            .map(|a| text(a, "address").to_string())
    })?;
    let port = object::int(node, "status.daemonEndpoints.kubeletEndpoint.Port").unwrap_or(10250);
    Some((address, u16::try_from(port).unwrap_or(10250)))
}

/// The container a request means: the named one, the default one, or the only one.
fn container(context: &Context, pod: &Value) -> Result<String, Failure> {
    let names: Vec<&str> = ["containers", "initContainers", "ephemeralContainers"]
        .iter()
        .flat_map(|group| list(pod, &format!("spec.{group}")))
        .map(|c| text(c, "name"))
        .collect();
    let pod_name = object::name(pod);
    if let Some(wanted) = context.query.get("container") {
        if names.contains(&wanted) {
            return Ok(wanted.to_string());
        }
        return Err(Failure::bad_request(format!(
            "container {wanted} is not valid for pod {pod_name}"
        )));
    }
    let containers: Vec<&str> = list(pod, "spec.containers")
        .iter()
        .map(|c| text(c, "name"))
        .collect();
    let default = object::annotation(pod, "kubectl.kubernetes.io/default-container");
    match containers.as_slice() {
        [only] => Ok((*only).to_string()),
        all if all.contains(&default) => Ok(default.to_string()),
        all => {
            let inits: Vec<&str> = list(pod, "spec.initContainers")
                .iter()
                .map(|c| text(c, "name"))
                .collect();
            let mut message = format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                all.join(" ")
            );
            if !inits.is_empty() {
                message.push_str(&format!(
                    " or one of the init containers: [{}]",
                    inits.join(" ")
                ));
            }
            Err(Failure::bad_request(message))
        }
    }
}

/// GET of `…/log`, GET and POST of `…/exec`, `…/attach`, `…/portforward`.
pub async fn to_kubelet(
    context: &Context,
    resource: &'static Resource,
    request: Request<Incoming>,
) -> Answer {
    let (namespace, name) = (&context.info.namespace, &context.info.name);
    let found = context.app.read(resource, namespace, name).await?;
    let (pod, _) = found.ok_or_else(|| Failure::not_found(resource, name))?;
    let node_name = text(&pod, "spec.nodeName");
    let subresource = context.info.subresource.as_str();
    let container_name = if subresource == "portforward" {
        String::new()
    } else {
        container(context, &pod)?
    };
    if node_name.is_empty() {
        if subresource == "log" {
            // Nothing runs yet, so nothing was said.
            return Ok(super::text(200, ""));
        }
        return Err(Failure::bad_request(format!(
            "pod {name} does not have a host assigned"
        )));
    }
    let nodes = resources::by_path("", "v1", "nodes").unwrap_or(resource);
    let Some(node) = context.app.lookup(nodes, "", node_name).await? else {
        return Err(Failure::not_found(nodes, node_name));
    };
    let Some((host, port)) = kubelet_address(context, &node) else {
        return Err(Failure::internal(format!(
            "no preferred addresses found; known addresses: {}",
            object::at(&node, "status.addresses")
        )));
    };
    let path = match subresource {
        "log" => format!("/containerLogs/{namespace}/{name}/{container_name}"),
        "portforward" => format!("/portForward/{namespace}/{name}"),
        other => format!("/{other}/{namespace}/{name}/{container_name}"),
    };
    let query = kubelet_query(request.uri().query().unwrap_or(""), subresource);
    let uri = format!("https://{host}:{port}{path}{query}");
    pass_on(context, request, &host, port, &uri).await
}

/// The kubelet's names of the parameters.
fn kubelet_query(query: &str, subresource: &str) -> String {
    if subresource == "log" || subresource == "portforward" {
        let kept: Vec<&str> = query
            .split('&')
            .filter(|p| {
                !p.is_empty()
                    && !p.starts_with("container=")
                    && !p.starts_with("insecureSkipTLSVerifyBackend")
            })
            .collect();
        return if kept.is_empty() {
            String::new()
        } else {
            format!("?{}", kept.join("&"))
        };
    }
    let renamed: Vec<String> = query
        .split('&')
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let on = matches!(value, "true" | "1");
            match key {
                "command" => Some(format!("command={value}")),
                "stdin" if on => Some("input=1".to_string()),
                "stdout" if on => Some("output=1".to_string()),
                "stderr" if on => Some("error=1".to_string()),
                "tty" if on => Some("tty=1".to_string()),
                _ => None,
            }
        })
        .collect();
    format!("?{}", renamed.join("&"))
}

fn dial_error(host: &str, port: u16, error: impl std::fmt::Display, uri: &str) -> Failure {
    let text = error.to_string();
    let _ = (host, port);
    Failure::new(500, "InternalError", format!("Get \"{uri}\": {text}"))
}

async fn pass_on(
    context: &Context,
    mut request: Request<Incoming>,
    host: &str,
    port: u16,
    uri: &str,
) -> Answer {
    let stream = crate::tls::connect(host, port, Some(context.app.kubelet_tls.clone()))
        .await
        .map_err(|e| dial_error(host, port, e, uri))?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|e| dial_error(host, port, e, uri))?;
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    let target: Uri = uri.parse().map_err(Failure::internal)?;
    let path = target
        .path_and_query()
        .map_or("/", |p| p.as_str())
        .to_string();
    let mut onward = Request::builder()
        .method(request.method().clone())
        .uri(path);
    let upgrade = request.headers().contains_key(http::header::UPGRADE);
    for (name, value) in request.headers() {
        let own = matches!(
            name.as_str(),
            "host" | "authorization" | "content-length" | "transfer-encoding" | "accept-encoding"
        ) || name.as_str().starts_with("impersonate-")
            || (!upgrade && matches!(name.as_str(), "connection" | "upgrade"));
        if !own {
            onward = onward.header(name, value);
        }
    }
    let onward = onward
        .header("host", format!("{host}:{port}"))
        .body(Full::new(Bytes::new()))
        .map_err(Failure::internal)?;
    let mut answer = sender
        .send_request(onward)
        .await
        .map_err(|e| dial_error(host, port, e, uri))?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let theirs = hyper::upgrade::on(&mut answer);
        let ours = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            if let (Ok(theirs), Ok(ours)) = tokio::join!(theirs, ours) {
                let (mut a, mut b) = (TokioIo::new(ours), TokioIo::new(theirs));
                let _ = copy_bidirectional(&mut a, &mut b).await;
            }
        });
        let mut response: Response<Body> = Response::new(super::body(Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = answer.headers().clone();
        return Ok(response);
    }
    let status = answer.status();
    if status.is_client_error() || status.is_server_error() {
        let text = answer
            .into_body()
            .collect()
            .await
            .map_err(Failure::internal)?
            .to_bytes();
        let text = String::from_utf8_lossy(&text).trim_end().to_string();
        return Err(match serde_json::from_str::<Value>(&text) {
            Ok(status) if status.get("kind").is_some() => Failure::new(
                u16::try_from(object::int(&status, "code").unwrap_or(500)).unwrap_or(500),
                "BadRequest",
                object::text(&status, "message"),
            ),
            _ => Failure::new(status.as_u16(), reason(status.as_u16()), text),
        });
    }
    let (parts, incoming) = answer.into_parts();
    // A log that breaks off ends; the client sees the end of the stream.
    let frames = http_body_util::BodyStream::new(incoming)
        .take_while(Result::is_ok)
        .filter_map(Result::ok)
        .map(Ok);
    let mut response = Response::new(http_body_util::StreamBody::new(frames).boxed_unsync());
    *response.status_mut() = parts.status;
    if let Some(kind) = parts.headers.get("content-type") {
        response.headers_mut().insert("content-type", kind.clone());
    }
    Ok(response)
}

fn reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        _ => "InternalError",
    }
}

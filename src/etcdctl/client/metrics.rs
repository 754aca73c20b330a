//! Reading `/metrics` of a member, which is HTTP/1.1 beside gRPC on one port.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::balancer::Balancer;
use super::{Config, connect};

/// Fetches the page. The error is a sentence without a name of the endpoint.
pub async fn fetch(config: &Config, endpoint: &str) -> Result<String, String> {
    let mut dialer = Balancer::dialer(config, endpoint).map_err(|exit| exit.to_string())?;
    if let Some(tls) = &dialer.tls {
        let mut tls = (**tls).clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        dialer.tls = Some(Arc::new(tls));
    }
    let (stream, _) = connect::stream(&dialer).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        // What ended it is told by the request.
        let _ = connection.await;
    });
    let request = http::Request::get("/metrics")
        .header(http::header::HOST, dialer.address.to_string())
        .body(Empty::<&[u8]>::new())
        .map_err(|error| error.to_string())?;
    let response: http::Response<Incoming> = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    if !status.is_success() {
        return Err(format!("unexpected status {status}"));
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The value of the first line that begins with the metric's name.
pub fn value(page: &str, name: &str) -> Option<f64> {
    page.lines()
        .filter_map(|line| line.strip_prefix(name))
        .find_map(|rest| rest.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn a_metric_of_a_page() {
        let page =
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 5.3e+07\n";
        assert_eq!(value(page, "process_resident_memory_bytes"), Some(5.3e7));
        assert_eq!(value(page, "other"), None);
    }
}

//! Answers in the shape of Go's `net/http`.

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};

/// What Go's `http.Error` writes: a sentence and a line feed.
#[must_use]
pub fn error(status: StatusCode, text: &str) -> Response {
    let mut answer = Response::new(Body::from(format!("{text}\n")));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        "X-Content-Type-Options",
        HeaderValue::from_static("nosniff"),
    );
    answer
}

/// Go's answer for a path that nobody handles.
#[must_use]
pub fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "404 page not found")
}

/// Go's answer for a path that is elsewhere.
#[must_use]
pub fn moved(to: &'static str) -> Response {
    let body = format!("<a href=\"{to}\">Moved Permanently</a>.\n\n");
    let mut answer = ok("text/html; charset=utf-8", body);
    *answer.status_mut() = StatusCode::MOVED_PERMANENTLY;
    answer
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_static(to));
    answer
}

/// Says which method would have been right.
#[must_use]
pub fn wrong_method(allowed: &'static str) -> Response {
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    answer
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// A body of the given type.
#[must_use]
pub fn ok(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut answer = Response::new(body.into());
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// Only a status.
#[must_use]
pub fn status(status: StatusCode) -> Response {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

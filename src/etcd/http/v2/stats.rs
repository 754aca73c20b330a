//! `/v2/stats` (`v2http/client.go`, `api/v2stats`).

use axum::response::Response;
use http::{Method, StatusCode};

use super::{V2Handler, json, refusal, refuse_method};

impl V2Handler {
    pub(super) fn store_stats(&self, method: &Method) -> Response {
        refuse_method(method, &["GET"]).unwrap_or_else(|| {
            let stats = self.server.store().v2_stats();
            json(StatusCode::OK, stats.to_json())
        })
    }

    pub(super) fn self_stats(&self, method: &Method) -> Response {
        refuse_method(method, &["GET"])
            .unwrap_or_else(|| json(StatusCode::OK, self.server.v2_self_stats()))
    }

    pub(super) fn leader_stats(&self, method: &Method) -> Response {
        refuse_method(method, &["GET"]).unwrap_or_else(|| match self.server.v2_leader_stats() {
            Some(stats) => json(StatusCode::OK, stats),
            None => refusal(StatusCode::FORBIDDEN, "not current leader"),
        })
    }
}

//! Answers of `/v2/keys`, and how they are shown (`client/v2/keys.go`,
//! `ctlv2/command/format.go`).

use serde::{Deserialize, Serialize};

use super::{client::Failure, http::Answer, say};

/// A key or directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    pub key: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dir: bool,
    pub value: String,
    pub nodes: Option<Vec<Node>>,
    pub created_index: u64,
    pub modified_index: u64,
    /// As the server wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub ttl: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What a request did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Response {
    pub action: String,
    pub node: Node,
    pub prev_node: Option<Node>,
    /// `X-Etcd-Index`; 0 if absent.
    #[serde(skip)]
    pub index: u64,
}

/// Reads an answer (`unmarshalHTTPResponse`).
pub fn read(answer: &Answer) -> Result<Response, Failure> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Refusal {
        #[serde(rename = "errorCode")]
        code: i64,
        message: String,
        cause: String,
        index: u64,
    }
    if !matches!(answer.status, 200 | 201) {
        let refusal: Refusal =
            serde_json::from_slice(&answer.body).map_err(|_| Failure::invalid_json())?;
        return Err(Failure::Keys {
            code: refusal.code,
            message: refusal.message,
            cause: refusal.cause,
            index: refusal.index,
        });
    }
    if answer.body.is_empty() {
        return Err(Failure::EmptyBody);
    }
    let mut response: Response =
        serde_json::from_slice(&answer.body).map_err(|_| Failure::invalid_json())?;
    if !answer.index.is_empty() {
        response.index = crate::go::number::parse_u64(answer.index.as_bytes(), 10)
            .map_err(|error| Failure::Other(error.to_string()))?;
    }
    Ok(response)
}

impl Response {
    /// Shows the key in a form (`printResponseKey`).
    pub fn show(&self, form: &str) {
        let before = self.prev_node.clone().unwrap_or_default();
        match form {
            "simple" if self.action == "delete" => say!("PrevNode.Value: {}", before.value),
            "simple" => say!("{}", self.node.value),
            "extended" => {
                say!(
                    "Key: {}\nCreated-Index: {}\nModified-Index: {}",
                    self.node.key,
                    self.node.created_index,
                    self.node.modified_index
                );
                if self.prev_node.is_some() {
                    say!("PrevNode.Value: {}", before.value);
                }
                say!("TTL: {}\nIndex: {}", self.node.ttl, self.index);
                if self.action != "delete" {
                    say!("\n{}", self.node.value);
                }
            }
            "json" => say!("{}", mvcc::v2::as_go(self)),
            other => tell!("Unsupported output format: {other}"),
        }
    }
}

//! Answers that are not objects: `Status` with the texts, reasons and codes of the
//! reference (apimachinery `api/errors/errors.go`, v0.32).

use kube::resources::Resource;
use kube::validate::FieldError;
use serde_json::{Value, json};

/// A refusal, as the client will read it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason; empty where the reference has none.
    pub reason: &'static str,
    /// The sentence people read.
    pub message: String,
    /// The `details` field; null if there is none.
    pub details: Value,
}

fn details(resource: &Resource, name: &str) -> Value {
    let mut details = json!({"kind": resource.plural});
    if !name.is_empty() {
        details["name"] = json!(name);
    }
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    details
}

impl Failure {
    /// Any refusal without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
        }
    }
    /// 404 for an object.
    pub fn not_found(resource: &Resource, name: &str) -> Failure {
        Failure {
            code: 404,
            reason: "NotFound",
            message: format!("{} \"{name}\" not found", resource.qualified()),
            details: details(resource, name),
        }
    }
    /// 404 for a path that nothing is served at.
    pub fn no_such_path() -> Failure {
        Failure {
            details: json!({"causes": [{"reason": "UnexpectedServerResponse", "message": "404 page not found"}]}),
            ..Failure::new(
                404,
                "NotFound",
                "the server could not find the requested resource",
            )
        }
    }
    /// 409: the object is there already.
    pub fn already_exists(resource: &Resource, name: &str) -> Failure {
        Failure {
            code: 409,
            reason: "AlreadyExists",
            message: format!("{} \"{name}\" already exists", resource.qualified()),
            details: details(resource, name),
        }
    }
    /// 409: the object changed meanwhile, or is not the one that was meant.
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Failure {
        Failure {
            code: 409,
            reason: "Conflict",
            message: format!(
                "Operation cannot be fulfilled on {} \"{name}\": {why}",
                resource.qualified()
            ),
            details: details(resource, name),
        }
    }
    /// 409 with the usual reason.
    pub fn modified(resource: &Resource, name: &str) -> Failure {
        Failure::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }
    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(400, "BadRequest", message)
    }
    /// 403 about an object, with a reason in words.
    pub fn forbidden(resource: &Resource, name: &str, why: &str) -> Failure {
        let message = if name.is_empty() {
            format!("{} is forbidden: {why}", resource.qualified())
        } else {
            format!("{} \"{name}\" is forbidden: {why}", resource.qualified())
        };
        Failure {
            code: 403,
            reason: "Forbidden",
            message,
            details: details(resource, name),
        }
    }
    /// 405.
    pub fn method_not_allowed() -> Failure {
        Failure::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }
    /// 401.
    pub fn unauthorized() -> Failure {
        Failure::new(401, "Unauthorized", "Unauthorized")
    }
    /// 422 with one cause for each wrong field.
    pub fn invalid(resource: &Resource, kind: &str, name: &str, errors: &[FieldError]) -> Failure {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let text = match texts.as_slice() {
            [one] => one.clone(),
            all => format!("[{}]", all.join(", ")),
        };
        let qualified = if resource.group.is_empty() {
            kind.to_string()
        } else {
            format!("{kind}.{}", resource.group)
        };
        let causes: Vec<Value> = errors
            .iter()
            .map(|e| json!({"reason": e.reason, "message": e.message, "field": e.field}))
            .collect();
        let mut details = details(resource, name);
        details["kind"] = json!(kind);
        details["causes"] = Value::Array(causes);
        Failure {
            code: 422,
            reason: "Invalid",
            message: format!("{qualified} \"{name}\" is invalid: {text}"),
            details,
        }
    }
    /// 410: the revision was compacted or fell out of the cache.
    pub fn expired(message: impl Into<String>) -> Failure {
        Failure::new(410, "Expired", message)
    }
    /// 500 with the server's own words.
    pub fn internal(message: impl std::fmt::Display) -> Failure {
        Failure {
            details: json!({"causes": [{"message": message.to_string()}]}),
            ..Failure::new(
                500,
                "InternalError",
                format!("Internal error occurred: {message}"),
            )
        }
    }
    /// 500 with the words of etcd.
    pub fn storage(message: impl Into<String>) -> Failure {
        Failure::new(500, "", message)
    }
    /// 415 or 406.
    pub fn unsupported_media(code: u16, reason: &'static str, accepted: &str) -> Failure {
        let message = if code == 406 {
            format!("only the following media types are accepted: {accepted}")
        } else {
            format!(
                "the body of the request was in an unknown format - accepted media types include: {accepted}"
            )
        };
        Failure::new(code, reason, message)
    }

    /// The `Status` object.
    pub fn to_value(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": self.message, "code": self.code});
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

/// The `Status` of a deletion that is done.
pub fn deleted(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = details(resource, name);
    details["uid"] = json!(uid);
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// The `Status` of anything else that went well (201 for bindings and evictions).
pub fn success(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code})
}

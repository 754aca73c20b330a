//! `create rolebinding`, `create clusterrolebinding`.

use super::{begin, finish, one_name, required};
use crate::cx::Cx;
use crate::error::{Outcome, fail};
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) async fn binding(cx: &Cx) -> Outcome {
    let cluster = cx.command == "create clusterrolebinding";
    if cluster {
        required(cx, &["clusterrole"])?;
    }
    let name = one_name(cx)?;
    let cluster_role = cx.text("clusterrole");
    let role = if cluster { "" } else { cx.text("role") };
    if cluster_role.is_empty() == role.is_empty() {
        return fail("exactly one of clusterrole or role must be specified");
    }
    let kind = if cluster {
        "ClusterRoleBinding"
    } else {
        "RoleBinding"
    };
    let mut object = begin(&format!("{GROUP}/v1"), kind, name);
    object["roleRef"] = if role.is_empty() {
        json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": cluster_role})
    } else {
        json!({"apiGroup": GROUP, "kind": "Role", "name": role})
    };
    let subjects = subjects(cx)?;
    if !subjects.is_empty() {
        object["subjects"] = Value::Array(subjects);
    }
    let failure = if cluster {
        "failed to create clusterrolebinding:"
    } else {
        "failed to create rolebinding:"
    };
    finish(cx, object, failure).await
}

fn subjects(cx: &Cx) -> Outcome<Vec<Value>> {
    let mut subjects = Vec::new();
    for (flag, kind) in [("user", "User"), ("group", "Group")] {
        for name in cx.flags.list(flag) {
            subjects.push(json!({"apiGroup": GROUP, "kind": kind, "name": name}));
        }
    }
    for account in cx.flags.list("serviceaccount") {
        match account.split_once(':') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains(':') =>
            {
                subjects
                    .push(json!({"kind": "ServiceAccount", "name": name, "namespace": namespace}));
            }
            _ => return fail("serviceaccount must be <namespace>:<name>"),
        }
    }
    Ok(subjects)
}

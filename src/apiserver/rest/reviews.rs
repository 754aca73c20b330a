//! Reviews: questions about users and permissions, answered and not stored.

use kube::object::{at, set, text};
use kube::resources::Resource;
use serde_json::{Value, json};

use super::create::{decode, parse};
use super::{Answer, Context, formatted};
use crate::app::now;
use crate::authn::User;
use crate::authz::Attributes;
use crate::status::Failure;

/// POST of a review.
pub async fn review(context: &Context, resource: &'static Resource, bytes: &[u8]) -> Answer {
    let mut object = parse(context, bytes)?;
    decode(context, resource, &mut object)?;
    match resource.kind {
        "SelfSubjectAccessReview" => access(context, &mut object, &context.user)?,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let user = user_of(&object);
            access(context, &mut object, &user)?;
        }
        "SelfSubjectRulesReview" => rules(context, &mut object),
        "SelfSubjectReview" => {
            set(
                &mut object,
                "status",
                json!({"userInfo": context.user.to_value()}),
            );
        }
        "TokenReview" => token(context, &mut object),
        _ => return Err(Failure::method_not_allowed()),
    }
    if at(&object, "metadata").is_null() {
        set(&mut object, "metadata", json!({}));
    }
    Ok(formatted(201, &object, context.accept.yaml))
}

fn user_of(object: &Value) -> User {
    let groups = kube::object::list(object, "spec.groups");
    User {
        name: text(object, "spec.user").to_string(),
        groups: groups
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_string)
            .collect(),
        ..User::default()
    }
}

fn access(context: &Context, object: &mut Value, user: &User) -> Result<(), Failure> {
    let resource = at(object, "spec.resourceAttributes");
    let other = at(object, "spec.nonResourceAttributes");
    if resource.is_null() == other.is_null() {
        return Err(Failure::bad_request(
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ));
    }
    let get = |from: &Value, field: &str| text(from, field).to_string();
    let wanted = if resource.is_object() {
        Attributes {
            verb: get(resource, "verb"),
            group: get(resource, "group"),
            resource: get(resource, "resource"),
            subresource: get(resource, "subresource"),
            namespace: get(resource, "namespace"),
            name: get(resource, "name"),
            path: String::new(),
        }
    } else {
        Attributes {
            verb: get(other, "verb"),
            path: get(other, "path"),
            ..Attributes::default()
        }
    };
    let decision = context.app.authorizer.authorize(user, &wanted);
    let mut status = json!({"allowed": decision.allowed});
    if !decision.reason.is_empty() {
        status["reason"] = json!(decision.reason);
    }
    set(object, "status", status);
    Ok(())
}

fn rules(context: &Context, object: &mut Value) {
    let namespace = text(object, "spec.namespace").to_string();
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    let mut add = |rule: &Value| {
        if kube::object::list(rule, "nonResourceURLs").is_empty() {
            resources.push(rule.clone());
        } else {
            paths.push(rule.clone());
        }
    };
    let masters = context.user.groups.iter().any(|g| g == "system:masters");
    if masters || context.app.authorizer.always {
        add(&json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        add(&json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    let mut missing = Vec::new();
    context.app.authorizer.visit(
        &context.user,
        &namespace,
        &mut |rule, _| {
            add(rule);
            true
        },
        &mut missing,
    );
    set(
        object,
        "status",
        json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false}),
    );
}

fn token(context: &Context, object: &mut Value) {
    let token = text(object, "spec.token").to_string();
    let status = match context.app.authenticator.tokens.authenticate(&token, now()) {
        Some(mut user) => {
            user.groups.push("system:authenticated".to_string());
            json!({"authenticated": true, "user": user.to_value(),
                "audiences": context.app.authenticator.tokens.audiences})
        }
        None => json!({"authenticated": false, "user": {}, "error": "invalid bearer token"}),
    };
    set(object, "status", status);
}

//! One request from the socket to the answer: authentication, impersonation,
//! authorization, dispatch.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use kube::resources::{self, Resource};
use rustls::pki_types::CertificateDer;
use serde_json::json;

use crate::app::{App, now};
use crate::authn::User;
use crate::authz::Attributes;
use crate::request::{Accept, MEDIA_TYPES, Query, RequestInfo, Shape};
use crate::rest::{
    self, Answer, Body, Context, create, delete, discovery, health, list, openapi, patch, proxy,
    reviews, subresources, update, watch,
};
use crate::status::Failure;

/// The largest body that is read (as the reference's limit).
const MAX_BODY: usize = 3 * 1024 * 1024;

/// Answers one request.
pub async fn handle(
    app: Arc<App>,
    certificates: Arc<Vec<CertificateDer<'static>>>,
    request: Request<Incoming>,
) -> Response<Body> {
    let yaml = Accept::parse(request.headers()).is_some_and(|a| a.yaml);
    let mut response = match answer(app, &certificates, request).await {
        Ok(response) => response,
        Err(failure) => rest::failure(&failure, yaml),
    };
    if let Ok(id) = crate::app::uuid().parse() {
        response.headers_mut().insert("audit-id", id);
    }
    response
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("")
}

async fn answer(
    app: Arc<App>,
    certificates: &[CertificateDer<'static>],
    request: Request<Incoming>,
) -> Answer {
    let path = request.uri().path().to_string();
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let info = RequestInfo::parse(request.method(), &path, &query);
    let headers = request.headers().clone();
    let user = app
        .authenticator
        .authenticate(certificates, &headers, now())
        .ok_or_else(Failure::unauthorized)?;
    let user = impersonate(&app, user, &headers)?;
    authorize(&app, &user, &info)?;
    // Discovery forms carry parameters that no object has.
    let special = !info.is_resource;
    let accept = match Accept::parse(&headers) {
        Some(accept) => accept,
        None if special
            || matches!(
                info.subresource.as_str(),
                "log" | "exec" | "attach" | "portforward" | "proxy"
            ) =>
        {
            Accept {
                shape: Shape::Plain,
                yaml: false,
            }
        }
        None => {
            return Err(Failure::unsupported_media(
                406,
                "NotAcceptable",
                MEDIA_TYPES,
            ));
        }
    };
    let agent = header(&headers, "user-agent")
        .split('/')
        .next()
        .unwrap_or("")
        .to_string();
    let content_type = header(&headers, "content-type")
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_string();
    let context = Context {
        app,
        user,
        info,
        query,
        accept,
        agent,
        content_type,
    };
    if special {
        return plain_path(&context, &headers, request.method(), &path).await;
    }
    dispatch(&context, request).await
}

/// Replaces the user where the request asks for it and the user may.
fn impersonate(app: &App, user: User, headers: &HeaderMap) -> Result<User, Failure> {
    let name = header(headers, "impersonate-user");
    let groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .map(str::to_string)
        .collect();
    let uid = header(headers, "impersonate-uid");
    if name.is_empty() {
        if !groups.is_empty() || !uid.is_empty() {
            return Err(Failure::internal(
                "requested [{Group}] without impersonating a user",
            ));
        }
        return Ok(user);
    }
    let check = |group: &str, resource: &str, namespace: &str, name: &str| {
        let wanted = Attributes {
            verb: "impersonate".to_string(),
            group: group.to_string(),
            resource: resource.to_string(),
            namespace: namespace.to_string(),
            name: name.to_string(),
            ..Attributes::default()
        };
        let decision = app.authorizer.authorize(&user, &wanted);
        if decision.allowed {
            return Ok(());
        }
        Err(Failure {
            details: json!({"name": name, "kind": resource}),
            ..Failure::new(
                403,
                "Forbidden",
                format!(
                    "{resource} \"{name}\" is forbidden: {}",
                    wanted.refusal(&user)
                ),
            )
        })
    };
    let mut become_user = User {
        name: name.to_string(),
        uid: uid.to_string(),
        groups: groups.clone(),
        ..User::default()
    };
    match name
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'))
    {
        Some((namespace, account)) => {
            check("", "serviceaccounts", namespace, account)?;
            if groups.is_empty() {
                become_user.groups = vec![
                    "system:serviceaccounts".to_string(),
                    format!("system:serviceaccounts:{namespace}"),
                ];
            }
        }
        None => check("", "users", "", name)?,
    }
    for group in &groups {
        check("", "groups", "", group)?;
    }
    if !uid.is_empty() {
        check("authentication.k8s.io", "uids", "", uid)?;
    }
    let known = if name == "system:anonymous" {
        "system:unauthenticated"
    } else {
        "system:authenticated"
    };
    if !become_user.groups.iter().any(|g| g == known) {
        become_user.groups.push(known.to_string());
    }
    Ok(become_user)
}

fn authorize(app: &App, user: &User, info: &RequestInfo) -> Result<(), Failure> {
    let open = ["/healthz", "/livez", "/readyz"];
    if open.contains(&info.path.as_str()) {
        return Ok(());
    }
    let wanted = Attributes {
        verb: info.verb.clone(),
        group: info.group.clone(),
        resource: info.resource.clone(),
        subresource: info.subresource.clone(),
        namespace: info.namespace.clone(),
        name: info.name.clone(),
        path: info.path.clone(),
    };
    let decision = app.authorizer.authorize(user, &wanted);
    if decision.allowed {
        return Ok(());
    }
    let mut why = wanted.refusal(user);
    if !decision.reason.is_empty() {
        why.push_str(": ");
        why.push_str(&decision.reason);
    }
    if info.resource.is_empty() {
        return Err(Failure {
            details: json!({}),
            ..Failure::new(403, "Forbidden", format!("forbidden: {why}"))
        });
    }
    let qualified = if info.group.is_empty() {
        info.resource.clone()
    } else {
        format!("{}.{}", info.resource, info.group)
    };
    let message = if info.name.is_empty() {
        format!("{qualified} is forbidden: {why}")
    } else {
        format!("{qualified} \"{}\" is forbidden: {why}", info.name)
    };
    let mut details = json!({"kind": info.resource});
    if !info.name.is_empty() {
        details["name"] = json!(info.name);
    }
    if !info.group.is_empty() {
        details["group"] = json!(info.group);
    }
    Err(Failure {
        details,
        ..Failure::new(403, "Forbidden", message)
    })
}

async fn plain_path(context: &Context, headers: &HeaderMap, method: &Method, path: &str) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Failure::method_not_allowed());
    }
    if let Some(answer) = discovery::discover(context, headers, path) {
        return answer;
    }
    match path.trim_matches('/').split('/').next() {
        Some("healthz" | "livez" | "readyz") => health::health(context, path).await,
        Some("version") => Ok(health::version()),
        Some("openapi") => openapi::openapi(headers, path),
        Some("metrics") => Ok(rest::text(200, rest::metrics::metrics(context).await)),
        _ => Ok(rest::text(404, "404 page not found\n")),
    }
}

async fn read_body(request: Request<Incoming>) -> Result<Bytes, Failure> {
    Limited::new(request.into_body(), MAX_BODY)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Failure::new(
                    413,
                    "RequestEntityTooLarge",
                    format!("Request entity too large: limit is {MAX_BODY}"),
                )
            } else {
                Failure::bad_request(error.to_string())
            }
        })
}

async fn dispatch(context: &Context, request: Request<Incoming>) -> Answer {
    let info = &context.info;
    let resource = resources::by_path(&info.group, &info.version, &info.resource)
        .ok_or_else(Failure::no_such_path)?;
    if !info.subresource.is_empty() {
        return subresource(context, resource, request).await;
    }
    let allowed = resource.verbs.contains(&info.verb.as_str());
    if !allowed {
        if resource.plural == "componentstatuses" && info.verb == "watch" {
            return Err(Failure::method_not_allowed());
        }
        return Err(Failure::method_not_allowed());
    }
    if resource.plural == "componentstatuses" {
        return component_statuses(context, resource).await;
    }
    // A namespaced object is only reached through its namespace.
    let by_name = matches!(info.verb.as_str(), "get" | "update" | "patch" | "delete");
    if by_name && resource.namespaced && info.namespace.is_empty() {
        return Err(Failure::no_such_path());
    }
    match info.verb.as_str() {
        "get" => list::get(context, resource).await,
        "list" => list::list(context, resource).await,
        "watch" => watch::watch(context, resource).await,
        "create" => {
            let bytes = read_body(request).await?;
            if !info.name.is_empty() && resource.stored() {
                return Err(Failure::method_not_allowed());
            }
            match resource.kind {
                "Binding" => {
                    let binding = create::parse(context, &bytes)?;
                    let mut inner = pods_context(context, kube::object::name(&binding));
                    inner.info.subresource = "binding".to_string();
                    subresources::bind(&inner, pods(), &bytes).await
                }
                _ if !resource.stored() => reviews::review(context, resource, &bytes).await,
                _ => create::create(context, resource, &bytes).await,
            }
        }
        "update" => update::update(context, resource, &read_body(request).await?).await,
        "patch" => patch::patch(context, resource, &read_body(request).await?).await,
        "delete" => delete::delete(context, resource, &read_body(request).await?).await,
        "deletecollection" => {
            delete::delete_collection(context, resource, &read_body(request).await?).await
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

fn pods() -> &'static Resource {
    resources::by_path("", "v1", "pods").unwrap_or(&resources::RESOURCES[0])
}

fn pods_context(context: &Context, name: &str) -> Context {
    let mut info = context.info.clone();
    info.resource = "pods".to_string();
    info.name = name.to_string();
    Context {
        app: Arc::clone(&context.app),
        user: context.user.clone(),
        info,
        query: context.query.clone(),
        accept: context.accept.clone(),
        agent: context.agent.clone(),
        content_type: context.content_type.clone(),
    }
}

async fn subresource(
    context: &Context,
    resource: &'static Resource,
    request: Request<Incoming>,
) -> Answer {
    let info = &context.info;
    if !resource.subresources.contains(&info.subresource.as_str()) {
        return Err(Failure::no_such_path());
    }
    let method = request.method().clone();
    match (info.subresource.as_str(), &method) {
        ("log", &Method::GET)
        | ("exec" | "attach" | "portforward", &(Method::GET | Method::POST)) => {
            proxy::to_kubelet(context, resource, request).await
        }
        ("scale", &(Method::GET | Method::PUT | Method::PATCH)) => {
            let bytes = read_body(request).await?;
            subresources::scale(context, resource, &method, &bytes).await
        }
        ("binding", &Method::POST) => {
            subresources::bind(context, resource, &read_body(request).await?).await
        }
        ("eviction", &Method::POST) => {
            subresources::evict(context, resource, &read_body(request).await?).await
        }
        ("token", &Method::POST) => {
            subresources::token(context, resource, &read_body(request).await?).await
        }
        ("proxy", _) => Err(Failure::new(
            501,
            "NotImplemented",
            format!(
                "proxying to {} is not supported by this API server",
                resource.plural
            ),
        )),
        (_, &Method::GET) => list::get(context, resource).await,
        (_, &Method::PUT) => update::update(context, resource, &read_body(request).await?).await,
        (_, &Method::PATCH) => patch::patch(context, resource, &read_body(request).await?).await,
        _ => Err(Failure::method_not_allowed()),
    }
}

async fn component_statuses(context: &Context, resource: &'static Resource) -> Answer {
    let etcd = context
        .app
        .etcd
        .probe(std::time::Duration::from_secs(2))
        .await;
    let component = |name: &str, error: Option<String>| {
        let condition = match error {
            None => json!({"type": "Healthy", "status": "True", "message": "ok"}),
            Some(error) => {
                json!({"type": "Healthy", "status": "False", "message": "", "error": error})
            }
        };
        json!({"metadata": {"name": name}, "conditions": [condition]})
    };
    let items = vec![
        component("scheduler", None),
        component("controller-manager", None),
        component("etcd-0", etcd.err().map(|e| e.to_string())),
    ];
    if context.info.verb == "get" {
        let found = items
            .into_iter()
            .find(|i| kube::object::name(i) == context.info.name);
        let found = found.ok_or_else(|| Failure::not_found(resource, &context.info.name))?;
        return context.object(resource, 200, &found);
    }
    let mut response = match &context.accept.shape {
        Shape::Table(version) => rest::formatted(
            200,
            &kube::table::table(resource, &items, json!({}), "Metadata", version, now()),
            false,
        ),
        _ => rest::formatted(
            200,
            &json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items}),
            context.accept.yaml,
        ),
    };
    rest::warn(
        &mut response,
        &["v1 ComponentStatus is deprecated in v1.19+".to_string()],
    );
    Ok(response)
}

//! Objects that every cluster has from its first minute: namespaces, the Service
//! `kubernetes`, RBAC's default roles, the system priority classes.
//!
//! Source: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go` and the post-start
//! hooks of 1.32. Existing objects are left as they are.

use futures_util::future::join_all;
use kube::object::{self, set};
use kube::resources::{self, Resource};
use serde_json::{Value, json};

use crate::app::{App, now, stored, uuid};
use crate::etcd::{EtcdError, Written};

mod roles;

fn complete(resource: &Resource, mut object: Value) -> Value {
    set(&mut object, "apiVersion", json!(resource.api_version()));
    set(&mut object, "kind", json!(resource.kind));
    set(&mut object, "metadata.uid", json!(uuid()));
    set(
        &mut object,
        "metadata.creationTimestamp",
        json!(kube::time::rfc3339(now())),
    );
    kube::defaults::apply(resource, &mut object);
    object
}

fn all(app: &App) -> Vec<(&'static Resource, Value)> {
    let mut objects: Vec<(&'static Resource, Value)> = Vec::new();
    let mut add = |group: &str, plural: &str, object: Value| {
        if let Some(resource) = resources::by_group_resource(group, plural) {
            objects.push((resource, complete(resource, object)));
        }
    };
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        add("", "namespaces", json!({"metadata": {"name": name}}));
    }
    for (name, value, description) in [
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ] {
        add(
            "scheduling.k8s.io",
            "priorityclasses",
            json!({"metadata": {"name": name, "generation": 1},
            "value": value, "description": description}),
        );
    }
    let address = crate::rest::services::first_address(app.settings.service_network).to_string();
    add(
        "",
        "services",
        json!({"metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": app.settings.port}]}}),
    );
    let rbac = "rbac.authorization.k8s.io";
    for (plural, object) in roles::all() {
        add(rbac, plural, object);
    }
    objects
}

/// Creates what is missing.
pub async fn bootstrap(app: &App) -> Result<(), EtcdError> {
    let objects = all(app);
    let writes = objects.iter().map(|(resource, object)| {
        let key = resource.key(object::namespace(object), object::name(object));
        let bytes = stored(object);
        async move { app.etcd.put(&key, bytes, 0, 0).await }
    });
    for result in join_all(writes).await {
        result?;
    }
    endpoints(app).await
}

/// The endpoints of `kubernetes.default`: this server's address, beside those of
/// other servers.
async fn endpoints(app: &App) -> Result<(), EtcdError> {
    let address = app.settings.advertise.to_string();
    let port = app.settings.port;
    let meta = json!({"name": "kubernetes", "namespace": "default"});
    let mut objects = Vec::new();
    if let Some(resource) = resources::by_group_resource("", "endpoints") {
        let mut meta = meta.clone();
        meta["labels"] = json!({"endpointslice.kubernetes.io/skip-mirror": "true"});
        objects.push((
            resource,
            json!({"metadata": meta, "subsets": [{"addresses": [{"ip": address}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}]}),
        ));
    }
    if let Some(resource) = resources::by_group_resource("discovery.k8s.io", "endpointslices") {
        let mut meta = meta;
        meta["labels"] = json!({"kubernetes.io/service-name": "kubernetes"});
        objects.push((
            resource,
            json!({"metadata": meta, "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}),
        ));
    }
    for (resource, object) in objects {
        let key = resource.key("default", "kubernetes");
        // Other servers of the cluster start at the same moment; who lost reads again.
        while !add_to(app, resource, &key, &object, &address).await? {}
    }
    Ok(())
}

/// Brings `address` into the object at `key`, or makes `object` if there is none. False if
/// another server has written meanwhile.
async fn add_to(
    app: &App,
    resource: &'static Resource,
    key: &str,
    object: &Value,
    address: &str,
) -> Result<bool, EtcdError> {
    let (found, _) = app.etcd.get(key).await?;
    let (bytes, revision) = match found {
        None => (stored(&complete(resource, object.clone())), 0),
        Some(kv) => {
            let Some(mut current) = crate::cache::decode(&kv) else {
                return Ok(true);
            };
            if !add_address(&mut current, address) {
                return Ok(true);
            }
            (stored(&current), kv.mod_revision)
        }
    };
    let written = app.etcd.put(key, bytes, revision, 0).await?;
    Ok(matches!(written, Written::Done(_)))
}

/// Adds this server's address to an Endpoints or EndpointSlice; false if it is there.
fn add_address(object: &mut Value, address: &str) -> bool {
    if let Some(list) = object.get_mut("endpoints").and_then(Value::as_array_mut) {
        if list
            .iter()
            .any(|e| object::list(e, "addresses").iter().any(|a| a == address))
        {
            return false;
        }
        list.push(json!({"addresses": [address], "conditions": {"ready": true}}));
        return true;
    }
    let Some(list) = object["subsets"][0]["addresses"].as_array_mut() else {
        return false;
    };
    if list.iter().any(|a| a["ip"] == address) {
        return false;
    }
    list.push(json!({"ip": address}));
    true
}

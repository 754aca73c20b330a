//! The controllers: each brings a part of the world to what its objects say. They
//! work from local copies of the API and are driven by changes, never by a clock
//! alone.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use kube::object::{self, text};
use kube::resources::{self, Resource};
use serde_json::{Value, json};

use crate::client::Client;
use crate::flags::{Flags, Kind, Table};
use crate::recorder::Recorder;
use crate::reflector::Store;

mod accounts;
mod cidr;
mod claim;
mod daemonset;
mod deployment;
mod disruption;
mod endpoints;
mod garbage;
mod namespace;
mod node;
mod replicaset;
mod rollout;
mod signer;
mod template;
mod volumes;

/// The flags of kube-controller-manager that kubeadm's manifest uses.
const FLAGS: Table = Table {
    own: &[
        ("allocate-node-cidrs", Kind::Switch),
        (
            "authentication-kubeconfig",
            Kind::Accepted("nothing is served that asks for it"),
        ),
        (
            "authorization-kubeconfig",
            Kind::Accepted("nothing is served that asks for it"),
        ),
        ("bind-address", Kind::Value),
        ("secure-port", Kind::Value),
        (
            "client-ca-file",
            Kind::Accepted("nothing is served that asks for it"),
        ),
        ("cloud-provider", Kind::Refused("there is no cloud here")),
        ("cluster-cidr", Kind::Value),
        (
            "cluster-name",
            Kind::Accepted("it has no effect without a cloud"),
        ),
        ("cluster-signing-cert-file", Kind::Value),
        ("cluster-signing-duration", Kind::Value),
        ("cluster-signing-key-file", Kind::Value),
        ("controllers", Kind::Value),
        (
            "feature-gates",
            Kind::Accepted("features are as in 1.32 by default"),
        ),
        ("kubeconfig", Kind::Value),
        ("leader-elect", Kind::Switch),
        ("master", Kind::Refused("use --kubeconfig")),
        ("node-cidr-mask-size", Kind::Value),
        ("node-monitor-grace-period", Kind::Value),
        (
            "node-monitor-period",
            Kind::Accepted("nodes are looked at when their time is up"),
        ),
        ("profiling", Kind::Accepted("there is no profiler")),
        (
            "requestheader-client-ca-file",
            Kind::Accepted("nothing is served that asks for it"),
        ),
        ("root-ca-file", Kind::Value),
        (
            "service-account-private-key-file",
            Kind::Accepted("token Secrets are not made yet"),
        ),
        (
            "service-cluster-ip-range",
            Kind::Accepted("the API server allocates"),
        ),
        (
            "use-service-account-credentials",
            Kind::Accepted("the controllers run as system:kube-controller-manager"),
        ),
        ("v", Kind::Value),
    ],
    beyond: include_str!("flags/kube-controller-manager.txt"),
};

/// What every controller works with.
pub struct Shared {
    client: Client,
    events: Recorder,
    stores: Vec<Arc<Store>>,
}

impl Shared {
    /// The store of a kind that [`STORES`] lists.
    fn store(&self, plural: &str) -> Arc<Store> {
        let found = self.stores.iter().find(|s| s.resource.plural == plural);
        Arc::clone(found.unwrap_or(&self.stores[0]))
    }
}

/// The kinds that are watched, for the controllers and for garbage collection.
const STORES: &[(&str, &str)] = &[
    ("", "pods"),
    ("", "nodes"),
    ("", "namespaces"),
    ("", "services"),
    ("", "endpoints"),
    ("", "serviceaccounts"),
    ("", "configmaps"),
    ("", "secrets"),
    ("", "replicationcontrollers"),
    ("", "persistentvolumes"),
    ("", "persistentvolumeclaims"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "daemonsets"),
    ("apps", "statefulsets"),
    ("apps", "controllerrevisions"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("discovery.k8s.io", "endpointslices"),
    ("coordination.k8s.io", "leases"),
    ("policy", "poddisruptionbudgets"),
    ("certificates.k8s.io", "certificatesigningrequests"),
    ("storage.k8s.io", "storageclasses"),
];

fn resource(group: &str, plural: &str) -> &'static Resource {
    resources::by_group_resource(group, plural).unwrap_or(&resources::RESOURCES[0])
}

/// The applet `kube-controller-manager`.
pub fn run_controller_manager(args: Vec<OsString>) -> ExitCode {
    crate::component("kube-controller-manager", args, FLAGS, |flags| {
        Box::pin(manage(flags))
    })
}

/// What the flags say beside whom to ask.
struct Settings {
    /// What `--controllers` lists; empty means all.
    listed: Vec<String>,
    root_ca: Option<String>,
    node_grace_ms: u64,
    pod_range: Option<cidr::Range>,
    signing: Option<signer::Authority>,
}

impl Settings {
    /// Flags that don't fit and files that can't be read end the program.
    fn read(flags: &Flags) -> Result<Self, String> {
        let root_ca = match flags.get("root-ca-file") {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|e| format!("--root-ca-file: open {path}: {e}"))?,
            ),
            None => None,
        };
        let node_grace_ms = flags
            .duration("node-monitor-grace-period", 50_000)
            .map_err(|e| e.to_string())?;
        let pod_range = if flags.switch("allocate-node-cidrs", false) {
            let bits = flags
                .number("node-cidr-mask-size", 24)
                .map_err(|e| e.to_string())?;
            let text = flags
                .get("cluster-cidr")
                .ok_or("--allocate-node-cidrs needs --cluster-cidr")?;
            Some(cidr::Range::parse(text, bits)?)
        } else {
            None
        };
        Ok(Self {
            listed: flags.all("controllers"),
            root_ca,
            node_grace_ms,
            pod_range,
            signing: signing(flags)?,
        })
    }

    /// Whether a controller is to run, by its name with or without `-controller`.
    /// Source: `IsControllerEnabled`, `staging/src/k8s.io/controller-manager/app/helper.go`, 1.32.
    fn on(&self, name: &str) -> bool {
        let short = name.trim_end_matches("-controller");
        let is = |listed: &str| listed == name || listed == short;
        let off = |listed: &String| listed.strip_prefix('-').is_some_and(is);
        let all = self.listed.is_empty() || self.listed.iter().any(|listed| listed == "*");
        self.listed.iter().any(|listed| is(listed)) || all && !self.listed.iter().any(off)
    }
}

async fn manage(flags: Flags) -> Result<(), String> {
    let path = flags
        .get("kubeconfig")
        .ok_or("--kubeconfig must be given")?;
    let client = Client::from_kubeconfig(Path::new(path), "kube-controller-manager")?;
    let settings = Settings::read(&flags)?;
    crate::health::serve(&flags, 10257).await?;
    if flags.switch("leader-elect", true) {
        tokio::select! {
            () = crate::leader::lead(&client, "kube-controller-manager") => {}
            () = crate::terminated() => return Ok(()),
        }
    }
    let stores: Vec<Arc<Store>> = STORES
        .iter()
        .map(|(group, plural)| Store::new(resource(group, plural), ""))
        .collect();
    let shared = Arc::new(Shared {
        events: Recorder::start(client.clone(), "controllermanager"),
        client,
        stores,
    });
    start(&shared, settings);
    for store in &shared.stores {
        tokio::spawn(Arc::clone(store).run(shared.client.clone()));
    }
    crate::terminated().await;
    Ok(())
}

/// Starts a controller that needs no settings.
type Start = fn(&Arc<Shared>);

/// Starts every controller that is on, before the first object comes.
fn start(shared: &Arc<Shared>, settings: Settings) {
    let plain: [(&str, Start); 8] = [
        ("deployment-controller", deployment::start),
        ("replicaset-controller", replicaset::start),
        ("daemonset-controller", daemonset::start),
        ("endpoints-controller", endpoints::start),
        ("namespace-controller", namespace::start),
        ("garbage-collector-controller", garbage::start),
        ("disruption-controller", disruption::start),
        ("persistentvolume-binder-controller", volumes::start),
    ];
    for (name, start) in plain {
        if settings.on(name) {
            start(shared);
        }
    }
    if settings.on("node-lifecycle-controller") {
        node::start(shared, settings.node_grace_ms);
    }
    let signs = settings.on("certificatesigningrequest-signing-controller");
    if settings.on("serviceaccount-controller") {
        accounts::start(shared, settings.root_ca);
    }
    if let Some(authority) = settings.signing.filter(|_| signs) {
        signer::start(shared, authority);
    }
    if let Some(range) = settings.pod_range {
        cidr::start(shared, range);
    }
}

/// Who signs certificates; nobody, as in the reference, without both files. Files that can't
/// be read end the program, as there.
fn signing(flags: &Flags) -> Result<Option<signer::Authority>, String> {
    const YEAR_IN_MS: u64 = 365 * 24 * 3600 * 1000;
    let most = flags
        .duration("cluster-signing-duration", YEAR_IN_MS)
        .map_err(|e| e.to_string())?;
    let file = |name: &str| flags.get(name).filter(|path| !path.is_empty());
    let files = file("cluster-signing-cert-file").zip(file("cluster-signing-key-file"));
    for (what, path) in files
        .iter()
        .flat_map(|(cert, key)| [("cert", cert), ("key", key)])
    {
        std::fs::read(path).map_err(|error| {
            let why = gowords::errno(&error);
            format!("error reading CA {what} file {path:?}: open {path}: {why}")
        })?;
    }
    Ok(files.map(|(cert, key)| signer::Authority {
        cert: cert.to_owned(),
        key: key.to_owned(),
        seconds: i64::try_from(most / 1000).unwrap_or(i64::MAX),
    }))
}

/// An owner reference to a controller.
fn owner(object: &Value, resource: &Resource) -> Value {
    json!({"apiVersion": resource.api_version(), "kind": resource.kind, "name": object::name(object),
        "uid": object::uid(object), "controller": true, "blockOwnerDeletion": true})
}

/// Whether the object's controller is the one of that uid.
fn owned_by(object: &Value, uid: &str) -> bool {
    object::controller_of(object).is_some_and(|owner| text(owner, "uid") == uid)
}

/// An object with kind and version, which items of lists lack.
pub(crate) fn typed(resource: &Resource, object: &Value) -> Value {
    let mut object = object.clone();
    object::set(&mut object, "apiVersion", json!(resource.api_version()));
    object::set(&mut object, "kind", json!(resource.kind));
    object
}

/// Whether a Pod counts: neither finished nor being deleted.
fn active(pod: &Value) -> bool {
    !matches!(text(pod, "status.phase"), "Succeeded" | "Failed") && !object::deleting(pod)
}

/// Whether a Pod is ready for at least `seconds`; if not yet, how many are left.
fn available(pod: &Value, seconds: i64, now: i64) -> Result<(), Option<i64>> {
    let ready = object::condition(pod, "Ready").filter(|c| text(c, "status") == "True");
    let Some(ready) = ready else {
        return Err(None);
    };
    if seconds == 0 {
        return Ok(());
    }
    let since = kube::time::parse(text(ready, "lastTransitionTime")).unwrap_or(now);
    let left = since + seconds - now;
    if left <= 0 { Ok(()) } else { Err(Some(left)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_run_as_they_are_listed() {
        for (listed, deployment, node) in [
            ("", true, true),
            ("*,bootstrapsigner,tokencleaner", true, true),
            ("*,-deployment", false, true),
            ("-node-lifecycle-controller,*", true, false),
            ("deployment-controller", true, false),
            ("deployment,-deployment", true, false),
        ] {
            let settings = Settings {
                listed: listed
                    .split(',')
                    .filter(|w| !w.is_empty())
                    .map(str::to_owned)
                    .collect(),
                root_ca: None,
                node_grace_ms: 0,
                pod_range: None,
                signing: None,
            };
            let on = ["deployment-controller", "node-lifecycle-controller"].map(|n| settings.on(n));
            assert_eq!(on, [deployment, node], "{listed:?}");
        }
    }
}

//! Endpoints and EndpointSlices: which Pods stand behind a Service.
//! (`pkg/controller/endpoint`, `endpointslice`, 1.32.)

use std::sync::Arc;

use kube::object::{self, at, int, list, set, text};
use kube::selector::LabelSelector;
use serde_json::{Value, json};

use super::{Shared, owner};
use crate::client::Result;
use crate::reflector::{Queue, Store, work};

const SERVICE_LABEL: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

struct Controller {
    shared: Arc<Shared>,
    services: Arc<Store>,
    pods: Arc<Store>,
    endpoints: Arc<Store>,
    slices: Arc<Store>,
}

/// Starts the controller.
pub fn start(shared: &Arc<Shared>) {
    let queue = Queue::new();
    let controller = Arc::new(Controller {
        shared: Arc::clone(shared),
        services: shared.store("services"),
        pods: shared.store("pods"),
        endpoints: shared.store("endpoints"),
        slices: shared.store("endpointslices"),
    });
    for store in [&controller.services, &controller.endpoints] {
        let wake = Arc::clone(&queue);
        store.on_change(move |old, new| {
            if let Some(object) = new.or(old) {
                wake.add(object::key(object));
            }
        });
    }
    let (wake, services) = (Arc::clone(&queue), Arc::clone(&controller.services));
    controller.pods.on_change(move |old, new| {
        let part = |pod: Option<&Value>| {
            pod.map(|p| {
                (
                    at(p, "metadata.labels").clone(),
                    text(p, "status.podIP").to_string(),
                    object::condition_true(p, "Ready"),
                    object::deleting(p),
                    text(p, "status.phase").to_string(),
                )
            })
        };
        if part(old) == part(new) {
            return;
        }
        let Some(pod) = new.or(old) else { return };
        for service in services.in_namespace(object::namespace(pod)) {
            let selector = LabelSelector::from_map(at(&service, "spec.selector"));
            let touched = [old, new]
                .into_iter()
                .flatten()
                .any(|p| selector.matches(at(p, "metadata.labels")));
            if touched {
                wake.add(object::key(&service));
            }
        }
    });
    work("endpoints", &queue, 2, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.sync(&key).await }
    });
}

/// The number of a Service's target port in a Pod.
fn target(port: &Value, pod: &Value) -> Option<i64> {
    match at(port, "targetPort") {
        Value::Number(number) => number.as_i64(),
        Value::String(name) => list(pod, "spec.containers")
            .iter()
            .flat_map(|container| list(container, "ports"))
            .find(|p| text(p, "name") == name && text(p, "protocol") == text(port, "protocol"))
            .and_then(|p| int(p, "containerPort")),
        _ => int(port, "port"),
    }
}

fn ports_of(service: &Value, pod: &Value) -> Vec<Value> {
    list(service, "spec.ports")
        .iter()
        .filter_map(|port| {
            let mut entry = json!({"port": target(port, pod)?, "protocol": text(port, "protocol")});
            if !text(port, "name").is_empty() {
                entry["name"] = json!(text(port, "name"));
            }
            Some(entry)
        })
        .collect()
}

fn reference(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": object::namespace(pod), "name": object::name(pod), "uid": object::uid(pod)})
}

impl Controller {
    async fn sync(&self, key: &str) -> Result<()> {
        for store in [&self.services, &self.pods, &self.endpoints, &self.slices] {
            store.synced().await;
        }
        let Some(service) = self.services.get(key) else {
            return self.remove(key).await;
        };
        if at(&service, "spec.selector")
            .as_object()
            .is_none_or(|s| s.is_empty())
        {
            return Ok(());
        }
        let selector = LabelSelector::from_map(at(&service, "spec.selector"));
        let mut pods: Vec<Arc<Value>> = self
            .pods
            .in_namespace(object::namespace(&service))
            .into_iter()
            .filter(|pod| {
                selector.matches(at(pod, "metadata.labels"))
                    && !text(pod, "status.podIP").is_empty()
                    && !matches!(text(pod, "status.phase"), "Succeeded" | "Failed")
            })
            .collect();
        pods.sort_by(|a, b| text(a, "status.podIP").cmp(text(b, "status.podIP")));
        self.write_endpoints(&service, &pods).await?;
        self.write_slice(&service, &pods).await
    }

    async fn remove(&self, key: &str) -> Result<()> {
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        if let Some(endpoints) = self.endpoints.get(key) {
            let done = self
                .shared
                .client
                .delete(
                    self.endpoints.resource,
                    namespace,
                    name,
                    object::uid(&endpoints),
                    "",
                )
                .await;
            match done {
                Err(error) if !error.is_not_found() && !error.is_conflict() => return Err(error),
                _ => {}
            }
        }
        // Slices are owned by the Service and go with it.
        Ok(())
    }

    async fn write_endpoints(&self, service: &Value, pods: &[Arc<Value>]) -> Result<()> {
        let publish = object::flag(service, "spec.publishNotReadyAddresses");
        // One subset for each distinct set of ports.
        let mut subsets: Vec<(Vec<Value>, Vec<Value>, Vec<Value>)> = Vec::new();
        for pod in pods.iter().filter(|pod| !object::deleting(pod)) {
            let ports = ports_of(service, pod);
            let mut address = json!({"ip": text(pod, "status.podIP"), "targetRef": reference(pod)});
            if !text(pod, "spec.nodeName").is_empty() {
                address["nodeName"] = at(pod, "spec.nodeName").clone();
            }
            let index = match subsets.iter().position(|(p, _, _)| *p == ports) {
                Some(index) => index,
                None => {
                    subsets.push((ports, Vec::new(), Vec::new()));
                    subsets.len() - 1
                }
            };
            if publish || object::condition_true(pod, "Ready") {
                subsets[index].1.push(address);
            } else {
                subsets[index].2.push(address);
            }
        }
        let subsets: Vec<Value> = subsets
            .into_iter()
            .map(|(ports, ready, waiting)| {
                let mut subset = json!({});
                for (field, items) in [
                    ("addresses", ready),
                    ("notReadyAddresses", waiting),
                    ("ports", ports),
                ] {
                    if !items.is_empty() {
                        subset[field] = json!(items);
                    }
                }
                subset
            })
            .collect();
        let current = self.endpoints.get(&object::key(service));
        let mut labels = at(service, "metadata.labels").clone();
        if !labels.is_object() {
            labels = json!({});
        }
        if text(service, "spec.clusterIP") == "None" {
            labels["service.kubernetes.io/headless"] = json!("");
        }
        let same = current.as_ref().is_some_and(|current| {
            list(current, "subsets") == subsets.as_slice()
                && (at(current, "metadata.labels") == &labels
                    || (at(current, "metadata.labels").is_null() && labels == json!({})))
        });
        if same {
            return Ok(());
        }
        let namespace = object::namespace(service);
        let mut new = match &current {
            Some(current) => (**current).clone(),
            None => json!({"metadata": {"name": object::name(service), "namespace": namespace}}),
        };
        set(&mut new, "metadata.labels", labels);
        set(&mut new, "subsets", json!(subsets));
        let written = if current.is_some() {
            self.shared
                .client
                .update(self.endpoints.resource, &new, "")
                .await
        } else {
            self.shared
                .client
                .create(self.endpoints.resource, namespace, new)
                .await
        };
        match written {
            Ok(written) => {
                self.endpoints.observe(&written);
                Ok(())
            }
            Err(error) if error.is_terminating() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn write_slice(&self, service: &Value, pods: &[Arc<Value>]) -> Result<()> {
        let publish = object::flag(service, "spec.publishNotReadyAddresses");
        let endpoints: Vec<Value> = pods
            .iter()
            .map(|pod| {
                let serving = object::condition_true(pod, "Ready");
                let ending = object::deleting(pod);
                let ready = publish || (serving && !ending);
                let mut endpoint = json!({"addresses": [text(pod, "status.podIP")],
                    "conditions": {"ready": ready, "serving": serving, "terminating": ending},
                    "targetRef": reference(pod)});
                if !text(pod, "spec.nodeName").is_empty() {
                    endpoint["nodeName"] = at(pod, "spec.nodeName").clone();
                }
                endpoint
            })
            .collect();
        let mut ports = pods
            .first()
            .map_or_else(Vec::new, |pod| ports_of(service, pod));
        for port in &mut ports {
            object::set_default(port, "name", json!(""));
        }
        let namespace = object::namespace(service);
        let name = object::name(service);
        let current = self
            .slices
            .in_namespace(namespace)
            .into_iter()
            .find(|slice| {
                object::label(slice, SERVICE_LABEL) == name
                    && object::label(slice, MANAGED_BY) == "endpointslice-controller.k8s.io"
            });
        let mut labels = at(service, "metadata.labels").clone();
        if !labels.is_object() {
            labels = json!({});
        }
        labels[SERVICE_LABEL] = json!(name);
        labels[MANAGED_BY] = json!("endpointslice-controller.k8s.io");
        if text(service, "spec.clusterIP") == "None" {
            labels["service.kubernetes.io/headless"] = json!("");
        }
        let same = current.as_ref().is_some_and(|current| {
            list(current, "endpoints") == endpoints.as_slice()
                && list(current, "ports") == ports.as_slice()
                && at(current, "metadata.labels") == &labels
        });
        if same {
            return Ok(());
        }
        let mut new = match &current {
            Some(current) => (**current).clone(),
            None => json!({"metadata": {"generateName": format!("{name}-"), "namespace": namespace,
                "ownerReferences": [owner(service, self.services.resource)]}, "addressType": "IPv4"}),
        };
        set(&mut new, "metadata.labels", labels);
        set(&mut new, "endpoints", json!(endpoints));
        set(&mut new, "ports", json!(ports));
        let written = if current.is_some() {
            self.shared
                .client
                .update(self.slices.resource, &new, "")
                .await
        } else {
            self.shared
                .client
                .create(self.slices.resource, namespace, new)
                .await
        };
        match written {
            Ok(written) => {
                self.slices.observe(&written);
                Ok(())
            }
            Err(error) if error.is_terminating() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

//! Mirror Pods: what shows static Pods in the API.

use std::time::Duration;

use kube::object;
use serde_json::{Value, json};

use super::{Kubelet, Running, path};
use crate::{
    manifest::{self, CONFIG_HASH},
    worker::Told,
};

/// The pause before a Pod that the API did not take is tried again.
const AGAIN: Duration = Duration::from_millis(200);

impl Kubelet {
    /// The mirror that shows exactly this Pod, if the API has it.
    pub(super) fn mirror_of(&self, one: &Running) -> Option<&Value> {
        self.mirrors
            .get(&object::key(&one.pod))
            .filter(|mirror| object::annotation(mirror, CONFIG_HASH) == object::uid(&one.pod))
    }

    /// Deletes a Pod from the API at once, in the background.
    pub(super) fn delete(&self, pod: &Value, uid: &str) {
        let client = self.client.clone();
        let path = path(pod);
        let options = json!({
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "kind": "DeleteOptions",
            "preconditions": { "uid": uid },
        });
        tokio::spawn(async move {
            // An API that stays away longer tells of the Pod again when it is back.
            for _ in 0..50 {
                match client.delete(&path, &options).await {
                    Err(error) if error.code().is_none_or(|code| code.is_server_error()) => {
                        tokio::time::sleep(AGAIN).await;
                    }
                    _ => return,
                }
            }
        });
    }

    pub(super) fn apply_mirror(&mut self, mirror: Value) {
        let name = object::key(&mirror);
        let hash = object::annotation(&mirror, CONFIG_HASH).to_owned();
        let uid = object::uid(&mirror).to_owned();
        let wanted = self
            .running
            .get(&hash)
            .is_some_and(|one| one.is_static && object::key(&one.pod) == name);
        let deleting = object::deleting(&mirror);
        if !wanted || deleting {
            // Of an earlier text, of no Pod at all, or unwanted by somebody: it goes, and
            // comes again if there is a Pod for it.
            self.delete(&mirror, &uid);
            self.mirrors.insert(name, mirror);
            return;
        }
        let known = self.mirrors.insert(name, mirror);
        if known.is_none_or(|known| object::uid(&known) != uid) {
            self.push(&hash);
        }
    }

    /// Shows every static Pod in the API.
    pub(super) fn make_mirrors(&mut self) {
        let node_uid = self.node.borrow().uid.clone();
        if !self.listed || node_uid.is_empty() {
            return;
        }
        let mut absent = Vec::new();
        for one in self.running.values() {
            if !one.is_static || one.stopping || self.mirror_of(one).is_some() {
                continue;
            }
            match self.mirrors.get(&object::key(&one.pod)) {
                Some(mirror) => self.delete(mirror, object::uid(mirror)),
                None => absent.push(manifest::mirror(&one.pod, &node_uid)),
            }
        }
        for mirror in absent {
            if self.making.insert(object::key(&mirror)) {
                self.make_mirror(mirror);
            }
        }
    }

    fn make_mirror(&self, mirror: Value) {
        let client = self.client.clone();
        let told = self.shared.told.clone();
        tokio::spawn(async move {
            let namespace = object::namespace(&mirror);
            let collection = format!("/api/v1/namespaces/{namespace}/pods");
            let name = object::key(&mirror);
            let again = match client.post(&collection, &mirror).await {
                Ok(_) => false,
                // The watch tells of it.
                Err(error) if error.is_conflict() => false,
                Err(error) => {
                    let error = error.to_string();
                    crate::log::error(
                        "Failed creating a mirror pod",
                        &[("err", &error), ("pod", &name)],
                    );
                    tokio::time::sleep(AGAIN).await;
                    true
                }
            };
            let _ = told.send(Told::MirrorMade { name, again });
        });
    }
}

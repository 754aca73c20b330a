//! Deployments: one ReplicaSet a template, rolled over within limits.
//! (`pkg/controller/deployment`, 1.32.)

use std::sync::Arc;
use std::time::Duration;

use kube::object::{self, annotation, at, flag, int, set, set_annotation, text};
use serde_json::{Value, json};

use super::claim::claim;
use super::rollout::{self, Old};
use super::{Shared, owned_by, owner, template, typed};
use crate::app::now;
use crate::client::Result;
use crate::recorder::Recorder;
use crate::reflector::{Queue, Store, work};

mod status;

use status::{complete, status_of};

const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";

struct Controller {
    shared: Arc<Shared>,
    events: Recorder,
    deployments: Arc<Store>,
    sets: Arc<Store>,
    pods: Arc<Store>,
    queue: Arc<Queue>,
}

/// Starts the controller.
pub fn start(shared: &Arc<Shared>) {
    let queue = Queue::new();
    let controller = Arc::new(Controller {
        shared: Arc::clone(shared),
        events: shared.events.of("deployment-controller"),
        deployments: shared.store("deployments"),
        sets: shared.store("replicasets"),
        pods: shared.store("pods"),
        queue: Arc::clone(&queue),
    });
    let wake = Arc::clone(&queue);
    controller.deployments.on_change(move |old, new| {
        if let Some(deployment) = new.or(old) {
            wake.add(object::key(deployment));
        }
    });
    let wake = Arc::clone(&queue);
    controller.sets.on_change(move |old, new| {
        let Some(set) = new.or(old) else { return };
        if let Some(owner) = object::controller_of(set) {
            wake.add(format!(
                "{}/{}",
                object::namespace(set),
                text(owner, "name")
            ));
        }
    });
    // A Recreate waits for the last old Pod to go.
    let (wake, sets) = (Arc::clone(&queue), Arc::clone(&controller.sets));
    controller.pods.on_change(move |old, new| {
        let (Some(pod), None) = (old, new) else {
            return;
        };
        let Some(owner) = object::controller_of(pod) else {
            return;
        };
        let set = sets.get(&format!(
            "{}/{}",
            object::namespace(pod),
            text(owner, "name")
        ));
        if let Some(deployment) = set.as_deref().and_then(object::controller_of) {
            wake.add(format!(
                "{}/{}",
                object::namespace(pod),
                text(deployment, "name")
            ));
        }
    });
    work("deployment", &queue, 4, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.sync(&key).await }
    });
}

fn replicas(object: &Value) -> i64 {
    int(object, "spec.replicas").unwrap_or(0)
}

fn revision(object: &Value) -> i64 {
    annotation(object, REVISION).parse().unwrap_or(0)
}

impl Controller {
    async fn sync(&self, key: &str) -> Result<()> {
        self.sets.synced().await;
        let Some(deployment) = self.deployments.get(key) else {
            return Ok(());
        };
        let deployment = typed(self.deployments.resource, &deployment);
        let mine = claim(
            &self.shared,
            &self.deployments,
            &self.sets,
            &deployment,
            |_| true,
        )
        .await?;
        let mut sets: Vec<Value> = mine
            .iter()
            .map(|set| typed(self.sets.resource, set))
            .collect();
        sets.sort_by(|a, b| {
            let key = |o: &Value| {
                (
                    text(o, "metadata.creationTimestamp").to_string(),
                    object::name(o).to_string(),
                )
            };
            key(a).cmp(&key(b))
        });
        if object::deleting(&deployment) {
            let new = self.find_new(&deployment, &sets);
            return self.status(&deployment, &sets, new, None).await;
        }
        self.roll(key, deployment, sets).await
    }

    fn find_new(&self, deployment: &Value, sets: &[Value]) -> Option<usize> {
        let wanted = template::without_hash(at(deployment, "spec.template"));
        sets.iter()
            .position(|set| template::without_hash(at(set, "spec.template")) == wanted)
    }

    async fn roll(&self, key: &str, deployment: Value, mut sets: Vec<Value>) -> Result<()> {
        let paused = flag(&deployment, "spec.paused");
        let mut progress = None;
        let mut new = self.find_new(&deployment, &sets);
        let highest = sets
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != new)
            .map(|(_, set)| revision(set))
            .max()
            .unwrap_or(0);
        let recreate = text(&deployment, "spec.strategy.type") == "Recreate";
        if let Some(index) = new {
            self.annotate(&deployment, &mut sets[index], highest)
                .await?;
        }
        if self.scaled(&deployment, &mut sets, new, paused).await? {
            return self.status(&deployment, &sets, new, None).await;
        }
        if paused {
            return self.status(&deployment, &sets, new, None).await;
        }
        if recreate {
            let others: Vec<usize> = (0..sets.len()).filter(|i| Some(*i) != new).collect();
            let mut busy = false;
            for index in others {
                busy |= self.resize(&deployment, &mut sets[index], 0).await?;
                busy |= self.has_pods(&sets[index]);
            }
            if busy {
                return self.status(&deployment, &sets, new, None).await;
            }
        }
        if new.is_none() {
            let size = self.first_size(&deployment, &sets, recreate);
            let created = self.create(&deployment, highest + 1, size).await?;
            progress = Some((
                "NewReplicaSetCreated",
                format!("Created new replica set \"{}\"", object::name(&created)),
            ));
            sets.push(typed(self.sets.resource, &created));
            new = Some(sets.len() - 1);
        }
        let Some(index) = new else { return Ok(()) };
        self.note_revision(&deployment, &sets[index]).await?;
        if recreate {
            self.resize(&deployment, &mut sets[index], replicas(&deployment))
                .await?;
        } else {
            self.step(&deployment, &mut sets, index).await?;
        }
        if complete(&deployment, &sets, index) {
            self.cleanup(&deployment, &sets, index).await?;
        }
        self.watch_deadline(key, &deployment);
        self.status(&deployment, &sets, new, progress).await
    }

    fn has_pods(&self, set: &Value) -> bool {
        self.pods
            .in_namespace(object::namespace(set))
            .iter()
            .any(|pod| {
                owned_by(pod, object::uid(set))
                    && !matches!(text(pod, "status.phase"), "Succeeded" | "Failed")
            })
    }

    fn first_size(&self, deployment: &Value, sets: &[Value], recreate: bool) -> i64 {
        let wanted = replicas(deployment);
        if recreate {
            return wanted;
        }
        let total: i64 = sets.iter().map(replicas).sum();
        rollout::grow(0, total, wanted, rollout::limits(deployment))
    }

    async fn create(&self, deployment: &Value, revision: i64, size: i64) -> Result<Value> {
        let mut salt = int(deployment, "status.collisionCount").unwrap_or(0);
        loop {
            let hash = template::hash(at(deployment, "spec.template"), salt);
            let mut pods = at(deployment, "spec.template").clone();
            let labels = at(&pods, "metadata.labels").clone();
            let mut labels = if labels.is_object() {
                labels
            } else {
                json!({})
            };
            labels[template::HASH_LABEL] = json!(hash);
            set(&mut pods, "metadata.labels", labels.clone());
            let mut selector = at(deployment, "spec.selector").clone();
            if !at(&selector, "matchLabels").is_object() {
                selector["matchLabels"] = json!({});
            }
            selector["matchLabels"][template::HASH_LABEL] = json!(hash);
            let name = format!("{}-{hash}", object::name(deployment));
            let namespace = object::namespace(deployment);
            let mut new = json!({"metadata": {"name": name, "namespace": namespace, "labels": labels,
                    "ownerReferences": [owner(deployment, self.deployments.resource)]},
                "spec": {"replicas": size, "selector": selector, "template": pods}});
            if let Some(seconds) = int(deployment, "spec.minReadySeconds") {
                set(&mut new, "spec.minReadySeconds", json!(seconds));
            }
            copy_annotations(deployment, &mut new);
            set_annotation(&mut new, REVISION, &revision.to_string());
            size_annotations(deployment, &mut new);
            match self
                .shared
                .client
                .create(self.sets.resource, namespace, new)
                .await
            {
                Ok(created) => {
                    self.sets.observe(&created);
                    if size > 0 {
                        self.events.normal(
                            deployment,
                            "ScalingReplicaSet",
                            format!("Scaled up replica set {name} from 0 to {size}"),
                        );
                    }
                    return Ok(created);
                }
                Err(error) if error.is_conflict() => {
                    let there = self
                        .shared
                        .client
                        .get(self.sets.resource, namespace, &name)
                        .await?;
                    let same = template::without_hash(at(&there, "spec.template"))
                        == template::without_hash(at(deployment, "spec.template"));
                    if same && owned_by(&there, object::uid(deployment)) {
                        return Ok(there);
                    }
                    // The name is taken by another template: the next hash.
                    salt += 1;
                    let mut bumped = deployment.clone();
                    set(&mut bumped, "status.collisionCount", json!(salt));
                    self.shared
                        .client
                        .update(self.deployments.resource, &bumped, "status")
                        .await?;
                }
                Err(error) => {
                    if !error.is_terminating() {
                        self.events.warning(
                            deployment,
                            "ReplicaSetCreateError",
                            format!("Failed to create new replica set \"{name}\": {error}"),
                        );
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Keeps the new ReplicaSet's annotations up to date; its revision is the highest.
    async fn annotate(&self, deployment: &Value, new: &mut Value, highest: i64) -> Result<()> {
        let mut wanted = new.clone();
        copy_annotations(deployment, &mut wanted);
        if revision(new) <= highest {
            set_annotation(&mut wanted, REVISION, &(highest + 1).to_string());
        }
        let seconds = at(deployment, "spec.minReadySeconds").clone();
        if at(&wanted, "spec.minReadySeconds") != &seconds && !seconds.is_null() {
            set(&mut wanted, "spec.minReadySeconds", seconds);
        }
        if wanted != *new {
            *new = self
                .shared
                .client
                .update(self.sets.resource, &wanted, "")
                .await?;
            self.sets.observe(new);
        }
        Ok(())
    }

    async fn note_revision(&self, deployment: &Value, new: &Value) -> Result<()> {
        let wanted = annotation(new, REVISION);
        if wanted.is_empty() || annotation(deployment, REVISION) == wanted {
            return Ok(());
        }
        let patch = json!({"metadata": {"annotations": {REVISION: wanted}}});
        let written = self
            .shared
            .client
            .patch(
                self.deployments.resource,
                object::namespace(deployment),
                object::name(deployment),
                "",
                &patch,
            )
            .await?;
        self.deployments.observe(&written);
        Ok(())
    }

    /// If the wanted number changed, spreads the change over the ReplicaSets.
    async fn scaled(
        &self,
        deployment: &Value,
        sets: &mut [Value],
        new: Option<usize>,
        paused: bool,
    ) -> Result<bool> {
        let wanted = replicas(deployment);
        let changed = sets.iter().any(|set| {
            replicas(set) > 0
                && annotation(set, DESIRED)
                    .parse::<i64>()
                    .is_ok_and(|d| d != wanted)
        });
        if !changed && !paused {
            return Ok(false);
        }
        let running: Vec<usize> = (0..sets.len())
            .filter(|i| replicas(&sets[*i]) > 0)
            .collect();
        match (running.as_slice(), new) {
            ([], Some(only)) if sets.len() == 1 || wanted == 0 => {
                self.resize(deployment, &mut sets[only], wanted).await?;
            }
            ([only], _) => {
                self.resize(deployment, &mut sets[*only], wanted).await?;
            }
            ([], _) => {}
            (many, _) => {
                let limits = rollout::limits(deployment);
                let most = if wanted > 0 { wanted + limits.surge } else { 0 };
                let total: i64 = many.iter().map(|i| replicas(&sets[*i])).sum();
                let mut left = most - total;
                let grows = left > 0;
                for (position, index) in many.iter().enumerate() {
                    let size = replicas(&sets[*index]);
                    let share = if position + 1 == many.len() {
                        left
                    } else {
                        ((most - total) * size + total / 2).div_euclid(total.max(1))
                    };
                    let share = if grows {
                        share.clamp(0, left.max(0))
                    } else {
                        share.clamp(left.min(0), 0).max(-size)
                    };
                    left -= share;
                    self.resize(deployment, &mut sets[*index], size + share)
                        .await?;
                }
            }
        }
        Ok(changed)
    }

    /// Sets a ReplicaSet's size; true if that changed it.
    async fn resize(&self, deployment: &Value, target: &mut Value, size: i64) -> Result<bool> {
        let before = replicas(target);
        let mut wanted = target.clone();
        set(&mut wanted, "spec.replicas", json!(size));
        size_annotations(deployment, &mut wanted);
        if wanted == *target {
            return Ok(false);
        }
        *target = self
            .shared
            .client
            .update(self.sets.resource, &wanted, "")
            .await?;
        self.sets.observe(target);
        if before != size {
            let direction = if size > before { "up" } else { "down" };
            self.events.normal(
                deployment,
                "ScalingReplicaSet",
                format!(
                    "Scaled {direction} replica set {} from {before} to {size}",
                    object::name(target)
                ),
            );
        }
        Ok(before != size)
    }

    /// One step of a rolling update.
    async fn step(&self, deployment: &Value, sets: &mut [Value], new: usize) -> Result<()> {
        let wanted = replicas(deployment);
        let limits = rollout::limits(deployment);
        let current = replicas(&sets[new]);
        let total: i64 = sets.iter().map(replicas).sum();
        let size = if current > wanted {
            wanted
        } else {
            rollout::grow(current, total, wanted, limits)
        };
        if self.resize(deployment, &mut sets[new], size).await? {
            return Ok(());
        }
        let old: Vec<usize> = (0..sets.len())
            .filter(|i| *i != new && replicas(&sets[*i]) > 0)
            .collect();
        if old.is_empty() {
            return Ok(());
        }
        let usable = |set: &Value| int(set, "status.availableReplicas").unwrap_or(0);
        let states: Vec<Old> = old
            .iter()
            .map(|i| Old {
                wanted: replicas(&sets[*i]),
                available: usable(&sets[*i]),
            })
            .collect();
        let sizes = rollout::shrink(
            &states,
            replicas(&sets[new]),
            usable(&sets[new]),
            wanted,
            limits,
        );
        for (index, size) in old.into_iter().zip(sizes) {
            self.resize(deployment, &mut sets[index], size).await?;
        }
        Ok(())
    }

    /// Old ReplicaSets beyond the history limit go.
    async fn cleanup(&self, deployment: &Value, sets: &[Value], new: usize) -> Result<()> {
        let limit = usize::try_from(int(deployment, "spec.revisionHistoryLimit").unwrap_or(10))
            .unwrap_or(0);
        let mut old: Vec<&Value> = sets
            .iter()
            .enumerate()
            .filter(|(index, set)| *index != new && !object::deleting(set))
            .map(|(_, set)| set)
            .collect();
        old.sort_by_key(|set| revision(set));
        let count = old.len().saturating_sub(limit);
        for set in old.into_iter().take(count) {
            let idle = replicas(set) == 0 && int(set, "status.replicas").unwrap_or(0) == 0;
            if !idle {
                continue;
            }
            let done = self
                .shared
                .client
                .delete(
                    self.sets.resource,
                    object::namespace(set),
                    object::name(set),
                    object::uid(set),
                    "",
                )
                .await;
            match done {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Comes back when the deadline of an unfinished roll-out has passed.
    fn watch_deadline(&self, key: &str, deployment: &Value) {
        let Some(seconds) = int(deployment, "spec.progressDeadlineSeconds") else {
            return;
        };
        let Some(progress) = object::condition(deployment, "Progressing") else {
            return;
        };
        if text(progress, "reason") == "NewReplicaSetAvailable" {
            return;
        }
        let since = kube::time::parse(text(progress, "lastUpdateTime")).unwrap_or_else(now);
        let left = since + seconds - now() + 1;
        if left > 0 {
            self.queue
                .add_after(key, Duration::from_secs(left.unsigned_abs()));
        }
    }

    async fn status(
        &self,
        deployment: &Value,
        sets: &[Value],
        new: Option<usize>,
        progress: Option<(&str, String)>,
    ) -> Result<()> {
        let latest = self.deployments.get(&object::key(deployment));
        let current = latest.map_or_else(
            || deployment.clone(),
            |d| typed(self.deployments.resource, &d),
        );
        let status = status_of(&current, deployment, sets, new, progress);
        if *at(&current, "status") == status {
            return Ok(());
        }
        let mut wanted = current;
        set(&mut wanted, "status", status);
        let written = self
            .shared
            .client
            .update(self.deployments.resource, &wanted, "status")
            .await?;
        self.deployments.observe(&written);
        Ok(())
    }
}

/// Annotations travel from a Deployment to its ReplicaSets, but for its own bookkeeping.
fn copy_annotations(deployment: &Value, set: &mut Value) {
    for (key, value) in object::map(deployment, "metadata.annotations")
        .into_iter()
        .flatten()
    {
        let own = key.starts_with("deployment.kubernetes.io/")
            || key == "kubectl.kubernetes.io/last-applied-configuration"
            || key == "deprecated.deployment.rollback.to";
        if !own {
            set_annotation(set, key, value.as_str().unwrap_or(""));
        }
    }
}

fn size_annotations(deployment: &Value, set: &mut Value) {
    let wanted = replicas(deployment);
    let most = wanted + rollout::limits(deployment).surge;
    set_annotation(set, DESIRED, &wanted.to_string());
    set_annotation(set, MAXIMUM, &most.to_string());
}

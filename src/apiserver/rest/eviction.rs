//! Whether a Pod may be evicted: what disruption budgets say to it.
//! (`pkg/registry/core/pod/storage/eviction.go`, 1.32.)

use std::sync::Arc;

use kube::object::{self, at, int, set, text};
use kube::resources::Resource;
use kube::selector::LabelSelector;
use serde_json::{Value, json};

use super::Context;
use crate::app::{now, stored};
use crate::etcd::Written;
use crate::status::Failure;

/// How often a budget that others change meanwhile is read again.
const ATTEMPTS: usize = 20;

/// Allows the eviction, and takes it off the budget, or refuses it.
///
/// # Errors
/// The budget has nothing left, or several have a say.
pub async fn allow(context: &Context, pod: &Value) -> Result<(), Failure> {
    let over = matches!(
        text(pod, "status.phase"),
        "Succeeded" | "Failed" | "Pending"
    );
    let Some(budgets) = kube::resources::by_group_resource("policy", "poddisruptionbudgets") else {
        return Ok(());
    };
    if over || object::deleting(pod) {
        return Ok(());
    }
    let cache = context.app.fresh(budgets).await?;
    let all = cache
        .list(&budgets.key_prefix(object::namespace(pod)))
        .items;
    let mine: Vec<&Arc<Value>> = all
        .iter()
        .filter(|budget| {
            LabelSelector::from_object(at(budget, "spec.selector"))
                .matches(at(pod, "metadata.labels"))
        })
        .collect();
    match mine[..] {
        [] => Ok(()),
        [budget] => take(context, budgets, object::name(budget), pod).await,
        _ => Err(Failure::new(
            500,
            "InternalError",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        )),
    }
}

/// Takes one disruption off the budget as it is now.
async fn take(
    context: &Context,
    budgets: &'static Resource,
    name: &str,
    pod: &Value,
) -> Result<(), Failure> {
    let namespace = object::namespace(pod);
    for _ in 0..ATTEMPTS {
        let Some((budget, revision)) = context.app.read(budgets, namespace, name).await? else {
            return Ok(());
        };
        let Some(less) = with_one_less(&budget, pod)? else {
            return Ok(());
        };
        if context.query.dry_run() {
            return Ok(());
        }
        let key = budgets.key(namespace, name);
        let written = context
            .app
            .etcd
            .put(&key, stored(&less), revision, 0)
            .await?;
        if let Written::Done(_) = written {
            return Ok(());
        }
    }
    Err(Failure::modified(budgets, name))
}

/// The budget after the eviction; nothing where a sick Pod may go without counting.
fn with_one_less(budget: &Value, pod: &Value) -> Result<Option<Value>, Failure> {
    let status = |field: &str| int(budget, &format!("status.{field}")).unwrap_or(0);
    let name = object::name(budget);
    if !object::condition_true(pod, "Ready") {
        let always = text(budget, "spec.unhealthyPodEvictionPolicy") == "AlwaysAllow";
        let healthy =
            status("desiredHealthy") > 0 && status("currentHealthy") >= status("desiredHealthy");
        if always || healthy {
            return Ok(None);
        }
    }
    if status("observedGeneration") < int(budget, "metadata.generation").unwrap_or(0) {
        return Err(refused(
            format!("The disruption budget {name} is still being processed by the server."),
            10,
        ));
    }
    let allowed = status("disruptionsAllowed");
    if allowed < 1 {
        return Err(refused(
            format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                status("desiredHealthy"),
                status("currentHealthy")
            ),
            0,
        ));
    }
    let mut less = budget.clone();
    object::remove(&mut less, "metadata.resourceVersion");
    set(&mut less, "status.disruptionsAllowed", json!(allowed - 1));
    if allowed == 1 {
        let conditions = at(&less, "status.conditions").clone();
        if conditions.is_array() {
            super::subresources::set_condition(
                &mut less,
                json!({"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods",
                    "message": "", "observedGeneration": status("observedGeneration"),
                    "lastTransitionTime": kube::time::rfc3339(now())}),
            );
        }
    }
    let mut evicted = object::map(budget, "status.disruptedPods")
        .cloned()
        .unwrap_or_default();
    evicted.insert(
        object::name(pod).to_owned(),
        json!(kube::time::rfc3339(now())),
    );
    set(&mut less, "status.disruptedPods", Value::Object(evicted));
    Ok(Some(less))
}

fn refused(cause: String, seconds: i64) -> Failure {
    let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": cause}]});
    if seconds > 0 {
        details["retryAfterSeconds"] = json!(seconds);
    }
    Failure {
        details,
        ..Failure::new(
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(allowed: i64, healthy: i64, desired: i64) -> Value {
        json!({"metadata": {"name": "b", "generation": 1}, "status": {"observedGeneration": 1,
            "disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": desired}})
    }

    fn pod(ready: &str) -> Value {
        json!({"metadata": {"name": "p"}, "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": ready}]}})
    }

    #[test]
    fn an_eviction_is_taken_off_the_budget() {
        let less = with_one_less(&budget(2, 4, 2), &pod("True"))
            .unwrap()
            .unwrap();
        assert_eq!(int(&less, "status.disruptionsAllowed"), Some(1));
        assert!(
            object::map(&less, "status.disruptedPods")
                .unwrap()
                .contains_key("p")
        );
    }

    #[test]
    fn a_spent_budget_refuses_and_says_what_it_needs() {
        let refused = with_one_less(&budget(0, 2, 2), &pod("True")).unwrap_err();
        assert_eq!(refused.code, 429);
        assert_eq!(
            text(&refused.details["causes"][0], "message"),
            "The disruption budget b needs 2 healthy pods and has 2 currently"
        );
        let mut changed = budget(1, 3, 2);
        set(&mut changed, "metadata.generation", json!(2));
        let refused = with_one_less(&changed, &pod("True")).unwrap_err();
        assert_eq!(
            text(&refused.details["causes"][0], "message"),
            "The disruption budget b is still being processed by the server."
        );
    }

    #[test]
    fn a_sick_pod_goes_where_enough_are_healthy() {
        assert!(
            with_one_less(&budget(0, 2, 2), &pod("False"))
                .unwrap()
                .is_none()
        );
        assert!(with_one_less(&budget(0, 1, 2), &pod("False")).is_err());
        let mut always = budget(0, 1, 2);
        set(
            &mut always,
            "spec.unhealthyPodEvictionPolicy",
            json!("AlwaysAllow"),
        );
        assert!(with_one_less(&always, &pod("False")).unwrap().is_none());
    }
}

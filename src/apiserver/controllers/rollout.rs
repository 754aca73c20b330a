//! The arithmetic of a rolling update, without IO.
//! (`pkg/controller/deployment/rolling.go` and `util/deployment_util.go`, 1.32.)

use kube::object::{at, int};
use serde_json::Value;

/// A number or a percentage of `total`, rounded up or down.
pub fn resolve(value: &Value, total: i64, up: bool) -> i64 {
    match value {
        Value::Number(n) => n.as_i64().unwrap_or(0),
        Value::String(text) => match text.strip_suffix('%').and_then(|p| p.parse::<i64>().ok()) {
            Some(percent) if up => (percent * total + 99).div_euclid(100),
            Some(percent) => (percent * total).div_euclid(100),
            None => text.parse().unwrap_or(0),
        },
        _ => 0,
    }
}

/// How many Pods may be too many and how many may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Above the wanted number.
    pub surge: i64,
    /// Below the wanted number.
    pub unavailable: i64,
}

/// The limits of a Deployment; a Recreate has none of either.
pub fn limits(deployment: &Value) -> Limits {
    if at(deployment, "spec.strategy.type") == "Recreate" {
        return Limits {
            surge: 0,
            unavailable: 0,
        };
    }
    let replicas = int(deployment, "spec.replicas").unwrap_or(1);
    let rolling = at(deployment, "spec.strategy.rollingUpdate");
    let surge = resolve(at(rolling, "maxSurge"), replicas, true);
    let mut unavailable = resolve(at(rolling, "maxUnavailable"), replicas, false);
    if surge == 0 && unavailable == 0 {
        // Without either nothing would ever move.
        unavailable = 1;
    }
    Limits {
        surge,
        unavailable: unavailable.min(replicas),
    }
}

/// The size of the new ReplicaSet: as large as surge allows while `total` Pods are
/// wanted by all ReplicaSets together.
pub fn grow(current: i64, total: i64, replicas: i64, limits: Limits) -> i64 {
    let most = replicas + limits.surge;
    if total >= most {
        return current;
    }
    current + (most - total).min(replicas - current)
}

/// An old ReplicaSet: wanted and available Pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Old {
    /// `spec.replicas`.
    pub wanted: i64,
    /// `status.availableReplicas`.
    pub available: i64,
}

/// The new sizes of the old ReplicaSets (oldest first): unhealthy Pods go first, then
/// as many as availability allows.
pub fn shrink(
    old: &[Old],
    new_wanted: i64,
    new_available: i64,
    replicas: i64,
    limits: Limits,
) -> Vec<i64> {
    let mut sizes: Vec<i64> = old.iter().map(|o| o.wanted).collect();
    let least = replicas - limits.unavailable;
    let all: i64 = sizes.iter().sum::<i64>() + new_wanted;
    let mut may = all - least - (new_wanted - new_available);
    if may <= 0 {
        return sizes;
    }
    for (size, set) in sizes.iter_mut().zip(old) {
        let unhealthy = (*size - set.available).max(0).min(may);
        *size -= unhealthy;
        may -= unhealthy;
    }
    let available: i64 = old.iter().map(|o| o.available).sum::<i64>() + new_available;
    let mut down = (available - least).max(0);
    for size in &mut sizes {
        let step = (*size).min(down);
        *size -= step;
        down -= step;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn percentages_round_as_they_should() {
        assert_eq!(resolve(&json!("25%"), 2, true), 1);
        assert_eq!(resolve(&json!("25%"), 2, false), 0);
        assert_eq!(resolve(&json!(3), 2, false), 3);
    }

    #[test]
    fn a_rolling_update_never_goes_below_its_least() {
        let limits = Limits {
            surge: 1,
            unavailable: 0,
        };
        assert_eq!(grow(0, 2, 2, limits), 1);
        let old = [Old {
            wanted: 2,
            available: 2,
        }];
        assert_eq!(shrink(&old, 1, 0, 2, limits), [2]);
        assert_eq!(shrink(&old, 1, 1, 2, limits), [1]);
        let broken = [Old {
            wanted: 2,
            available: 0,
        }];
        assert_eq!(
            shrink(
                &broken,
                1,
                0,
                2,
                Limits {
                    surge: 1,
                    unavailable: 1
                }
            ),
            [1]
        );
    }
}

//! `create deployment`, `create job`, `create cronjob`.

use super::{after_dash, begin, finish, one_name, required};
use crate::cx::Cx;
use crate::error::{Outcome, fail};
use serde_json::{Value, json};

/// The container's name from its image: the last path segment, without tag and
/// digest, made a DNS label.
fn container_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let last = last.split(':').next().unwrap_or(last);
    let last = last.split('@').next().unwrap_or(last);
    let lower = last.to_lowercase();
    let clean: String = lower
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' {
                c
            } else {
                '-'
            }
        })
        .collect();
    clean.trim_matches('-').to_owned()
}

pub(super) async fn deployment(cx: &Cx) -> Outcome {
    required(cx, &["image"])?;
    let name = one_name(cx)?;
    let images = cx.flags.list("image");
    let command = after_dash(cx);
    if images.len() > 1 && !command.is_empty() {
        return fail("cannot specify multiple --image options and command");
    }
    let mut containers: Vec<Value> = images
        .iter()
        .map(|image| json!({"image": image, "name": container_name(image), "resources": {}}))
        .collect();
    if !command.is_empty() {
        containers[0]["command"] = json!(command);
    }
    if cx.flags.int("port") >= 0 {
        containers[0]["ports"] = json!([{"containerPort": cx.flags.int("port")}]);
    }
    if cx.flags.int("replicas") < 0 {
        return fail(format!(
            "replicas must be non-negative, got {}",
            cx.flags.int("replicas")
        ));
    }
    let mut object = begin("apps/v1", "Deployment", name);
    let labels = json!({"app": name});
    object["metadata"]["labels"] = labels.clone();
    object["spec"] = json!({
        "replicas": cx.flags.int("replicas"),
        "selector": {"matchLabels": labels},
        "strategy": {},
        "template": {
            "metadata": {"creationTimestamp": null, "labels": labels},
            "spec": {"containers": containers},
        },
    });
    object["status"] = json!({});
    finish(cx, object, "failed to create deployment:").await
}

fn job_container(cx: &Cx, name: &str) -> Value {
    let mut container = json!({"image": cx.text("image"), "name": name, "resources": {}});
    if !after_dash(cx).is_empty() {
        container["command"] = json!(after_dash(cx));
    }
    container
}

pub(super) async fn job(cx: &Cx) -> Outcome {
    let name = one_name(cx)?;
    let from = cx.text("from");
    if cx.text("image").is_empty() == from.is_empty() {
        return fail("either --image or --from must be specified");
    }
    if !from.is_empty() && !after_dash(cx).is_empty() {
        return fail("cannot specify --from and command");
    }
    let mut object = begin("batch/v1", "Job", name);
    if from.is_empty() {
        object["spec"] = json!({
            "template": {
                "metadata": {"creationTimestamp": null},
                "spec": {"containers": [job_container(cx, name)], "restartPolicy": "Never"},
            },
        });
    } else {
        from_cronjob(cx, from, &mut object).await?;
    }
    object["status"] = json!({});
    finish(cx, object, "failed to create job:").await
}

async fn from_cronjob(cx: &Cx, from: &str, object: &mut Value) -> Outcome {
    let Some((kind, name)) = from.split_once('/') else {
        return fail("from must be an existing cronjob");
    };
    let res = crate::mapping::by_name(cx, kind).await?;
    if res.kind != "CronJob" {
        return fail("from must be an existing cronjob");
    }
    let cronjob = cx.client()?.get(&res.path(&cx.namespace()?, name)).await?;
    let template = &cronjob["spec"]["jobTemplate"];
    object["metadata"]["annotations"] = json!({"cronjob.kubernetes.io/instantiate": "manual"});
    if let Some(own) = template["metadata"]["annotations"].as_object() {
        for (key, value) in own {
            object["metadata"]["annotations"][key] = value.clone();
        }
    }
    if template["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = template["metadata"]["labels"].clone();
    }
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "batch/v1", "controller": true, "kind": "CronJob",
        "name": kube::object::name(&cronjob), "uid": kube::object::uid(&cronjob),
    }]);
    object["spec"] = template["spec"].clone();
    Ok(())
}

pub(super) async fn cronjob(cx: &Cx) -> Outcome {
    required(cx, &["image", "schedule"])?;
    let name = one_name(cx)?;
    let restart = match cx.text("restart") {
        "" => "OnFailure",
        other => other,
    };
    let mut object = begin("batch/v1", "CronJob", name);
    object["spec"] = json!({
        "jobTemplate": {
            "metadata": {"creationTimestamp": null, "name": name},
            "spec": {"template": {
                "metadata": {"creationTimestamp": null},
                "spec": {"containers": [job_container(cx, name)], "restartPolicy": restart},
            }},
        },
        "schedule": cx.text("schedule"),
    });
    object["status"] = json!({});
    finish(cx, object, "failed to create cronjob:").await
}

#[cfg(test)]
mod tests {
    use super::container_name;

    #[test]
    fn containers_are_named_after_images() {
        for (image, name) in [
            ("nginx", "nginx"),
            ("registry:5000/team/web_app:1.2", "web-app"),
            ("nginx@sha256:00", "nginx"),
            ("nginx:1.25-alpine", "nginx"),
        ] {
            assert_eq!(container_name(image), name);
        }
    }
}

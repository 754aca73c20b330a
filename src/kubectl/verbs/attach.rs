//! What `kubectl run` does with `-i`, `--attach` and `--rm`: it stays with the Pod.

use super::logs;
use super::until::{self, Verdict};
use crate::cx::{Cx, say};
use crate::error::{Error, Outcome, fail};
use crate::source::Item;
use kube::object::{list, text};
use serde_json::{Value, json};

/// Why nobody can be attached to the Pod's containers; only programs of the control
/// plane run in containers of a node here.
pub fn simulated(pod: &Value) -> Option<String> {
    let container = list(pod, "spec.containers")
        .iter()
        .find(|container| !kube::image::runs(text(container, "image")))?;
    Some(format!(
        "the container \"{}\" is simulated: kubedrill has no image of {} to run commands in\n\
         Nothing was created. Without -i, -t, --attach and --rm the Pod is made, and gets an address.",
        text(container, "name"),
        text(container, "image")
    ))
}

/// Follows a Pod's output to its end. Input is not carried: the command's words
/// are all that it gets. Whoever interrupts it is rid of the Pod, too, with `--rm`.
///
/// # Errors
/// The server's, the container's exit status.
pub async fn follow(cx: &Cx, item: &Item, restart: &str) -> Outcome {
    let outcome = tokio::select! {
        outcome = until_its_end(cx, item, restart) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Error::Exit(INTERRUPTED)),
    };
    if cx.bool("rm") {
        let options =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
        cx.client()?.delete(&item.path(), &options).await?;
        if !cx.bool("quiet") {
            say(format!("pod \"{}\" deleted", item.name))?;
        }
    }
    outcome
}

/// What a shell shows for a program that SIGINT has ended.
const INTERRUPTED: u8 = 130;

async fn until_its_end(cx: &Cx, item: &Item, restart: &str) -> Outcome {
    let limit = cx.flags.duration("pod-running-timeout").unwrap_or_default();
    until::object(cx, item, limit, |state| match state {
        Some(pod)
            if matches!(
                text(pod, "status.phase"),
                "Running" | "Succeeded" | "Failed"
            ) =>
        {
            Ok(Verdict::Done)
        }
        Some(_) => Ok(Verdict::NotYet),
        None => fail(format!("pods \"{}\" not found", item.name)),
    })
    .await?;
    output(cx, item, restart).await
}

async fn output(cx: &Cx, item: &Item, restart: &str) -> Outcome {
    logs::follow(cx, &item.namespace, &item.name).await?;
    if restart == "Always" {
        return Ok(());
    }
    let mut code = 0;
    let limit = cx.flags.duration("pod-running-timeout").unwrap_or_default();
    until::object(cx, item, limit, |state| {
        let Some(pod) = state else {
            return Ok(Verdict::Done);
        };
        let over = matches!(text(pod, "status.phase"), "Succeeded" | "Failed");
        let ended = list(pod, "status.containerStatuses")
            .first()
            .map(|s| &s["state"]["terminated"]["exitCode"]);
        code = ended.and_then(Value::as_i64).unwrap_or(0);
        Ok(if over { Verdict::Done } else { Verdict::NotYet })
    })
    .await?;
    if code == 0 {
        return Ok(());
    }
    eprintln!("pod {}/{} terminated (Error)", item.namespace, item.name);
    // An exit status has eight bits.
    Err(Error::Exit((code & 0xff) as u8))
}

#[cfg(test)]
mod tests {
    use super::simulated;
    use serde_json::json;

    #[test]
    fn only_programs_of_the_control_plane_can_be_attached_to() {
        let pod = |image: &str| json!({"spec": {"containers": [{"name": "tmp", "image": image}]}});
        assert_eq!(simulated(&pod("registry.k8s.io/etcd:3.5.16-0")), None);
        let why = simulated(&pod("busybox")).expect("a refusal");
        assert!(
            why.starts_with(
                "the container \"tmp\" is simulated: kubedrill has no image of busybox to run commands in\n"
            ),
            "{why}"
        );
    }
}

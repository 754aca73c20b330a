//! Brings Pods' statuses to the API: the newest of each Pod, again and again until it is
//! there.

use std::{collections::BTreeMap, time::Duration};

use rest::{Client, Patch};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// A status that is to be known.
#[derive(Debug)]
pub struct Push {
    /// `/api/v1/namespaces/<ns>/pods/<name>`.
    pub path: String,
    pub uid: String,
    pub status: Value,
}

/// Pushes until the sender is gone.
pub async fn run(client: Client, mut pushes: mpsc::UnboundedReceiver<Push>) {
    let mut waiting: BTreeMap<String, Push> = BTreeMap::new();
    loop {
        if waiting.is_empty() {
            match pushes.recv().await {
                Some(push) => drop(waiting.insert(push.path.clone(), push)),
                None => return,
            }
        }
        while let Ok(push) = pushes.try_recv() {
            waiting.insert(push.path.clone(), push);
        }
        while let Some((path, push)) = waiting.pop_first() {
            let patch = json!({ "metadata": { "uid": push.uid }, "status": push.status });
            let result = client
                .patch(&format!("{path}/status"), Patch::Merge, &patch)
                .await;
            // The server refused it for good: the Pod is gone, or is another one.
            let settled = result.as_ref().is_ok_and(|_| true)
                || result
                    .as_ref()
                    .is_err_and(|error| error.code().is_some_and(|code| code.is_client_error()));
            if settled {
                continue;
            }
            waiting.entry(path).or_insert(push);
            tokio::time::sleep(Duration::from_millis(200)).await;
            break;
        }
    }
}

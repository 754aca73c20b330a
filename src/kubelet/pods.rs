//! Watches the API for this node's Pods.

use std::time::Duration;

use kube::object;
use rest::{Client, Event};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::words;

/// What the API says about this node's Pods.
#[derive(Debug)]
pub enum Change {
    /// All of them, after the connection was made (again).
    Listed(Vec<Value>),
    Applied(Value),
    Deleted(Value),
}

/// Tells of changes until the receiver is gone. An API that is away is tried again:
/// often at first, then once a second.
pub async fn watch(client: Client, node: String, changes: mpsc::UnboundedSender<Change>) {
    let query = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
    let mut pause = Duration::from_millis(20);
    let mut told = String::new();
    loop {
        match follow(&client, &query, &changes).await {
            Ok(()) => {
                pause = Duration::from_millis(20);
                told.clear();
            }
            Err(error) => {
                let error = format!("failed to list *v1.Pod: {}", words::get(&error, &query));
                if told != error {
                    crate::log::error("Unhandled Error", &[("err", &error)]);
                    told = error;
                }
                pause = (pause * 5 / 4).min(Duration::from_secs(1));
            }
        }
        if changes.is_closed() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Lists, then watches until the watch ends.
async fn follow(
    client: &Client,
    query: &str,
    changes: &mpsc::UnboundedSender<Change>,
) -> Result<(), rest::Error> {
    let list = client.get(query).await?;
    let revision = object::resource_version(&list).to_owned();
    let items = object::list(&list, "items").to_vec();
    let _ = changes.send(Change::Listed(items));
    let path = format!("{query}&watch=true&allowWatchBookmarks=true&resourceVersion={revision}");
    let mut watch = client.watch(&path).await?;
    loop {
        let change = match watch.next().await {
            Ok(Some(Event::Applied(pod))) => Change::Applied(pod),
            Ok(Some(Event::Deleted(pod))) => Change::Deleted(pod),
            Ok(Some(Event::Bookmark(_))) => continue,
            // However it ended: the list tells what is true now.
            Ok(None) | Err(_) => return Ok(()),
        };
        if changes.send(change).is_err() {
            return Ok(());
        }
    }
}

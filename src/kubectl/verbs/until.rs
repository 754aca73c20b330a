//! Waiting for an object to become something, by watching it.

use crate::cx::Cx;
use crate::error::{Error, Outcome};
use crate::source::Item;
use kube::object::text;
use kube::request::Target;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// What an observer says about an object's state.
pub enum Verdict {
    /// It is not there yet.
    NotYet,
    /// It is there.
    Done,
}

/// Watches one object until the observer is satisfied. The observer sees every
/// state, `None` when the object does not exist.
///
/// # Errors
/// The server's, the observer's, or [`timed_out`].
pub async fn object(
    cx: &Cx,
    item: &Item,
    limit: Duration,
    mut observe: impl FnMut(Option<&Value>) -> Outcome<Verdict>,
) -> Outcome {
    let deadline = Instant::now() + limit;
    loop {
        let version = match cx.client()?.get(&item.path()).await {
            Ok(object) => {
                if let Verdict::Done = observe(Some(&object))? {
                    return Ok(());
                }
                text(&object, "metadata.resourceVersion").to_owned()
            }
            Err(e) if e.is_not_found() => {
                if let Verdict::Done = observe(None)? {
                    return Ok(());
                }
                list_version(cx, item).await?
            }
            Err(e) => return Err(e),
        };
        let path = Target::new(item.collection())
            .with("fieldSelector", &format!("metadata.name={}", item.name))
            .with("resourceVersion", &version)
            .with("watch", "true")
            .finish();
        let watching = follow(cx, &path, &mut observe);
        match tokio::time::timeout_at(deadline, watching).await {
            Err(_) => return Err(timed_out()),
            Ok(Ok(true)) => return Ok(()),
            // The watch ended or its start is too old: look again.
            Ok(Ok(false)) => {}
            Ok(Err(e)) if matches!(e.reason(), "Expired" | "Gone") => {}
            Ok(Err(e)) => return Err(e),
        }
        if Instant::now() >= deadline {
            return Err(timed_out());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn list_version(cx: &Cx, item: &Item) -> Outcome<String> {
    let path = Target::new(item.collection())
        .with("fieldSelector", &format!("metadata.name={}", item.name))
        .with("limit", "1")
        .finish();
    let list = cx.client()?.get(&path).await?;
    Ok(text(&list, "metadata.resourceVersion").to_owned())
}

async fn follow(
    cx: &Cx,
    path: &str,
    observe: &mut impl FnMut(Option<&Value>) -> Outcome<Verdict>,
) -> Outcome<bool> {
    let mut stream = cx.client()?.stream(path, "application/json").await?;
    while let Some(event) = stream.event().await? {
        let verdict = match text(&event, "type") {
            "BOOKMARK" => continue,
            "DELETED" => observe(None)?,
            _ => observe(Some(&event["object"]))?,
        };
        if let Verdict::Done = verdict {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Google's words for a wait that ran out of time.
pub fn timed_out() -> Error {
    Error::Message("timed out waiting for the condition".to_owned())
}

/// Waits until the object with that UID (any, if empty) is gone.
///
/// # Errors
/// As [`object`].
pub async fn gone(cx: &Cx, item: &Item, uid: &str, limit: Duration) -> Outcome {
    object(cx, item, limit, |state| {
        Ok(match state {
            None => Verdict::Done,
            Some(now) if !uid.is_empty() && text(now, "metadata.uid") != uid => Verdict::Done,
            Some(_) => Verdict::NotYet,
        })
    })
    .await
    .map_err(|e| match e {
        Error::Message(message) => {
            Error::Message(format!("{message} on {}/{}", item.res.plural, item.name))
        }
        other => other,
    })
}

//! Watches: a stream of events, one JSON document a line.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use kube::resources::Resource;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::{Answer, Context, Selection, present};
use crate::app::now;
use crate::cache::{Cache, Change, Event, Subscription};
use crate::request::Shape;
use crate::status::Failure;

/// How often a quiet watch tells how far it has come.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

struct Watcher {
    resource: &'static Resource,
    prefix: String,
    selection: Selection,
    shape: Shape,
    include: String,
    bookmarks: bool,
    header_sent: bool,
    out: mpsc::Sender<Bytes>,
}

/// GET with `watch=true`.
pub async fn watch(context: &Context, resource: &'static Resource) -> Answer {
    let selection = Selection::from(context, resource)?;
    let (sender, receiver) = mpsc::channel::<Bytes>(64);
    let mut watcher = Watcher {
        resource,
        prefix: resource.key_prefix(&context.info.namespace),
        selection,
        shape: context.accept.shape.clone(),
        include: context
            .query
            .get("includeObject")
            .unwrap_or("Metadata")
            .to_string(),
        bookmarks: context.query.truth("allowWatchBookmarks"),
        header_sent: false,
        out: sender,
    };
    let version = context.query.get("resourceVersion").unwrap_or("");
    let initial = context.query.truth("sendInitialEvents");
    let cache = context.app.cache(resource);
    let since: i64 = if version.is_empty() {
        0
    } else {
        version.parse().map_err(|_| {
            Failure::bad_request(format!(
                "invalid resource version \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax"
            ))
        })?
    };
    if version.is_empty() {
        context.app.fresh(resource).await?;
    } else if !cache.wait(0, Duration::from_secs(3)).await {
        return Err(Failure::new(
            429,
            "TooManyRequests",
            "storage is (re)initializing",
        ));
    }
    let seconds: u64 = match context
        .query
        .get("timeoutSeconds")
        .and_then(|s| s.parse().ok())
    {
        Some(0) | None => 1800 + u64::from(crate::app::random::<1>()[0]) * 7,
        Some(seconds) => seconds,
    };
    let stopping = context.app.stopping.subscribe();
    let work = async move {
        if since == 0 || initial {
            let (listed, subscription) = cache.snapshot(&watcher.prefix);
            for object in &listed.items {
                if !watcher.initial(object).await {
                    return;
                }
            }
            if initial && !watcher.bookmark(listed.revision, true).await {
                return;
            }
            watcher.follow(&cache, subscription, stopping).await;
        } else {
            match cache.subscribe(since) {
                Ok(subscription) => watcher.follow(&cache, subscription, stopping).await,
                Err(oldest) => watcher.expired(since, oldest).await,
            }
        }
    };
    tokio::spawn(async move {
        // A watch that runs into its limit simply ends; clients start another one.
        let _ = tokio::time::timeout(Duration::from_secs(seconds), work).await;
    });
    let stream = ReceiverStream::new(receiver).map(|bytes| Ok(Frame::data(bytes)));
    let mut response = http::Response::new(StreamBody::new(stream).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        http::HeaderValue::from_static("application/json"),
    );
    headers.insert(
        "cache-control",
        http::HeaderValue::from_static("no-cache, private"),
    );
    Ok(response)
}

impl Watcher {
    async fn send(&self, kind: &str, object: &Value) -> bool {
        let mut line = json!({"type": kind, "object": object})
            .to_string()
            .into_bytes();
        line.push(b'\n');
        self.out.send(Bytes::from(line)).await.is_ok()
    }

    async fn emit(&mut self, kind: &str, object: &Value) -> bool {
        let shown = match &self.shape {
            Shape::Plain => present(self.resource, object),
            Shape::Metadata(version) => json!({"kind": "PartialObjectMetadata",
                "apiVersion": format!("meta.k8s.io/{version}"), "metadata": object["metadata"]}),
            Shape::Table(version) => {
                let meta = json!({"resourceVersion": kube::object::resource_version(object)});
                let objects = [present(self.resource, object)];
                let mut table = kube::table::table(
                    self.resource,
                    &objects,
                    meta,
                    &self.include,
                    version,
                    now(),
                );
                // Only the first event of a watch carries the columns.
                if self.header_sent {
                    table["columnDefinitions"] = Value::Null;
                }
                self.header_sent = true;
                table
            }
        };
        self.send(kind, &shown).await
    }

    async fn initial(&mut self, object: &Value) -> bool {
        if !self.selection.matches(object) {
            return true;
        }
        self.emit("ADDED", object).await
    }

    /// Turns a change of the cache into what this watch's selectors make of it.
    async fn event(&mut self, event: &Event) -> bool {
        let key = self.resource.key(
            kube::object::namespace(&event.object),
            kube::object::name(&event.object),
        );
        if !key.starts_with(&self.prefix) {
            return true;
        }
        let before = event
            .previous
            .as_ref()
            .is_some_and(|object| self.selection.matches(object));
        let after = event.change != Change::Deleted && self.selection.matches(&event.object);
        match (before, after) {
            (false, true) => self.emit("ADDED", &event.object).await,
            (true, true) => self.emit("MODIFIED", &event.object).await,
            (true, false) if event.change == Change::Deleted => {
                self.emit("DELETED", &event.object).await
            }
            (true, false) => {
                // It left the selection: its last matching state at the new revision.
                let mut last = event.previous.as_deref().cloned().unwrap_or_default();
                let revision = Value::from(event.revision.to_string());
                kube::object::set(&mut last, "metadata.resourceVersion", revision);
                self.emit("DELETED", &last).await
            }
            (false, false) => true,
        }
    }

    async fn bookmark(&mut self, revision: i64, initial: bool) -> bool {
        let mut object = json!({"kind": self.resource.kind,
            "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null}});
        if initial {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        if self.shape == Shape::Plain {
            self.send("BOOKMARK", &object).await
        } else {
            self.emit("BOOKMARK", &object).await
        }
    }

    async fn follow(
        &mut self,
        cache: &Arc<Cache>,
        mut subscription: Subscription,
        mut stopping: tokio::sync::watch::Receiver<bool>,
    ) {
        for event in std::mem::take(&mut subscription.backlog) {
            if !self.event(&event).await {
                return;
            }
        }
        let mut tick = tokio::time::interval(BOOKMARK_EVERY);
        tick.tick().await;
        loop {
            let out = self.out.clone();
            tokio::select! {
                received = subscription.live.recv() => match received {
                    Ok(event) if event.revision > subscription.revision => {
                        if !self.event(&event).await {
                            return;
                        }
                    }
                    Ok(_) => {}
                    // Too slow, or the cache is gone: the client starts over.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                },
                _ = tick.tick() => {
                    if self.bookmarks && !self.bookmark(cache.revision(), false).await {
                        return;
                    }
                }
                () = out.closed() => return,
                _ = stopping.changed() => return,
            }
        }
    }

    async fn expired(&self, since: i64, oldest: i64) {
        let failure = Failure::expired(format!("too old resource version: {since} ({oldest})"));
        self.send("ERROR", &failure.to_value()).await;
    }
}

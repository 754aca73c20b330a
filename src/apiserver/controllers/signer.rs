//! Approved requests for certificates get theirs, signed by the cluster's authority.
//! (`pkg/controller/certificates/signer`, 1.32.)

use std::sync::Arc;

use base64::Engine as _;
use kube::certificate::Validity;
use kube::object::{self, int, list, set, text};
use kube::signing::{self, Request};
use serde_json::{Value, json};

use super::Shared;
use crate::app::{now, random};
use crate::client::{ClientError, Result};
use crate::reflector::{Queue, work};

/// Where the authority is, and how long what it signs is good.
pub struct Authority {
    /// `--cluster-signing-cert-file`.
    pub cert: String,
    /// `--cluster-signing-key-file`.
    pub key: String,
    /// `--cluster-signing-duration`, in seconds.
    pub seconds: i64,
}

/// Clocks of other machines may be behind.
const BACKDATE: i64 = 5 * 60;
/// Certificates that end sooner begin at once.
const SHORT: i64 = 8 * 3600;

/// Starts the controller.
pub fn start(shared: &Arc<Shared>, authority: Authority) {
    let queue = Queue::new();
    let wake = Arc::clone(&queue);
    shared
        .store("certificatesigningrequests")
        .on_change(move |_, new| {
            if let Some(request) = new.filter(|r| waits(r)) {
                wake.add(object::name(request));
            }
        });
    let (shared, authority) = (Arc::clone(shared), Arc::new(authority));
    work("certificate", &queue, 1, move |name| {
        let (shared, authority) = (Arc::clone(&shared), Arc::clone(&authority));
        async move { sync(&shared, &authority, &name).await }
    });
}

/// Whether a request is approved, and neither issued nor given up.
fn waits(request: &Value) -> bool {
    object::condition_true(request, "Approved")
        && !object::condition_true(request, "Denied")
        && !object::condition_true(request, "Failed")
        && text(request, "status.certificate").is_empty()
}

async fn sync(shared: &Shared, authority: &Authority, name: &str) -> Result<()> {
    let store = shared.store("certificatesigningrequests");
    let Some(current) = store.get(name).filter(|r| waits(r)) else {
        return Ok(());
    };
    let Some(answered) = answer(authority, &current)? else {
        return Ok(());
    };
    let written = shared.client.update(store.resource, &answered, "status");
    store.observe(&written.await?);
    Ok(())
}

/// The request with its certificate, or with the reason why it gets none; nothing where
/// another signs.
///
/// # Errors
/// The authority's files can't be used; they may be mended.
fn answer(authority: &Authority, current: &Value) -> Result<Option<Value>> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let mut answered = current.clone();
    let usages: Vec<&str> = list(current, "spec.usages")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let pem = base64.decode(text(current, "spec.request"));
    let request = pem
        .map_err(|e| e.to_string())
        .and_then(|pem| Request::parse(&pem));
    let accepted = request.and_then(|request| {
        let own = request.accepted(text(current, "spec.signerName"), &usages)?;
        Ok(own.then_some(request))
    });
    match accepted {
        Ok(None) => return Ok(None),
        Ok(Some(request)) => match sign(authority, current, &request, &usages) {
            Ok(pem) => set(
                &mut answered,
                "status.certificate",
                json!(base64.encode(pem)),
            ),
            Err(error) => return Err(ClientError::Transport(error)),
        },
        Err(why) => {
            let time = kube::time::rfc3339(now());
            let mut conditions = list(current, "status.conditions").to_vec();
            conditions.push(json!({"type": "Failed", "status": "True",
                "reason": "SignerValidationFailure", "message": why,
                "lastUpdateTime": time, "lastTransitionTime": time}));
            set(&mut answered, "status.conditions", json!(conditions));
        }
    }
    Ok(Some(answered))
}

fn sign(
    authority: &Authority,
    current: &Value,
    request: &Request,
    usages: &[&str],
) -> std::result::Result<String, String> {
    let read = |path: &str| {
        std::fs::read_to_string(path).map_err(|e| format!("error reading {path}: {e}"))
    };
    let (cert, key) = (read(&authority.cert)?, read(&authority.key)?);
    signing::issue(
        request,
        usages,
        &cert,
        &key,
        validity(
            authority.seconds,
            int(current, "spec.expirationSeconds"),
            now(),
        ),
        random(),
    )
    .map_err(|e| e.to_string())
}

/// The wished duration, between ten minutes and what the authority gives at most.
fn validity(most: i64, wished: Option<i64>, now: i64) -> Validity {
    let seconds = wished.map_or(most, |wished| wished.max(600).min(most));
    Validity {
        from: if seconds < SHORT { now } else { now - BACKDATE },
        until: now + seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wished_duration_is_kept_between_bounds() {
        const YEAR: i64 = 365 * 24 * 3600;
        let now = 1_800_000_000;
        for (wished, from, seconds) in [
            (None, now - BACKDATE, YEAR),
            (Some(3600), now, 3600),
            (Some(86_400), now - BACKDATE, 86_400),
            (Some(2 * YEAR), now - BACKDATE, YEAR),
            (Some(1), now, 600),
        ] {
            let got = validity(YEAR, wished, now);
            assert_eq!((got.from, got.until), (from, now + seconds), "{wished:?}");
        }
    }

    #[test]
    fn only_approved_requests_wait_for_a_certificate() {
        let with = |kinds: &[&str]| {
            let conditions: Vec<Value> = kinds
                .iter()
                .map(|kind| json!({"type": kind, "status": "True"}))
                .collect();
            json!({"status": {"conditions": conditions}})
        };
        assert!(waits(&with(&["Approved"])));
        assert!(!waits(&with(&[])));
        assert!(!waits(&with(&["Denied"])));
        assert!(!waits(&with(&["Approved", "Failed"])));
        let mut issued = with(&["Approved"]);
        set(&mut issued, "status.certificate", json!("x"));
        assert!(!waits(&issued));
    }
}

//! Reads a key from the running etcd.

use lab::probes::KeyProbe;

use super::{Result, Scene};
use crate::verdict::Outcome;

pub async fn look(scene: &Scene<'_>, probe: &KeyProbe) -> Result {
    let place = format!("etcd, key {}", probe.key);
    let blind =
        |reason: String| Outcome::could_not_look(&place, format!("etcd does not answer: {reason}"));
    if probe.below {
        return below(scene, probe).await;
    }
    let found = scene.etcd.get(scene.address, &probe.key).await;
    let pair = match found.map_err(blind)? {
        None if !probe.exists => return Ok(Outcome::passed("there is no such key")),
        None => {
            let elsewhere = namesakes(scene, &probe.key).await.map_err(blind)?;
            let found = match elsewhere.as_slice() {
                [] => "there is no such key".to_owned(),
                others => format!("there is no such key, but there is {}", others.join(", ")),
            };
            return Err(Outcome::failed(place, found, "the key"));
        }
        Some(_) if !probe.exists => {
            return Err(Outcome::failed(place, "the key is there", "it to be gone"));
        }
        Some(pair) => pair,
    };
    if probe.since_start && pair.create_revision <= scene.facts.revision {
        let found = format!(
            "a key of revision {}, older than this lab (revision {})",
            pair.create_revision, scene.facts.revision
        );
        return Err(Outcome::failed(
            place,
            found,
            "a key made since the lab started",
        ));
    }
    if !probe.value.is_empty() && pair.value[..] != *probe.value.as_bytes() {
        let found = format!("the value {}", shown(&pair.value));
        let expected = format!("the value `{}`", probe.value);
        return Err(Outcome::failed(place, found, expected));
    }
    if pair.version < i64::from(probe.written) {
        let found = format!("version {}", pair.version);
        let expected = format!("a key that was written {} times", probe.written);
        return Err(Outcome::failed(place, found, expected));
    }
    begins_as_asked(&probe.starts_with, &probe.key, &pair.value)?;
    Ok(Outcome::passed(format!(
        "the key is there, version {}, last written at revision {}",
        pair.version, pair.mod_revision
    )))
}

async fn below(scene: &Scene<'_>, probe: &KeyProbe) -> Result {
    let place = format!("etcd, keys below {}", probe.key);
    let pairs = scene.etcd.below(scene.address, &probe.key, true).await;
    let pairs = pairs.map_err(|reason| {
        Outcome::could_not_look(&place, format!("etcd does not answer: {reason}"))
    })?;
    match (pairs.is_empty(), probe.exists) {
        (true, true) => return Err(Outcome::failed(place, "there is none", "keys")),
        (true, false) => return Ok(Outcome::passed("there is none")),
        (false, false) => {
            let found = format!("there are {}", pairs.len());
            return Err(Outcome::failed(place, found, "none"));
        }
        (false, true) => {}
    }
    for pair in &pairs {
        let key = String::from_utf8_lossy(&pair.key);
        begins_as_asked(&probe.starts_with, &key, &pair.value)?;
    }
    Ok(Outcome::passed(format!(
        "all {} of them are as asked",
        pairs.len()
    )))
}

fn begins_as_asked(wanted: &str, key: &str, value: &[u8]) -> Result<()> {
    if value.starts_with(wanted.as_bytes()) {
        return Ok(());
    }
    let found = format!(
        "a value that begins with {}",
        shown(&value[..value.len().min(28)])
    );
    let expected = format!("one that begins with `{wanted}`");
    Err(Outcome::failed(format!("etcd, key {key}"), found, expected))
}

/// Other keys whose last part is the same, five at most.
async fn namesakes(scene: &Scene<'_>, key: &str) -> std::result::Result<Vec<String>, String> {
    let last = |key: &str| key.rsplit('/').next().unwrap_or(key).to_owned();
    let wanted = last(key);
    let all = scene.etcd.below(scene.address, "", false).await?;
    let mut found: Vec<String> = all
        .iter()
        .map(|pair| String::from_utf8_lossy(&pair.key).into_owned())
        .filter(|other| last(other) == wanted)
        .collect();
    found.truncate(5);
    Ok(found)
}

/// A value in words: as text if it is short text, else its beginning and length.
fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if text.len() <= 60 && !text.contains(char::is_control) => format!("`{text}`"),
        _ => {
            let text: String = String::from_utf8_lossy(value)
                .chars()
                .take(40)
                .map(|letter| if letter.is_control() { '.' } else { letter })
                .collect();
            format!("`{text}…` ({} bytes)", value.len())
        }
    }
}

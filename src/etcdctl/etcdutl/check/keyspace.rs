//! The bucket `key`: whether it is a history that etcd could have written.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use prost::Message as _;
use wire::mvccpb::KeyValue;

use super::super::hashkv::{compacted, parse};
use super::{Report, Several};

/// What is remembered of a key.
#[derive(Debug, Clone, Copy)]
struct Last {
    create: i64,
    version: i64,
}

/// Looks at every revision. Keys are remembered by a hash of 64 bits.
pub fn check(
    tx: &bolt::ReadTx,
    place: &str,
    leases: &[i64],
    report: &mut Report,
) -> bolt::Result<()> {
    let Some(bucket) = tx.bucket(b"key")? else {
        return Ok(());
    };
    let compacted = compacted(tx)?;
    let hasher = RandomState::new();
    let mut last: HashMap<u64, Last> = HashMap::new();
    let mut lost_leases = 0u64;
    let (mut revisions, mut newest, mut before) = (0u64, 0, (0, -1));
    let mut found = Several::new(report, format!("{place}, bucket \"key\""));
    bucket.for_each(|key, value| {
        revisions += 1;
        let Some((at, tombstone)) = parse(&key) else {
            found.error(
                &format!("key {key:02x?}"),
                "no revision: expected 17 bytes, or 18 that end in t",
            );
            return Ok(());
        };
        let shown = format!("revision {}_{}", at.0, at.1);
        if at.0 > compacted.max(1) && at.0 == before.0 && at.1 != before.1 + 1 {
            found.error(&shown, format!("follows {}_{}", before.0, before.1));
        }
        if at.0 > compacted.max(1) && at.0 != before.0 && at.1 != 0 {
            found.error(&shown, "a transaction begins in its middle");
        }
        if at.0 > compacted.max(1) && before.0 >= compacted.max(1) && at.0 > before.0 + 1 {
            found.error(&shown, format!("revisions after {} are missing", before.0));
        }
        before = at;
        newest = at.0;
        let Ok(kv) = KeyValue::decode(value.unwrap_or_default()) else {
            found.error(&shown, "the value is no key-value pair");
            return Ok(());
        };
        if kv.key.is_empty() {
            found.error(&shown, "the pair has no key");
            return Ok(());
        }
        let id = hasher.hash_one(&kv.key[..]);
        let known = last.get(&id).copied();
        if tombstone {
            if known.is_none() && at.0 > compacted {
                found.error(&shown, "deletes a key that was not there");
            }
            last.remove(&id);
            return Ok(());
        }
        if let Some(why) = pair(&kv, at.0, compacted, known) {
            found.error(&shown, format!("key {}: {why}", shown_key(&kv.key)));
        }
        if kv.lease != 0 && leases.binary_search(&kv.lease).is_err() {
            lost_leases += 1;
        }
        last.insert(
            id,
            Last {
                create: kv.create_revision,
                version: kv.version,
            },
        );
        Ok(())
    })?;
    found.finish();
    if compacted > newest && revisions > 0 {
        report.note(
            place,
            format!("compacted up to {compacted}, beyond the newest revision {newest}"),
        );
    }
    if lost_leases > 0 {
        report.note(
            place,
            format!("{lost_leases} revisions name a lease that is gone"),
        );
    }
    let range = match revisions {
        0 => "an empty history".to_owned(),
        _ => format!(
            "{revisions} revisions of history up to {newest}, {} keys",
            last.len()
        ),
    };
    report
        .looked_at
        .push(format!("{place}: {range}, compacted up to {compacted}"));
    Ok(())
}

/// What is wrong with a put.
fn pair(kv: &KeyValue, main: i64, compacted: i64, last: Option<Last>) -> Option<String> {
    if kv.mod_revision != main {
        return Some(format!("says that it changed at {}", kv.mod_revision));
    }
    if kv.create_revision > main || kv.create_revision < 1 {
        return Some(format!(
            "says that it was created at {}",
            kv.create_revision
        ));
    }
    let expected = match last {
        Some(last) => Last {
            create: last.create,
            version: last.version + 1,
        },
        // Its earlier versions may be compacted.
        None if kv.create_revision <= compacted => return None,
        None => Last {
            create: main,
            version: 1,
        },
    };
    if kv.create_revision == expected.create && kv.version == expected.version {
        return None;
    }
    Some(format!(
        "is version {} of a key created at {}, expected {} of {}",
        kv.version, kv.create_revision, expected.version, expected.create
    ))
}

fn shown_key(key: &[u8]) -> String {
    crate::go::quote::quote(key)
}

#[cfg(test)]
mod tests {
    use super::{Last, pair};
    use wire::mvccpb::KeyValue;

    fn kv(create: i64, modified: i64, version: i64) -> KeyValue {
        KeyValue {
            key: "a".into(),
            create_revision: create,
            mod_revision: modified,
            version,
            ..Default::default()
        }
    }

    #[test]
    fn pairs() {
        let last = Some(Last {
            create: 2,
            version: 1,
        });
        assert_eq!(pair(&kv(3, 3, 1), 3, -1, None), None);
        assert_eq!(pair(&kv(2, 3, 2), 3, -1, last), None);
        assert_eq!(pair(&kv(2, 9, 7), 9, 5, None), None);
        assert!(pair(&kv(2, 4, 2), 3, -1, last).is_some());
        assert!(pair(&kv(2, 3, 3), 3, -1, last).is_some());
        assert!(pair(&kv(2, 3, 1), 3, -1, None).is_some());
        assert!(pair(&kv(5, 3, 1), 3, -1, None).is_some());
    }
}

//! Random histories against a model that remembers every version of the world.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Error;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Delete(u8, u8),
    Txn(Vec<(u8, bool)>),
    Compact(u8),
    Proceed,
    Commit,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..12u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        3 => (0..12u8, 0..5u8).prop_map(|(key, n)| Step::Delete(key, n)),
        2 => prop::collection::btree_map(0..12u8, any::<bool>(), 1..4)
            .prop_map(|ops| Step::Txn(ops.into_iter().collect())),
        1 => (0..20u8).prop_map(Step::Compact),
        3 => Just(Step::Proceed),
        2 => Just(Step::Commit),
        1 => Just(Step::Reopen),
    ]
}

type World = BTreeMap<String, (String, i64, i64, i64)>;

/// All versions of the world, from revision 1 on.
struct Model {
    worlds: Vec<World>,
    compacted: i64,
}

impl Model {
    fn revision(&self) -> i64 {
        self.worlds.len() as i64
    }

    fn change(&mut self, changes: &[(String, Option<String>)]) {
        let mut world = self.worlds[self.worlds.len() - 1].clone();
        let revision = self.revision() + 1;
        for (key, value) in changes {
            match value {
                None => {
                    world.remove(key);
                }
                Some(value) => {
                    let old = world.get(key);
                    let created = old.map_or(revision, |old| old.1);
                    let version = old.map_or(0, |old| old.3) + 1;
                    world.insert(key.clone(), (value.clone(), created, revision, version));
                }
            }
        }
        self.worlds.push(world);
    }

    fn now(&self) -> &World {
        &self.worlds[self.worlds.len() - 1]
    }
}

fn name(key: u8) -> String {
    format!("k{key:02}")
}

fn run(steps: Vec<Step>) {
    let mut bench = Bench::with(Config {
        compaction_batch: 3,
        ..Config::default()
    });
    let mut model = Model {
        worlds: vec![World::new()],
        compacted: -1,
    };
    for step in steps {
        match step {
            Step::Put(key, value) => {
                bench.put(&name(key), &value.to_string());
                model.change(&[(name(key), Some(value.to_string()))]);
            }
            Step::Delete(key, n) => {
                let end = name(key + n);
                let deleted = bench.delete(&name(key), &end);
                let keys: Vec<_> = model.now().keys().cloned().collect();
                // The empty span is spelled as `key` to `key`, which holds nothing.
                let hit = |k: &String| *k >= name(key) && *k < end;
                let gone: Vec<_> = keys.into_iter().filter(hit).map(|k| (k, None)).collect();
                assert_eq!(deleted, gone.len() as i64);
                if !gone.is_empty() {
                    model.change(&gone);
                }
            }
            Step::Txn(ops) => txn(&bench, &mut model, &ops),
            Step::Compact(back) => {
                let at = (model.revision() - i64::from(back)).max(1);
                let answer = bench.compact(at);
                if at <= model.compacted {
                    assert!(matches!(answer, Err(Error::Compacted)));
                } else {
                    answer.unwrap();
                    model.compacted = at;
                }
            }
            Step::Proceed => {
                bench.store.compact_step().unwrap();
            }
            Step::Commit => {
                bench.store.commit().unwrap();
            }
            Step::Reopen => bench = bench.reopen(),
        }
    }
    check(&bench, &model);
    while bench.store.compact_step().unwrap() {}
    check(&bench, &model);
    let hash = bench.hash_kv();
    let bench = bench.reopen();
    assert_eq!(bench.hash_kv(), hash);
    check(&bench, &model);
}

fn txn(bench: &Bench, model: &mut Model, ops: &[(u8, bool)]) {
    let mut changes = Vec::new();
    let mut requests = Vec::new();
    for (key, sets) in ops {
        let key = name(*key);
        if *sets {
            requests.push(op(Op::RequestPut(put(&key, "t"))));
            changes.push((key, Some("t".to_owned())));
        } else {
            requests.push(op(Op::RequestDeleteRange(delete(&key, ""))));
            if model.now().contains_key(&key) {
                changes.push((key, None));
            }
        }
    }
    let request = pb::TxnRequest {
        success: requests,
        ..Default::default()
    };
    bench.txn(request).unwrap();
    if !changes.is_empty() {
        model.change(&changes);
    }
}

fn check(bench: &Bench, model: &Model) {
    assert_eq!(bench.store.revision(), model.revision());
    for revision in 1..=model.revision() {
        let answer = bench.store.range(
            &crate::AuthInfo::default(),
            &pb::RangeRequest {
                revision,
                ..range("k", "l")
            },
        );
        if revision < model.compacted {
            assert!(matches!(answer, Err(Error::Compacted)));
            continue;
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let found: World = answer
            .unwrap()
            .kvs
            .iter()
            .map(|kv| {
                let facts = (
                    text(&kv.value),
                    kv.create_revision,
                    kv.mod_revision,
                    kv.version,
                );
                (text(&kv.key), facts)
            })
            .collect();
        assert_eq!(found, model.worlds[revision as usize - 1], "at {revision}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_remembers_what_the_model_remembers(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        run(steps);
    }
}

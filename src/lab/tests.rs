//! The format and its mistakes.

use std::{collections::BTreeMap, path::Path};

use crate::{
    LoadError,
    diagnostic::Diagnostic,
    model::Lab,
    parse::{load, parse},
};

fn mistakes(text: &str) -> Vec<Diagnostic> {
    match parse(
        Path::new("lab-under-test"),
        "lab.toml",
        text,
        1,
        &BTreeMap::new(),
    ) {
        Err(LoadError::Mistakes(found)) => found,
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

const GOOD: &str = r#"
[lab]
id = "lab-under-test"
title = "A lab"

[vars]
app = { pick = ["shop"] }

[[task]]
id = "one"
text = "Make {{ app }}."

[[task.check]]
object = "deploy/{{ app }}"
"#;

#[test]
fn a_good_file_has_no_mistakes_and_its_templates_are_rendered() {
    let lab = parse(
        Path::new("lab-under-test"),
        "lab.toml",
        GOOD,
        1,
        &BTreeMap::new(),
    )
    .unwrap();
    assert_eq!(lab.tasks[0].text, "Make shop.");
    assert_eq!(lab.points(), 1);
}

#[test]
fn the_labs_of_the_repository_are_good() {
    let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../labs");
    let mut seen = 0;
    for entry in std::fs::read_dir(labs).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.join("lab.toml").exists() {
            // The exam packs.
            continue;
        }
        for seed in 0..20 {
            let lab: Lab = load(&dir, seed).unwrap_or_else(|error| panic!("{error:#?}"));
            assert!(
                !lab.solutions.is_empty() && !lab.wrong.is_empty(),
                "{}",
                lab.id
            );
        }
        seen += 1;
    }
    assert!(seen > 0);
}

/// Each row: a good file with one line changed, the rule that must be named, and the
/// text that the place must cover.
#[test]
fn mistakes_are_named_and_pointed_at() {
    for (good, bad, code, covers) in [
        (
            "title = \"A lab\"",
            "titel = \"A lab\"",
            "lab::unknown-key",
            "titel",
        ),
        ("title = \"A lab\"", "title = 3", "lab::wrong-type", "3"),
        (
            "id = \"one\"",
            "id = \"one\"\npoints = 0",
            "lab::out-of-range",
            "0",
        ),
        ("Make {{ app }}.", "Make {{ ap }}.", "lab::template", "ap"),
        ("Make {{ app }}.", "Make {{ app.", "lab::template", "."),
        (
            "id = \"one\"",
            "id = \"one\"\nnode = \"node07\"",
            "lab::unknown-node",
            "\"node07\"",
        ),
        (
            "{ pick = [\"shop\"] }",
            "{ pick = [] }",
            "lab::variable",
            "{ pick = [] }",
        ),
        (
            "object = \"deploy/{{ app }}\"",
            "objekt = \"x\"",
            "lab::probe",
            "",
        ),
        (
            "object = \"deploy/{{ app }}\"",
            "object = \"shop\"",
            "lab::object",
            "\"shop\"",
        ),
        (
            "object = \"deploy/{{ app }}\"",
            "object = \"configmap/x\"\nvalue = \"there\"",
            "lab::object",
            "\"there\"",
        ),
        (
            "object = \"deploy/{{ app }}\"",
            "object = \"configmap/x\"\nfield = \".data[\"",
            "lab::object",
            "\".data[\"",
        ),
        (
            "[vars]",
            "[[solution]]\nscript = \"../out.sh\"\n[vars]",
            "lab::script",
            "\"../out.sh\"",
        ),
        ("[[task]]", "[[task]\n", "lab::syntax", ""),
        (
            "id = \"lab-under-test\"",
            "id = \"other\"",
            "lab::id",
            "\"other\"",
        ),
        (
            "[[task.check]]",
            "[[task.check]]\nfile = \"/x\"",
            "lab::probe",
            "",
        ),
        (
            "[vars]",
            "[cluster]\ncontrol_planes = 6\n[vars]",
            "lab::out-of-range",
            "6",
        ),
        (
            "[vars]",
            "[cluster]\netcd = 8\n[vars]",
            "lab::out-of-range",
            "8",
        ),
        (
            "[vars]",
            "[cluster]\netcd = 4\nspare = 4\n[vars]",
            "lab::cluster",
            "4",
        ),
        (
            "[vars]",
            "[cluster]\nspare = 1\nspare_kind = \"empty\"\n[vars]",
            "lab::cluster",
            "\"empty\"",
        ),
        (
            "[vars]",
            "[cluster]\nspare_kind = \"bare\"\n[vars]",
            "lab::cluster",
            "\"bare\"",
        ),
        (
            "[vars]",
            "[cluster]\ncontrol_planes = 0\n[vars]",
            "lab::cluster",
            "0",
        ),
        (
            "[vars]",
            "[cluster]\ncontrol_planes = 0\nworkers = 1\netcd = 1\n[vars]",
            "lab::cluster",
            "1",
        ),
        (
            "[vars]",
            "[cluster]\ncontrol_planes = 0\netcd = 1\n[vars]",
            "lab::no-api",
            "",
        ),
        (
            "object = \"deploy/{{ app }}\"",
            "members = 3\nnames = [\"a\"]",
            "lab::members",
            "[\"a\"]",
        ),
        (
            "object = \"deploy/{{ app }}\"",
            "members = 1\nkept = [\"etcd1\"]",
            "lab::unknown-node",
            "[\"etcd1\"]",
        ),
        (
            "object = \"deploy/{{ app }}\"",
            "data_dir = \"/a\"\ntoken = \"a\"",
            "lab::members",
            "\"a\"",
        ),
        (
            "object = \"deploy/{{ app }}\"",
            "data_dir = \"/a\"\ntoken = \"a\"\ninitial_cluster = \"a=https://b:2380,c\"",
            "lab::members",
            "\"a=https://b:2380,c\"",
        ),
        (
            "object = \"deploy/{{ app }}\"",
            "restore_order = \"/a\"\nbefore = \"/b\"\nnodes = [\"controlplane\", \"etcd1\"]",
            "lab::unknown-node",
            "[\"controlplane\", \"etcd1\"]",
        ),
    ] {
        assert!(GOOD.contains(good), "{good}");
        let text = GOOD.replacen(good, bad, 1);
        let found = mistakes(&text);
        let hit = found
            .iter()
            .find(|one| one.code == code)
            .unwrap_or_else(|| panic!("{bad}: expected {code}, found {found:#?}"));
        let covered = &text[hit.span.clone()];
        assert!(
            covered.contains(covers),
            "{bad}: {code} points at {covered:?}"
        );
    }
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = GOOD
        .replace("title = \"A lab\"", "titel = \"A lab\"")
        .replace("{{ app }}.", "{{ nobody }}.")
        + "\n[[task]]\nid = \"one\"\ntext = \"x\"\ncheck = [{ file = \"relative\" }]\n";
    let found = mistakes(&text);
    let codes: Vec<_> = found.iter().map(|one| one.code).collect();
    assert_eq!(
        codes,
        [
            "lab::missing-key",
            "lab::unknown-key",
            "lab::template",
            "lab::duplicate-id",
            "lab::path"
        ]
    );
    assert!(
        found
            .windows(2)
            .all(|pair| pair[0].line() <= pair[1].line())
    );
}

/// Each row: a `[cluster]`, the names of its nodes, and where members run at first.
#[test]
fn nodes_are_named_by_what_they_are() {
    for (cluster, nodes, members) in [
        ("", "controlplane node01", "controlplane"),
        (
            "control_planes = 3\nworkers = 2",
            "controlplane controlplane2 controlplane3 node01 node02",
            "controlplane controlplane2 controlplane3",
        ),
        (
            "workers = 0\netcd = 2\nspare = 1",
            "controlplane etcd1 etcd2 etcd3",
            "etcd1 etcd2",
        ),
        ("control_planes = 0\nspare = 2", "etcd1 etcd2", ""),
    ] {
        let text = GOOD
            .replace("[vars]", &format!("[cluster]\n{cluster}\n[vars]"))
            .replace("object = \"deploy/{{ app }}\"", "file = \"/x\"");
        let lab = parse(
            Path::new("lab-under-test"),
            "lab.toml",
            &text,
            1,
            &BTreeMap::new(),
        )
        .unwrap();
        assert_eq!(lab.cluster.node_names().join(" "), nodes);
        assert_eq!(lab.cluster.member_names().join(" "), members);
        assert_eq!(Some(lab.home_node()), nodes.split(' ').next());
    }
}

#[test]
fn faults_depend_on_the_seed_and_on_what_is_given() {
    let text = GOOD.replace(
        "[[task]]",
        "[[fault]]\nwhen = \"{{ app == 'shop' }}\"\nkilled = \"etcd\"\n\
         [[fault]]\nwhen = \"{{ app == 'bank' }}\"\nkilled = \"kubelet\"\n[[task]]",
    );
    let killed = |given: &[(&str, &str)]| {
        let given = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let lab = parse(Path::new("lab-under-test"), "lab.toml", &text, 1, &given).unwrap();
        format!("{:?}", lab.faults)
    };
    assert!(killed(&[]).contains("\"etcd\"") && !killed(&[]).contains("kubelet"));
    assert!(killed(&[("app", "bank")]).contains("kubelet"));
    let unknown = BTreeMap::from([("nobody".to_owned(), "x".to_owned())]);
    let refused = parse(Path::new("lab-under-test"), "lab.toml", &text, 1, &unknown);
    assert!(matches!(refused, Err(LoadError::Mistakes(found)) if found[0].code == "lab::variable"));
}

/// The keys that a reader knows, as it tells them about an unknown one.
fn keys_read(found: &[Diagnostic], table: &str) -> Vec<String> {
    let help = found
        .iter()
        .filter(|mistake| mistake.code == "lab::unknown-key")
        .filter_map(|mistake| mistake.help.as_deref())
        .find(|help| help.starts_with(table))
        .unwrap_or_else(|| panic!("{table} has no unknown key: {found:#?}"));
    let words = help.split('`').skip(1).step_by(2);
    let mut keys: Vec<String> = words.map(str::to_owned).collect();
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    let unknown = "unheard_of = 1\n";
    for (name, mut keys) in crate::schema::keys() {
        let (what, noun) = name.split_once(' ').unwrap_or((&name, ""));
        let lab = match what {
            "lab" => GOOD.replace("[lab]\n", &format!("[lab]\n{unknown}")),
            "cluster" => format!("[cluster]\n{unknown}{GOOD}"),
            "task" => GOOD.replace("[[task]]\n", &format!("[[task]]\n{unknown}")),
            "hints" => GOOD.replace("[[task]]\n", "[[task]]\nhints = [{ unheard_of = 1 }]\n"),
            "check" => format!("{GOOD}[[task.check]]\n{unknown}{noun} = \"x\"\n"),
            "fault" => format!("{GOOD}[[fault]]\n{unknown}{noun} = \"x\"\n"),
            "changes" => format!("{GOOD}[[wrong]]\n[[wrong.changes]]\n{unknown}"),
            "setup" | "solution" | "wrong" => format!("{GOOD}[[{what}]]\n{unknown}"),
            "pack" | "item" => format!("[[item]]\n{unknown}[pack]\n{unknown}"),
            other => panic!("no reader of {other} is known"),
        };
        let found = match what {
            "pack" | "item" => {
                let dir = tempfile::tempdir().unwrap();
                let file = dir.path().join("trial.toml");
                std::fs::write(&file, lab).unwrap();
                match crate::load_pack(&file) {
                    Err(LoadError::Mistakes(found)) => found,
                    other => panic!("{other:?}"),
                }
            }
            _ => mistakes(&lab),
        };
        let table = match what {
            "lab" | "cluster" | "pack" => format!("[{what}]"),
            _ => format!("[[{what}]]"),
        };
        keys.sort();
        assert_eq!(keys, keys_read(&found, &table), "{name}");
    }
}

#[test]
fn the_schema_has_every_probe_and_fault() {
    let keys = crate::schema::keys();
    for probe in crate::model::PROBES {
        assert!(keys[&format!("check {probe}")].contains(&probe.to_owned()));
    }
    for kind in crate::fault::KINDS {
        assert!(keys[&format!("fault {kind}")].contains(&kind.to_owned()));
    }
}

/// `KUBEDRILL_BLESS=1` writes the page anew.
#[test]
fn the_books_reference_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/src/lab-reference.md");
    let made = crate::schema::reference();
    if std::env::var_os("KUBEDRILL_BLESS").is_some() {
        std::fs::write(&page, &made).unwrap();
    }
    let there = std::fs::read_to_string(&page).unwrap();
    assert!(
        there == made,
        "{} is not what the types give",
        page.display()
    );
}

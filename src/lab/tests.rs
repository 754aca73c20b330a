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

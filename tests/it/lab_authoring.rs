//! From an empty folder to a lab that is proven: `new`, `lint`, `verify --incomplete`.

use std::fs;
use std::path::PathBuf;

use crate::support::{Home, run};

fn new_lab(home: &Home) -> PathBuf {
    let dir = home.path().join("labs/first-lab");
    run(home.kubedrill(["new"]).arg(&dir), "").expect(0);
    dir
}

#[test]
fn a_new_lab_is_proven_as_it_is() {
    let home = Home::new();
    let dir = new_lab(&home);
    run(home.kubedrill(["lint"]).arg(&dir), "").expect(0);
    let mut verify = home.kubedrill(["verify", "--incomplete"]);
    let ended = run(verify.arg(&dir), "").expect(0);
    let says = |line: &str| assert!(ended.stdout.contains(line), "{ended:?}");
    says("5 proofs hold, 0 do not");
    says("1 of 1 incomplete solutions lose points; 0 more lack what is optional");

    // What exists is never written over.
    let again = run(home.kubedrill(["new"]).arg(&dir), "").expect(2);
    assert!(again.stderr.contains("exists already"), "{again:?}");
    let ended = run(&mut home.kubedrill(["new", "labs/No Lab"]), "").expect(2);
    assert!(ended.stderr.contains("names no lab"), "{ended:?}");
}

#[test]
fn a_solution_that_does_more_than_is_graded_is_told() {
    let home = Home::new();
    let dir = new_lab(&home);
    let solution = dir.join("solutions/create.sh");
    let mut text = fs::read_to_string(&solution).expect("a script");
    text += "kubectl create namespace unasked\n\
             # optional: nobody asked for it\nkubectl create namespace more\n";
    fs::write(&solution, text).expect("written");
    let mut verify = home.kubedrill(["verify", "--incomplete"]);
    let ended = run(verify.arg(&dir), "").expect(1);
    let says = |line: &str| assert!(ended.stdout.contains(line), "{ended:?}");
    says("without: kubectl create namespace unasked");
    says("1 of 2 incomplete solutions lose points; 1 more lack what is optional");
    says("(nobody asked for it)");
    assert!(
        ended
            .stderr
            .contains("no check notices that the command is left out"),
        "{ended:?}"
    );
}

/// What is taken from the new lab, what is put in its place, and the rule that tells.
const FLAWS: &[(&str, &str, &str)] = &[
    (
        "[[solution]]\nscript = \"solutions/create.sh\"\ntitle = \"with kubectl create\"\n",
        "",
        "no-solution",
    ),
    ("says = \"does not exist\"\n", "", "wrong-turn-says-nothing"),
    (
        "says = \"does not exist\"\n",
        "says = \"does not exist\"\nchanges = [{ text = \"not there\" }]\n",
        "lab::change",
    ),
    (
        "says = \"does not exist\"\n",
        "says = \"does not exist\"\nchanges = [{ text = \"\" }]\n",
        "lab::change",
    ),
    (
        "review = \"\"\"\nWhat is worth knowing afterwards: why it worked, not how.\n\"\"\"\n",
        "",
        "no-review",
    ),
    ("{ cost = 20,", "{ cost = 70,", "hint-order"),
    (
        "[vars]\n",
        "[vars]\nforgotten = { word = 5 }\n",
        "unused-variable",
    ),
    ("points = 2\n", "points = \"two\"\n", "lab::wrong-type"),
];

#[test]
fn lint_names_each_flaw() {
    let home = Home::new();
    for (taken, put, rule) in FLAWS {
        let dir = new_lab(&home);
        let file = dir.join("lab.toml");
        let text = fs::read_to_string(&file).expect("a lab");
        assert!(text.contains(taken), "the new lab lacks {taken:?}");
        fs::write(&file, text.replace(taken, put)).expect("written");
        let ended = run(home.kubedrill(["lint", "--format", "json"]).arg(&dir), "");
        let found: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let rules: Vec<_> = found
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| &one["rule"])
            .collect();
        assert!(
            rules.iter().any(|found| *found == rule),
            "{rule}: {ended:?}"
        );
        assert_ne!(ended.status, 0, "{rule}: {ended:?}");
        fs::remove_dir_all(&dir).expect("removed");
    }
}

#[test]
fn lint_points_at_a_script_that_bash_refuses() {
    let home = Home::new();
    let dir = new_lab(&home);
    fs::write(dir.join("solutions/create.sh"), "echo a\nfi\n").expect("written");
    let ended = run(home.kubedrill(["lint", "--format", "github"]).arg(&dir), "").expect(2);
    assert!(ended.stdout.starts_with("::error file="), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("create.sh,line=2,title=script-syntax"),
        "{ended:?}"
    );
    let ended = run(home.kubedrill(["lint", "--format", "sarif"]).arg(&dir), "").expect(2);
    let log: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(log["runs"][0]["results"][0]["ruleId"], "script-syntax");
}

/// The schemas that are printed, a key of each, and where that key is.
const SCHEMAS: &[(&str, &str)] = &[
    ("lab", "/properties/task"),
    ("pack", "/properties/item"),
    ("report", "/properties/earned_hundredths"),
    ("exam", "/properties/competencies"),
    ("grade", "/$defs/Graded/properties/submission"),
];

#[test]
fn schemas_are_printed_and_grades_are_what_they_say() {
    let home = Home::new();
    let schema = |what: &str| -> serde_json::Value {
        let ended = run(&mut home.kubedrill(["schema", what]), "").expect(0);
        serde_json::from_str(&ended.stdout).expect("JSON")
    };
    for (what, key) in SCHEMAS {
        let schema = schema(what);
        assert!(schema.pointer(key).is_some(), "{what}: {schema:#}");
    }
    let dir = new_lab(&home);
    let mut start = home.kubedrill(["start", "--discard", "--format", "json"]);
    let ended = run(start.arg(&dir), "").expect(1);
    let grade: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let described = schema("report");
    fits(&grade, &described);
    fits(&grade["tasks"][0], &described["$defs"]["TaskReport"]);
}

/// An object has keys of its schema alone, and all that must be there.
#[track_caller]
fn fits(value: &serde_json::Value, schema: &serde_json::Value) {
    let value = value.as_object().expect("an object");
    for key in value.keys() {
        assert!(schema["properties"].get(key).is_some(), "{key} is unknown");
    }
    let required = schema["required"].as_array().expect("a list");
    assert!(!required.is_empty());
    for key in required {
        let key = key.as_str().expect("a key");
        assert!(value.contains_key(key), "{key} is missing");
    }
}

//! Mistakes in lab files, as their authors see them: every one at once, each with file,
//! line, column, the spot, and what was expected there.
//!
//! `lab_mistakes/NAME.toml` is the lab, `NAME.txt` what must be printed. To write the
//! latter anew: `KUBEDRILL_BLESS=1 cargo test --test it lab_mistakes`.

use std::fs;
use std::path::PathBuf;

use crate::support::{Home, run};

const CASES: &[(&str, &str, &str)] = &[
    (
        "many-at-once",
        include_str!("lab_mistakes/many-at-once.toml"),
        include_str!("lab_mistakes/many-at-once.txt"),
    ),
    (
        "syntax",
        include_str!("lab_mistakes/syntax.toml"),
        include_str!("lab_mistakes/syntax.txt"),
    ),
    (
        "template",
        include_str!("lab_mistakes/template.toml"),
        include_str!("lab_mistakes/template.txt"),
    ),
];

#[test]
fn mistakes_are_shown_where_they_are() {
    let home = Home::new();
    let mut wrong = Vec::new();
    for (name, lab, expected) in CASES {
        let dir = home.path().join("labs").join(name);
        fs::create_dir_all(&dir).expect("make");
        fs::write(dir.join("lab.toml"), lab).expect("write");
        for verb in ["start", "verify"] {
            let ended = run(home.kubedrill([verb]).arg(&dir), "").expect(2);
            assert_eq!(ended.stdout, "", "nothing is data");
            let shelf = home.path().join("labs").to_string_lossy().into_owned();
            let printed = ended.stderr.replace(&shelf, "labs");
            if std::env::var_os("KUBEDRILL_BLESS").is_some() {
                let folder =
                    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/lab_mistakes");
                fs::write(folder.join(format!("{name}.txt")), &printed).expect("write");
            } else if printed != *expected {
                wrong.push(format!("{verb} {name} prints\n{printed}\nnot\n{expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!home.sessions().exists(), "nothing is started");
}

#[test]
fn labs_that_are_not_there() {
    let home = Home::new();
    let empty = home.path().join("void");
    fs::create_dir(&empty).expect("make");
    for (args, says) in [
        (
            ["start", "etcd-backup-restor"],
            "did you mean `etcd-backup-restore`?",
        ),
        (
            ["start", "void"],
            "there is no lab `void`; `kubedrill list` shows",
        ),
        (["start", "./nothere"], "there is no folder ./nothere"),
        (["start", "./void"], "the folder ./void has no lab.toml"),
        (
            ["start", "mixed"],
            "`mixed` is an exam, not a lab: `kubedrill exam mixed`",
        ),
        (
            ["exam", "etcd-backup"],
            "`etcd-backup` is a lab, not an exam: `kubedrill start etcd-backup`",
        ),
        (["star", "etcd-backup"], "Did you mean `kubedrill start`?"),
        (["start", "--resume"], "`kubedrill list` shows the labs."),
        (["exam", "--again"], "`kubedrill list` shows the exams."),
        (["verify", "void"], "void holds no folder with a lab.toml"),
        (
            ["stop", "etcd-backup-restore"],
            "there is no session `etcd-backup-restore`",
        ),
        (
            ["check", "etcd-backup-restore"],
            "there is no session `etcd-backup-restore`",
        ),
    ] {
        let ended = run(&mut home.kubedrill(args), "").expect(2);
        assert!(ended.stderr.contains(says), "{args:?}: {ended:?}");
        assert_eq!(ended.stdout, "");
    }
    assert!(!home.sessions().exists(), "asking makes nothing");
}

#[test]
fn what_else_is_typed_wrongly_is_told() {
    let home = Home::new();
    let lab = "etcd-backup-restore";
    for (args, status, says) in [
        (
            vec!["grade", lab, "--submission", "none.sh"],
            2,
            "the submission none.sh: No such file",
        ),
        (
            vec!["start", lab, "--etcd", "/"],
            2,
            "it is a directory; give the path of the program in it",
        ),
        (
            vec!["verify", lab, "--kubectl", "/etc/passwd"],
            2,
            "it is no program: nobody may execute it",
        ),
        (
            vec![
                "grade",
                lab,
                "--etcdctl",
                "/gone",
                "--submission",
                "none.sh",
            ],
            2,
            "No such file or directory",
        ),
        (
            vec!["start", lab, "--set", "nope=1"],
            2,
            "no variable `nope`",
        ),
    ] {
        let ended = run(&mut home.kubedrill(&args), "").expect(status);
        assert!(ended.stderr.contains(says), "{args:?}: {ended:?}");
        // What is not there is not offered.
        assert!(!ended.stderr.contains(", nope"), "{args:?}: {ended:?}");
    }
    let without_tasks = home.path().join("none");
    fs::create_dir(&without_tasks).expect("made");
    let text =
        "[lab]\nid = \"none\"\ntitle = \"None\"\n[[wrong]]\nscript = \"x\"\nloses = [\"a\"]\n";
    fs::write(without_tasks.join("lab.toml"), text).expect("written");
    let ended = run(&mut home.kubedrill(["lint", "none"]), "").expect(2);
    assert!(ended.stdout.contains("the lab has no tasks"), "{ended:?}");
    for name in ["a", "b"] {
        fs::create_dir_all(home.sessions().join(name)).expect("made");
    }
    let ended = run(&mut home.kubedrill(["stop"]), "").expect(2);
    let several = "several labs were started; name one of a, b";
    assert!(ended.stderr.contains(several), "{ended:?}");
    for (place, status, says) in [
        ("/proc/nowhere", 5, "KUBEDRILL_HOME says which"),
        ("relative", 1, "Ready after"),
    ] {
        let mut start = home.kubedrill(["start", "single-node-etcd", "--discard"]);
        start.env("KUBEDRILL_HOME", place);
        let ended = run(&mut start, "true").expect(status);
        assert!(ended.stderr.contains(says), "{place}: {ended:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let home = Home::new();
    let mut command = std::process::Command::new("bash");
    let line = "\"$0\" list | true; exit ${PIPESTATUS[0]}";
    command.args(["-c", line]).arg(crate::support::program());
    home.set_up(&mut command);
    let ended = run(&mut command, "").expect(0);
    assert_eq!(ended.stderr, "");
}

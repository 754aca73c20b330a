//! Exams: labs one after another under one clock, with and without a terminal, interrupted
//! and gone on with; and what `lint` says of packs.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Ended, Home, LAB, Running, labs, run};

/// What solves a lab that `new` made.
const SOLVE: &str = "kubectl create configmap owner -n team --from-literal=name=$owner\n";

const PACK: &str = r#"[pack]
id = "trial"
title = "A trial"
minutes = 30

[[item]]
lab = "one"
weight = 70
competency = "workloads/configuration"

[[item]]
lab = "two"
tasks = ["config"]
weight = 30
competency = "storage/none"
"#;

/// An exam of two small labs; gives its file.
fn pack(home: &Home) -> PathBuf {
    let shelf = home.path().join("labs");
    for (name, competency) in [("one", "workloads/configuration"), ("two", "storage/none")] {
        let dir = shelf.join(name);
        run(home.kubedrill(["new"]).arg(&dir), "").expect(0);
        let file = dir.join("lab.toml");
        let text = fs::read_to_string(&file).expect("a lab");
        let (head, rest) = text.split_once("[cluster]").expect("a cluster");
        let head: String = head
            .lines()
            .filter(|line| !line.starts_with("competencies"))
            .map(|line| match line.starts_with("id = ") {
                true => format!("{line}\ncompetencies = [\"{competency}\"]\n"),
                false => format!("{line}\n"),
            })
            .collect();
        fs::write(&file, format!("{head}[cluster]{rest}")).expect("written");
    }
    fs::create_dir_all(shelf.join("packs")).expect("made");
    let file = shelf.join("packs/trial.toml");
    fs::write(&file, PACK).expect("written");
    file
}

fn exam(home: &Home, args: &[&str], script: &str) -> Ended {
    let mut command = home.kubedrill(["exam", "trial", "--format", "json"]);
    run(command.args(args), script)
}

fn grade(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn a_scripted_exam_is_graded_by_weight() {
    let home = Home::new();
    pack(&home);
    // The first lab is seen again with what was done in it before it was put off.
    let script = format!(
        "check\nhint config\ntouch /root/mark; skip\necho second $(ls /root)\n{SOLVE}next\n\
         echo first $(ls /root)\nnext\n"
    );
    let ended = exam(&home, &["--seed", "1"], &script).expect(1);
    for line in ["second\n", "first mark\n", "there is no `check` in an exam"] {
        assert!(ended.stderr.contains(line), "{line:?}: {ended:?}");
    }
    let paper = grade(&ended);
    assert_eq!(paper["earned_hundredths"], 3000, "{ended:?}");
    assert_eq!(paper["passed"], false);
    assert_eq!(
        paper["competencies"][0]["competency"],
        "workloads/configuration"
    );
    assert_eq!(
        paper["items"][0]["report"]["tasks"][0]["earned_hundredths"],
        0
    );
    home.await_quiet();
    assert!(!home.path().join("exams/sessions/trial").exists());
    // The grade outlives the exam.
    assert!(
        ended.stderr.contains("exams/reports/trial.json"),
        "{ended:?}"
    );
    let again = exam(&home, &["--report"], "").expect(0);
    assert_eq!(again.stdout, ended.stdout);

    // Seventy per cent pass, and the end of the commands is the end of the exam.
    let ended = exam(&home, &["--set", "one.owner=ada"], SOLVE).expect(0);
    let paper = grade(&ended);
    assert_eq!(paper["earned_hundredths"], 7000, "{ended:?}");
    assert_eq!(paper["passed"], true);
    assert_eq!(paper["items"][1]["report"], Value::Null);
    home.await_quiet();
}

#[test]
fn an_interrupted_exam_goes_on_and_so_does_its_clock() {
    let home = Home::new();
    pack(&home);
    let kept = home.path().join("exams/sessions/trial/exam.json");
    let mut first = Running::start(&mut home.kubedrill(["exam", "trial"]));
    first.say(&format!("{SOLVE}next\ntouch /root/mark; echo here\n"));
    first.await_text("here\n");
    let busy = exam(&home, &[], "").expect(2);
    assert!(busy.stderr.contains("runs already"), "{busy:?}");
    first.signal("TERM");
    let ended = first.wait();
    assert!(
        ended.stderr.contains("`kubedrill exam trial` goes on"),
        "{ended:?}"
    );
    home.await_quiet();

    let listed = run(&mut home.kubedrill(["list"]), "").expect(0);
    let row = listed.stdout.lines().find(|line| line.starts_with("trial"));
    assert!(
        row.is_some_and(|row| row.contains("interrupted")),
        "{listed:?}"
    );
    // Nobody is there to be asked, so nothing is thrown away.
    let refused = exam(&home, &[], "").expect(2);
    assert!(refused.stderr.contains("--resume goes on"), "{refused:?}");
    assert!(kept.exists());

    // As if half an hour had passed but for a moment in which to go on.
    let text = fs::read_to_string(&kept).expect("the exam");
    let mut sitting: Value = serde_json::from_str(&text).expect("JSON");
    let mut late = |started_at: &str| {
        sitting["started_at"] = started_at.into();
        fs::write(&kept, sitting.to_string()).expect("written");
    };
    late("2020-01-01T00:00:00Z");
    let ended = exam(&home, &["--resume"], "echo not read\n").expect(0);
    assert!(ended.stderr.contains("The time is up."), "{ended:?}");
    assert!(!ended.stderr.contains("not read\n"), "{ended:?}");
    let paper = grade(&ended);
    assert_eq!(paper["earned_hundredths"], 7000);
    assert_eq!(paper["used_seconds"], 1800);
    // What was left ungraded by the interruption is graded.
    assert!(paper["items"][1]["report"].is_object(), "{ended:?}");
    assert!(!kept.exists());
    let none = exam(&home, &["--resume"], "").expect(2);
    assert!(none.stderr.contains("was not begun"), "{none:?}");
    let mut never = home.kubedrill(["exam", "mixed", "--report"]);
    let never = run(&mut never, "").expect(2);
    assert!(never.stderr.contains("there is no report"), "{never:?}");
}

#[test]
fn one_goes_to_an_open_lab_and_sees_them_all() {
    let home = Home::new();
    pack(&home);
    // From the first to the second, back by name, and not to where one is.
    let script = format!(
        "touch /root/mark; goto 2\ntask\n{SOLVE}goto one\necho first $(ls /root)\ngoto 1\n\
         next\ngoto 1\nskip\nkubectl -n team get configmap owner\nnext\n"
    );
    let ended = exam(&home, &["--seed", "1"], &script).expect(1);
    let overview = [" 70 %  skipped", " 30 %  here"];
    let told = [
        "first mark\n",
        "that is this lab",
        "lab 1 is done with",
        "no other lab",
    ];
    for line in overview.iter().chain(&told) {
        assert!(ended.stderr.contains(line), "{line:?}: {ended:?}");
    }
    assert!(!ended.stderr.contains("NotFound"), "{ended:?}");
    assert_eq!(grade(&ended)["earned_hundredths"], 3000, "{ended:?}");
}

#[test]
fn the_words_lead_on_at_a_terminal() {
    let home = Home::new();
    let mut file = pack(&home);
    let path = file.display().to_string();
    let mut sitting = Running::on_a_terminal(&home, &["exam", &path]);
    sitting.await_text("Lab 1 of 2, 70 % of the exam. 30 minutes left.");
    sitting.await_text("root@");
    sitting.say("finish\n");
    sitting.await_text("1 lab was not begun, 30 minutes are left. End the exam? [y/N]");
    sitting.say("kubectl get pods\n");
    sitting.await_text("That is no answer");
    sitting.say("\n");
    sitting.await_text("Nothing was changed.");
    sitting.say("next\n");
    sitting.await_text("for good");
    sitting.say("y\n");
    sitting.await_text("Lab 2 of 2");
    sitting.await_text("  70 %  done");
    let more = run(&mut home.kubedrill(["shell"]), "hostname; ls /root").expect(0);
    assert!(more.stdout.starts_with("controlplane\n"), "{more:?}");
    // Whoever leaves the shell may come back.
    sitting.say("exit\n");
    sitting.await_text("goes on with this lab");
    assert_eq!(sitting.wait().status, 1);
    home.await_quiet();
    let mut sitting = Running::on_a_terminal(&home, &["exam", &path]);
    sitting.await_text("[G/b]");
    sitting.say("\n");
    sitting.await_text("Lab 2 of 2");
    // Nothing is open but this lab, so nothing is asked.
    sitting.say("finish\n");
    sitting.await_text("Not passed: 0 of 100 %, 66 are needed");
    let ended = sitting.wait();
    assert_eq!(ended.status, 1);
    assert!(
        ended.stdout.contains("--report` shows it again"),
        "{ended:?}"
    );
    home.await_quiet();

    // Outside of exams there are no such words.
    assert!(file.pop() && file.pop());
    let mut start = home.kubedrill(["start", "--discard"]);
    let ended = run(start.arg(file.join("one")), "next\n").expect(1);
    assert!(ended.stderr.contains("is a word of exams"), "{ended:?}");
}

#[test]
fn on_a_node_kubedrill_does_its_words_and_says_where_the_others_are() {
    let home = Home::new();
    let script = "kubedrill task | head -1; kubedrill hint | head -1; kubedrill chek; echo $?\n\
                  kubedrill list; kubedrill --help\n\
                  kubedrill check --format json >/opt/grade; echo graded $?\n\
                  grep -c earned_hundredths /opt/grade\n\
                  /usr/local/lib/kubedrill/kubedrill etcdctl version | head -1\n\
                  . /etc/profile.d/kubedrill.sh; grep -q \"HINTS='workload \" /etc/profile.d/kubedrill.sh\n\
                  echo hints $?\n";
    let mut start = home.kubedrill(["start", LAB, "--discard"]);
    let ended = run(&mut start, script).expect(1);
    for text in [
        "Back up and restore etcd",
        "Hints, `hint TASK`",
        "\n2\n",
        "This is a node of the lab. Its words are `task`, `hint` and `check`",
        "graded 1\n",
        "etcdctl version: 3.5",
        "hints 0\n",
    ] {
        assert!(ended.stdout.contains(text), "{text:?}: {ended:?}");
    }
    for text in [
        "there is no `kubedrill chek` here; did you mean `check`?",
        "there is no `kubedrill list` here\n",
        "in another terminal of your own machine",
    ] {
        assert!(ended.stderr.contains(text), "{text:?}: {ended:?}");
    }
}

/// What is taken from the pack, what is put in its place, and the rule that tells.
const FLAWS: &[(&str, &str, &str)] = &[
    ("weight = 30", "weight = 20", "lab::weights"),
    ("weight = 30\n", "", "lab::missing-key"),
    ("lab = \"two\"", "lab = \"too\"", "lab::unknown-lab"),
    ("lab = \"two\"", "lab = \"one\"", "lab::duplicate-id"),
    ("\"config\"", "\"confog\"", "lab::unknown-task"),
    ("storage/none", "storages/none", "lab::competency"),
    ("storage/none", "storage/other", "lab::competency"),
    ("id = \"trial\"", "id = \"other\"", "lab::id"),
    ("minutes = 30", "minutes = 0", "lab::out-of-range"),
    ("minutes", "hours", "lab::unknown-key"),
    ("[pack]", "[pack", "lab::syntax"),
];

#[test]
fn lint_names_each_flaw_of_a_pack() {
    let home = Home::new();
    let file = pack(&home);
    run(home.kubedrill(["lint"]).arg(&file), "").expect(0);
    for (taken, put, rule) in FLAWS {
        assert!(PACK.contains(taken), "the pack lacks {taken:?}");
        fs::write(&file, PACK.replace(taken, put)).expect("written");
        let mut lint = home.kubedrill(["lint", "--format", "json"]);
        let ended = run(lint.arg(&file), "").expect(2);
        let found: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let rules = found.as_array().expect("a list").iter();
        let mut rules = rules.map(|one| &one["rule"]);
        assert!(rules.any(|found| found == rule), "{rule}: {ended:?}");
        let ended = run(&mut home.kubedrill(["exam", "trial"]), "").expect(2);
        assert!(ended.stderr.contains(rule), "{rule}: {ended:?}");
    }
}

#[test]
fn a_pack_is_proven() {
    let home = Home::new();
    let file = pack(&home);
    let ended = run(home.kubedrill(["verify"]).arg(&file), "").expect(0);
    assert!(
        ended.stdout.contains("2 proofs hold, 0 do not"),
        "{ended:?}"
    );
    // A lab that nobody can solve is found.
    let solution = home.path().join("labs/two/solutions/create.sh");
    fs::write(solution, "true\n").expect("written");
    let ended = run(home.kubedrill(["verify"]).arg(&file), "").expect(1);
    assert!(
        ended.stderr.contains("`two` comes to 0 of its 30 %"),
        "{ended:?}"
    );
}

#[test]
fn the_packs_of_this_repository_fit_their_labs() {
    let home = Home::new();
    let packs = labs().join("packs");
    run(home.kubedrill(["lint"]).arg(&packs), "").expect(0);
    let shelf = home.path().join("labs");
    fs::create_dir(&shelf).expect("made");
    run(home.kubedrill(["new"]).arg(shelf.join("one")), "").expect(0);
    fs::write(shelf.join("order.toml"), "[[group]]\nlab = []\n").expect("written");
    let flawed = run(home.kubedrill(["lint"]).arg(&shelf), "").expect(2);
    assert!(flawed.stdout.contains("order.toml"), "{flawed:?}");
    fs::remove_dir_all(&shelf).expect("removed");
    let listed = run(&mut home.kubedrill(["list", "--format", "json"]), "").expect(0);
    let rows: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    let exams = rows.as_array().expect("a list").iter();
    let exams: Vec<_> = exams.filter(|row| row["kind"] == "exam").collect();
    assert_eq!(exams.len(), 3, "{listed:?}");
}

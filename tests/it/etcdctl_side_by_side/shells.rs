//! The completion scripts, each in its shell: subcommands and flags are offered. A shell
//! that is not there is said, and its test has nothing to do.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use super::offline::text;

/// Command lines, and what is offered for the word at their end.
const LINES: &[(&str, &[&str])] = &[
    ("etcdctl lea", &["lease"]),
    ("etcdctl snapshot ", &["restore", "save", "status"]),
    ("etcdctl get --keys", &["--keys-only"]),
    ("etcdutl snapshot st", &["status"]),
    ("etcdutl snapshot restore --skip", &["--skip-hash-check"]),
    ("kubectl desc", &["describe"]),
    ("kubectl rollout p", &["pause"]),
    ("kubectl get -o yam", &["yaml"]),
    ("kubectl get --output=yam", &["yaml"]),
];

/// What bash takes apart, and an alias.
const IN_BASH: &[(&str, &[&str])] = &[
    (
        "kubectl get -o=jsonpath-",
        &["jsonpath-as-json", "jsonpath-file"],
    ),
    ("kubectl get --output=", &["json", "yaml", "name"]),
    ("kubectl $how \"--output\" ya", &["yaml"]),
    ("kubectl get -o yaml > ma", &[""]),
    (
        "kubectl config use-context admin@cl",
        &["@cluster-1", "@cluster-2"],
    ),
    (
        "kubectl config use-context ",
        &["admin@cluster-1", "admin@cluster-2"],
    ),
    ("kubectl apply -f ma", &["main.yaml", "many"]),
    ("k rollout st", &["status"]),
];

const PROGRAMS: [&str; 3] = ["etcdctl", "etcdutl", "kubectl"];

/// Whether a program is there; says so if it is not.
fn is_there(shell: &str) -> bool {
    let asked = Command::new(shell)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let missing = asked.is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if missing {
        eprintln!("skipped: there is no {shell} on this machine");
    }
    !missing
}

/// The programs under their names, and their scripts for a shell.
fn prepare(shell: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for program in PROGRAMS {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubedrill"));
        let script = command.args([program, "completion", shell]).output();
        let script = script.expect("our program runs");
        assert!(script.status.success(), "{script:?}");
        std::fs::write(dir.path().join(format!("{program}.{shell}")), script.stdout)
            .expect("a file");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubedrill"), dir.path().join(program))
            .expect("a link");
    }
    dir
}

/// Runs a shell in a directory that is the first to be searched for programs.
fn ask(dir: &Path, words: &[&str]) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(words[0])
        .args(&words[1..])
        .current_dir(dir)
        .env("PATH", format!("{}:{path}", dir.display()))
        .env("HOME", dir)
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()
        .expect("the shell runs");
    assert_eq!(text(&output.stderr), "", "{words:?}");
    assert!(output.status.success(), "{words:?}: {output:?}");
    text(&output.stdout)
}

/// The words of a line as bash has them in `COMP_WORDS`.
fn bash_words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for mut word in line.split(' ') {
        while let Some(at) = word.find(['=', ':', '@']) {
            words.extend(
                [&word[..at], &word[at..=at]]
                    .iter()
                    .filter(|word| !word.is_empty()),
            );
            word = &word[at + 1..];
            if word.is_empty() {
                break;
            }
        }
        if !word.is_empty() || line.ends_with(' ') {
            words.push(word);
        }
    }
    words
}

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
contexts:
- {name: admin@cluster-1, context: {}}
- {name: admin@cluster-2, context: {}}
";

#[test]
fn bash_completes_with_our_script() {
    let dir = prepare("bash");
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir_all(path(".kube")).expect("a directory");
    std::fs::write(path(".kube/config"), KUBECONFIG).expect("a file");
    std::fs::create_dir(path("many")).expect("a directory");
    for name in ["main.yaml", "main.txt"] {
        std::fs::write(path(name), "").expect("a file");
    }
    for (line, offered) in LINES.iter().chain(IN_BASH) {
        let words = bash_words(line);
        let quoted: String = words.iter().map(|word| format!(" '{word}'")).collect();
        let program = if words[0] == "k" { "kubectl" } else { words[0] };
        let script = format!(
            "how=get; source {program}.bash; COMP_LINE='{line}'; COMP_WORDS=({quoted}); COMP_CWORD={}; COMP_TYPE=9; __start_{program}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.len() - 1
        );
        let said = ask(dir.path(), &["bash", "--norc", "-c", &script]);
        let said: Vec<&str> = said.lines().collect();
        // All formats are many.
        let said = if line.ends_with('=') {
            &said[..3]
        } else {
            &said
        };
        assert_eq!(said, *offered, "{line}");
    }
}

#[test]
fn fish_completes_with_our_script() {
    if !is_there("fish") {
        return;
    }
    let dir = prepare("fish");
    for (line, offered) in LINES {
        let script =
            format!("for file in *.fish; source $file; end; complete --do-complete '{line}'");
        let said = ask(dir.path(), &["fish", "--no-config", "-c", &script]);
        let mut words = Vec::new();
        for line in said.lines() {
            let (word, about) = line.split_once('\t').unwrap_or((line, ""));
            // Values of flags say what they are.
            assert!(!about.is_empty() || word.contains("yaml"), "{line}");
            words.push(word.rsplit('=').next().expect("a word"));
        }
        assert_eq!(words, *offered, "{line}");
    }
}

/// zsh completes in its line editor alone, so another zsh types into it. Each wait ends
/// when what is waited for is there.
const TYPE: &str = r#"zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner "PS1=; autoload -U compinit; compinit -u -D; for file in ./*.zsh; do source \$file; done; echo REA''DY"
zpty -r -m inner said '*READY*'
zpty -w -n inner "$1"$'\t'
shift
said= pattern=
for wanted in "$@"; do pattern+="*$wanted"; done
for (( tries = 0; tries < 300; tries++ )); do
    while zpty -r -t inner part; do said+=$part; done
    [[ $said == $~pattern* ]] && break
    sleep 0.1
done
zpty -d inner
[[ $said == $~pattern* ]]"#;

#[test]
fn zsh_completes_with_our_script() {
    if !is_there("zsh") {
        return;
    }
    let dir = prepare("zsh");
    for (line, offered) in LINES {
        let mut words = vec!["timeout", "60", "zsh", "-f", "-c", TYPE, "zsh", *line];
        words.extend(*offered);
        ask(dir.path(), &words);
    }
}

#[test]
fn powershell_completes_with_our_script() {
    if !is_there("pwsh") {
        return;
    }
    let dir = prepare("powershell");
    for (line, offered) in LINES {
        let script = format!(
            "foreach ($name in 'etcdctl', 'etcdutl', 'kubectl') {{ Invoke-Expression (Get-Content -Raw \"$name.powershell\") }}; (TabExpansion2 -inputScript '{line}' -cursorColumn {}).CompletionMatches.CompletionText",
            line.len()
        );
        let said = ask(dir.path(), &["pwsh", "-NoProfile", "-Command", &script]);
        assert_eq!(said.lines().collect::<Vec<_>>(), *offered, "{line}");
    }
}

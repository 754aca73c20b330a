//! Which commands of a script leave everything as it is, as far as their words tell.

const LOOKS: &str = "it only looks";
const WAITS: &str = "it only waits";

/// Programs that change nothing, whatever their arguments.
const LOOKING: &[&str] = &[
    "[",
    "awk",
    "break",
    "cat",
    "column",
    "continue",
    "cut",
    "date",
    "df",
    "diff",
    "du",
    "echo",
    "egrep",
    "false",
    "file",
    "grep",
    "head",
    "hostname",
    "id",
    "journalctl",
    "ls",
    "od",
    "paste",
    "pgrep",
    "printf",
    "ps",
    "seq",
    "sha256sum",
    "sort",
    "ss",
    "stat",
    "tail",
    "test",
    "tr",
    "true",
    "uniq",
    "wc",
    "which",
];

/// Words of bash before a command, and those that stand alone.
const KEYWORDS: &[&str] = &[
    "!", "do", "done", "elif", "else", "fi", "if", "then", "time", "until", "while", "{", "}",
];

/// Why nothing is missed where a command is left out: it only looks, or it only waits.
/// `None` for one that may change something, also in a part of it: in a loop, behind a pipe,
/// on another node.
pub fn leaves_all_as_it_is(command: &str) -> Option<&'static str> {
    match of_parts(command)? {
        Part::Nothing => None,
        Part::Looks => Some(LOOKS),
        Part::Waits => Some(WAITS),
    }
}

/// The most that a part of the command does, if none may change something.
fn of_parts(command: &str) -> Option<Part> {
    let mut most = Part::Nothing;
    for piece in pieces(command) {
        most = most.max(of_piece(&piece)?);
    }
    Some(most)
}

/// What does not change anything, the less before the more.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Words of bash alone.
    Nothing,
    Looks,
    Waits,
}

/// One of the simple commands that a command is made of.
#[derive(Default)]
struct Piece {
    text: String,
    /// What of it stands in no quotes.
    bare: String,
}

impl Piece {
    /// Whether it writes anywhere but to `/dev/null`.
    fn writes_a_file(&self) -> bool {
        self.bare
            .replace("2>/dev/null", "")
            .replace("> /dev/null", "")
            .replace(">/dev/null", "")
            .contains('>')
    }
}

/// The simple commands that a command is made of. Substitutions are pieces of their own, and so
/// is what comes behind one.
fn pieces(command: &str) -> Vec<Piece> {
    let command = command.replace("2>&1", "").replace("\\\n", " ");
    let mut pieces = vec![Piece::default()];
    // The quotes that are open around the substitutions that are.
    let mut quotes = Vec::new();
    let (mut quote, mut before) = (None, ' ');
    for letter in command.chars() {
        let ends = match (quote, letter) {
            (None, '\'' | '"') if before != '\\' => {
                quote = Some(letter);
                false
            }
            (Some(open), _) if open == letter && (open == '\'' || before != '\\') => {
                quote = None;
                false
            }
            (None, '(') => {
                quotes.push(None);
                true
            }
            // A substitution within double quotes runs as well.
            (Some('"'), '(') if before == '$' => {
                quotes.push(quote.take());
                true
            }
            (None, ')') => {
                // The end of a pattern of `case` has no beginning.
                quote = quotes.pop().flatten();
                true
            }
            (None, ';' | '|' | '&' | '\n') => true,
            _ => false,
        };
        before = letter;
        if ends {
            pieces.push(Piece::default());
        } else if let Some(piece) = pieces.last_mut() {
            piece.text.push(letter);
            if quote.is_none() {
                piece.bare.push(letter);
            }
        }
    }
    pieces
}

/// `None` for what may change something.
fn of_piece(piece: &Piece) -> Option<Part> {
    if piece.writes_a_file() {
        return None;
    }
    let mut words: &[&str] = &piece.text.split_whitespace().collect::<Vec<_>>();
    while let [first, rest @ ..] = words {
        if !KEYWORDS.contains(first) {
            break;
        }
        words = rest;
    }
    if let [first, ..] = words
        && matches!(*first, "for" | "case" | "in" | "esac")
    {
        return Some(Part::Nothing);
    }
    let is_prefix = |word: &&&str| matches!(**word, "sudo" | "-i" | "-E") || word.contains('=');
    let prefixes = words.iter().take_while(is_prefix).count();
    if prefixes > 0 && prefixes == words.len() {
        // A variable that something else may need.
        return None;
    }
    let [first, rest @ ..] = &words[prefixes..] else {
        return Some(Part::Nothing);
    };
    if let ["ssh", "-n", _node, ..] = &words[prefixes..] {
        return of_ssh(&piece.text);
    }
    // What is left of a quoted substitution.
    if first
        .chars()
        .all(|letter| matches!(letter, '"' | '\'' | '$'))
    {
        return Some(Part::Nothing);
    }
    of_program(first, rest)
}

/// A command on another node: what it is there.
fn of_ssh(part: &str) -> Option<Part> {
    let at_node = part.split_once("-n")?.1.trim_start();
    let there = at_node.split_once(char::is_whitespace)?.1.trim();
    match of_parts(there.trim_matches(['"', '\'']))? {
        // Words that are no command say nothing of what they do there.
        Part::Nothing => None,
        more => Some(more),
    }
}

fn of_program(first: &str, rest: &[&str]) -> Option<Part> {
    let verb = |verbs: &[&str]| rest.iter().any(|word| verbs.contains(word));
    let looks = match first {
        "sleep" => return Some(Part::Waits),
        "kubectl" if verb(&["wait", "rollout"]) => return Some(Part::Waits),
        "kubectl" => verb(&[
            "get",
            "describe",
            "logs",
            "version",
            "cluster-info",
            "can-i",
            "top",
        ]),
        // Labs with many members call etcdctl by a function of that name.
        "etcd" | "etcdctl" | "etcdutl" => verb(&[
            "status",
            "get",
            "health",
            "version",
            "--version",
            "list",
            "hashkv",
        ]),
        "systemctl" => verb(&[
            "status",
            "show",
            "is-active",
            "is-enabled",
            "cat",
            "list-units",
            "list-unit-files",
            "list-timers",
        ]),
        "crictl" => verb(&["ps", "pods", "logs", "inspect", "images"]),
        "openssl" => verb(&["-noout", "s_client", "verify"]),
        "kubeadm" => verb(&["check-expiration", "version"]),
        "sed" => !rest.iter().any(|word| word.starts_with("-i")),
        other => LOOKING.contains(&other),
    };
    looks.then_some(Part::Looks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_or_waits_is_known() {
        let looks = Some(LOOKS);
        let waits = Some(WAITS);
        for (command, expected) in [
            ("kubectl get deploy before", looks),
            ("sudo etcdctl --write-out=table snapshot status /a", looks),
            ("ETCDCTL_API=3 etcdctl --cert=a member list", looks),
            ("export ETCDCTL_API=3", None),
            ("old=$(pgrep -x etcd)", None),
            ("kubectl get pods 2>&1 >/dev/null", looks),
            ("kubectl get pods -o json | grep -c '\"a\": 1 > 0'", looks),
            ("kubectl get a -o json | kubectl replace -f -", None),
            ("etcdctl member remove \"$(etcdctl member list)\"", None),
            ("etcdctl member remove $(etcdctl member list)", None),
            ("[ -e /a ] && rm /a", None),
            ("[ -e /a ] && ls /a", looks),
            ("ssh -n $node systemctl status etcd", looks),
            ("ssh -n node01 systemctl restart etcd", None),
            ("ssh -n $node \"ls; rm a\"", None),
            ("ssh -n $node \"ls; cat a\"", looks),
            ("etcd --endpoints=$all endpoint status", looks),
            ("etcd --version", looks),
            ("systemctl list-timers", looks),
            ("openssl verify -CAfile a b", looks),
            ("kubectl wait --for=condition=Available deploy/a", waits),
            (
                "for i in $(seq 3); do kubectl get a && break; sleep 1; done",
                waits,
            ),
            (
                "for i in $(seq 3); do etcdctl member promote 1 && break; sleep 1; done",
                None,
            ),
            ("until etcdctl endpoint health; do sleep 1; done", waits),
            ("kubectl get pods > /root/pods", None),
            ("echo \"$(kubectl get pods)\" > /root/pods", None),
            ("echo \"$(grep \"a > b\" c)\"", looks),
            ("grep \"a(b) > c\" d", looks),
            ("grep \"\\\" > c\" d", looks),
            ("case $a in b) ls;; c) ls > d;; esac", None),
            ("case $a in b) ls;; esac", looks),
            ("etcdctl member list | tee /root/members", None),
            ("etcdctl snapshot save /a", None),
            ("for i in 1 2; do kubectl delete pod $i; done", None),
            ("kubectl delete deploy before", None),
            ("sed -n 1p a", looks),
            ("sed -i 1d a", None),
            ("mv a b", None),
        ] {
            assert_eq!(leaves_all_as_it_is(command), expected, "{command}");
        }
    }
}

//! What an answer means, against what is true. Written forms don't count: `v3.5.16` is
//! `3.5.16`, `2.7 MB` is 2,700,123 bytes, URLs come in any order.

use std::collections::BTreeSet;

/// What is true now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    Text(String),
    Number(i64),
    /// A path; a slash at its end is no matter.
    Path(String),
    Version(String),
    /// All of these words, in any order.
    Words(Vec<String>),
    /// All of these URLs, in any order.
    Urls(Vec<String>),
    /// The IDs of all of these, in any order, in base 16 or 10.
    Ids(Vec<u64>),
    /// A member, by its ID or any of its names.
    OneMember {
        id: u64,
        names: Vec<String>,
    },
    /// Bytes; near any of these.
    Sizes(Vec<i64>),
    /// Exactly these lines, in any order.
    Lines(Vec<String>),
    Deployment {
        is_pod: bool,
    },
    /// What `snapshot status` prints of a snapshot, in any form. The revision alone may
    /// be the count of keys in the table of another.
    Status {
        hash: u32,
        revision: i64,
    },
}

/// A size may be off by so many percent: it was read a while ago, and etcdctl rounds.
const SIZE_PERCENT: i64 = 15;

/// The answer after `label` and a colon, an equals sign or white space; the last one
/// counts. Upper case and quotes don't matter.
pub fn line(text: &str, label: &str) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], " ");
    let wanted = plain(label);
    text.lines().rev().find_map(|line| {
        let line = line.trim().trim_start_matches(['-', '*', ' ']);
        let head = line.get(..label.len())?;
        let rest = line.get(label.len()..)?;
        let parted = rest.starts_with([':', '=', ' ', '\t']);
        (plain(head) == wanted && parted)
            .then(|| unquoted(rest.trim_start_matches([':', '=', ' ', '\t'])))
    })
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'', '`']).to_owned()
}

/// The words of an answer, parted by commas or white space.
fn words(answer: &str) -> BTreeSet<String> {
    answer
        .split(|letter: char| letter.is_whitespace() || letter == ',' || letter == ';')
        .map(unquoted)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Scheme, host and port of a URL in one form.
fn url(text: &str) -> String {
    let text = text.trim_end_matches('/').to_lowercase();
    match text.split_once("://") {
        Some(_) => text,
        None => format!("https://{text}"),
    }
}

/// Whether a word is this ID: tables have it in base 16, JSON and fields in base 10.
fn is_id(word: &str, id: u64) -> bool {
    let word = word.to_lowercase();
    let digits = word.strip_prefix("0x").unwrap_or(&word);
    u64::from_str_radix(digits, 16) == Ok(id) || word.parse() == Ok(id)
}

/// The host of a URL.
pub fn host(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let end = rest.rfind(':').unwrap_or(rest.len());
    rest[..end].to_owned()
}

/// Bytes from `2748416`, `2.7 MB`, `2.7MB`, `2.6 MiB`. Without a unit they are bytes.
fn bytes(text: &str) -> Option<f64> {
    let text = text.trim().replace(',', "");
    let end = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = text[end..].trim().to_lowercase();
    let factor = match unit.as_str() {
        "" | "b" | "byte" | "bytes" => 1.0,
        "k" | "kb" => 1e3,
        "kib" => 1024.0,
        "m" | "mb" => 1e6,
        "mib" => 1_048_576.0,
        "g" | "gb" => 1e9,
        "gib" => 1_073_741_824.0,
        _ => return None,
    };
    Some(number * factor)
}

fn shown(answer: &str) -> String {
    let short: String = answer.trim().chars().take(80).collect();
    match short.is_empty() {
        true => "an empty answer".to_owned(),
        false => format!("`{short}`"),
    }
}

impl Truth {
    /// What was asked for. It does not give the answer away.
    pub fn asked(&self) -> String {
        match self {
            Self::Text(_) => "the value as it is now".into(),
            Self::Number(_) => "the number as it is now".into(),
            Self::Path(_) => "the path that the running etcd uses".into(),
            Self::Version(_) => "the version of the running etcd".into(),
            Self::Words(_) => "the words as the running etcd has them".into(),
            Self::Urls(all) => match all.len() {
                1 => "the URL as the running etcd has it".into(),
                count => format!("all {count} URLs as the running etcd has them"),
            },
            Self::Ids(all) => match all.len() {
                1 => "the ID as the running etcd has it".into(),
                count => format!("all {count} IDs as the running etcd has them"),
            },
            Self::OneMember { .. } => "the member that leads now".into(),
            Self::Sizes(_) => "the size of the database as it is now".into(),
            Self::Lines(all) => format!("exactly the {} keys that are there now", all.len()),
            Self::Status { .. } => "what `snapshot status` prints of this snapshot".into(),
            Self::Deployment { .. } => "how the running etcd is started".into(),
        }
    }
}

/// Why `answer` is wrong; `None` if it is right.
pub fn objection(truth: &Truth, answer: &str) -> Option<String> {
    let right = match truth {
        Truth::Text(text) => unquoted(answer) == *text,
        Truth::Number(number) => unquoted(answer).parse() == Ok(*number),
        Truth::Path(path) => unquoted(answer).trim_end_matches('/') == path.trim_end_matches('/'),
        Truth::Version(version) => {
            let answer = unquoted(answer);
            answer.trim_start_matches(['v', 'V']) == version.as_str()
        }
        Truth::Words(all) => {
            let wanted: BTreeSet<String> = all.iter().cloned().collect();
            return set_objection(&words(answer), &wanted, answer);
        }
        Truth::Urls(all) => {
            let wanted = all.iter().map(|one| url(one)).collect();
            let given = words(answer).iter().map(|one| url(one)).collect();
            return set_objection(&given, &wanted, answer);
        }
        Truth::Ids(all) => {
            let wanted = all.iter().map(|id| format!("{id:x}")).collect();
            let known = |word: &String| all.iter().find(|id| is_id(word, **id));
            let given = words(answer)
                .into_iter()
                .map(|word| known(&word).map_or(word, |id| format!("{id:x}")))
                .collect();
            return set_objection(&given, &wanted, answer);
        }
        Truth::OneMember { id, names } => {
            let answer = unquoted(answer);
            let is_name =
                |name: &String| name.eq_ignore_ascii_case(&answer) || url(name) == url(&answer);
            is_id(&answer, *id) || names.iter().any(is_name)
        }
        Truth::Sizes(sizes) => {
            let Some(given) = bytes(&unquoted(answer)) else {
                return Some(format!("{}, which is no size", shown(answer)));
            };
            sizes.iter().any(|size| {
                let size = *size as f64;
                (given - size).abs() * 100.0 <= size * SIZE_PERCENT as f64
            })
        }
        Truth::Status { hash, revision } => {
            let has = |wanted: &str| {
                let mut numbers = answer.split(|letter: char| !letter.is_ascii_alphanumeric());
                numbers.any(|number| number == wanted)
            };
            // Tables tell the hash in base 16, JSON and fields in base 10.
            if !has(&format!("{hash:x}")) && !has(&hash.to_string()) {
                return Some(format!("nothing with the hash {hash:x}"));
            }
            return (!has(&revision.to_string()))
                .then(|| format!("nothing with the revision {revision}"));
        }
        Truth::Lines(all) => return lines_objection(all, answer),
        Truth::Deployment { is_pod } => {
            let answer = answer.to_lowercase();
            let says_pod = answer.contains("pod");
            let says_service = ["service", "systemd", "unit", "external"]
                .iter()
                .any(|word| answer.contains(word));
            says_pod != says_service && says_pod == *is_pod
        }
    };
    (!right).then(|| shown(answer))
}

fn set_objection(
    given: &BTreeSet<String>,
    wanted: &BTreeSet<String>,
    answer: &str,
) -> Option<String> {
    if given == wanted {
        return None;
    }
    let right = given.intersection(wanted).count();
    Some(match wanted.len() {
        0 | 1 => shown(answer),
        all if right == given.len() => format!("only {right} of {all}"),
        all => format!("{}, in which {right} of {all} are right", shown(answer)),
    })
}

fn lines_objection(all: &[String], answer: &str) -> Option<String> {
    let wanted: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    let given: BTreeSet<&str> = answer
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let missing: Vec<&&str> = wanted.difference(&given).collect();
    if let Some(first) = missing.first() {
        let count = missing.len();
        return Some(format!(
            "{count} of {} keys are missing, {first} among them",
            wanted.len()
        ));
    }
    let extra = given.difference(&wanted).next()?;
    Some(format!("`{extra}` is no key that is there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_however_they_are_written() {
        for (text, label, answer) in [
            ("leader: m2", "leader", Some("m2")),
            ("Leader=m2", "leader", Some("m2")),
            ("- db_size \"2.7 MB\"", "db size", Some("2.7 MB")),
            ("data-dir:/x", "data_dir", Some("/x")),
            ("leaders: m2", "leader", None),
            ("leader: a\nleader: b", "leader", Some("b")),
            ("leader:", "leader", Some("")),
            ("", "leader", None),
            ("ü", "leader", None),
        ] {
            assert_eq!(line(text, label).as_deref(), answer, "{text}");
        }
    }

    #[test]
    fn answers_count_by_what_they_mean() {
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let two = Truth::Urls(text(&["https://10.0.0.1:2379", "https://10.0.0.2:2379"]));
        let status = Truth::Status {
            hash: 0xfe37,
            revision: 44,
        };
        let leader = Truth::OneMember {
            id: 0x8e9e_05c5_2164_694d,
            names: text(&["m1", "https://10.0.0.1:2379"]),
        };
        let ids = Truth::Ids(vec![0x8e9e_05c5_2164_694d, 0xb2]);
        for (truth, answer, right) in [
            (Truth::Version("3.5.16".into()), "v3.5.16", true),
            (Truth::Version("3.5.16".into()), "3.5.1", false),
            (Truth::Version("3.5.16".into()), "3.5", false),
            (Truth::Path("/var/lib/etcd".into()), "/var/lib/etcd/", true),
            (Truth::Path("/var/lib/etcd".into()), "/var/lib", false),
            (Truth::Number(7), " 7 ", true),
            (Truth::Number(7), "seven", false),
            (
                two.clone(),
                "https://10.0.0.2:2379, https://10.0.0.1:2379/",
                true,
            ),
            (two.clone(), "10.0.0.2:2379 10.0.0.1:2379", true),
            (two.clone(), "https://10.0.0.2:2379", false),
            (two, "http://10.0.0.2:2379 https://10.0.0.1:2379", false),
            (leader.clone(), "M1", true),
            (leader.clone(), "10.0.0.1:2379", true),
            (leader.clone(), "8E9E05C52164694D", true),
            (leader.clone(), "10276657743932975437", true),
            (leader.clone(), "0x8e9e05c52164694d", true),
            (leader, "m2", false),
            (ids.clone(), "178, 8E9E05C52164694D", true),
            (ids.clone(), "0xb2 10276657743932975437", true),
            (ids.clone(), "b2", false),
            (ids, "b2 8e9e05c52164694e", false),
            (Truth::Sizes(vec![2_748_416]), "2.7 MB", true),
            (Truth::Sizes(vec![2_748_416]), "2.7MB", true),
            (Truth::Sizes(vec![2_748_416]), "2748416", true),
            (Truth::Sizes(vec![2_748_416]), "2.6 MiB", true),
            (Truth::Sizes(vec![2_748_416]), "4 MB", false),
            (Truth::Sizes(vec![2_748_416]), "big", false),
            (Truth::Lines(text(&["/a", "/b"])), "/b\n\n/a\n", true),
            (Truth::Lines(text(&["/a", "/b"])), "/a\n", false),
            (Truth::Lines(text(&["/a", "/b"])), "/a\n/b\n/c", false),
            (Truth::Deployment { is_pod: true }, "Static Pod", true),
            (
                Truth::Deployment { is_pod: true },
                "external service",
                false,
            ),
            (Truth::Deployment { is_pod: true }, "pod or service", false),
            (status.clone(), "| fe37 |   44 | 52 | 3.3 MB |", true),
            (status.clone(), "{\"hash\":65079,\"revision\":44}", true),
            (status.clone(), "| fe37 |   1744 | 52 | 3.3 MB |", false),
            (status.clone(), "| fe38 |   44 | 52 | 3.3 MB |", false),
            (status, "| 9a01 |   32 | 44 | 3.3 MB |", false),
            (Truth::Words(text(&["a1", "b2"])), "b2,a1", true),
            (Truth::Words(text(&["a1"])), "", false),
        ] {
            let found = objection(&truth, answer);
            assert_eq!(found.is_none(), right, "{truth:?} {answer:?}: {found:?}");
        }
    }

    #[test]
    fn what_lacks_is_counted() {
        let all = Truth::Lines(vec!["/a".into(), "/b".into(), "/c".into()]);
        let found = objection(&all, "/b\n").unwrap();
        assert_eq!(found, "2 of 3 keys are missing, /a among them");
    }
}

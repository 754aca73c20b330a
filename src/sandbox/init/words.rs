//! Words, variables and time spans of unit files.

use std::time::Duration;

/// Words with quotes and backslashes as systemd splits them.
pub(super) fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, '\\') => {
                let escaped = match rest.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('s') => ' ',
                    Some(other) => other,
                    None => '\\',
                };
                word.get_or_insert_default().push(escaped);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Short options in one word, one by one, the last with its argument if it is one of
/// `with_argument`: `-xeu kubelet`, `-n20`. `None` if the word is anything else.
pub(super) fn apart(word: &str, with_argument: &str) -> Option<Vec<String>> {
    let letters = word
        .strip_prefix('-')
        .filter(|rest| !rest.starts_with('-'))?;
    if letters.chars().count() < 2 {
        return None;
    }
    let mut parts = Vec::new();
    for (at, letter) in letters.char_indices() {
        parts.push(format!("-{letter}"));
        if with_argument.contains(letter) {
            let argument = &letters[at + letter.len_utf8()..];
            if !argument.is_empty() {
                parts.push(argument.to_owned());
            }
            break;
        }
    }
    Some(parts)
}

/// Replaces `$NAME` (a word of its own becomes several) and `${NAME}`.
pub(super) fn replace_variables(words: &[String], env: &[(String, String)]) -> Vec<String> {
    let value = |name: &str| {
        env.iter()
            .rev()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    };
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut out = Vec::new();
    for word in words {
        if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
            out.extend(value(name).split_whitespace().map(str::to_owned));
            continue;
        }
        let mut text = String::new();
        let mut rest = word.as_str();
        while let Some(start) = rest.find('$') {
            text.push_str(&rest[..start]);
            rest = &rest[start..];
            let braced = rest
                .strip_prefix("${")
                .and_then(|tail| tail.split_once('}'));
            if let Some((name, tail)) = braced.filter(|(name, _)| is_name(name)) {
                text.push_str(value(name));
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("$$") {
                text.push('$');
                rest = tail;
            } else {
                text.push('$');
                rest = &rest[1..];
            }
        }
        text.push_str(rest);
        out.push(text);
    }
    out
}

/// The lines of an EnvironmentFile.
pub(super) fn parse_environment_file(text: &str) -> Vec<(String, String)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', ';']))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| {
            let value = value.trim();
            let plain = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .or_else(|| {
                    value
                        .strip_prefix('\'')
                        .and_then(|rest| rest.strip_suffix('\''))
                });
            (name.trim().to_owned(), plain.unwrap_or(value).to_owned())
        })
        .collect()
}

/// Whether a name stands for all that it matches.
pub(super) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// Whether a name is matched as by fnmatch(3).
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    let Some(first) = rest.next() else {
        return name.is_empty();
    };
    let mut letters = name.chars();
    match first {
        '*' => {
            let starts = name.char_indices().map(|(at, _)| at);
            starts
                .chain([name.len()])
                .any(|at| matches(rest.as_str(), &name[at..]))
        }
        '?' => letters.next().is_some() && matches(rest.as_str(), letters.as_str()),
        '[' => match (rest.as_str().split_once(']'), letters.next()) {
            (Some((class, tail)), Some(letter)) => {
                in_class(class, letter) && matches(tail, letters.as_str())
            }
            _ => false,
        },
        first => letters.next() == Some(first) && matches(rest.as_str(), letters.as_str()),
    }
}

fn in_class(class: &str, letter: char) -> bool {
    let (class, negated) = match class.strip_prefix(['!', '^']) {
        Some(rest) => (rest, true),
        None => (class, false),
    };
    let letters: Vec<char> = class.chars().collect();
    let mut within = false;
    let mut at = 0;
    while at < letters.len() {
        let is_range = letters.get(at + 1) == Some(&'-') && at + 2 < letters.len();
        let last = letters[if is_range { at + 2 } else { at }];
        within |= (letters[at]..=last).contains(&letter);
        at += if is_range { 3 } else { 1 };
    }
    within != negated
}

/// A limit in time: `infinity` and 0 are none.
pub(super) fn limit(value: &str) -> Option<Duration> {
    duration(value).filter(|limit| !limit.is_zero())
}

/// A time span such as `10`, `1min 30s`, `500ms`; `None` for `infinity`.
pub(super) fn span(value: &str) -> Option<Duration> {
    duration(value).filter(|_| value.chars().any(|c| c.is_ascii_digit()))
}

pub(super) fn duration(value: &str) -> Option<Duration> {
    if value == "infinity" {
        return None;
    }
    let mut total = 0.0;
    let mut rest = value.trim();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        rest = rest[end..].trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "us" | "usec" => 1e-6,
                "ms" | "msec" => 1e-3,
                "" | "s" | "sec" | "second" | "seconds" => 1.0,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hr" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86400.0,
                "w" | "week" | "weeks" => 604_800.0,
                "M" | "month" | "months" => 2_629_800.0,
                "y" | "year" | "years" => 31_557_600.0,
                _ => return None,
            };
        rest = rest[end..].trim_start();
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("kube*", "kubelet.service", true),
            ("*.timer", "note.timer", true),
            ("*.timer", "note.service", false),
            ("etcd?.service", "etcd1.service", true),
            ("etcd[0-2].service", "etcd3.service", false),
            ("etcd[!0-2].service", "etcd3.service", true),
            ("etcd", "etcd", true),
            ("a*b*c", "a-b-b-c", true),
            ("[", "[", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}

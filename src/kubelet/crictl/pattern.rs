//! Regular expressions, as far as names are filtered by them: letters, `.`, classes,
//! groups, `|`, `*`, `+`, `?`, `^`, `$` (the common part of Go's `regexp/syntax`).

use std::iter::Peekable;
use std::str::Chars;

/// A regular expression that a name is searched for.
#[derive(Debug)]
pub struct Pattern(Choice);

/// Any of several sequences.
type Choice = Vec<Vec<Piece>>;

#[derive(Debug)]
struct Piece {
    atom: Atom,
    least: usize,
    most: usize,
}

#[derive(Debug)]
enum Atom {
    Start,
    End,
    Any,
    Letter(char),
    /// Ranges, and whether they are those that must not be.
    Class(Vec<(char, char)>, bool),
    Group(Choice),
}

impl Pattern {
    /// # Errors
    /// It is no regular expression, or one with more than is known here.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.chars().peekable();
        let outcome = choice(&mut rest).and_then(|choice| match rest.next() {
            Some(_) => Err("unexpected )".to_owned()),
            None => Ok(Self(choice)),
        });
        outcome.map_err(|why| {
            format!("invalid regular expression {text:?}: error parsing regexp: {why}: `{text}`")
        })
    }

    /// Whether the name has it anywhere.
    pub fn is_in(&self, name: &str) -> bool {
        let letters: Vec<char> = name.chars().collect();
        (0..=letters.len()).any(|at| any_of(&self.0, &letters, at, &mut |_| true))
    }
}

fn choice(rest: &mut Peekable<Chars<'_>>) -> Result<Choice, String> {
    let mut choice = vec![Vec::new()];
    while let Some(&letter) = rest.peek() {
        if letter == ')' {
            break;
        }
        rest.next();
        if letter == '|' {
            choice.push(Vec::new());
            continue;
        }
        let atom = match letter {
            '^' => Atom::Start,
            '$' => Atom::End,
            '.' => Atom::Any,
            '[' => class(rest)?,
            '\\' => escaped(rest.next())?,
            '(' => {
                let inner = self::choice(rest)?;
                rest.next().ok_or("missing closing )")?;
                Atom::Group(inner)
            }
            '*' | '+' | '?' => {
                return Err("missing argument to repetition operator".to_owned());
            }
            '{' => return Err("counted repetitions are not part of kubedrill".to_owned()),
            letter => Atom::Letter(letter),
        };
        let (least, most) = match rest.peek() {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            _ => (1, 1),
        };
        if (least, most) != (1, 1) {
            rest.next();
        }
        if let Some(sequence) = choice.last_mut() {
            sequence.push(Piece { atom, least, most });
        }
    }
    Ok(choice)
}

fn class(rest: &mut Peekable<Chars<'_>>) -> Result<Atom, String> {
    let missing = || "missing closing ]".to_owned();
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let from = match rest.next().ok_or_else(missing)? {
            ']' if !ranges.is_empty() => return Ok(Atom::Class(ranges, negated)),
            '\\' => match escaped(rest.next())? {
                Atom::Class(more, false) => {
                    ranges.extend(more);
                    continue;
                }
                Atom::Letter(letter) => letter,
                _ => return Err("invalid escape sequence".to_owned()),
            },
            letter => letter,
        };
        if rest.next_if_eq(&'-').is_none() {
            ranges.push((from, from));
            continue;
        }
        match rest.next().ok_or_else(missing)? {
            // A dash that stands last is a letter.
            ']' => {
                ranges.extend([(from, from), ('-', '-')]);
                return Ok(Atom::Class(ranges, negated));
            }
            to if to < from => return Err("invalid character class range".to_owned()),
            to => ranges.push((from, to)),
        }
    }
}

fn escaped(letter: Option<char>) -> Result<Atom, String> {
    let letter = letter.ok_or("trailing backslash at end of expression")?;
    let word = [('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
    match letter {
        'd' | 'D' => Ok(Atom::Class(vec![('0', '9')], letter == 'D')),
        'w' | 'W' => Ok(Atom::Class(word.to_vec(), letter == 'W')),
        letter if letter.is_alphanumeric() => Err("invalid escape sequence".to_owned()),
        letter => Ok(Atom::Letter(letter)),
    }
}

/// Whether one of the sequences is there at `at` and what comes after it holds.
fn any_of(choice: &Choice, name: &[char], at: usize, then: &mut dyn FnMut(usize) -> bool) -> bool {
    choice.iter().any(|pieces| all_of(pieces, name, at, then))
}

fn all_of(pieces: &[Piece], name: &[char], at: usize, then: &mut dyn FnMut(usize) -> bool) -> bool {
    match pieces.split_first() {
        None => then(at),
        Some((first, rest)) => repeated(first, 0, name, at, &mut |next| {
            all_of(rest, name, next, then)
        }),
    }
}

fn repeated(
    piece: &Piece,
    count: usize,
    name: &[char],
    at: usize,
    then: &mut dyn FnMut(usize) -> bool,
) -> bool {
    let again = count < piece.most
        && one(&piece.atom, name, at, &mut |next| {
            // What matches nothing would go on for ever.
            (next > at || count < piece.least) && repeated(piece, count + 1, name, next, then)
        });
    again || (count >= piece.least && then(at))
}

fn one(atom: &Atom, name: &[char], at: usize, then: &mut dyn FnMut(usize) -> bool) -> bool {
    let letter = name.get(at).copied();
    let fits = match atom {
        Atom::Start => return at == 0 && then(at),
        Atom::End => return at == name.len() && then(at),
        Atom::Group(inner) => return any_of(inner, name, at, then),
        Atom::Any => letter.is_some(),
        Atom::Letter(wanted) => letter == Some(*wanted),
        Atom::Class(ranges, negated) => letter.is_some_and(|letter| {
            let within = ranges.iter().any(|(a, z)| (*a..=*z).contains(&letter));
            within != *negated
        }),
    };
    fits && then(at + 1)
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn names_are_found_as_go_finds_them() {
        for (pattern, name, found) in [
            ("etcd", "etcd", true),
            ("api", "kube-apiserver", true),
            ("^api", "kube-apiserver", false),
            ("^etcd$", "etcd", true),
            ("^etcd$", "etcd-2", false),
            ("server$", "kube-apiserver", true),
            ("kube-(api|sched).*", "kube-scheduler", true),
            ("kube-(api|sched).*", "kube-controller-manager", false),
            ("^(etcd|kube-apiserver)$", "kube-apiserver", true),
            ("etc[a-d]", "etcd", true),
            ("etc[^a-d]", "etcd", false),
            ("web-[0-9]+$", "web-17", true),
            (r"web-\d+$", "web-x", false),
            (r"a\.b", "axb", false),
            ("a.b", "axb", true),
            ("ab?c", "ac", true),
            ("(a*)*b", "aaac", false),
            ("", "anything", true),
            ("x|", "anything", true),
            ("[a-]", "-", true),
        ] {
            let pattern = Pattern::parse(pattern).expect(pattern);
            assert_eq!(pattern.is_in(name), found, "{pattern:?} {name}");
        }
    }

    #[test]
    fn what_is_none_is_refused_in_gos_words() {
        for (pattern, why) in [
            ("[", "missing closing ]: `[`"),
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("*", "missing argument to repetition operator: `*`"),
            (r"a\", "trailing backslash at end of expression"),
            ("a{2}", "counted repetitions are not part of kubedrill"),
        ] {
            let error = Pattern::parse(pattern).expect_err(pattern);
            assert!(error.contains(why), "{error}");
        }
    }
}

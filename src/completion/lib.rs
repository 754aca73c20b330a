//! Completion in shells, for the programs that have the commands of a Go program.
//!
//! A program prints a script (`completion bash|zsh|fish|powershell`), and the script asks
//! the program by a hidden command, `__complete`, what may stand where the cursor is. The
//! answers are those of cobra 1.8 (`completions.go`): a candidate a line, its description
//! after a tab, and a number at the end that tells the shell what else it may do. So
//! scripts that the reference prints work with our programs, and ours with the reference's.

#![forbid(unsafe_code)]

use std::io::Write;

/// In a script, the name of the program.
const NAME: &str = "PROGRAM";

/// The hidden command.
const ASK: &str = "__complete";

/// The hidden command that wants no descriptions.
const ASK_BRIEFLY: &str = "__completeNoDesc";

/// What the shell may do beside offering the candidates (`ShellCompDirective`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// It may offer files where there is no candidate.
    Default = 0,
    /// It must not add a space, and may offer files.
    NoSpace = 2,
    /// It must not offer files.
    NoFiles = 4,
    /// Neither a space nor files.
    NoSpaceNoFiles = 6,
    /// The candidates are endings of the files to offer.
    FileEndings = 8,
}

impl Directive {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "ShellCompDirectiveDefault",
            Self::NoSpace => "ShellCompDirectiveNoSpace",
            Self::NoFiles => "ShellCompDirectiveNoFileComp",
            Self::NoSpaceNoFiles => "ShellCompDirectiveNoSpace, ShellCompDirectiveNoFileComp",
            Self::FileEndings => "ShellCompDirectiveFilterFileExt",
        }
    }
}

/// A word and what it means; the latter may be empty.
pub type Candidate = (String, &'static str);

/// What may stand where the cursor is.
#[derive(Debug)]
pub struct Answer {
    /// In the order in which they are offered.
    pub candidates: Vec<Candidate>,
    /// What else the shell may do.
    pub directive: Directive,
    /// Why there are none; only a script's author needs to see it.
    pub error: Option<String>,
}

impl Answer {
    /// These candidates, without a complaint.
    pub fn of(candidates: Vec<Candidate>, directive: Directive) -> Self {
        Self {
            candidates,
            directive,
            error: None,
        }
    }

    /// These words, which need no description.
    pub fn words(words: impl IntoIterator<Item = String>, directive: Directive) -> Self {
        let candidates = words.into_iter().map(|word| (word, "")).collect();
        Self::of(candidates, directive)
    }

    /// No candidates, and why.
    pub fn failed(error: String) -> Self {
        Self {
            error: Some(error),
            ..Self::of(Vec::new(), Directive::Default)
        }
    }

    /// Writes the answer to `out`, and what only a script's author needs to see to `talk`.
    ///
    /// Nothing is told of a failure to write: the shell that asked may be gone.
    pub fn write(&self, described: bool, out: &mut dyn Write, talk: &mut dyn Write) {
        let mut told = String::new();
        if let Some(error) = &self.error {
            told = format!("[Debug] [Error] {error}\n");
        }
        told += &format!(
            "Completion ended with directive: {}\n",
            self.directive.name()
        );
        let mut text = String::new();
        for (word, about) in &self.candidates {
            text.push_str(word);
            if described && !about.is_empty() {
                text.push('\t');
                text.push_str(about);
            }
            text.push('\n');
        }
        text.push_str(&format!(":{}\n", self.directive as u8));
        let _ = out.write_all(text.as_bytes());
        let _ = talk.write_all(told.as_bytes());
    }
}

/// Whether a program's first word asks for candidates, and if so, whether with
/// descriptions.
pub fn asked(word: &[u8]) -> Option<bool> {
    match word {
        _ if word == ASK.as_bytes() => Some(true),
        _ if word == ASK_BRIEFLY.as_bytes() => Some(false),
        _ => None,
    }
}

/// The script of a shell for a program; `None` for another shell.
pub fn script(shell: &str, program: &str, described: bool) -> Option<String> {
    let script = match shell {
        "bash" => include_str!("scripts/bash.txt"),
        "fish" => include_str!("scripts/fish.txt"),
        "powershell" => include_str!("scripts/powershell.txt"),
        "zsh" => include_str!("scripts/zsh.txt"),
        _ => return None,
    };
    let script = script.replace(NAME, program);
    Some(match described {
        true => script,
        false => script.replace(ASK, ASK_BRIEFLY),
    })
}

/// What a program knows of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its long name.
    pub name: &'static str,
    /// Whether it needs a value, which may be the next word.
    pub wants_value: bool,
}

/// What is asked for at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// A word of its own: a command, an argument, a flag.
    Word,
    /// The value of a flag.
    Value {
        /// The flag's long name.
        flag: &'static str,
        /// What is there of the value.
        typed: &'a str,
        /// Whether the flag is the word before, and not part of this one.
        apart: bool,
    },
    /// The value of a flag that there is not, by the name that was typed. The words before
    /// are parsed first: who finds them wrong says that.
    UnknownFlag(String),
}

/// Says what the `last` word stands for, after the words `before`. `long` and `short` know
/// the flags by name and by letter.
pub fn wanted<'a>(
    before: &[impl AsRef<[u8]>],
    last: &'a str,
    long: impl Fn(&str) -> Option<Known>,
    short: impl Fn(char) -> Option<Known>,
) -> Wanted<'a> {
    if before.iter().any(|word| word.as_ref() == b"--") {
        return Wanted::Word;
    }
    if let Some((flag, typed)) = last.split_once('=')
        && flag.starts_with('-')
    {
        let known = match flag.strip_prefix("--") {
            Some(name) => long(name),
            None => flag.chars().last().and_then(&short),
        };
        return match known {
            Some(known) => Wanted::Value {
                flag: known.name,
                typed,
                apart: false,
            },
            None => Wanted::UnknownFlag(flag.trim_start_matches('-').to_owned()),
        };
    }
    if last.starts_with('-') {
        return Wanted::Word;
    }
    let word = before
        .last()
        .map(|word| String::from_utf8_lossy(word.as_ref()));
    let is_flag = |word: &str| word.len() > 1 && word.starts_with('-') && !word.contains('=');
    let Some(word) = word.filter(|word| is_flag(word)) else {
        return Wanted::Word;
    };
    let letter = word.chars().last();
    let (known, name) = match word.strip_prefix("--") {
        Some(name) => (long(name), name.to_owned()),
        None => (letter.and_then(short), letter.into_iter().collect()),
    };
    match known {
        Some(known) if known.wants_value => Wanted::Value {
            flag: known.name,
            typed: last,
            apart: true,
        },
        Some(_) => Wanted::Word,
        None => Wanted::UnknownFlag(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(before: &[&str], last: &str) -> String {
        let known = |name: &'static str| Known {
            name,
            wants_value: name == "output",
        };
        let wanted = wanted(
            before,
            last,
            |name| match name {
                "output" => Some(known("output")),
                "watch" => Some(known("watch")),
                _ => None,
            },
            |letter| match letter {
                'o' => Some(known("output")),
                'w' => Some(known("watch")),
                _ => None,
            },
        );
        format!("{wanted:?}")
    }

    #[test]
    fn the_flag_under_the_cursor_is_found() {
        let value = |typed: &str, apart: bool| {
            format!("Value {{ flag: \"output\", typed: {typed:?}, apart: {apart} }}")
        };
        for (before, last, want) in [
            (&["get"][..], "p", "Word".to_owned()),
            (&["get", "-o"], "j", value("j", true)),
            (&["get", "-wo"], "", value("", true)),
            (&["get", "--output"], "j", value("j", true)),
            (&["get", "--output=json"], "j", "Word".to_owned()),
            (&["get"], "--output=j", value("j", false)),
            (&["get"], "-o=j", value("j", false)),
            (&["get"], "--nosuch=j", "UnknownFlag(\"nosuch\")".to_owned()),
            (&["get", "-w"], "j", "Word".to_owned()),
            (
                &["get", "--nosuch"],
                "j",
                "UnknownFlag(\"nosuch\")".to_owned(),
            ),
            (&["get", "-ojson"], "j", "UnknownFlag(\"n\")".to_owned()),
            (&["get", "--", "-o"], "j", "Word".to_owned()),
            (&["get", "-o"], "-", "Word".to_owned()),
        ] {
            assert_eq!(at(before, last), want, "{before:?} {last:?}");
        }
    }

    #[test]
    fn every_shell_has_a_script_that_names_the_program() {
        for shell in ["bash", "fish", "powershell", "zsh"] {
            let script = script(shell, "kubectl", false).expect("a script");
            assert!(
                script.contains("kubectl") && !script.contains(NAME),
                "{shell}"
            );
            assert!(script.contains("__completeNoDesc "), "{shell}");
        }
        assert_eq!(script("ksh", "kubectl", true), None);
    }

    #[test]
    fn answers_have_the_shape_of_cobra() {
        let candidates = vec![("get".to_owned(), "Show"), ("run".to_owned(), "")];
        let answer = Answer::of(candidates, Directive::NoFiles);
        for (described, shown) in [(true, "get\tShow\nrun\n:4\n"), (false, "get\nrun\n:4\n")] {
            let (mut out, mut talk) = (Vec::new(), Vec::new());
            answer.write(described, &mut out, &mut talk);
            assert_eq!(String::from_utf8_lossy(&out), shown);
            assert_eq!(
                String::from_utf8_lossy(&talk),
                "Completion ended with directive: ShellCompDirectiveNoFileComp\n"
            );
        }
    }
}

//! Questions to a person at a terminal. Only an answer is taken for one: whoever types
//! something else meant it for another program, and is asked again.

use std::io::{self, BufRead, Write};

use crate::page::Page;

/// What an answer may be: its first letter, its word.
pub type Choice = (char, &'static str);

/// Asks until one of `choices` is given, by its letter or its word; an empty line means the
/// first. Gives its place, or `None` if the input ended.
pub fn ask(question: &str, choices: &[Choice]) -> Option<usize> {
    let question = Page::for_stdout().hang("", "", question.trim_end());
    ask_of(&mut io::stdin().lock(), &format!("{question} "), choices)
}

/// Asks for a yes or a no; an empty line, and no answer at all, mean no.
pub fn sure(question: &str) -> bool {
    ask(&format!("{question} [y/N]"), &[('n', "no"), ('y', "yes")]) == Some(1)
}

fn ask_of(input: &mut impl BufRead, question: &str, choices: &[Choice]) -> Option<usize> {
    loop {
        eprint!("{question}");
        let _ = io::stderr().flush();
        let mut line = String::new();
        if !matches!(input.read_line(&mut line), Ok(1..)) {
            eprintln!();
            return None;
        }
        if let Some(chosen) = chosen(&line, choices) {
            return Some(chosen);
        }
        let words: Vec<String> = choices
            .iter()
            .map(|(letter, word)| format!("{letter} ({word})"))
            .collect();
        eprintln!(
            "That is no answer, and was not run. Type {}.",
            words.join(" or ")
        );
    }
}

fn chosen(line: &str, choices: &[Choice]) -> Option<usize> {
    let answer = line.trim().to_lowercase();
    if answer.is_empty() {
        return Some(0);
    }
    choices
        .iter()
        .position(|(letter, word)| answer == letter.to_string() || answer == *word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICES: &[Choice] = &[('g', "go on"), ('b', "begin")];

    #[test]
    fn only_an_answer_is_one() {
        for (input, answer) in [
            ("\n", Some(0)),
            ("G\n", Some(0)),
            ("go on\n", Some(0)),
            ("b\n", Some(1)),
            (" Begin \n", Some(1)),
            ("kubectl get pods\nb\n", Some(1)),
            ("bash\n", None),
            ("", None),
        ] {
            let mut lines = io::Cursor::new(input);
            assert_eq!(ask_of(&mut lines, "?", CHOICES), answer, "{input:?}");
        }
    }
}

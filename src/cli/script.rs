//! A lab's script as the commands that a person would type one after the other.

/// What is said, and what is typed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Comments above the commands, a line each.
    pub words: Vec<String>,
    /// Each may span lines: a continued line, a loop, a here-document.
    pub commands: Vec<String>,
}

/// How a comment starts that says why the commands below it are not graded.
const OPTIONAL: &str = "optional:";

impl Step {
    /// Why a solution is as good without the step's commands, if its script says so.
    pub fn optional(&self) -> Option<String> {
        let at = self
            .words
            .iter()
            .position(|line| line.starts_with(OPTIONAL))?;
        let mut reason = self.words[at..].join(" ");
        reason.drain(..OPTIONAL.len());
        Some(reason.trim().to_owned())
    }
}

/// Splits a script. Comments are words about what follows; empty lines say nothing.
pub fn steps(script: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut open = false;
    for line in script.lines() {
        let trimmed = line.trim();
        if !open && trimmed.is_empty() {
            continue;
        }
        if !open && trimmed.starts_with('#') {
            let words = trimmed.trim_start_matches('#').trim().to_owned();
            match steps.last_mut() {
                Some(step) if step.commands.is_empty() => step.words.push(words),
                _ => steps.push(Step {
                    words: vec![words],
                    commands: Vec::new(),
                }),
            }
            continue;
        }
        if steps.is_empty() {
            steps.push(Step {
                words: Vec::new(),
                commands: Vec::new(),
            });
        }
        if let Some(step) = steps.last_mut() {
            match step.commands.last_mut() {
                Some(command) if open => {
                    command.push('\n');
                    command.push_str(line);
                }
                _ => step.commands.push(line.to_owned()),
            }
            open = step.commands.last().is_some_and(|command| is_open(command));
        }
    }
    steps
}

/// Whether bash would ask for another line: after a backslash, within quotes, a compound
/// command or a here-document.
fn is_open(command: &str) -> bool {
    let mut scan = Scan::default();
    let mut lines = command.split('\n');
    while let Some(line) = lines.next() {
        scan.line(line);
        for (delimiter, tabs) in std::mem::take(&mut scan.documents) {
            let ends = |line: &str| {
                let line = if tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                line == delimiter
            };
            if !lines.by_ref().any(ends) {
                return true;
            }
        }
    }
    scan.continued || scan.joined || scan.quote.is_some() || scan.depth > 0
}

#[derive(Default)]
struct Scan {
    /// Compound commands that have begun and not ended.
    depth: usize,
    /// The quote that is open.
    quote: Option<char>,
    /// The last line ended with a backslash.
    continued: bool,
    /// The last line ended with a pipe or with `&&`, after which another command comes.
    joined: bool,
    /// Here-documents whose text comes after this line: how each ends, and whether tabs
    /// before that do not count.
    documents: Vec<(String, bool)>,
}

impl Scan {
    fn line(&mut self, line: &str) {
        let mut begins = !self.continued;
        self.continued = false;
        // The last letters outside quotes that are no white space.
        let mut last = [' ', ' '];
        let mut word = String::new();
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            if !letter.is_whitespace() && (self.quote, letter, word.is_empty()) != (None, '#', true)
            {
                last = [last[1], letter];
            }
            match (self.quote, letter) {
                (Some('\''), '\'') | (Some('"'), '"') => self.quote = None,
                (Some('\''), _) => {}
                (_, '\\') => {
                    self.continued = letters.next().is_none();
                    word.push('\\');
                }
                (Some(_), _) => {}
                (None, '\'' | '"') => {
                    self.quote = Some(letter);
                    word.push(letter);
                }
                (None, '#') if word.is_empty() => break,
                (None, '<') if letters.peek() == Some(&'<') => {
                    letters.next();
                    self.document(&mut letters);
                }
                (None, ';' | '&' | '|' | '(' | ')') => {
                    self.word(&word, begins);
                    word.clear();
                    begins = true;
                }
                (None, letter) if letter.is_whitespace() => {
                    if !word.is_empty() {
                        begins = self.word(&word, begins);
                        word.clear();
                    }
                }
                (None, letter) => word.push(letter),
            }
        }
        self.word(&word, begins);
        self.joined = self.quote.is_none() && (last[1] == '|' || last == ['&', '&']);
    }

    /// Counts a word; true if a command may begin after it.
    fn word(&mut self, word: &str, begins: bool) -> bool {
        if !begins {
            return false;
        }
        match word {
            "do" | "if" | "case" | "{" => self.depth += 1,
            "done" | "fi" | "esac" | "}" => self.depth = self.depth.saturating_sub(1),
            // The loop is open from `do` on; without it the line before is continued.
            "while" | "until" | "then" | "else" | "elif" | "!" | "time" => {}
            _ => return false,
        }
        word != "case"
    }

    /// The rest of `<<`: a here-document's end, unless a here-string follows.
    fn document(&mut self, letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
        if letters.next_if_eq(&'<').is_some() {
            return;
        }
        let tabs = letters.next_if_eq(&'-').is_some();
        while letters.next_if(|letter| *letter == ' ').is_some() {}
        let mut delimiter = String::new();
        while let Some(letter) = letters.next_if(|letter| {
            !letter.is_whitespace() && !matches!(letter, ';' | '|' | '>' | '&' | ')')
        }) {
            if !matches!(letter, '\'' | '"' | '\\') {
                delimiter.push(letter);
            }
        }
        self.documents.push((delimiter, tabs));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(words: &[&str], commands: &[&str]) -> Step {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Step {
            words: owned(words),
            commands: owned(commands),
        }
    }

    #[test]
    fn scripts_are_split_into_what_a_person_would_type() {
        let script = "# First.\none\ntwo \\\n  more\n\n# Then.\n# Really.\n\
                      for a in b; do\n  c\ndone\nfor a in b; do c; done\n";
        assert_eq!(
            steps(script),
            [
                step(&["First."], &["one", "two \\\n  more"]),
                step(
                    &["Then.", "Really."],
                    &["for a in b; do\n  c\ndone", "for a in b; do c; done"]
                ),
            ]
        );
    }

    #[test]
    fn a_command_ends_where_bash_takes_it() {
        for whole in [
            "echo done do if",
            "sleep 1 & # || no more",
            "a && { b; c; }",
            "if a; then\n  b\nelse\n  c\nfi",
            "case $a in\n  x) y ;;\nesac",
            "cat <<EOF >file\nfor a; do\n# 'none\nEOF",
            "cat <<-'END'\n\tEOF\n\tEND",
            "ssh node <<A; cat <<B\nx\nA\ny\nB",
            "cat <<<'one line'",
            "echo 'two\nlines' \"and\nmore\"",
            "echo it\\'s # it's",
            "f() {\n  a\n}",
            "while read a; do b; done <file",
            "a |\n  b &&\nc || # not yet\n  d",
        ] {
            assert_eq!(steps(whole), [step(&[], &[whole])], "{whole}");
        }
    }

    #[test]
    fn a_comment_says_which_steps_are_optional() {
        let script = "# Look at it first.\n# optional: it only\n# looks\na\n# Then act.\nb";
        let reasons: Vec<_> = steps(script).iter().map(Step::optional).collect();
        assert_eq!(reasons, [Some("it only looks".to_owned()), None]);
    }
}

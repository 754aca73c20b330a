//! The page that text is printed on: colour or not, and how wide its lines may be.

use std::io::{self, IsTerminal};

use crate::paint::Paint;

/// Longer lines are hard to read, however wide the terminal is.
const WIDEST: usize = 92;
/// Narrower lines would break in nearly every word.
const NARROWEST: usize = 24;
/// A piece of code between backquotes that is longer may be broken at its spaces.
const LONGEST_CODE: usize = 60;
/// Lines that are indented so far stand as they are written.
const VERBATIM: usize = 4;

/// How text is printed.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub paint: Paint,
    /// Columns of the terminal; `None` if it is none, and lines stay as they are written.
    pub columns: Option<usize>,
}

impl Page {
    pub fn for_stdout() -> Self {
        let stdout = io::stdout();
        Self {
            paint: Paint::for_stdout(),
            columns: stdout
                .is_terminal()
                .then(|| sandbox::columns(&stdout))
                .flatten(),
        }
    }

    fn width(self) -> Option<usize> {
        let columns = self.columns?;
        Some(columns.clamp(NARROWEST, WIDEST))
    }

    /// `words` behind `first`, and on further lines behind `rest`. `first` is as wide as
    /// `rest` but may have colours. Without a width it is one line.
    pub fn hang(self, first: &str, rest: &str, words: &str) -> String {
        let Some(width) = self.width() else {
            return format!("{first}{words}");
        };
        let mut text = first.to_owned();
        let indent = rest.chars().count();
        let mut column = indent;
        for word in pieces(words) {
            let length = word.chars().count();
            if column > indent && column + 1 + length > width {
                text.push('\n');
                text.push_str(rest);
                column = indent;
            } else if column > indent {
                text.push(' ');
                column += 1;
            }
            text.push_str(&word);
            column += length;
        }
        text
    }

    /// A text of paragraphs, lists and indented blocks, behind `indent`. Paragraphs and list
    /// items are filled anew, blocks stay; without a width everything stays.
    pub fn text(self, indent: &str, text: &str) -> String {
        if self.columns.is_none() {
            let lines = text.trim().lines();
            return lines
                .map(|line| format!("{indent}{line}").trim_end().to_owned())
                .collect::<Vec<_>>()
                .join("\n");
        }
        let mut out: Vec<String> = Vec::new();
        let mut open: Option<Paragraph> = None;
        for line in text.trim().lines() {
            let words = line.trim();
            let depth = line.len() - line.trim_start().len();
            let mark = marker(words);
            match &mut open {
                // What follows a list's item belongs to it as deep as its words begin.
                Some(paragraph)
                    if !words.is_empty() && mark.is_empty() && depth == paragraph.hang =>
                {
                    paragraph.words += " ";
                    paragraph.words += words;
                    continue;
                }
                _ => out.extend(open.take().map(|one| one.filled(self, indent))),
            }
            if words.is_empty() {
                out.push(String::new());
            } else if depth >= VERBATIM || (depth > 0 && mark.is_empty()) || words.starts_with('|')
            {
                out.push(format!("{indent}{line}").trim_end().to_owned());
            } else {
                open = Some(Paragraph {
                    first: format!("{}{mark}", " ".repeat(depth)),
                    hang: depth + mark.len(),
                    words: words[mark.len()..].to_owned(),
                });
            }
        }
        out.extend(open.map(|one| one.filled(self, indent)));
        out.join("\n")
    }
}

/// What is filled as one.
struct Paragraph {
    /// The list's mark with the spaces around it; nothing outside of a list.
    first: String,
    /// Where further lines begin.
    hang: usize,
    words: String,
}

impl Paragraph {
    fn filled(&self, page: Page, indent: &str) -> String {
        let rest = format!("{indent}{}", " ".repeat(self.hang));
        page.hang(&format!("{indent}{}", self.first), &rest, &self.words)
    }
}

/// `- `, `* ` or `1. ` at the beginning of a line; nothing if it begins no list's item.
fn marker(line: &str) -> &str {
    if line.starts_with("- ") || line.starts_with("* ") {
        return &line[..2];
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match digits > 0 && line[digits..].starts_with(". ") {
        true => &line[..digits + 2],
        false => "",
    }
}

/// The words of a paragraph; short code between backquotes is one, so that it can be copied.
fn pieces(words: &str) -> Vec<String> {
    let all: Vec<&str> = words.split_whitespace().collect();
    let is_open = |text: &str| text.matches('`').count() % 2 == 1;
    let mut found = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let mut piece = all[at].to_owned();
        let mut end = at + 1;
        while is_open(&piece) && end < all.len() && piece.len() <= LONGEST_CODE {
            piece = format!("{piece} {}", all[end]);
            end += 1;
        }
        if end > at + 1 && (is_open(&piece) || piece.chars().count() > LONGEST_CODE) {
            piece = all[at].to_owned();
            end = at + 1;
        }
        found.push(piece);
        at = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(columns: usize) -> Page {
        Page {
            paint: Paint { on: false },
            columns: Some(columns),
        }
    }

    const TEXT: &str = "\
A paragraph whose lines were broken
by its author, with `code --of=some words` in it.

    a block that stays as it is, however long it may be

- one item that is long enough to be
  broken
- two
1. first
   and more
";

    #[test]
    fn paragraphs_are_filled_and_blocks_stay() {
        let filled = "  \
A paragraph whose lines were
  broken by its author, with
  `code --of=some words` in it.

      a block that stays as it is, however long it may be

  - one item that is long enough
    to be broken
  - two
  1. first and more";
        assert_eq!(page(32).text("  ", TEXT), filled);
        // Nobody's terminal: as written.
        let plain = Page {
            columns: None,
            ..page(1)
        };
        assert_eq!(plain.text("", TEXT), TEXT.trim());
    }

    #[test]
    fn no_line_of_words_is_wider_than_the_page() {
        for columns in 10..200 {
            let text = page(columns).text("   ", &"some words, `and code` ".repeat(40));
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(
                widest <= Some(columns.clamp(NARROWEST, WIDEST)),
                "{columns}"
            );
        }
    }

    #[test]
    fn long_code_may_break() {
        let code = format!("`{}`", ["word"; 30].join(" "));
        assert!(
            page(50)
                .hang("", "", &code)
                .lines()
                .all(|line| line.len() <= 50)
        );
    }
}

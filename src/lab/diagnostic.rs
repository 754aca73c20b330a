//! What is wrong with a lab file, where, and what was expected.

use std::{fmt, ops::Range, sync::Arc};

/// One mistake in one file, with the place that shows it.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// Stable name of the rule, for machines: `lab::unknown-key` and the like.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Byte range in the source; an empty range points between two characters.
    pub span: Range<usize>,
    /// What stands at the place, or what was expected there.
    pub label: String,
    /// What to do about it, if there is more to say than the label does.
    pub help: Option<String>,
    source: Arc<Source>,
}

/// A file's name as it was given, and what is in it.
#[derive(Debug)]
struct Source {
    file: String,
    text: String,
}

impl Diagnostic {
    /// Line of the place, counted from 1.
    pub fn line(&self) -> usize {
        let text = self.text();
        let end = self.span.start.min(text.len());
        text.as_bytes()[..end]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1
    }

    /// Column of the place in characters, counted from 1.
    pub fn column(&self) -> usize {
        let text = self.text();
        let before = text.get(..self.span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        before[line_start..].chars().count() + 1
    }

    /// Name of the file as it was given.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// The text that the span points into.
    pub fn text(&self) -> &str {
        &self.source.text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// Collects the mistakes of one file, so that all are shown at once.
#[derive(Debug)]
pub struct Diagnostics {
    source: Arc<Source>,
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Starts an empty list for `text`, shown to people as `file`.
    pub fn new(file: &str, text: &str) -> Self {
        let source = Source {
            file: file.to_owned(),
            text: text.to_owned(),
        };
        Self {
            source: Arc::new(source),
            found: Vec::new(),
        }
    }

    /// Adds a mistake at `span`.
    pub fn add(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        self.found.push(Diagnostic {
            code,
            message: message.into(),
            span,
            label: label.into(),
            help: None,
            source: Arc::clone(&self.source),
        });
        self.found.last_mut().expect("one was pushed just now")
    }

    /// The text that the spans point into.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// Everything found so far, in the order of the file.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| (d.span.start, d.span.end));
        self.found
    }
}

/// The word of `known` that is nearest to `word`, if it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(steps, candidate)| *steps <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

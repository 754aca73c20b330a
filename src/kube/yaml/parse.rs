//! From YAML text to JSON values.

use super::resolve::{Resolved, resolve, resolve_key, to_value};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Value};
use std::collections::HashMap;
use thiserror::Error;

/// Text that is not YAML, or YAML that has no JSON form.
///
/// `Display` gives kubectl's words: the line counts within the document, as
/// go-yaml does, and is left out where go-yaml leaves it out.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("yaml: {}{message}", go_line.map(|l| format!("line {l}: ")).unwrap_or_default())]
pub struct YamlError {
    /// Line in the whole text, from 1.
    pub line: usize,
    /// Column in the line, from 1.
    pub column: usize,
    /// The line that go-yaml would name: relative to the document, and one
    /// less for errors of its grammar than for those of its scanner.
    go_line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// One document of a text and the line on which it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Line of the text, from 1, on which the document's first line stands.
    pub line: usize,
    /// `null` for a document that holds nothing but comments.
    pub value: Value,
}

/// Parses a text of any number of YAML documents (or JSON values one after the
/// other), which a line of `---` separates. Documents without content are left
/// out.
///
/// # Errors
/// The first place that is not YAML; documents before it are lost.
pub fn parse_documents(text: &str) -> Result<Vec<Value>, YamlError> {
    Ok(parse_documents_with_lines(text)?
        .into_iter()
        .map(|d| d.value)
        .collect())
}

/// Like [`parse_documents`], with the line on which each document starts.
///
/// # Errors
/// As [`parse_documents`].
pub fn parse_documents_with_lines(text: &str) -> Result<Vec<Document>, YamlError> {
    if text.trim_start().starts_with('{')
        && let Some(found) = parse_json_stream(text)
    {
        return Ok(found);
    }
    let mut documents = Vec::new();
    for (first_line, chunk) in split(text) {
        let value = parse_chunk(chunk, first_line)?;
        if !value.is_null() {
            documents.push(Document {
                line: first_line + 1,
                value,
            });
        }
    }
    Ok(documents)
}

/// Parses a text that holds one document; nothing gives `null`, and what
/// follows a `---` is ignored, as go-yaml does.
///
/// # Errors
/// As [`parse_documents`].
pub fn parse_one(text: &str) -> Result<Value, YamlError> {
    parse_chunk(text, 0)
}

/// Concatenated JSON values; `None` when it is not JSON after all (a flow
/// mapping of YAML), so that YAML's parser has its say.
fn parse_json_stream(text: &str) -> Option<Vec<Document>> {
    let mut documents = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    loop {
        let at = stream.byte_offset();
        match stream.next() {
            None => return Some(documents),
            Some(Ok(value)) => {
                let line = text[..at].matches('\n').count() + 1;
                documents.push(Document { line, value });
            }
            Some(Err(_)) => return None,
        }
    }
}

/// Splits at lines that hold `---` and at most blanks, with the number of lines
/// before each chunk.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut chunks = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let end = at + line.len();
        if line
            .strip_prefix("---")
            .is_some_and(|rest| rest.trim().is_empty())
        {
            chunks.push((start_line, &text[start..at]));
            (start, start_line) = (end, number + 1);
        }
        at = end;
    }
    chunks.push((start_line, &text[start..]));
    chunks
}

fn parse_chunk(text: &str, lines_before: usize) -> Result<Value, YamlError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        lines_before,
        expanded: 0,
    };
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Value::Null),
            other => return reader.node(other, span),
        }
    }
}

/// No honest manifest multiplies its aliases this often; a "billion laughs"
/// does.
const MOST_EXPANDED: usize = 1_000_000;

struct Reader<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    anchors: HashMap<usize, Value>,
    lines_before: usize,
    expanded: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), YamlError> {
        loop {
            match self.parser.next_event() {
                None => return Ok((Event::StreamEnd, Span::default())),
                Some(Err(e)) => return Err(self.scan_error(&e)),
                Some(Ok(found)) => match found.0 {
                    Event::StreamEnd
                    | Event::DocumentStart(..)
                    | Event::DocumentEnd
                    | Event::Alias(..)
                    | Event::Scalar(..)
                    | Event::SequenceStart(..)
                    | Event::SequenceEnd
                    | Event::MappingStart(..)
                    | Event::MappingEnd => return Ok(found),
                    // Comments, when another user of the parser asks for them.
                    _ => {}
                },
            }
        }
    }

    fn error(&self, span: Span, message: String) -> YamlError {
        YamlError {
            line: self.lines_before + span.start.line().max(1),
            column: span.start.col() + 1,
            go_line: None,
            message,
        }
    }

    fn scan_error(&self, e: &ScanError) -> YamlError {
        let mut line = e.marker().line().max(1);
        if matches!(
            e.kind(),
            ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey
        ) {
            // libyaml notices on the next line that no colon came.
            line += 1;
        }
        let (message, from_scanner) = go_words(e);
        // go-yaml names no line when the error is on the first.
        let go_line = if from_scanner && line > 1 {
            line
        } else {
            line - 1
        };
        YamlError {
            line: self.lines_before + line,
            column: e.marker().col() + 1,
            go_line: (go_line > 0).then_some(go_line),
            message,
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Value, YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), span)?;
                self.remember(anchor, &value);
                Ok(value)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, span)?);
                }
                let value = Value::Array(items);
                self.remember(anchor, &value);
                Ok(value)
            }
            Event::MappingStart(_, anchor, _) => {
                let value = self.mapping()?;
                self.remember(anchor, &value);
                Ok(value)
            }
            Event::Alias(id) => {
                let Some(value) = self.anchors.get(&id).cloned() else {
                    return Err(self.error(span, "anchor value contains itself".to_owned()));
                };
                self.expanded += size(&value);
                if self.expanded > MOST_EXPANDED {
                    let message = "document contains excessive aliasing".to_owned();
                    return Err(self.error(span, message));
                }
                Ok(value)
            }
            _ => Ok(Value::Null),
        }
    }

    fn remember(&mut self, anchor: usize, value: &Value) {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
    }

    fn mapping(&mut self) -> Result<Value, YamlError> {
        let mut map = Map::new();
        let mut merged: Vec<Value> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.key(event, span)?;
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span)?;
            match key {
                None => merged.push(value),
                // A later entry wins, as in Google's (which is not strict here).
                Some(key) => {
                    map.insert(key, value);
                }
            }
        }
        for source in merged {
            merge(&mut map, source);
        }
        Ok(Value::Object(map))
    }

    /// A key as JSON text; `None` for `<<`.
    fn key(&mut self, event: Event<'t>, span: Span) -> Result<Option<String>, YamlError> {
        if let Event::Scalar(text, ScalarStyle::Plain, _, None) = &event
            && resolve_key(text) == Resolved::Merge
        {
            return Ok(None);
        }
        match self.node(event, span)? {
            Value::String(s) => Ok(Some(s)),
            Value::Bool(b) => Ok(Some(b.to_string())),
            Value::Number(n) => Ok(Some(n.to_string())),
            Value::Null => Ok(Some("null".to_owned())),
            Value::Array(_) | Value::Object(_) => {
                Err(self.error(span, "invalid map key".to_owned()))
            }
        }
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Value, YamlError> {
        if let Some(tag) = tag {
            match tag.core_suffix() {
                Some("str") => return Ok(Value::String(text.to_owned())),
                Some("int" | "float" | "bool" | "null") => {}
                _ => return Ok(Value::String(text.to_owned())),
            }
        } else if style != ScalarStyle::Plain {
            return Ok(Value::String(text.to_owned()));
        }
        to_value(resolve(text), text)
            .ok_or_else(|| self.error(span, format!("json: unsupported value: {text}")))
    }
}

/// Adds the entries of a merged mapping (or list of mappings) that are not
/// there yet.
fn merge(map: &mut Map<String, Value>, source: Value) {
    match source {
        Value::Object(entries) => {
            for (key, value) in entries {
                map.entry(key).or_insert(value);
            }
        }
        Value::Array(items) => items.into_iter().for_each(|item| merge(map, item)),
        _ => {}
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// go-yaml's words for an error, and whether its scanner says it (rather than
/// its grammar, which counts lines from zero).
fn go_words(e: &ScanError) -> (String, bool) {
    let words = match e.kind() {
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::InvalidMappingValueWhitespace => {
            "mapping values are not allowed in this context"
        }
        ErrorKind::MappingKeyNotAllowed => "mapping keys are not allowed in this context",
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => "could not find expected ':'",
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::InvalidBlockEntryWhitespace => {
            "block sequence entries are not allowed in this context"
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => "found character that cannot start any token",
        ErrorKind::UnexpectedCharacter { .. } => "found character that cannot start any token",
        ErrorKind::UnclosedQuotedScalar => "found unexpected end of stream",
        ErrorKind::UnknownQuotedScalarEscape => "found unknown escape character",
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::UnexpectedEofBlockMapping => {
            return ("did not find expected key".to_owned(), false);
        }
        ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::UnexpectedEofBlockSequence => {
            return ("did not find expected '-' indicator".to_owned(), false);
        }
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            return ("did not find expected ',' or '}'".to_owned(), false);
        }
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::UnexpectedEofFlowSequence => {
            return ("did not find expected ',' or ']'".to_owned(), false);
        }
        ErrorKind::UnclosedFlowCollection { .. } => {
            return ("did not find expected ',' or ']'".to_owned(), false);
        }
        ErrorKind::ExpectedNodeContent | ErrorKind::UnexpectedEof => {
            return ("did not find expected node content".to_owned(), false);
        }
        ErrorKind::ExpectedDocumentStart | ErrorKind::InvalidIndentation => {
            return ("did not find expected <document start>".to_owned(), false);
        }
        ErrorKind::UnknownAnchor => return ("unknown anchor referenced".to_owned(), false),
        _ => return (e.info(), true),
    };
    (words.to_owned(), true)
}

//! Reads TOML tables field by field, renders the templates in their strings and
//! remembers every mistake, so that an author sees all of them at once.

use std::{collections::BTreeMap, ops::Range};

use minijinja::{Environment, UndefinedBehavior};
use toml_edit::{Item, TableLike, Value};

use crate::diagnostic::{Diagnostics, nearest};

/// What all readers of one file share.
pub struct Reader {
    pub diagnostics: Diagnostics,
    templates: Environment<'static>,
    vars: minijinja::Value,
}

impl Reader {
    /// Reads with no variables; [`Reader::set_vars`] brings them.
    pub fn new(diagnostics: Diagnostics) -> Self {
        let mut templates = Environment::new();
        // Else a build without assertions does not say which name is undefined.
        templates.set_debug(true);
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let none = std::iter::empty::<(&str, &str)>();
        Self {
            diagnostics,
            templates,
            vars: minijinja::Value::from_pairs(none),
        }
    }

    /// The values that templates see from now on.
    pub fn set_vars(&mut self, vars: &BTreeMap<String, String>) {
        let pairs = vars
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        self.vars = minijinja::Value::from_pairs(pairs);
    }

    /// Renders `template`, which stands at `span` in the file. A mistake in it is
    /// reported there and the template is returned as it is.
    pub fn render(&mut self, template: &str, span: Range<usize>) -> String {
        if !template.contains('{') {
            return template.to_owned();
        }
        match self.templates.render_str(template, self.vars.clone()) {
            Ok(mut text) => {
                // The engine drops a last line break; scripts and texts keep theirs.
                if template.ends_with('\n') && !text.ends_with('\n') {
                    text.push('\n');
                }
                text
            }
            Err(error) => {
                let place = self.place_in_string(template, &span, error.range());
                let what = match error.kind() {
                    minijinja::ErrorKind::UndefinedError => "undefined variable in a template",
                    _ => "a template that can't be rendered",
                };
                let label = error
                    .detail()
                    .map_or_else(|| error.to_string(), str::to_owned);
                self.diagnostics
                    .add("lab::template", place, what, label)
                    .help = Some("variables are declared in [vars]".into());
                template.to_owned()
            }
        }
    }

    /// Where `range` of the decoded string lies in the file; the whole string if
    /// escapes make that unclear.
    fn place_in_string(
        &self,
        decoded: &str,
        span: &Range<usize>,
        range: Option<Range<usize>>,
    ) -> Range<usize> {
        let raw = self
            .diagnostics
            .text()
            .get(span.clone())
            .unwrap_or_default();
        match (raw.find(decoded), range) {
            (Some(offset), Some(range)) => {
                span.start + offset + range.start..span.start + offset + range.end
            }
            _ => span.clone(),
        }
    }
}

/// One table that is being read. Keys that nobody asked for are reported by
/// [`Fields::finish`].
pub struct Fields<'a> {
    table: &'a dyn TableLike,
    /// How people call it: `[lab]`, `[[task]]`…
    what: String,
    span: Range<usize>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Reads `table`, called `what` in messages; `span` is where it stands.
    pub fn new(table: &'a dyn TableLike, what: impl Into<String>, span: Range<usize>) -> Self {
        Self {
            table,
            what: what.into(),
            span,
            asked: Vec::new(),
        }
    }

    /// Where the table stands.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where the value of `key` stands; the table's place if there is none.
    pub fn span_of(&self, key: &str) -> Range<usize> {
        let key_span = || self.table.key(key).and_then(toml_edit::Key::span);
        self.table
            .get(key)
            .and_then(Item::span)
            .or_else(key_span)
            .unwrap_or_else(|| self.span.clone())
    }

    /// Whether the key is there at all.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn item(&mut self, key: &'static str) -> Option<&'a Item> {
        self.asked.push(key);
        self.table.get(key)
    }

    fn wrong_type(&self, reader: &mut Reader, key: &str, expected: &str, item: &Item) {
        reader.diagnostics.add(
            "lab::wrong-type",
            self.span_of(key),
            format!("`{key}` of {} is of the wrong type", self.what),
            format!("expected {expected}, found {}", item.type_name()),
        );
    }

    fn missing(&self, reader: &mut Reader, key: &str, expected: &str) {
        reader.diagnostics.add(
            "lab::missing-key",
            self.span.clone(),
            format!("{} has no `{key}`", self.what),
            format!("expected `{key}`: {expected}"),
        );
    }

    /// A string, its templates rendered; `None` if it is absent or wrong.
    pub fn text(&mut self, reader: &mut Reader, key: &'static str) -> Option<String> {
        let item = self.item(key)?;
        match item.as_str() {
            Some(text) => Some(reader.render(text, self.span_of(key))),
            None => {
                self.wrong_type(reader, key, "a string", item);
                None
            }
        }
    }

    /// A string that must be there; empty if it is not, which has been reported.
    pub fn required_text(&mut self, reader: &mut Reader, key: &'static str) -> String {
        if !self.has(key) {
            self.asked.push(key);
            self.missing(reader, key, "a string");
            return String::new();
        }
        self.text(reader, key).unwrap_or_default()
    }

    /// A list of strings; one string stands for a list of one. What a template leaves empty is
    /// left out.
    pub fn texts(&mut self, reader: &mut Reader, key: &'static str) -> Option<Vec<String>> {
        let item = self.item(key)?;
        if let Some(text) = item.as_str() {
            return Some(vec![reader.render(text, self.span_of(key))]);
        }
        let Some(array) = item.as_array() else {
            self.wrong_type(reader, key, "a list of strings", item);
            return None;
        };
        let mut texts = Vec::new();
        for value in array {
            let span = value.span().unwrap_or_else(|| self.span_of(key));
            match value.as_str() {
                Some(text) => {
                    let rendered = reader.render(text, span);
                    if !rendered.is_empty() || text.is_empty() {
                        texts.push(rendered);
                    }
                }
                None => {
                    reader.diagnostics.add(
                        "lab::wrong-type",
                        span,
                        format!("`{key}` of {} holds something that is no string", self.what),
                        format!("expected a string, found {}", value.type_name()),
                    );
                }
            }
        }
        Some(texts)
    }

    /// A whole number within `range`.
    pub fn integer(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let item = self.item(key)?;
        let Some(number) = item.as_integer() else {
            self.wrong_type(reader, key, "a whole number", item);
            return None;
        };
        self.within(reader, key, range, number)
    }

    /// A whole number within `range`, or a template that gives one.
    pub fn amount(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        if !self.table.get(key).is_some_and(Item::is_str) {
            return self.integer(reader, key, range);
        }
        let text = self.text(reader, key)?;
        let Ok(number) = text.parse() else {
            reader.diagnostics.add(
                "lab::wrong-type",
                self.span_of(key),
                format!("`{key}` of {} is `{text}`", self.what),
                "expected a whole number, or a template that gives one",
            );
            return None;
        };
        self.within(reader, key, range, number)
    }

    fn within(
        &self,
        reader: &mut Reader,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
        number: i64,
    ) -> Option<i64> {
        if !range.contains(&number) {
            reader.diagnostics.add(
                "lab::out-of-range",
                self.span_of(key),
                format!("`{key}` of {} is out of range", self.what),
                format!("expected {} to {}", range.start(), range.end()),
            );
            return None;
        }
        Some(number)
    }

    /// A truth value; absent is `None`.
    pub fn flag(&mut self, reader: &mut Reader, key: &'static str) -> Option<bool> {
        let item = self.item(key)?;
        if item.as_bool().is_none() {
            self.wrong_type(reader, key, "true or false", item);
        }
        item.as_bool()
    }

    /// A table inside this one.
    pub fn table(&mut self, reader: &mut Reader, key: &'static str) -> Option<Fields<'a>> {
        let item = self.item(key)?;
        let Some(table) = item.as_table_like() else {
            self.wrong_type(reader, key, "a table", item);
            return None;
        };
        Some(Fields::new(table, format!("[{key}]"), self.span_of(key)))
    }

    /// A list of tables, written `[[key]]` or inline; absent is an empty list.
    pub fn tables(&mut self, reader: &mut Reader, key: &'static str) -> Vec<Fields<'a>> {
        let Some(item) = self.item(key) else {
            return Vec::new();
        };
        let what = format!("[[{key}]]");
        if let Some(tables) = item.as_array_of_tables() {
            return tables
                .iter()
                .map(|table| {
                    let span = table.span().unwrap_or_else(|| self.span_of(key));
                    Fields::new(table, what.clone(), span)
                })
                .collect();
        }
        let inline = item.as_array().map(|array| {
            array
                .iter()
                .map(|value| (value, value.as_inline_table()))
                .collect::<Vec<_>>()
        });
        match inline {
            Some(values) if values.iter().all(|(_, table)| table.is_some()) => values
                .into_iter()
                .filter_map(|(value, table)| {
                    let span = value.span().unwrap_or_else(|| self.span_of(key));
                    table.map(|table| Fields::new(table, what.clone(), span))
                })
                .collect(),
            _ => {
                self.wrong_type(reader, key, "a list of tables", item);
                Vec::new()
            }
        }
    }

    /// Every key with its value, for tables whose keys the author chooses.
    pub fn entries(&self) -> Vec<(&'a str, &'a Item, Range<usize>)> {
        self.table
            .iter()
            .map(|(key, item)| (key, item, self.span_of(key)))
            .collect()
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self, reader: &mut Reader) {
        for (key, _) in self.table.iter() {
            if self.asked.contains(&key) {
                continue;
            }
            let span = self
                .table
                .key(key)
                .and_then(toml_edit::Key::span)
                .unwrap_or_else(|| self.span_of(key));
            let found = reader.diagnostics.add(
                "lab::unknown-key",
                span,
                format!("unknown key `{key}` in {}", self.what),
                match nearest(key, &self.asked) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "not a key of this table".into(),
                },
            );
            found.help = Some(format!("{} has the keys {}", self.what, list(&self.asked)));
        }
    }
}

/// `a`, `b`, `c` in backquotes.
pub fn list(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The items of a TOML array of strings, or `None` if it is something else.
pub fn string_array(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

//! Reads JSON text into a tree that knows where its parts stand, with the words of Go's
//! `encoding/json` for what is no JSON: the reference's gateway reads with that first.

/// Values within values; beyond it the stack would be at risk.
const MAX_DEPTH: usize = 1000;

/// A value and where it stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'a> {
    pub(super) kind: Kind<'a>,
    /// Offset of its first byte.
    pub(super) start: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    /// As it is written, with its quotes, and what it means.
    String(&'a str, String),
    List(Vec<Node<'a>>),
    /// Names and values in the order of the text, the same name perhaps twice.
    Object(Vec<(Node<'a>, Node<'a>)>),
}

impl Node<'_> {
    /// The token at which the value begins, as Go's protobuf names it.
    pub(super) fn token(&self) -> &str {
        match &self.kind {
            Kind::Null => "null",
            Kind::Bool(true) => "true",
            Kind::Bool(false) => "false",
            Kind::Number(raw) | Kind::String(raw, _) => raw,
            Kind::List(_) => "[",
            Kind::Object(_) => "{",
        }
    }
}

/// Line and column of an offset, both from 1; columns count characters.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[begin..].chars().count() + 1)
}

/// The end of the first value of a text, behind blanks; `None` if there are only blanks.
///
/// # Errors
/// What is no JSON, in Go's words.
pub(super) fn first_value(text: &str) -> Result<Option<(usize, usize)>, String> {
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    if reader.at == text.len() {
        return Ok(None);
    }
    let start = reader.at;
    reader.value(MAX_DEPTH)?;
    Ok(Some((start, reader.at)))
}

/// Reads a text that holds one value.
///
/// # Errors
/// What is no JSON, in Go's words.
pub(super) fn read(text: &str) -> Result<Node<'_>, String> {
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    reader.value(MAX_DEPTH)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        let left = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at += rest.len() - left.len();
    }

    /// The character that does not belong here, or the end.
    fn unexpected<T>(&self, context: &str) -> Result<T, String> {
        Err(match self.peek() {
            None => "unexpected EOF".to_owned(),
            Some(found) => format!("invalid character {} {context}", quoted(found)),
        })
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, String> {
        if depth == 0 {
            return Err("exceeded max depth".to_owned());
        }
        let start = self.at;
        let kind = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => self.string()?,
            Some('-' | '0'..='9') => self.number()?,
            Some('t') => self.literal("true", Kind::Bool(true))?,
            Some('f') => self.literal("false", Kind::Bool(false))?,
            Some('n') => self.literal("null", Kind::Null)?,
            _ => return self.unexpected("looking for beginning of value"),
        };
        Ok(Node { kind, start })
    }

    fn literal(&mut self, word: &str, kind: Kind<'a>) -> Result<Kind<'a>, String> {
        for wanted in word.chars() {
            if self.peek() != Some(wanted) {
                return self.unexpected(&format!("in literal {word} (expecting '{wanted}')"));
            }
            self.at += 1;
        }
        Ok(kind)
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text[self.at..];
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Result<Kind<'a>, String> {
        let start = self.at;
        if self.peek() == Some('-') {
            self.at += 1;
        }
        if self.peek() == Some('0') {
            self.at += 1;
        } else if self.digits() == 0 {
            return self.unexpected("in numeric literal");
        }
        if self.peek() == Some('.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.unexpected("after decimal point in numeric literal");
            }
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.unexpected("in exponent of numeric literal");
            }
        }
        Ok(Kind::Number(&self.text[start..self.at]))
    }

    fn string(&mut self) -> Result<Kind<'a>, String> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some('"') => break,
                Some('\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some('\0'..='\x1f') | None => return self.unexpected("in string literal"),
                Some(other) => self.at += other.len_utf8(),
            }
        }
        self.at += 1;
        let raw = &self.text[start..self.at];
        // Half a surrogate pair is all that can be wrong now; Go puts a sign in its place.
        let meaning = serde_json::from_str(raw).unwrap_or_else(|_| "\u{fffd}".to_owned());
        Ok(Kind::String(raw, meaning))
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), String> {
        match self.peek() {
            Some('b' | 'f' | 'n' | 'r' | 't' | '\\' | '/' | '"') => self.at += 1,
            Some('u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|digit| digit.is_ascii_hexdigit()) {
                        return self.unexpected("in \\u hexadecimal character escape");
                    }
                    self.at += 1;
                }
            }
            _ => return self.unexpected("in string escape code"),
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Kind<'a>, String> {
        self.at += 1;
        self.blanks();
        let mut items = Vec::new();
        if self.peek() == Some(']') {
            self.at += 1;
            return Ok(Kind::List(items));
        }
        loop {
            self.blanks();
            items.push(self.value(depth - 1)?);
            self.blanks();
            match self.peek() {
                Some(',') => self.at += 1,
                Some(']') => break,
                _ => return self.unexpected("after array element"),
            }
        }
        self.at += 1;
        Ok(Kind::List(items))
    }

    fn object(&mut self, depth: usize) -> Result<Kind<'a>, String> {
        self.at += 1;
        self.blanks();
        let mut fields = Vec::new();
        if self.peek() == Some('}') {
            self.at += 1;
            return Ok(Kind::Object(fields));
        }
        loop {
            self.blanks();
            let start = self.at;
            if self.peek() != Some('"') {
                return self.unexpected("looking for beginning of object key string");
            }
            let kind = self.string()?;
            self.blanks();
            if self.peek() != Some(':') {
                return self.unexpected("after object key");
            }
            self.at += 1;
            self.blanks();
            fields.push((Node { kind, start }, self.value(depth - 1)?));
            self.blanks();
            match self.peek() {
                Some(',') => self.at += 1,
                Some('}') => break,
                _ => return self.unexpected("after object key:value pair"),
            }
        }
        self.at += 1;
        Ok(Kind::Object(fields))
    }
}

/// A character in Go's quotes.
fn quoted(found: char) -> String {
    match found {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        '\n' | '\r' | '\t' => format!("'{}'", found.escape_debug()),
        '\0'..='\x1f' => format!("'\\x{:02x}'", u32::from(found)),
        other => format!("'{}'", other.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_told_in_gos_words() {
        for (text, wanted) in [
            (
                "nonsense",
                "invalid character 'o' in literal null (expecting 'u')",
            ),
            (
                "{key:1}",
                "invalid character 'k' looking for beginning of object key string",
            ),
            (
                "{'key':1}",
                "invalid character '\\'' looking for beginning of object key string",
            ),
            (
                "{\"a\":1,}",
                "invalid character '}' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{\"a\":1 2}",
                "invalid character '2' after object key:value pair",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            ("[01]", "invalid character '1' after array element"),
            ("-x", "invalid character 'x' in numeric literal"),
            (
                "1.x",
                "invalid character 'x' after decimal point in numeric literal",
            ),
            (
                "1ex",
                "invalid character 'x' in exponent of numeric literal",
            ),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            (
                "\"\\u12g\"",
                "invalid character 'g' in \\u hexadecimal character escape",
            ),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("?", "invalid character '?' looking for beginning of value"),
            ("{", "unexpected EOF"),
            ("{\"a\"", "unexpected EOF"),
            ("{\"a\":", "unexpected EOF"),
            ("\"a", "unexpected EOF"),
        ] {
            assert_eq!(read(text).expect_err(text), wanted, "{text}");
        }
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(read(&deep).expect_err("deep"), "exceeded max depth");
    }

    #[test]
    fn values_know_their_places() {
        let text = "{\"a\": [1,\n \"ü\\n\", true]}";
        let Kind::Object(fields) = read(text).expect("JSON").kind else {
            panic!("an object")
        };
        let Kind::List(items) = &fields[0].1.kind else {
            panic!("a list")
        };
        assert_eq!(place(text, items[1].start), (2, 2));
        assert_eq!(items[1].kind, Kind::String("\"ü\\n\"", "ü\n".into()));
        assert_eq!(items[2].token(), "true");
        assert_eq!(first_value(" 5 6"), Ok(Some((1, 2))));
        assert_eq!(first_value(" \n"), Ok(None));
    }
}

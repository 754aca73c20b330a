//! The template's grammar (`parser.go` of the reference).

use super::JsonPathError;

/// A step of an expression or, at the top, a part of the template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Field(String),
    Identifier(String),
    Wildcard,
    Recursive,
    /// `[start:end:step]`
    Array([Param; 3]),
    Union(Vec<Vec<Node>>),
    Filter {
        left: Vec<Node>,
        operator: String,
        right: Vec<Node>,
    },
    /// What stands between braces.
    List(Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Param {
    pub value: i64,
    pub known: bool,
    /// The end of a single index, made from the start.
    pub derived: bool,
}

type Parsed = Result<Vec<Node>, JsonPathError>;

fn fail<T>(message: impl Into<String>) -> Result<T, JsonPathError> {
    Err(JsonPathError(message.into()))
}

pub(super) fn parse(template: &str) -> Parsed {
    let mut nodes = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        if open > 0 {
            nodes.push(Node::Text(rest[..open].to_owned()));
        }
        let mut action = Action {
            input: &rest[open + 1..],
            at: 0,
            nodes: Vec::new(),
        };
        action.parse()?;
        rest = &rest[open + 1 + action.at..];
        nodes.push(Node::List(action.nodes));
    }
    if !rest.is_empty() {
        nodes.push(Node::Text(rest.to_owned()));
    }
    Ok(nodes)
}

/// Parses the inside of one pair of braces.
fn expression(text: &str) -> Parsed {
    let closed = format!("{text}}}");
    let mut action = Action {
        input: &closed,
        at: 0,
        nodes: Vec::new(),
    };
    action.parse()?;
    Ok(action.nodes)
}

struct Action<'t> {
    input: &'t str,
    at: usize,
    nodes: Vec<Node>,
}

fn is_terminator(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}'
    )
}

impl Action<'_> {
    fn rest(&self) -> &str {
        &self.input[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn parse(&mut self) -> Result<(), JsonPathError> {
        loop {
            if self.rest().starts_with("[?(") {
                self.filter()?;
                continue;
            }
            if self.rest().starts_with("..") {
                self.recursive()?;
                continue;
            }
            let start = self.at;
            match self.next() {
                Some('}') => return Ok(()),
                None | Some('\r' | '\n') => return fail("unclosed action"),
                Some(' ' | '@' | '$') => {}
                Some('[') => self.array(start)?,
                Some(quote @ ('"' | '\'')) => self.quote(start, quote)?,
                Some('.') => self.field(),
                Some(c) if c == '+' || c == '-' || c.is_numeric() => self.number(start)?,
                Some(c) if c == '_' || c.is_alphabetic() => self.identifier(start),
                Some(c) => {
                    let code = u32::from(c);
                    return fail(format!(
                        "unrecognized character in action: U+{code:04X} '{c}'"
                    ));
                }
            }
        }
    }

    fn identifier(&mut self, start: usize) {
        while self.peek().is_some_and(|c| !is_terminator(c)) {
            self.next();
        }
        let word = &self.input[start..self.at];
        self.nodes.push(match word {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            other => Node::Identifier(other.to_owned()),
        });
    }

    fn recursive(&mut self) -> Result<(), JsonPathError> {
        if self.nodes.last() == Some(&Node::Recursive) {
            return fail("invalid multiple recursive descent");
        }
        self.at += "..".len();
        self.nodes.push(Node::Recursive);
        if self.peek().is_some_and(|c| c == '_' || c.is_alphanumeric()) {
            self.field();
        }
        Ok(())
    }

    fn number(&mut self, start: usize) -> Result<(), JsonPathError> {
        while self.peek().is_some_and(|c| c == '.' || c.is_numeric()) {
            self.next();
        }
        let text = &self.input[start..self.at];
        let node = if let Ok(i) = text.parse() {
            Node::Int(i)
        } else if let Ok(f) = text.parse() {
            Node::Float(f)
        } else {
            return fail(format!("cannot parse number {text}"));
        };
        self.nodes.push(node);
        Ok(())
    }

    fn field(&mut self) {
        let start = self.at;
        while let Some(c) = self.peek() {
            if c == '\\' {
                self.next();
                self.next();
            } else if is_terminator(c) {
                break;
            } else {
                self.next();
            }
        }
        let name = &self.input[start..self.at];
        self.nodes.push(match name {
            "*" => Node::Wildcard,
            name => Node::Field(name.replace('\\', "")),
        });
    }

    fn array(&mut self, start: usize) -> Result<(), JsonPathError> {
        loop {
            match self.next() {
                None | Some('\n') => return fail("unterminated array"),
                Some(']') => break,
                Some(_) => {}
            }
        }
        let text = &self.input[start + 1..self.at - 1];
        let text = if text == "*" { ":" } else { text };
        if text.contains(',') {
            let parts: Result<Vec<_>, _> = text
                .split(',')
                .map(|part| expression(&format!("[{}]", part.trim_matches(' '))))
                .collect();
            self.nodes.push(Node::Union(parts?));
            return Ok(());
        }
        let quoted = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
        if let Some(key) = quoted.filter(|key| !key.contains('\'')) {
            self.nodes.extend(expression(&format!(".{key}"))?);
            return Ok(());
        }
        self.nodes.push(Node::Array(slice(text)?));
        Ok(())
    }

    fn quote(&mut self, start: usize, end: char) -> Result<(), JsonPathError> {
        let mut before = end;
        loop {
            match self.next() {
                None | Some('\n') => return fail("unterminated quoted string"),
                Some(c) if c == end && before != '\\' => break,
                Some(c) => before = c,
            }
        }
        let text = &self.input[start..self.at];
        let unquoted = unquote(&text[1..text.len() - 1], end)
            .ok_or_else(|| JsonPathError(format!("unquote string {text} error invalid syntax")))?;
        self.nodes.push(Node::Text(unquoted));
        Ok(())
    }

    fn filter(&mut self) -> Result<(), JsonPathError> {
        self.at += "[?(".len();
        let start = self.at;
        let mut pair: Option<char> = None;
        let mut closed = false;
        let mut before = '(';
        loop {
            let c = self.next();
            match c {
                None | Some('\n') => return fail("unterminated filter"),
                Some(quote @ ('"' | '\'')) => match pair {
                    None => pair = Some(quote),
                    Some(opened) if before != '\\' && opened == quote => closed = true,
                    Some(_) => {}
                },
                Some(')') if pair.is_some() == closed => break,
                Some(_) => {}
            }
            before = c.unwrap_or_default();
        }
        if self.next() != Some(']') {
            return fail("unclosed array expect ]");
        }
        let text = self.input[start..self.at - ")]".len()].to_owned();
        let node = match comparison(&text) {
            Some((left, operator, right)) => Node::Filter {
                left: expression(left)?,
                operator: operator.to_owned(),
                right: expression(right)?,
            },
            None => Node::Filter {
                left: expression(&text)?,
                operator: "exists".to_owned(),
                right: Vec::new(),
            },
        };
        self.nodes.push(node);
        Ok(())
    }
}

/// Splits at the first run of `!<>=` that has something on both sides.
fn comparison(text: &str) -> Option<(&str, &str, &str)> {
    let sign = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let start = text.find(sign)?;
    let length = text[start..].find(|c| !sign(c))?;
    let (left, rest) = text.split_at(start);
    let (operator, right) = rest.split_at(length);
    (!left.is_empty() && !right.is_empty()).then_some((left, operator, right))
}

fn slice(text: &str) -> Result<[Param; 3], JsonPathError> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_number = |s: &str| {
        let digits = s.strip_prefix('-').unwrap_or(s);
        digits.bytes().all(|b| b.is_ascii_digit())
    };
    if parts.len() > 3 || !parts.iter().all(|part| is_number(part)) {
        return fail(format!("invalid array index {text}"));
    }
    let mut params = [Param::default(); 3];
    for i in 0..3 {
        match parts.get(i) {
            Some(&"") => {}
            Some(part) => {
                let value = part
                    .parse()
                    .map_err(|_| JsonPathError(format!("array index {part} is not a number")))?;
                params[i] = Param {
                    value,
                    known: true,
                    derived: false,
                };
            }
            None if i == 1 => {
                params[1] = Param {
                    value: params[0].value + 1,
                    known: true,
                    derived: true,
                };
            }
            None => {}
        }
    }
    Ok(params)
}

/// Go's escapes inside quotes.
fn unquote(text: &str, quote: char) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == quote {
            return None;
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        let code = |chars: &mut std::str::Chars<'_>, digits: usize, radix| {
            let text: String = chars.by_ref().take(digits).collect();
            (text.len() == digits)
                .then(|| u32::from_str_radix(&text, radix).ok())
                .flatten()
                .and_then(char::from_u32)
        };
        out.push(match chars.next()? {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' => '\\',
            'x' => code(&mut chars, 2, 16)?,
            'u' => code(&mut chars, 4, 16)?,
            'U' => code(&mut chars, 8, 16)?,
            other if other == quote => quote,
            _ => return None,
        });
    }
    Some(out)
}

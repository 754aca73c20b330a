//! The emitter: what `sigs.k8s.io/yaml` writes, byte for byte.
//!
//! The rules are go-yaml version 2's (`emitterc.go`, `encode.go`,
//! `sorter.go`): two spaces of indentation, dashes of a list under its key
//! without indentation, lines folded after 80 columns, literal blocks for text
//! with line breaks, keys in a natural order in which numbers inside count as
//! numbers.

use super::resolve::{Resolved, is_base60, resolve};
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;

const INDENT: usize = 2;
const WIDTH: usize = 80;
/// The longest key that is written without `? `.
const SIMPLE_KEY: usize = 128;

/// Writes a value as one YAML document without `---`, ending in a line break.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
    };
    match value {
        Value::Object(map) if !map.is_empty() => emitter.mapping(map, 0, false),
        Value::Array(items) if !items.is_empty() => emitter.sequence(items, 0, false),
        other => emitter.leaf(other, INDENT, false),
    }
    if emitter.column > 0 {
        emitter.line_break();
    }
    emitter.out
}

struct Emitter {
    out: String,
    column: usize,
}

impl Emitter {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn put_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn indent(&mut self, indent: usize) {
        if self.column > 0 {
            self.line_break();
        }
        for _ in 0..indent {
            self.put_char(' ');
        }
    }

    /// `inline`: the first entry continues the current line (after `- `).
    fn mapping(&mut self, map: &Map<String, Value>, indent: usize, inline: bool) {
        let mut keys: Vec<&String> = map.keys().collect();
        keys.sort_by(|a, b| natural_order(a, b));
        for (position, key) in keys.into_iter().enumerate() {
            if position > 0 || !inline {
                self.indent(indent);
            }
            let simple = key.len() <= SIMPLE_KEY && !key.chars().any(is_break);
            if simple {
                self.text(key, indent + INDENT, true);
                self.put(":");
            } else {
                self.put("? ");
                self.text(key, indent + INDENT, false);
                self.indent(indent);
                self.put(":");
            }
            let value = &map[key.as_str()];
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    if simple {
                        self.mapping(inner, indent + INDENT, false);
                    } else {
                        self.put(" ");
                        self.mapping(inner, indent + INDENT, true);
                    }
                }
                Value::Array(items) if !items.is_empty() => {
                    if simple {
                        self.sequence(items, indent, false);
                    } else {
                        self.put(" ");
                        self.sequence(items, indent + INDENT, true);
                    }
                }
                other => {
                    self.put(" ");
                    self.leaf(other, indent + INDENT, false);
                }
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize, inline: bool) {
        for (position, item) in items.iter().enumerate() {
            if position > 0 || !inline {
                self.indent(indent);
            }
            self.put("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => {
                    self.mapping(inner, indent + INDENT, true);
                }
                Value::Array(inner) if !inner.is_empty() => {
                    self.sequence(inner, indent + INDENT, true);
                }
                other => self.leaf(other, indent + INDENT, false),
            }
        }
    }

    fn leaf(&mut self, value: &Value, indent: usize, key: bool) {
        match value {
            Value::Null => self.put("null"),
            Value::Bool(b) => self.put(if *b { "true" } else { "false" }),
            Value::Number(n) => {
                let text = number(n);
                self.put(&text);
            }
            Value::String(s) => self.text(s, indent, key),
            Value::Array(_) => self.put("[]"),
            Value::Object(_) => self.put("{}"),
        }
    }

    fn text(&mut self, text: &str, indent: usize, key: bool) {
        match style(text, key) {
            Style::Plain => self.folded_text(text, indent, key, false),
            Style::Single => {
                self.put_char('\'');
                self.folded_text(text, indent, key, true);
                self.put_char('\'');
            }
            Style::Double => self.double_quoted(text, indent, key),
            Style::Literal => self.literal(text, indent),
        }
    }

    /// The inside of a plain or single-quoted scalar.
    fn folded_text(&mut self, text: &str, indent: usize, key: bool, quoted: bool) {
        let chars: Vec<char> = text.chars().collect();
        let (mut spaces, mut breaks) = (false, false);
        for (i, &c) in chars.iter().enumerate() {
            if c == ' ' {
                let next_space = chars.get(i + 1) == Some(&' ');
                let inner = !quoted || (i > 0 && i + 1 < chars.len());
                if !key && !spaces && self.column > WIDTH && inner && !next_space {
                    self.indent(indent);
                } else {
                    self.put_char(c);
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.line_break();
                }
                self.any_break(c);
                breaks = true;
            } else {
                if breaks {
                    self.indent(indent);
                }
                if quoted && c == '\'' {
                    self.put_char('\'');
                }
                self.put_char(c);
                spaces = false;
                breaks = false;
            }
        }
    }

    fn any_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }

    fn double_quoted(&mut self, text: &str, indent: usize, key: bool) {
        self.put_char('"');
        let chars: Vec<char> = text.chars().collect();
        let mut spaces = false;
        for (i, &c) in chars.iter().enumerate() {
            if !is_printable(c) || c == '\u{feff}' || is_break(c) || c == '"' || c == '\\' {
                self.escape(c);
                spaces = false;
            } else if c == ' ' {
                let inner = i > 0 && i + 1 < chars.len();
                if !key && !spaces && self.column > WIDTH && inner {
                    self.indent(indent);
                    if chars.get(i + 1) == Some(&' ') {
                        self.put_char('\\');
                    }
                } else {
                    self.put_char(c);
                }
                spaces = true;
            } else {
                self.put_char(c);
                spaces = false;
            }
        }
        self.put_char('"');
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            other => {
                let code = u32::from(other);
                let text = match code {
                    0..=0xff => format!("\\x{code:02X}"),
                    0x100..=0xffff => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                self.put(&text);
                return;
            }
        };
        self.put_char('\\');
        self.put_char(short);
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.put_char('|');
        let chars: Vec<char> = text.chars().collect();
        if chars.first().is_some_and(|&c| c == ' ' || is_break(c)) {
            self.put("2");
        }
        match chars.as_slice() {
            [] => self.put("-"),
            [.., last] if !is_break(*last) => self.put("-"),
            [_] => self.put("+"),
            [.., before, _] if is_break(*before) => self.put("+"),
            _ => {}
        }
        self.line_break();
        let mut breaks = true;
        for &c in &chars {
            if is_break(c) {
                self.any_break(c);
                breaks = true;
            } else {
                if breaks {
                    self.indent(indent);
                }
                self.put_char(c);
                breaks = false;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

fn style(text: &str, key: bool) -> Style {
    let allowed = analyze(text);
    let mut style = if text.contains('\n') {
        Style::Literal
    } else if resolve(text) == Resolved::Text && !is_base60(text) {
        Style::Plain
    } else {
        Style::Double
    };
    if key && allowed.multiline {
        style = Style::Double;
    }
    if style == Style::Plain && !allowed.plain {
        style = Style::Single;
    }
    if style == Style::Single && !allowed.single {
        style = Style::Double;
    }
    if style == Style::Literal && (!allowed.block || key) {
        style = Style::Double;
    }
    style
}

struct Allowed {
    plain: bool,
    single: bool,
    block: bool,
    multiline: bool,
}

/// Which styles can hold the text (`yaml_emitter_analyze_scalar`).
fn analyze(text: &str) -> Allowed {
    if text.is_empty() {
        return Allowed {
            plain: true,
            single: true,
            block: false,
            multiline: false,
        };
    }
    let chars: Vec<char> = text.chars().collect();
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut line_breaks, mut special) = (false, false);
    let (mut break_space, mut space_break) = (false, false);
    let (mut previous_space, mut previous_break) = (false, false);
    let mut after_blank = true;
    for (i, &c) in chars.iter().enumerate() {
        let before_blank = chars.get(i + 1).is_none_or(|&n| n == ' ' || n == '\t');
        indicators |= if i == 0 {
            match c {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
                | '%' | '@' | '`' => true,
                '?' | ':' | '-' => before_blank,
                _ => false,
            }
        } else {
            (c == ':' && before_blank) || (c == '#' && after_blank)
        };
        special |= !is_printable(c);
        if c == ' ' {
            break_space |= previous_break;
            (previous_space, previous_break) = (true, false);
        } else if is_break(c) {
            line_breaks = true;
            space_break |= previous_space;
            (previous_space, previous_break) = (false, true);
        } else {
            (previous_space, previous_break) = (false, false);
        }
        after_blank = c == ' ' || c == '\t' || is_break(c);
    }
    let edge = |c: Option<&char>| c.is_some_and(|&c| c == ' ' || is_break(c));
    let trailing_space = chars.last() == Some(&' ');
    let bad = space_break || special;
    Allowed {
        plain: !(edge(chars.first())
            || edge(chars.last())
            || break_space
            || bad
            || line_breaks
            || indicators),
        single: !(break_space || bad),
        block: !(trailing_space || bad),
        multiline: line_breaks,
    }
}

/// Go's `%g` with the shortest digits that read back the same.
fn number(n: &Number) -> String {
    if let Some(i) = n.as_i64() {
        return i.to_string();
    }
    if let Some(u) = n.as_u64() {
        return u.to_string();
    }
    n.as_f64().map_or_else(|| n.to_string(), go_float)
}

/// Formats a float as Go's `strconv.FormatFloat(f, 'g', -1, 64)` does.
fn go_float(f: f64) -> String {
    let scientific = format!("{f:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{f}")
}

/// The order of keys: letters by code, runs of digits by their number
/// (`a2` before `a10`), everything else before letters.
fn natural_order(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    for i in 0..a.len().min(b.len()) {
        let (x, y) = (a[i], b[i]);
        if x == y {
            continue;
        }
        match (x.is_alphabetic(), y.is_alphabetic()) {
            (true, true) => return x.cmp(&y),
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) => {}
        }
        let mut start = 0i64;
        if x == '0' || y == '0' {
            let before = a[..i].iter().rev().take_while(|c| c.is_ascii_digit());
            if before.into_iter().any(|&c| c != '0') {
                start = 1;
            }
        }
        let (x_number, x_end) = run(&a, i, start);
        let (y_number, y_end) = run(&b, i, start);
        return x_number
            .cmp(&y_number)
            .then(x_end.cmp(&y_end))
            .then(x.cmp(&y));
    }
    a.len().cmp(&b.len())
}

/// The number that the digits from `from` on make, and where they end.
fn run(text: &[char], from: usize, start: i64) -> (i64, usize) {
    let mut number = start;
    let mut at = from;
    while let Some(digit) = text.get(at).and_then(|c| c.to_digit(10)) {
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
    (number, at)
}

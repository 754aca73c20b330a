//! `strconv.Quote` (the `%q` of Go's fmt) and its inverse for the input of `txn`.

/// Writes `text` as Go's `%q` does: double quotes, C-like escapes, `\x` for
/// bytes that aren't UTF-8, `\u` for characters that can't be seen.
pub fn quote(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut out, c, '"');
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

/// Writes a character as Go's `%q` does for a rune: single quotes.
pub fn quote_char(c: char) -> String {
    let mut out = String::from('\'');
    push_escaped(&mut out, c, '\'');
    out.push('\'');
    out
}

fn push_escaped(out: &mut String, c: char, delimiter: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if c == delimiter => {
            out.push('\\');
            out.push(c);
        }
        c if is_print(c) => out.push(c),
        c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

/// Close to `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and
/// the plain space. Rust's own debug escape knows which characters can't be
/// printed; the spaces other than U+0020 are the difference.
fn is_print(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if (c as u32) < 0xa1 => false,
        '\u{ad}' => false,
        c if c.is_whitespace() => false,
        // Grapheme extenders are escaped by Rust only; Go prints marks.
        c => {
            let mut escaped = c.escape_debug();
            escaped.len() == 1 || is_mark(c) || escaped.next() != Some('\\')
        }
    }
}

fn is_mark(c: char) -> bool {
    matches!(c as u32, 0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f
        | 0x900..=0x903 | 0x93a..=0x94f | 0xe31..=0xe4e | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff
        | 0x200d | 0x20d0..=0x20f0 | 0x302a..=0x302f | 0x3099..=0x309a | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f)
        && c as u32 != 0x200d
}

/// Why a quoted string could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnquoteError {
    /// The text ended before the closing quote.
    #[error("unexpected EOF")]
    UnexpectedEnd,
    /// The text does not begin with a quote.
    #[error("expected quoted string")]
    NotQuoted,
    /// An escape that Go does not know.
    #[error("invalid syntax")]
    Syntax,
}

/// Reads a string that Go's `%q` wrote (double quotes, or back quotes without
/// escapes) from the front of `text`; gives the bytes and what follows.
pub fn unquote(text: &[u8]) -> Result<(Vec<u8>, &[u8]), UnquoteError> {
    match text.first() {
        Some(b'`') => {
            let end = text[1..]
                .iter()
                .position(|&b| b == b'`')
                .ok_or(UnquoteError::UnexpectedEnd)?;
            Ok((text[1..=end].to_vec(), &text[end + 2..]))
        }
        Some(b'"') => unquote_double(&text[1..]),
        Some(_) => Err(UnquoteError::NotQuoted),
        None => Err(UnquoteError::UnexpectedEnd),
    }
}

fn unquote_double(text: &[u8]) -> Result<(Vec<u8>, &[u8]), UnquoteError> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        match *text.get(at).ok_or(UnquoteError::UnexpectedEnd)? {
            b'"' => return Ok((out, &text[at + 1..])),
            b'\\' => at = unescape(text, at + 1, &mut out)?,
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

/// Reads the escape whose letter is at `at`; gives the position after it.
fn unescape(text: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, UnquoteError> {
    let letter = *text.get(at).ok_or(UnquoteError::UnexpectedEnd)?;
    let digits = |count: usize, radix: u32, from: usize| -> Result<u32, UnquoteError> {
        let part = text
            .get(from..from + count)
            .ok_or(UnquoteError::UnexpectedEnd)?;
        let part = std::str::from_utf8(part).map_err(|_| UnquoteError::Syntax)?;
        u32::from_str_radix(part, radix).map_err(|_| UnquoteError::Syntax)
    };
    let simple = match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' => b'\\',
        b'"' => b'"',
        b'x' => {
            out.push(digits(2, 16, at + 1)? as u8);
            return Ok(at + 3);
        }
        b'u' | b'U' => {
            let count = if letter == b'u' { 4 } else { 8 };
            let c = char::from_u32(digits(count, 16, at + 1)?).ok_or(UnquoteError::Syntax)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(at + 1 + count);
        }
        b'0'..=b'7' => {
            out.push(u8::try_from(digits(3, 8, at)?).map_err(|_| UnquoteError::Syntax)?);
            return Ok(at + 3);
        }
        _ => return Err(UnquoteError::Syntax),
    };
    out.push(simple);
    Ok(at + 1)
}

//! Text in lines that are not too wide.

/// Every line behind so many blanks.
pub fn indent(text: &str, blanks: usize) -> String {
    let pad = " ".repeat(blanks);
    format!("{pad}{}", text.replace('\n', &format!("\n{pad}")))
}

/// Breaks lines at blanks before they grow longer than `width`.
pub fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    let (mut current, mut space, mut word) = (0, String::new(), String::new());
    let flush = |out: &mut String, current: &mut usize, space: &mut String, word: &mut String| {
        out.push_str(space);
        out.push_str(word);
        *current += space.chars().count() + word.chars().count();
        space.clear();
        word.clear();
    };
    for c in text.chars() {
        if c == '\n' {
            if word.is_empty() {
                if current + space.chars().count() <= width {
                    out.push_str(&space);
                }
                space.clear();
            } else {
                flush(&mut out, &mut current, &mut space, &mut word);
            }
            out.push('\n');
            current = 0;
        } else if c.is_whitespace() && c != '\u{a0}' {
            if space.is_empty() || !word.is_empty() {
                flush(&mut out, &mut current, &mut space, &mut word);
            }
            space.push(c);
        } else {
            word.push(c);
            let length = word.chars().count();
            if current + space.chars().count() + length > width && length < width {
                out.push('\n');
                current = 0;
                space.clear();
            }
        }
    }
    flush(&mut out, &mut current, &mut space, &mut word);
    out
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("aaa bbb ccc", 7), "aaa bbb\nccc");
        assert_eq!(wrap("aaa bbb\nccc\n", 20), "aaa bbb\nccc\n");
        assert_eq!(wrap("aaaaaaaaaaaa bb", 7), "aaaaaaaaaaaa\nbb");
    }
}

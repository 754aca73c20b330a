//! Tables as `github.com/olekukonko/tablewriter` 0.0.5 draws them with the
//! reference's settings: header in capitals and centred, cells to the right,
//! long cells broken between words.

/// Width beyond which a cell is broken.
const MAX_WIDTH: usize = 30;

/// Cost of a line that is too long because one word is.
const TOO_LONG: u64 = 100_000;

/// Draws a table.
pub fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<Vec<String>> = header
        .iter()
        .map(|name| wrap(&name.to_uppercase()))
        .collect();
    let rows: Vec<Vec<Vec<String>>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| wrap(cell)).collect())
        .collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().map(|row| &row[column]).chain([&header[column]]);
            cells.map(|cell| cell_width(cell)).max().unwrap_or(0)
        })
        .collect();
    let border = widths
        .iter()
        .map(|w| "-".repeat(w + 2))
        .collect::<Vec<_>>()
        .join("+");
    let border = format!("+{border}+\n");
    let mut out = border.clone();
    push_row(&mut out, &header, &widths, centre);
    out.push_str(&border);
    for row in &rows {
        push_row(&mut out, row, &widths, to_the_right);
    }
    out.push_str(&border);
    out
}

fn push_row(
    out: &mut String,
    cells: &[Vec<String>],
    widths: &[usize],
    align: fn(&str, usize) -> String,
) {
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        out.push('|');
        for (cell, &width) in cells.iter().zip(widths) {
            let text = cell.get(line).map_or("", String::as_str);
            out.push_str(&format!(" {} |", align(text, width)));
        }
        out.push('\n');
    }
}

fn centre(text: &str, width_wanted: usize) -> String {
    let gap = width_wanted.saturating_sub(width(text));
    format!("{}{text}{}", " ".repeat(gap / 2), " ".repeat(gap - gap / 2))
}

fn to_the_right(text: &str, width_wanted: usize) -> String {
    format!(
        "{}{text}",
        " ".repeat(width_wanted.saturating_sub(width(text)))
    )
}

/// A cell that had to be broken is as wide as it might have been.
fn cell_width(lines: &[String]) -> usize {
    let longest = lines.iter().map(|line| width(line)).max().unwrap_or(0);
    if lines.len() > 1 {
        longest.max(MAX_WIDTH)
    } else {
        longest
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a cell into lines that are as even as can be (the least sum of squared
/// gaps, the last line being free), as tablewriter's `WrapWords` does.
fn wrap(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split([' ', '\n']).collect();
    let longest = words.iter().map(|w| width(w)).max().unwrap_or(0);
    let limit = width(text).min(MAX_WIDTH).max(longest);
    let count = words.len();
    let length = |from: usize, to: usize| {
        words[from..to].iter().map(|w| width(w)).sum::<usize>() + to - from - 1
    };
    let mut cost = vec![u64::MAX / 4; count];
    let mut breaks = vec![count; count];
    for from in (0..count).rev() {
        if length(from, count) <= limit {
            cost[from] = 0;
            continue;
        }
        for to in from + 1..count {
            let used = length(from, to);
            let gap = used.abs_diff(limit) as u64;
            let penalty = if used > limit { TOO_LONG } else { 0 };
            let total = gap * gap + cost[to] + penalty;
            if total < cost[from] {
                cost[from] = total;
                breaks[from] = to;
            }
        }
    }
    let mut lines = Vec::new();
    let mut from = 0;
    while from < count {
        lines.push(words[from..breaks[from]].join(" "));
        from = breaks[from];
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn one_row() {
        let table = render(
            &["hash", "revision", "total keys", "total size"],
            &[vec![
                "5c50c13".into(),
                "11".into(),
                "19".into(),
                "20 kB".into(),
            ]],
        );
        assert_eq!(
            table,
            "+---------+----------+------------+------------+\n\
             |  HASH   | REVISION | TOTAL KEYS | TOTAL SIZE |\n\
             +---------+----------+------------+------------+\n\
             | 5c50c13 |       11 |         19 |      20 kB |\n\
             +---------+----------+------------+------------+\n"
        );
    }

    #[test]
    fn long_cells_are_broken_between_words() {
        let table = render(
            &["error"],
            &[vec![
                "context deadline exceeded while waiting for a leader to be elected".into(),
            ]],
        );
        assert!(table.lines().count() > 5, "{table}");
        assert!(table.lines().all(|line| line.len() <= 34), "{table}");
    }

    #[test]
    fn a_broken_cell_is_30_wide() {
        let cell = "memberID:12007345308328160723 alarm:NOSPACE ".to_owned();
        let table = render(&["errors"], &[vec![cell]]);
        assert_eq!(
            table,
            "+--------------------------------+\n\
             |             ERRORS             |\n\
             +--------------------------------+\n\
             |  memberID:12007345308328160723 |\n\
             |                 alarm:NOSPACE  |\n\
             +--------------------------------+\n"
        );
    }

    #[test]
    fn no_rows() {
        assert_eq!(render(&["a"], &[]), "+---+\n| A |\n+---+\n+---+\n");
    }
}

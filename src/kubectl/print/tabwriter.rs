//! Elastic tabs: Go's `text/tabwriter`, which lays out all of kubectl's tables.

/// A layout.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The narrowest column, padding included.
    pub min_width: usize,
    /// Blanks after the widest cell of a column.
    pub padding: usize,
}

/// Tables of `get` (`printers.GetNewTabWriter`).
pub const TABLE: Layout = Layout {
    min_width: 6,
    padding: 3,
};
/// Lines of `describe`.
pub const DESCRIBE: Layout = Layout {
    min_width: 0,
    padding: 2,
};
/// Lists of `rollout history`, `config get-contexts` and `api-resources`.
pub const LIST: Layout = Layout {
    min_width: 6,
    padding: 3,
};

impl Layout {
    /// Replaces tabs by blanks so that columns line up. A column is a run of
    /// lines that have a tab-ended cell at that place.
    pub fn format(self, text: &str) -> String {
        let lines: Vec<Vec<&str>> = text
            .split('\n')
            .map(|line| line.split('\t').collect())
            .collect();
        let mut widths: Vec<Vec<usize>> = lines.iter().map(|line| vec![0; line.len()]).collect();
        let longest = lines.iter().map(Vec::len).max().unwrap_or(0);
        // A block of one column ends where a line has no such cell, or where an
        // earlier column's block ended; since the latter implies the former,
        // looking at each column alone is enough.
        for column in 0..longest {
            let mut at = 0;
            while at < lines.len() {
                if column + 1 >= lines[at].len() {
                    at += 1;
                    continue;
                }
                let end = (at..lines.len())
                    .find(|&l| column + 1 >= lines[l].len())
                    .unwrap_or(lines.len());
                let widest = lines[at..end]
                    .iter()
                    .map(|line| line[column].chars().count() + self.padding)
                    .max()
                    .unwrap_or(0);
                for row in &mut widths[at..end] {
                    row[column] = widest.max(self.min_width);
                }
                at = end;
            }
        }
        let mut out = String::with_capacity(text.len() * 2);
        for (number, (line, widths)) in lines.iter().zip(&widths).enumerate() {
            if number > 0 {
                out.push('\n');
            }
            for (place, (cell, width)) in line.iter().zip(widths).enumerate() {
                out.push_str(cell);
                if place + 1 < line.len() {
                    let blanks = width.saturating_sub(cell.chars().count());
                    (0..blanks).for_each(|_| out.push(' '));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{DESCRIBE, TABLE};

    #[test]
    fn columns_are_padded_but_the_last() {
        let text = "NAME\tREADY\tAGE\nweb\t2/2\t5s\na-long-name\t0/1\t10d\n";
        let want =
            "NAME          READY   AGE\nweb           2/2     5s\na-long-name   0/1     10d\n";
        assert_eq!(TABLE.format(text), want);
    }

    #[test]
    fn blocks_end_where_a_line_has_no_cell() {
        let text = "Name:\tweb\nLabels:\tapp=web\nEvents:\n  Type\tReason\n  ----\t------\n";
        let want = "Name:    web\nLabels:  app=web\nEvents:\n  Type  Reason\n  ----  ------\n";
        assert_eq!(DESCRIBE.format(text), want);
    }
}

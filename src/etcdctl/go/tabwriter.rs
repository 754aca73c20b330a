//! `text/tabwriter` with the settings of `pkg/cobrautl/help.go`: tab stops of 8,
//! padding of 1, padded with tabs.

const TAB: usize = 8;
const PADDING: usize = 1;

/// Aligns the tab-separated cells of `text` into columns.
pub fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text
        .split('\n')
        .map(|line| line.split('\t').collect())
        .collect();
    let mut writer = Writer {
        lines: &lines,
        out: String::with_capacity(text.len() * 2),
        widths: Vec::new(),
    };
    writer.format(0, lines.len());
    // The last line has no line feed of its own.
    writer.out.pop();
    writer.out
}

struct Writer<'a> {
    lines: &'a [Vec<&'a str>],
    out: String,
    widths: Vec<usize>,
}

impl Writer<'_> {
    /// Formats the lines `from..to`, whose first `widths.len()` columns are known.
    /// A column is a run of lines that have a cell there which a tab ends.
    fn format(&mut self, mut from: usize, to: usize) {
        let column = self.widths.len();
        let mut at = from;
        while at < to {
            if column + 1 >= self.lines[at].len() {
                at += 1;
                continue;
            }
            self.write_lines(from, at);
            from = at;
            let mut width = 0;
            while at < to && column + 1 < self.lines[at].len() {
                width = width.max(self.lines[at][column].chars().count() + PADDING);
                at += 1;
            }
            self.widths.push(width);
            self.format(from, at);
            self.widths.pop();
            from = at;
        }
        self.write_lines(from, to);
    }

    fn write_lines(&mut self, from: usize, to: usize) {
        for line in &self.lines[from..to] {
            for (index, cell) in line.iter().enumerate() {
                self.out.push_str(cell);
                if let Some(width) = self.widths.get(index) {
                    let width = width.div_ceil(TAB) * TAB;
                    let tabs = (width - cell.chars().count()).div_ceil(TAB);
                    self.out.extend(std::iter::repeat_n('\t', tabs));
                }
            }
            self.out.push('\n');
        }
    }
}

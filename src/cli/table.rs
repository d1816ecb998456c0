//! A table on a terminal or in a pipe: columns as wide as their text, colours only where they show.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::domain::text::visible;

pub struct Table<const N: usize> {
    rows: Vec<[Cell; N]>,
}

#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
    right: bool,
}

impl Cell {
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self { text: visible(text.as_ref()).into_owned(), style: Style::new(), right: false }
    }

    pub fn right(text: impl AsRef<str>) -> Self {
        Self { right: true, ..Self::plain(text) }
    }

    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { style, ..Self::plain(text) }
    }
}

impl<const N: usize> Table<N> {
    pub fn new(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(|text| Cell::styled(text, Style::new().dimmed()))] }
    }

    pub fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    /// Writes it to standard output; the last column is not padded.
    pub fn print(&self) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        let widths: [usize; N] = std::array::from_fn(|column| self.rows.iter().map(|row| row[column].text.width()).max().unwrap_or(0));
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let padding = " ".repeat(widths[column] - cell.text.width());
                let text = format!("{}{}{:#}", cell.style, cell.text, cell.style);
                match (cell.right, column + 1 == N) {
                    (true, last) => line.push_str(&format!("{padding}{text}{}", if last { "" } else { "  " })),
                    (false, true) => line.push_str(&text),
                    (false, false) => line.push_str(&format!("{text}{padding}  ")),
                }
            }
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

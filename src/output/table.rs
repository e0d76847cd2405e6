//! Tables for people: plain columns with two blanks between, numbers to the right. They do not depend on the width of a
//! terminal, so that a pipe gets the same.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell as Field, CellAlignment, ContentArrangement, Table};

use super::Cell;
use super::terminal::clean;

/// The drawn table with a line end after each row; the header is bold if colour is allowed.
pub fn drawn(headers: &[&str], rows: &[Vec<Cell>], color: bool) -> String {
    let numeric = |column_idx: usize| {
        let mut filled = rows
            .iter()
            .filter_map(|row| row.get(column_idx))
            .filter(|cell| **cell != Cell::Empty)
            .peekable();
        filled.peek().is_some() && filled.all(Cell::is_number)
    };
    let right: Vec<bool> = (0..headers.len()).map(numeric).collect();
    let field = |column_idx: usize, text: &str| {
        let alignment = match right.get(column_idx) {
            Some(true) => CellAlignment::Right,
            _ => CellAlignment::Left,
        };
        Field::new(clean(text)).set_alignment(alignment)
    };
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(
            headers
                .iter()
                .enumerate()
                .map(|(idx, header)| field(idx, header)),
        );
    for row in rows {
        table.add_row(
            row.iter()
                .enumerate()
                .map(|(idx, cell)| field(idx, &cell.plain())),
        );
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for (line_idx, line) in table.lines().enumerate() {
        let line = line.trim_end();
        if line_idx == 0 && color {
            text.push_str("\u{1b}[1m");
            text.push_str(line);
            text.push_str("\u{1b}[0m");
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_texts_to_the_left() {
        let rows = vec![
            vec!["A".into(), Cell::Whole(5), "x".into()],
            vec!["LONGER".into(), Cell::Whole(1_000), Cell::Whole(3)],
            vec!["C".into(), Cell::Empty, Cell::Empty],
        ];
        assert_eq!(
            drawn(&["sku", "units", "mixed"], &rows, false),
            "sku     units  mixed\nA           5  x\nLONGER   1000  3\nC\n"
        );
    }

    #[test]
    fn without_rows_the_header_is_there() {
        assert_eq!(drawn(&["sku", "units"], &[], false), "sku  units\n");
        assert_eq!(drawn(&["sku"], &[], true), "\u{1b}[1msku\u{1b}[0m\n");
    }

    #[test]
    fn a_name_cannot_break_out_of_its_row() {
        let rows = vec![vec!["a\nb".into(), "\u{1b}[2J\u{202e}".into()]];
        let text = drawn(&["x", "y"], &rows, false);
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
}

//! Documents as plain text with aligned columns.

use crate::report::render::{Block, Document, Table, TableRow, clean};
use crate::report::shown::{caption, tables};

/// Columns of the page.
const WIDTH: usize = 100;
/// Between two columns of a table.
const GAP: usize = 2;
/// A column of words is not squeezed below this.
const NARROWEST: usize = 20;

pub(super) fn render(document: &Document) -> String {
    let mut out = String::new();
    let title = clean(&document.title);
    line(&mut out, &title);
    line(&mut out, &"=".repeat(width(&title).min(WIDTH)));
    if !document.subtitle.is_empty() {
        wrapped(&mut out, "", "", &document.subtitle);
    }
    let (mut numbered, mut figures) = (0, 0);
    for block in &document.blocks {
        out.push('\n');
        match block {
            Block::Heading { level, text } => {
                let text = clean(text);
                line(&mut out, &text);
                if *level <= 2 {
                    line(&mut out, &"-".repeat(width(&text).min(WIDTH)));
                }
            }
            Block::Paragraph(text) => wrapped(&mut out, "", "", text),
            Block::List(items) => {
                for item in items {
                    wrapped(&mut out, "- ", "  ", item);
                }
            }
            Block::Pairs(pairs) => {
                let names: Vec<String> = pairs.iter().map(|(name, _)| clean(name)).collect();
                let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
                let rest = " ".repeat(widest + GAP);
                for (name, (_, text)) in names.iter().zip(pairs) {
                    let first = format!("{name}{}", " ".repeat(widest + GAP - width(name)));
                    wrapped(&mut out, &first, &rest, text);
                }
            }
            Block::Table(content) => {
                numbered += 1;
                table(&mut out, &format!("Table {numbered}"), content);
            }
            Block::Figures(content) => {
                for figure in content {
                    figures += 1;
                    let text = format!("Figure {figures}. {}. {}", figure.title, caption(figure));
                    wrapped(&mut out, "", "  ", &text);
                    for content in &tables(figure) {
                        table(&mut out, &format!("Figure {figures}"), content);
                    }
                }
            }
            Block::Note {
                severity,
                title,
                text,
            } => {
                let head = format!("[{}] {title}", severity.word());
                wrapped(&mut out, "", "  ", &head);
                wrapped(&mut out, "  ", "  ", text);
            }
            Block::References(list) => {
                for (text, doi) in list {
                    wrapped(&mut out, "- ", "  ", &format!("{text} doi {doi}"));
                }
            }
        }
    }
    out
}

fn table(out: &mut String, name: &str, table: &Table) {
    wrapped(out, "", "  ", &format!("{name}. {}", table.caption));
    let cells: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| (0..table.columns.len()).map(|c| shown(row, c)).collect())
        .collect();
    let headings: Vec<String> = table.columns.iter().map(|c| clean(&c.heading)).collect();
    let mut widths: Vec<usize> = (0..headings.len())
        .map(|c| {
            let widest = cells.iter().map(|row| width(&row[c])).max().unwrap_or(0);
            // A heading of several words may take several lines.
            let word = headings[c].split_whitespace().map(width).max().unwrap_or(0);
            let heading = width(&headings[c]).min(word.max(12));
            widest.max(heading)
        })
        .collect();
    squeeze(&mut widths, table);
    let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let rule = "-".repeat(total);
    line(out, &rule);
    lines_of(out, table, &headings, &widths);
    line(out, &rule);
    for row in &cells {
        lines_of(out, table, row, &widths);
    }
    line(out, &rule);
    for note in &table.notes {
        wrapped(out, "", "  ", note);
    }
}

/// Narrows columns of words until the table fits the page or they are as narrow as allowed.
fn squeeze(widths: &mut [usize], table: &Table) {
    loop {
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let widest = (0..widths.len())
            .filter(|c| !table.columns[*c].number && widths[*c] > NARROWEST)
            .max_by_key(|c| widths[*c]);
        match widest {
            Some(column) if total > WIDTH => widths[column] -= 1,
            _ => return,
        }
    }
}

/// One row of a table, as many lines as its highest cell.
fn lines_of(out: &mut String, table: &Table, cells: &[String], widths: &[usize]) {
    let folded: Vec<Vec<String>> = cells.iter().zip(widths).map(|(c, w)| fold(c, *w)).collect();
    let height = folded.iter().map(Vec::len).max().unwrap_or(0);
    for place in 0..height {
        let mut text = String::new();
        for (column, parts) in folded.iter().enumerate() {
            let part = parts.get(place).map_or("", String::as_str);
            let space = " ".repeat(widths[column].saturating_sub(width(part)));
            if column > 0 {
                text.push_str(&" ".repeat(GAP));
            }
            if table.columns[column].number {
                text.push_str(&space);
                text.push_str(part);
            } else {
                text.push_str(part);
                text.push_str(&space);
            }
        }
        line(out, text.trim_end());
    }
}

/// Words of a cell on lines of at most `most` characters; leading blanks stay on every line.
fn fold(cell: &str, most: usize) -> Vec<String> {
    let text = cell.trim_start_matches(' ');
    let indent = " ".repeat(cell.len() - text.len());
    let mut lines = vec![indent.clone()];
    for word in text.split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        loop {
            let last = lines.last_mut().expect("there is a first line");
            let used = width(last);
            let empty = used == indent.len();
            let room = most.saturating_sub(used + usize::from(!empty));
            if rest.len() <= room || (empty && room == 0) {
                if !empty {
                    last.push(' ');
                }
                last.extend(&rest);
                break;
            }
            if empty {
                last.extend(rest.drain(..room));
            }
            lines.push(indent.clone());
        }
    }
    lines
}

fn shown(row: &TableRow, column: usize) -> String {
    let cell = clean(row.cell(column));
    if column == 0 && row.indented {
        format!("  {cell}")
    } else {
        cell
    }
}

fn wrapped(out: &mut String, first: &str, rest: &str, text: &str) {
    let text = clean(text);
    let mut current = first.to_string();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && width(&current) + 1 + width(word) > WIDTH {
            line(out, &current);
            current = rest.to_string();
            empty = true;
        }
        if !empty {
            current.push(' ');
        }
        current.push_str(word);
        empty = false;
    }
    line(out, current.trim_end());
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_names_fold() {
        let table = Table::new("Sizes")
            .text("Name")
            .number("n")
            .row(["short", "7"])
            .row(["x".repeat(120), "1,234".to_string()]);
        let text = Document::new("T").with(Block::Table(table)).to_text();
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        let ends: Vec<&str> = text
            .lines()
            .filter(|line| line.ends_with(['7', '4']))
            .collect();
        assert_eq!(ends.len(), 2);
        assert_eq!(ends[0].chars().count(), ends[1].chars().count());
        assert_eq!(text.matches('x').count(), 120);
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let text = Document::new("a\u{1b}[31m\u{202e}b").to_text();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }

    #[test]
    fn folding_keeps_indents_and_words() {
        assert_eq!(fold("  one two three", 9), ["  one two", "  three"]);
        assert_eq!(fold("", 5), [""]);
        assert_eq!(fold("abcdefgh", 3), ["abc", "def", "gh"]);
    }
}

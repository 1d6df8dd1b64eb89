//! Documents as Markdown with pipe tables.

use crate::report::render::{Block, Document, Table, TableRow, clean};
use crate::report::shown::{caption, tables};

pub(super) fn render(document: &Document) -> String {
    let mut out = format!("# {}\n", escape(&document.title));
    if !document.subtitle.is_empty() {
        out.push_str(&format!("\n{}\n", escape(&document.subtitle)));
    }
    let (mut numbered, mut figures) = (0, 0);
    for block in &document.blocks {
        out.push('\n');
        match block {
            Block::Heading { level, text } => {
                let marks = "#".repeat(usize::from(*level).clamp(2, 6));
                out.push_str(&format!("{marks} {}\n", escape(text)));
            }
            Block::Paragraph(text) => out.push_str(&format!("{}\n", escape(text))),
            Block::List(items) => {
                for item in items {
                    out.push_str(&format!("- {}\n", escape(item)));
                }
            }
            Block::Pairs(pairs) => {
                for (name, text) in pairs {
                    out.push_str(&format!("- **{}**: {}\n", escape(name), escape(text)));
                }
            }
            Block::Table(content) => {
                numbered += 1;
                table(&mut out, &format!("Table {numbered}"), content);
            }
            Block::Figures(content) => {
                for (place, figure) in content.iter().enumerate() {
                    figures += 1;
                    if place > 0 {
                        out.push('\n');
                    }
                    let (title, caption) = (escape(&figure.title), escape(&caption(figure)));
                    out.push_str(&format!("**Figure {figures}.** {title}. {caption}\n"));
                    for content in &tables(figure) {
                        out.push('\n');
                        table(&mut out, &format!("Figure {figures}"), content);
                    }
                }
            }
            Block::Note {
                severity,
                title,
                text,
            } => {
                let word = severity.word();
                let (title, text) = (escape(title), escape(text));
                out.push_str(&format!("> **{word}: {title}.** {text}\n"));
            }
            Block::References(list) => {
                for (text, doi) in list {
                    out.push_str(&format!("- {} doi {}\n", escape(text), escape(doi)));
                }
            }
        }
    }
    out
}

fn table(out: &mut String, name: &str, table: &Table) {
    out.push_str(&format!("**{name}.** {}\n\n", escape(&table.caption)));
    let headings: Vec<String> = table.columns.iter().map(|c| escape(&c.heading)).collect();
    out.push_str(&format!("| {} |\n", headings.join(" | ")));
    let rules: Vec<&str> = table
        .columns
        .iter()
        .map(|column| if column.number { "---:" } else { "---" })
        .collect();
    out.push_str(&format!("| {} |\n", rules.join(" | ")));
    for row in &table.rows {
        let cells: Vec<String> = (0..table.columns.len()).map(|c| shown(row, c)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    for note in &table.notes {
        out.push_str(&format!("\n{}\n", escape(note)));
    }
}

fn shown(row: &TableRow, column: usize) -> String {
    let cell = escape(row.cell(column));
    if column == 0 && row.indented {
        format!("&nbsp;&nbsp;{cell}")
    } else {
        cell
    }
}

/// Text that Markdown prints as it is. Underscores between letters or digits are no emphasis, and
/// stay readable.
fn escape(text: &str) -> String {
    let chars: Vec<char> = clean(text).chars().collect();
    let mut out = String::with_capacity(text.len());
    for (place, c) in chars.iter().enumerate() {
        let inside = place > 0
            && chars[place - 1].is_alphanumeric()
            && chars
                .get(place + 1)
                .is_some_and(|next| next.is_alphanumeric());
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '_' if inside => out.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(*c);
            }
            '#' | '+' | '-' | '=' if place == 0 => {
                out.push('\\');
                out.push(*c);
            }
            // A URL in a name must not become a link.
            ':' if chars.get(place + 1) == Some(&'/') => out.push_str("&#58;"),
            c => out.push(*c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_a_cell() {
        assert_eq!(escape("a|b"), "a\\|b");
        assert_eq!(escape("<b>&"), "&lt;b&gt;&amp;");
        assert_eq!(escape("length_of_stay"), "length_of_stay");
        assert_eq!(escape("_x_"), "\\_x\\_");
        assert_eq!(escape("![x](http://y)"), "!\\[x\\](http&#58;//y)");
        assert_eq!(escape("two\nlines"), "two lines");
        assert_eq!(escape("# no heading"), "\\# no heading");
    }
}

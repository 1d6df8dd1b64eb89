//! A small document model, rendered as plain text, Markdown or one HTML page.
//!
//! All text in it is data: every renderer escapes it, so that a column called `<b>` is printed and
//! never obeyed. Rendering reads nothing but the document, hence the same bytes each time.

use serde::{Deserialize, Serialize};

use crate::estimator::Figure;
use crate::report::lint::Severity;

/// A titled sequence of blocks.
///
/// ```
/// use galen::report::render::{Block, Document, Table};
///
/// let table = Table::new("Rows by site")
///     .text("Site")
///     .number("Rows")
///     .row(["north", "1,200"])
///     .row(["south", "980"]);
/// let page = Document::new("Two sites")
///     .with(Block::Paragraph("What was seen.".into()))
///     .with(Block::Table(table));
/// assert!(page.to_text().contains("north  1,200"));
/// assert!(page.to_markdown().contains("| north | 1,200 |"));
/// assert!(page.to_html().starts_with("<!doctype html>"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Title.
    pub title: String,
    /// A line below the title; may be empty.
    pub subtitle: String,
    /// Blocks in order.
    pub blocks: Vec<Block>,
}

/// One block of a [`Document`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Block {
    /// A heading; level 2 opens a section, 3 a part of one.
    Heading {
        /// Level, 2 or 3.
        level: u8,
        /// Words of the heading.
        text: String,
    },
    /// Running text.
    Paragraph(String),
    /// Lines with bullets.
    List(Vec<String>),
    /// Names and what they stand for.
    Pairs(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// Figures that belong side by side.
    Figures(Vec<Figure>),
    /// Something that a reader must not miss.
    Note {
        /// How much it weighs.
        severity: Severity,
        /// What was found, in a few words.
        title: String,
        /// Why it matters, and what to do.
        text: String,
    },
    /// Publications; the second text is a DOI.
    References(Vec<(String, String)>),
}

/// A table whose cells are printed as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// Columns from left to right; the first names the rows.
    pub columns: Vec<TableColumn>,
    /// Rows from top to bottom.
    pub rows: Vec<TableRow>,
    /// Notes below the table.
    pub notes: Vec<String>,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableColumn {
    /// Heading.
    pub heading: String,
    /// Whether it holds numbers, which stand to the right.
    pub number: bool,
}

/// A row of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// One cell per column; missing cells are empty.
    pub cells: Vec<String>,
    /// Whether the row belongs to the one above it.
    pub indented: bool,
}

impl Table {
    /// An empty table.
    pub fn new(caption: impl Into<String>) -> Self {
        Self {
            caption: caption.into(),
            ..Self::default()
        }
    }

    /// Adds a column of words.
    pub fn text(mut self, heading: impl Into<String>) -> Self {
        self.columns.push(TableColumn {
            heading: heading.into(),
            number: false,
        });
        self
    }

    /// Adds a column of numbers.
    pub fn number(mut self, heading: impl Into<String>) -> Self {
        self.columns.push(TableColumn {
            heading: heading.into(),
            number: true,
        });
        self
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(mut self, cells: impl IntoIterator<Item = S>) -> Self {
        self.push(false, cells.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a note below the table.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(super) fn push(&mut self, indented: bool, cells: Vec<String>) {
        self.rows.push(TableRow { cells, indented });
    }
}

impl TableRow {
    pub(super) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

impl Document {
    /// An empty document.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            subtitle: String::new(),
            blocks: Vec::new(),
        }
    }

    /// Adds a block.
    pub fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    pub(super) fn heading(&mut self, level: u8, text: &str) {
        let text = text.to_string();
        self.blocks.push(Block::Heading { level, text });
    }

    pub(super) fn paragraph(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Paragraph(text.into()));
    }

    /// Plain text, at most 100 columns wide where the words allow it.
    pub fn to_text(&self) -> String {
        super::text::render(self)
    }

    /// Markdown with pipe tables.
    pub fn to_markdown(&self) -> String {
        super::markdown::render(self)
    }

    /// One HTML page without script and without anything to load.
    pub fn to_html(&self) -> String {
        super::html::render(self)
    }
}

/// Text on one line without control characters or marks that reorder it: names come from data.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

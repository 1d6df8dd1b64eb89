//! Records of the caller's own type into a [`Table`], through serde.

use serde::ser::{self, Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::error::{ErrorKind, Result};
use crate::ingest::columns::{Lines, at};
use crate::ingest::csv::RawTable;
use crate::ingest::fields::Fields;
use crate::ingest::options::TableReader;
use crate::ingest::table::Table;
use crate::matrix::{Feature, FeatureKind};

/// Reads records: structs (or maps) of plain fields, one per row.
///
/// `roles` names keys, outcomes, weights and declarations as for a file. A number is numeric, a
/// `bool` a flag, a text or an enum without fields a category; `None`, NaN and the empty text are
/// missing, and a field that a record skips is missing there. A declaration goes before the type:
/// an integer declared a category becomes a level. Cost: every distinct value of a field is stored
/// once.
///
/// # Errors
/// [`ErrorKind::Ingest`] with the number of the record (from 1) in place of a line for a nested
/// structure, a field that changes its type, an infinity or a value that its declaration does not
/// allow; and what [`TableReader::read`] says of roles, keys and tables without rows.
///
/// # Examples
/// ```
/// use galen::ingest::{TableReader, from_records};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// enum Sex { F, M }
///
/// #[derive(Serialize)]
/// struct Visit { id: u32, age: f64, sex: Sex, smoker: bool, hba1c: Option<f64> }
///
/// # fn main() -> galen::Result<()> {
/// let visits = [
///     Visit { id: 7, age: 54.0, sex: Sex::F, smoker: true, hba1c: None },
///     Visit { id: 8, age: 61.0, sex: Sex::M, smoker: false, hba1c: Some(6.1) },
/// ];
/// let table = from_records(&visits, &TableReader::new().patient("id"))?;
/// assert_eq!(table.matrix().n_columns(), 4);
/// assert_eq!(table.matrix().column("sex")?.level(1), Some("M"));
/// assert!(table.matrix().column("hba1c")?.is_missing(0));
/// # Ok(())
/// # }
/// ```
pub fn from_records<T: Serialize>(records: &[T], roles: &TableReader) -> Result<Table> {
    if records.is_empty() {
        return Err(ErrorKind::TooFewRows {
            what: "records",
            required: 1,
            found: 0,
        }
        .into());
    }
    let mut sheet = Sheet::default();
    for (row, record) in records.iter().enumerate() {
        sheet.row = row;
        sheet.next = 0;
        record.serialize(Row(&mut sheet)).map_err(|failure| {
            let column = sheet.column.take();
            at(row as u64 + 1, column.as_deref(), failure.message())
        })?;
        for cells in &mut sheet.cells {
            cells.fill_to(row + 1);
        }
    }
    let mut lines = Lines::default();
    lines.note(0, 1);
    let (mut header, mut columns, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for cells in sheet.cells {
        kinds.push(Feature::new(
            &cells.name,
            cells.kind.unwrap_or(FeatureKind::Numeric),
        ));
        header.push(cells.name);
        columns.push(Some(cells.fields));
    }
    let raw = RawTable {
        header,
        columns,
        lines,
        n_rows: records.len(),
    };
    roles.assemble(raw, &kinds)
}

/// Cells of one field over all records.
struct Cells {
    name: String,
    fields: Fields,
    kind: Option<FeatureKind>,
}

impl Cells {
    /// Missing up to `rows` rows.
    fn fill_to(&mut self, rows: usize) {
        while self.fields.len() < rows {
            self.fields.push(&[], 0, 0);
        }
    }
}

/// All cells, and the place being written.
#[derive(Default)]
struct Sheet {
    cells: Vec<Cells>,
    row: usize,
    /// Where the next field stands when records have their fields in one order.
    next: usize,
    column: Option<String>,
}

impl Sheet {
    fn put<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Put {
        let here = self.cells.get(self.next).is_some_and(|c| c.name == name);
        let found = match here {
            true => Some(self.next),
            false => self.cells.iter().position(|cells| cells.name == name),
        };
        let index = found.unwrap_or(self.cells.len());
        if found.is_none() {
            self.cells.push(Cells {
                name: name.to_string(),
                fields: Fields::new(),
                kind: None,
            });
        }
        self.next = index + 1;
        let row = self.row;
        let written = self
            .cells
            .get_mut(index)
            .map_or(Err(Failure::Other), |cells| {
                cells.fill_to(row);
                if cells.fields.len() > row {
                    return Err(Failure::Twice);
                }
                value.serialize(Cell(cells))
            });
        if written.is_err() {
            self.column = Some(name.to_string());
        }
        written
    }
}

/// Why a record was refused.
#[derive(Debug)]
enum Failure {
    NotARecord,
    Nested,
    Infinite,
    Changed,
    Twice,
    Key,
    Other,
}

impl Failure {
    fn message(&self) -> &'static str {
        match self {
            Self::NotARecord => "expected a struct or a map of named fields",
            Self::Nested => {
                "expected a plain value: a number, a flag, a text, an enum without fields, or an \
                 option of these; flatten nested structures"
            }
            Self::Infinite => "expected a finite number, or NaN for missing",
            Self::Changed => "the field is of another type than in the records above",
            Self::Twice => "the field stands twice in the record",
            Self::Key => "expected texts as the keys of a map",
            Self::Other => "the record could not be serialised",
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Failure {}

impl ser::Error for Failure {
    // What a caller's own code says may hold values of the record: it is not passed on.
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::Other
    }
}

/// Serialises one plain value into a cell.
struct Cell<'a>(&'a mut Cells);

impl Cell<'_> {
    fn text(self, kind: FeatureKind, text: &str) -> Put {
        if *self.0.kind.get_or_insert(kind) != kind {
            return Err(Failure::Changed);
        }
        self.missing_or(text)
    }

    fn missing_or(self, text: &str) -> Put {
        self.0.fields.push(text.as_bytes(), 0, text.len());
        Ok(())
    }
}

/// Methods of a serializer that take a whole number.
macro_rules! whole {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Put {
            self.text(FeatureKind::Numeric, &value.to_string())
        })*
    };
}

/// Methods of a serializer that refuse what they are given, with one reason.
macro_rules! refuse_compounds {
    ($reason:expr) => {
        fn serialize_seq(self, _: Option<usize>) -> Put<Self::SerializeSeq> {
            Err($reason)
        }
        fn serialize_tuple(self, _: usize) -> Put<Self::SerializeTuple> {
            Err($reason)
        }
        fn serialize_tuple_struct(
            self,
            _: &'static str,
            _: usize,
        ) -> Put<Self::SerializeTupleStruct> {
            Err($reason)
        }
        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Put<Self::SerializeTupleVariant> {
            Err($reason)
        }
        fn serialize_struct_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> Put<Self::SerializeStructVariant> {
            Err($reason)
        }
        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Put {
            Err($reason)
        }
        fn serialize_bytes(self, _: &[u8]) -> Put {
            Err($reason)
        }
        fn serialize_unit_struct(self, _: &'static str) -> Put {
            Err($reason)
        }
    };
}

/// What writing a cell returns.
type Put<T = ()> = std::result::Result<T, Failure>;

type Never = ser::Impossible<(), Failure>;

impl Serializer for Cell<'_> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    whole!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_u128: u128
    );

    fn serialize_f32(self, value: f32) -> Put {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Put {
        if value.is_infinite() {
            return Err(Failure::Infinite);
        }
        if value.is_nan() {
            return self.text(FeatureKind::Numeric, "");
        }
        // The shortest text that reads back as the same number.
        let text = match value.abs() < 1e15 {
            true => value.to_string(),
            false => format!("{value:e}"),
        };
        self.text(FeatureKind::Numeric, &text)
    }

    fn serialize_bool(self, value: bool) -> Put {
        self.text(FeatureKind::Flag, if value { "1" } else { "0" })
    }

    fn serialize_char(self, value: char) -> Put {
        self.text(FeatureKind::Category, value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Put {
        self.text(FeatureKind::Category, value)
    }

    fn serialize_none(self) -> Put {
        self.missing_or("")
    }

    fn serialize_unit(self) -> Put {
        self.missing_or("")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Put {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Put {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Put {
        self.text(FeatureKind::Category, variant)
    }

    fn serialize_map(self, _: Option<usize>) -> Put<Self::SerializeMap> {
        Err(Failure::Nested)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Put<Self::SerializeStruct> {
        Err(Failure::Nested)
    }

    refuse_compounds!(Failure::Nested);
}

/// Serialises one record: a struct or a map, possibly wrapped.
struct Row<'a>(&'a mut Sheet);

/// Methods of a serializer that take a plain value where a record is expected.
macro_rules! refuse_plain {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Put {
            Err(Failure::NotARecord)
        })*
    };
}

impl<'a> Serializer for Row<'a> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Entries<'a>;
    type SerializeStructVariant = Never;

    refuse_plain!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64, serialize_bool: bool, serialize_char: char,
        serialize_str: &str
    );

    fn serialize_none(self) -> Put {
        Err(Failure::NotARecord)
    }

    fn serialize_unit(self) -> Put {
        Err(Failure::NotARecord)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Put {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Put {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Put {
        Err(Failure::NotARecord)
    }

    fn serialize_map(self, _: Option<usize>) -> Put<Self::SerializeMap> {
        Ok(Entries {
            sheet: self.0,
            key: None,
        })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Put<Self::SerializeStruct> {
        Ok(Entries {
            sheet: self.0,
            key: None,
        })
    }

    refuse_compounds!(Failure::NotARecord);
}

/// The fields of one record.
struct Entries<'a> {
    sheet: &'a mut Sheet,
    key: Option<String>,
}

impl SerializeStruct for Entries<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Put {
        self.sheet.put(key, value)
    }

    fn end(self) -> Put {
        Ok(())
    }
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = Failure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Put {
        // A cell of its own takes the key: whatever is not a text is refused.
        let mut cells = Cells {
            name: String::new(),
            fields: Fields::new(),
            kind: None,
        };
        key.serialize(Cell(&mut cells)).map_err(|_| Failure::Key)?;
        if cells.kind != Some(FeatureKind::Category) {
            return Err(Failure::Key);
        }
        self.key = Some(cells.fields.string(0).to_string());
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Put {
        let key = self.key.take().ok_or(Failure::Key)?;
        self.sheet.put(&key, value)
    }

    fn end(self) -> Put {
        Ok(())
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;

use std::io::Read;

use super::*;
use crate::error::ErrorKind;
use crate::ingest::CoercionKind;
use crate::matrix::Time;

fn read(text: &str) -> Result<Table> {
    TableReader::new().read(text.as_bytes())
}

/// The place and text of a reading error.
fn refused(result: Result<Table>) -> (u64, String, String) {
    match result.map(|_| ()).unwrap_err().into_kind() {
        ErrorKind::Ingest {
            line,
            column,
            message,
        } => (line, column.unwrap_or_default(), message),
        other => panic!("expected a reading error, found {other:?}"),
    }
}

fn assert_refused(result: Result<Table>, line: u64, column: &str, words: &str) {
    let (found_line, found_column, message) = refused(result);
    assert_eq!(
        (found_line, found_column.as_str()),
        (line, column),
        "{message}"
    );
    assert!(message.contains(words), "{message}");
}

#[test]
fn a_small_table_by_hand() {
    let table = TableReader::new()
        .patient("id")
        .site("hospital")
        .time("admitted")
        .outcome("died")
        .weight("w")
        .ignore("row")
        .declare(Feature::flag("smoker"))
        .read(
            "row,id,hospital,admitted,age,sex,smoker,w,died\n\
             1,a,north,2014-03-31,54,f,yes,1,0\n\
             2,b,south,2014-03-31T12:00,,m,No,0.5,1\n"
                .as_bytes(),
        )
        .unwrap();
    let matrix = table.matrix();
    let names: Vec<&str> = matrix
        .schema()
        .features()
        .iter()
        .map(Feature::name)
        .collect();
    assert_eq!(names, ["age", "sex", "smoker"]);
    assert!(matrix.column("age").unwrap().is_missing(1));
    assert_eq!(matrix.column("smoker").unwrap().to_vec(), [1.0, 0.0]);
    assert_eq!(matrix.keys().patient_keys().unwrap().label(1), "b");
    assert_eq!(matrix.keys().site_keys().unwrap().label(0), "north");
    // 16,160 days from 1970-01-01 to 2014-03-31.
    let day = 86_400_000_000;
    assert_eq!(
        matrix.keys().index_times().unwrap(),
        [Time(16_160 * day), Time(16_160 * day + day / 2)]
    );
    assert_eq!(table.weights().unwrap().to_vec(), [1.0, 0.5]);
    assert_eq!(table.outcome("died").unwrap().to_vec(), [0.0, 1.0]);
    let changed: Vec<String> = table.coercions().iter().map(ToString::to_string).collect();
    assert_eq!(
        changed,
        ["age: 1 empty, now missing", "smoker: 2 word, now 0 or 1"]
    );
    assert!(
        table
            .outcome("dead")
            .unwrap_err()
            .to_string()
            .contains("did you mean `died`?")
    );
}

#[test]
fn sniffing_follows_its_rule_and_nothing_else() {
    let text = "num,word,few,none,token\n1,a,V45,,NA\n2.5,b,E11,,x\n-3e2,None,250.83,,NULL\n";
    let table = read(text).unwrap();
    let matrix = table.matrix();
    assert_eq!(matrix.column("num").unwrap().to_vec(), [1.0, 2.5, -300.0]);
    assert_eq!(matrix.column("word").unwrap().levels(), ["None", "a", "b"]);
    assert_eq!(
        matrix.column("few").unwrap().levels(),
        ["250.83", "E11", "V45"]
    );
    assert!(
        matrix
            .column("none")
            .unwrap()
            .to_vec()
            .iter()
            .all(|v| v.is_nan())
    );
    assert_eq!(matrix.column("token").unwrap().level(0), Some("NA"));
    let kinds: Vec<_> = table
        .coercions()
        .iter()
        .map(|c| (c.column.as_str(), c.kind, c.count))
        .collect();
    assert_eq!(
        kinds,
        [
            ("few", CoercionKind::NumberToLevel, 1),
            ("none", CoercionKind::EmptyToMissing, 3),
            ("none", CoercionKind::NoValues, 3),
        ]
    );
    // Two of three are numbers: nobody guesses.
    assert_refused(
        read("code\n250\nV45\n401\n"),
        3,
        "code",
        "2 fields are numbers and 1 are not",
    );
    let category = TableReader::new().declare(Feature::category("code"));
    let table = category.read("code\n250\nV45\n401\n".as_bytes()).unwrap();
    assert_eq!(
        table.matrix().column("code").unwrap().levels(),
        ["250", "401", "V45"]
    );
}

#[test]
fn missing_tokens_are_the_callers() {
    let reader = TableReader::new()
        .missing_tokens(["?"])
        .missing_tokens_of("b", ["NA"]);
    let table = reader.read("a,b,c\n?,NA,1\n2,5,?\n".as_bytes()).unwrap();
    for (name, missing) in [
        ("a", [true, false]),
        ("b", [true, false]),
        ("c", [false, true]),
    ] {
        let column = table.matrix().column(name).unwrap();
        assert_eq!(
            [column.is_missing(0), column.is_missing(1)],
            missing,
            "{name}"
        );
    }
    // In `b` the general token is a value again.
    assert!(
        reader
            .read("a,b,c\n1,?,1\n2,5,6\n3,6,7\n".as_bytes())
            .is_err()
    );
}

#[test]
fn declared_levels_and_kinds_are_kept() {
    let reader = TableReader::new()
        .declare(Feature::ordinal("grade"))
        .levels("grade", ["low", "mid", "high"])
        .declare(Feature::count("visits"))
        .declare(Feature::new("onset", crate::matrix::FeatureKind::Time));
    let table = reader
        .read("grade,visits,onset\nhigh,0,1970-01-03\nlow,007,1970-01-01T12:00\n".as_bytes())
        .unwrap();
    assert_eq!(
        table.matrix().column("grade").unwrap().levels(),
        ["low", "mid", "high"]
    );
    assert_eq!(table.matrix().column("grade").unwrap().code(0), Some(2));
    assert_eq!(table.matrix().column("onset").unwrap().to_vec(), [2.0, 0.5]);
    assert!(
        table
            .coercions()
            .iter()
            .any(|c| c.kind == CoercionKind::LeadingZerosDropped)
    );
    let with = |row: &str| reader.read(format!("grade,visits,onset\n{row}\n").as_bytes());
    assert_refused(with("tall,1,0"), 2, "grade", "declared levels");
    assert_refused(with("low,1.5,0"), 2, "visits", "whole number");
    assert_refused(with("low,-1,0"), 2, "visits", "whole number");
    assert_refused(with("low,1,31.3.2014"), 2, "onset", "ISO 8601");
}

#[test]
fn line_numbers_survive_crlf_quotes_and_blank_lines() {
    // Rows start on lines 2, 3, 6 and 8.
    for end in ["\n", "\r\n"] {
        let text = ["a,b", "1,x", "2,\"y", "z", "w\"", "3,y", "", "bad,y", ""].join(end);
        let reader = TableReader::new().declare(Feature::numeric("a"));
        assert_refused(reader.read(text.as_bytes()), 8, "a", "decimal number");
        // A row with line breaks inside is named by the line on which it starts.
        let broken = text.replace("2,", "two,");
        assert_refused(reader.read(broken.as_bytes()), 3, "a", "decimal number");
        let good = text.replace("bad", "4");
        let table = reader.read(good.as_bytes()).unwrap();
        assert_eq!(table.n_rows(), 4);
        assert!(
            table
                .matrix()
                .column("b")
                .unwrap()
                .level(1)
                .unwrap()
                .starts_with("y")
        );
        assert_refused(
            reader.read(good.replace("4,y", "4").as_bytes()),
            8,
            "",
            "found 1",
        );
    }
}

#[test]
fn bytes_in_front_are_dropped_or_refused() {
    let table = read("\u{feff}a,b\n1,2\n").unwrap();
    assert_eq!(table.matrix().schema().features()[0].name(), "a");
    let utf16 = [0xff, 0xfe, b'a', 0, b'\n', 0];
    assert_refused(TableReader::new().read(&utf16[..]), 0, "", "UTF-16");
    assert_refused(
        TableReader::new().read(&b"PK\x03\x04junk"[..]),
        0,
        "",
        "zip",
    );
}

#[test]
fn text_that_is_no_table_is_refused_with_its_line() {
    assert_refused(read(""), 1, "", "empty");
    assert_refused(read("\n\n"), 1, "", "empty");
    assert_refused(
        read("a,b,a\n1,2,3\n"),
        1,
        "a",
        "stands twice, at columns 1 and 3",
    );
    assert_refused(read("a,,b\n1,2,3\n"), 1, "", "column 2 has no name");
    assert_refused(read("a,b\n1,2\n3\n"), 3, "", "expected 2 fields, found 1");
    assert_refused(
        read("a,b\n1,2\n3,4,5\n"),
        3,
        "",
        "expected 2 fields, found 3",
    );
    assert_refused(read("a;b\n1;2\n"), 1, "", "a semicolon");
    assert_refused(read("a\tb\n1\t2\n"), 1, "", "a tab");
    assert!(
        TableReader::new()
            .delimiter(b';')
            .read("a;b\n1;2\n".as_bytes())
            .is_ok()
    );
    assert_refused(
        TableReader::new().read(&b"a,b\n1,x\n2,\xff\n"[..]),
        3,
        "b",
        "UTF-8",
    );
    assert_refused(
        TableReader::new().read(&b"a,\xff\n1,2\n"[..]),
        1,
        "",
        "UTF-8",
    );
    let error = read("a,b\n").unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::TooFewRows { found: 0, .. }
    ));
}

#[test]
fn numbers_that_are_none_are_refused_without_their_text() {
    for bad in ["inf", "1e400", "-Infinity"] {
        assert_refused(read(&format!("a\n1\n{bad}\n")), 3, "a", "a finite number");
    }
    let reader = TableReader::new().declare(Feature::numeric("cost"));
    for bad in ["\"1,234\"", "1 234", "secret", "12%", "NaN", "1.2.3"] {
        let result = reader.read(format!("cost,x\n1,1\n2,1\n{bad},1\n").as_bytes());
        let (line, column, message) = refused(result);
        assert_eq!((line, column.as_str()), (4, "cost"));
        assert!(message.contains("thousands marks"));
        assert!(!message.contains(bad.trim_matches('"')));
    }
}

#[test]
fn roles_are_checked_against_the_header() {
    let text = "patient_nbr,time,w\np1,2014-03-31,1\np1,2014-03-31,1\n";
    let error = TableReader::new()
        .patient("patient_nr")
        .read(text.as_bytes())
        .unwrap_err();
    assert!(error.to_string().contains("did you mean `patient_nbr`?"));
    let twice = TableReader::new()
        .patient("patient_nbr")
        .ignore("patient_nbr");
    let error = twice.read(text.as_bytes()).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Parameter { name: "role", .. }
    ));
    let two = TableReader::new().patient("patient_nbr").patient("w");
    assert!(two.read(text.as_bytes()).is_err());
    let keyed = TableReader::new().patient("patient_nbr").time("time");
    let error = keyed.read(text.as_bytes()).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Duplicate {
            row: 1,
            first: 0,
            ..
        }
    ));
    let row = |row: &str| {
        keyed
            .clone()
            .weight("w")
            .read(format!("patient_nbr,time,w\n{row}\n").as_bytes())
    };
    assert_refused(row(",2014-03-31,1"), 2, "patient_nbr", "never missing");
    assert_refused(row("p1,,1"), 2, "time", "never missing");
    assert_refused(row("p1,31/03/2014,1"), 2, "time", "ISO 8601");
    assert_refused(row("p1,2014-03-31,-1"), 2, "w", "zero or more");
    assert_refused(row("p1,2014-03-31,"), 2, "w", "never missing");
    assert_refused(
        row("p1,2014-03-31,1\np2,2014-03-31T00:00Z,1"),
        3,
        "time",
        "offset",
    );
    // Keys alone are a table: an index table for features from events.
    let table = keyed
        .ignore("w")
        .read("patient_nbr,time,w\np1,2014-03-31,1\n".as_bytes())
        .unwrap();
    assert_eq!((table.n_rows(), table.matrix().n_columns()), (1, 0));
}

#[test]
fn limits_stop_reading() {
    let limited = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        TableReader::new().limits(limits)
    };
    let text = "a,b\nlong,x\nlonger,y\nlongest,z\n".as_bytes();
    assert_refused(
        limited(|l| l.max_columns = 1).read(text),
        1,
        "",
        "more columns",
    );
    assert_refused(limited(|l| l.max_rows = 2).read(text), 4, "", "more rows");
    assert!(limited(|l| l.max_rows = 3).read(text).is_ok());
    assert_refused(
        limited(|l| l.max_field_bytes = 5).read(text),
        3,
        "a",
        "above the limit of 5",
    );
    assert_refused(
        limited(|l| l.max_levels = 2).read(text),
        4,
        "a",
        "at most 2 levels",
    );
    assert_refused(
        limited(|l| l.max_bytes = 10).read(text),
        2,
        "",
        "larger than the limit",
    );
    // An unclosed quote ends at the limit of a row, not at the end of the memory.
    let endless = "a,b\n1,\"".as_bytes().chain(std::io::repeat(b'x'));
    assert_refused(
        limited(|l| l.max_record_bytes = 1 << 20).read(endless),
        2,
        "",
        "every quote",
    );
}

#[test]
fn identifiers_above_the_search_limit_still_become_levels() {
    let mut text = String::from("id,lab\n");
    for row in 0..40_000 {
        text.push_str(&format!("p{},{}.5\n", row % 30_000, row));
    }
    let table = read(&text).unwrap();
    let column = table.matrix().column("id").unwrap();
    assert_eq!(column.levels().len(), 30_000);
    assert_eq!(column.level(39_999), Some("p9999"));
    assert_eq!(
        table.matrix().column("lab").unwrap().value(39_999),
        39_999.5
    );
    let table = TableReader::new()
        .patient("id")
        .read(text.as_bytes())
        .unwrap();
    assert_eq!(
        table.matrix().keys().patient_keys().unwrap().n_distinct(),
        30_000
    );
}

#[cfg(feature = "gzip")]
mod gzip {
    use std::io::Write;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_in_one_or_more_parts_reads_as_the_text_does() {
        let whole = "\u{feff}a,b\n1,x\n2,y\n";
        let mut parts = packed(&whole.as_bytes()[..9]);
        parts.extend(packed(&whole.as_bytes()[9..]));
        let expected = read(whole).unwrap();
        for bytes in [packed(whole.as_bytes()), parts] {
            let table = TableReader::new().read(&bytes[..]).unwrap();
            assert_eq!(table.matrix(), expected.matrix());
        }
    }

    #[test]
    fn truncated_or_damaged_gzip_is_refused() {
        let text: String = (0..20_000).fold("a,b\n".into(), |text, i| {
            format!("{text}{i},{}\n", i * 7919 % 10_007)
        });
        let bytes = packed(text.as_bytes());
        assert!(TableReader::new().read(&bytes[..]).is_ok());
        for end in [12, bytes.len() / 2, bytes.len() - 1] {
            let (_, _, message) = refused(TableReader::new().read(&bytes[..end]));
            assert!(message.contains("end early"), "{message}");
        }
        let mut damaged = bytes.clone();
        let last = damaged.len() - 6;
        damaged[last] ^= 1;
        let (_, _, message) = refused(TableReader::new().read(&damaged[..]));
        assert!(message.contains("damaged"), "{message}");
    }

    #[test]
    fn a_compression_bomb_stops_at_the_ratio() {
        let mut text = b"a,b\n".to_vec();
        text.extend(b"1,1\n".repeat(8 << 20));
        let bytes = packed(&text);
        let limits = Limits {
            max_ratio: 20,
            ..Limits::default()
        };
        let (_, _, message) = refused(TableReader::new().limits(limits).read(&bytes[..]));
        assert!(message.contains("more than 20 times"), "{message}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in proptest::collection::vec(
            proptest::sample::select(b"ab1.,,\"\n\n\r;?-e\xff\x1f\x8b \t".to_vec()),
            0..80,
        ),
        named in proptest::bool::ANY,
    ) {
        let mut bytes = bytes;
        if named {
            bytes.splice(0..0, *b"a,b\n");
        }
        let reader = TableReader::new().missing_tokens(["?"]);
        if let Ok(table) = reader.read(&bytes[..]) {
            proptest::prop_assert!(table.n_rows() > 0);
        }
    }

    #[test]
    fn what_a_writer_quotes_is_read_back(
        rows in proptest::collection::vec(("[a-z,\"\n\r ]{1,12}x", -1e9..1e9_f64), 1..20),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["text", "number"]).unwrap();
        for (text, number) in &rows {
            writer.write_record([text, &number.to_string()]).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let table = TableReader::new().read(&bytes[..]).unwrap();
        let (texts, numbers) = (table.matrix().column("text").unwrap(), table.matrix().column("number").unwrap());
        for (row, (text, number)) in rows.iter().enumerate() {
            proptest::prop_assert_eq!(texts.level(row), Some(text.as_str()));
            proptest::prop_assert_eq!(numbers.value(row).to_bits(), number.to_bits());
        }
    }
}

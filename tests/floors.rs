//! Arrows go down: which room may import which, which outside crate is named where, and how long
//! a file may be. Comments, strings and test modules do not count.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "floors/source.rs"]
mod source;

use source::{blank, skip_colons, without_tests, word_at};

const MAX_LINES: usize = 600;

/// Files that are too long today. An entry whose file has become short enough fails, and so does
/// one whose file has grown.
const TOO_LONG: [(&str, usize); 0] = [];

/// Room, and the rooms that it may import. `lib` and `prelude` are the front door: they hand names
/// on, hence import anything.
const ROOMS: [(&str, &[&str]); 16] = [
    ("error", &[]),
    ("numeric", &["error"]),
    ("matrix", &["numeric", "error"]),
    ("ingest", &["estimator", "matrix", "error", "numeric"]),
    ("estimator", &["matrix", "numeric", "error"]),
    ("design", &["estimator", "matrix", "numeric", "error"]),
    ("evaluation", &["estimator", "numeric", "error"]),
    ("kernel", &["design", "estimator", "numeric", "error"]),
    ("classification", FAMILY),
    ("regression", FAMILY),
    ("clustering", FAMILY),
    (
        "association",
        &[
            "kernel",
            "design",
            "evaluation",
            "estimator",
            "numeric",
            "error",
        ],
    ),
    ("anomaly", FAMILY),
    ("explain", &["kernel", "estimator", "numeric", "error"]),
    (
        "report",
        &["explain", "evaluation", "estimator", "error", "matrix"],
    ),
    ("simulate", &["matrix", "numeric", "error", "ingest"]),
];
const FAMILY: &[&str] = &["kernel", "design", "estimator", "numeric", "error"];
const FRONT_DOOR: [&str; 2] = ["lib", "prelude"];

/// Outside crate, and the files or rooms that may name it.
const OUTSIDE: [(&str, &[&str]); 9] = [
    ("rayon", &["numeric/parallel.rs"]),
    ("rand", &["numeric/seed.rs", "simulate"]),
    ("rand_xoshiro", &["numeric/seed.rs", "simulate"]),
    ("faer", &["numeric/linalg.rs"]),
    ("statrs", &["numeric/special.rs"]),
    ("csv", &["ingest"]),
    ("flate2", &["ingest"]),
    ("jiff", &["ingest", "report"]),
    ("plotters", &["report"]),
];

/// A broken rule, and where.
#[derive(Debug, PartialEq)]
struct Violation {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.rule)
    }
}

#[test]
fn arrows_go_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 10, "the sources were not found");
    let mut broken = Vec::new();
    for path in &files {
        let source = fs::read_to_string(path).unwrap();
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
        let file = file.replace('\\', "/");
        broken.extend(scan(&file, &source));
        broken.extend(check_length(&file, source.lines().count()));
    }
    let lines: Vec<String> = broken.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "broken rules:\n{}", lines.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn check_length(file: &str, n_lines: usize) -> Option<Violation> {
    let known = TOO_LONG.iter().find(|(name, _)| *name == file);
    let rule = match known {
        None if n_lines > MAX_LINES => format!("{n_lines} lines, at most {MAX_LINES}"),
        Some((_, ceiling)) if n_lines > *ceiling => {
            format!("{n_lines} lines, has grown past {ceiling}")
        }
        Some(_) if n_lines <= MAX_LINES => "short enough now: take it off the list".to_string(),
        _ => return None,
    };
    Some(Violation {
        file: file.to_string(),
        line: n_lines,
        rule,
    })
}

/// Every broken import rule of one file; `file` is its path below `src`.
fn scan(file: &str, source: &str) -> Vec<Violation> {
    let stem = file
        .rsplit('/')
        .next()
        .unwrap_or(file)
        .trim_end_matches(".rs");
    if stem == "tests" || stem.ends_with("_tests") {
        return Vec::new();
    }
    let code = without_tests(&blank(source));
    let mut broken = Vec::new();
    let mut report = |place: usize, rule: String| {
        let line = 1 + code[..place].iter().filter(|c| **c == '\n').count();
        broken.push(Violation {
            file: file.to_string(),
            line,
            rule,
        });
    };
    let room = file
        .split('/')
        .next()
        .unwrap_or(file)
        .trim_end_matches(".rs");
    let allowed = ROOMS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, allowed)| *allowed);
    if !FRONT_DOOR.contains(&room) {
        if allowed.is_none() {
            report(0, format!("room `{room}` is not in the table of floors"));
        }
        for (place, target) in own_imports(file, &code) {
            if let Some(rule) = judge(room, allowed.unwrap_or(&[]), &target) {
                report(place, rule);
            }
        }
    }
    for (name, homes) in OUTSIDE {
        if homes.contains(&file) || homes.contains(&room) {
            continue;
        }
        for place in outside_names(&code, name) {
            report(
                place,
                format!("`{name}` may be named in {} only", homes.join(", ")),
            );
        }
    }
    broken
}

fn judge(room: &str, allowed: &[&str], target: &str) -> Option<String> {
    // The error type, its result and the array crate are handed on at the root.
    if ["Error", "Result", "ndarray"].contains(&target) || target == room {
        return None;
    }
    if !ROOMS.iter().any(|(name, _)| *name == target) {
        return Some(format!(
            "`{target}` is taken through the front door; name its room"
        ));
    }
    let refused = format!("`{room}` may not import `{target}`");
    (!allowed.contains(&target)).then_some(refused)
}

/// Names that stand right below the crate root in `crate::...` and in chains of `super::` that
/// reach the root, with their places.
fn own_imports(file: &str, code: &[char]) -> Vec<(usize, String)> {
    let leaf = file.ends_with("mod.rs");
    let depth = file.split('/').count() - usize::from(leaf);
    let mut found = Vec::new();
    let mut place = 0;
    while place < code.len() {
        let Some((word, end)) = word_at(code, place) else {
            place += 1;
            continue;
        };
        place = end;
        let mut after = skip_colons(code, end);
        match word.as_str() {
            "crate" => {}
            "super" => {
                let mut climbed = 1;
                while let Some(next) = after
                    && let Some((word, end)) = word_at(code, next)
                    && word == "super"
                {
                    climbed += 1;
                    place = end;
                    after = skip_colons(code, end);
                }
                if climbed < depth {
                    continue;
                }
            }
            _ => continue,
        }
        if let Some(start) = after {
            heads(code, start, &mut found);
        }
    }
    found
}

/// The first names of a path, or of every path of a `{...}` group.
fn heads(code: &[char], start: usize, found: &mut Vec<(usize, String)>) {
    if let Some((word, _)) = word_at(code, start) {
        found.push((start, word));
        return;
    }
    if code.get(start) != Some(&'{') {
        return;
    }
    let (mut depth, mut expects_name) = (0, false);
    let mut place = start;
    while place < code.len() {
        match code[place] {
            '{' => {
                depth += 1;
                expects_name = depth == 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return;
                }
            }
            ',' => expects_name = depth == 1,
            _ => {
                if let Some((word, end)) = word_at(code, place) {
                    if expects_name {
                        found.push((place, word));
                        expects_name = false;
                    }
                    place = end;
                    continue;
                }
            }
        }
        place += 1;
    }
}

/// Places where an outside crate is named: `name::`, `use name;`, `use name as`,
/// `extern crate name`; not `module::name::`, which is a module of ours.
fn outside_names(code: &[char], name: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let (mut place, mut previous) = (0, String::new());
    while place < code.len() {
        let Some((word, end)) = word_at(code, place) else {
            place += 1;
            continue;
        };
        let follows_path = ends_in_path(&code[..place]);
        let in_use = previous == "use" || previous == "crate";
        if word == name && !follows_path && (skip_colons(code, end).is_some() || in_use) {
            found.push(place);
        }
        previous = word;
        place = end;
    }
    found
}

/// Whether the code ends in `a::`, a path of ours; a leading `::` names a crate.
fn ends_in_path(code: &[char]) -> bool {
    let mut rest = code.iter().rev();
    let colons = rest.next() == Some(&':') && rest.next() == Some(&':');
    let before = rest.next();
    colons && before.is_some_and(|c| c.is_alphanumeric() || *c == '_' || *c == '>')
}

/// Line and rule of every violation in a sample.
fn found(file: &str, source: &str) -> Vec<(usize, String)> {
    scan(file, source)
        .into_iter()
        .map(|v| (v.line, v.rule))
        .collect()
}

#[test]
fn an_upward_arrow_is_caught_with_its_line() {
    let broken = scan(
        "matrix/column.rs",
        "use crate::error::Result;\nuse crate::design::Scaler;\n",
    );
    assert_eq!(
        broken.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["src/matrix/column.rs:2: `matrix` may not import `design`"]
    );
    assert_eq!(
        found("error.rs", "fn f() { crate::numeric::stable::sum([]); }").len(),
        1
    );
    assert_eq!(found("report/draw.rs", "use crate::regression::X;")[0].0, 1);
}

#[test]
fn sideways_arrows_are_caught_in_groups_and_through_super() {
    let group = "use crate::{\n    estimator::Rows,\n    regression::{Linear, evaluation},\n    explain,\n};";
    let rules = found("classification/logistic.rs", group);
    assert_eq!(
        rules.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
        [3, 4]
    );
    assert!(rules[0].1.ends_with("may not import `regression`"));
    assert_eq!(
        found(
            "kernel/tree/grow.rs",
            "use super::super::super::matrix::Column;"
        )
        .len(),
        1
    );
    assert_eq!(
        found("kernel/tree/grow.rs", "use super::super::loss::Loss;"),
        []
    );
    assert_eq!(
        found("matrix/mod.rs", "use super::kernel::linear;").len(),
        1
    );
    assert_eq!(found("matrix/mod.rs", "pub(super) fn f() {}"), []);
}

#[test]
fn what_is_allowed_passes() {
    let source =
        "use crate::design::Encoder;\nuse crate::{Error, Result};\nuse crate::kernel::loss;";
    assert_eq!(found("regression/linear.rs", source), []);
    assert_eq!(found("lib.rs", "pub use crate::report::Report;"), []);
    assert_eq!(
        found(
            "ingest/csv.rs",
            "use csv::Reader;\nuse flate2::read::GzDecoder;"
        ),
        []
    );
    assert_eq!(found("report/render.rs", "use jiff::civil::Date;"), []);
}

#[test]
fn comments_strings_and_tests_do_not_count() {
    let source = r##"
//! use crate::report::Report;
/* crate::report /* rayon:: */ rayon:: */
const A: &str = "crate::report { \" rayon::";
const B: &str = r#"crate::report " rayon::"#;
const C: [char; 3] = ['"', '\'', '{'];
fn life<'a>(x: &'a str) -> &'a str { x } // crate::report
#[cfg(test)]
#[path = "x_tests.rs"]
mod other;
#[cfg(test)]
mod tests {
    use crate::report::Report;
    fn f() { let _ = ("}", '}'); rayon::spawn(|| ()); }
}
use crate::report::Late;
"##;
    let rules = found("matrix/rows.rs", source);
    assert_eq!(
        rules,
        [(16, "`matrix` may not import `report`".to_string())]
    );
    assert_eq!(
        found("matrix/rows_tests.rs", "use crate::report::Report;"),
        []
    );
}

#[test]
fn outside_crates_are_kept_in_their_files() {
    let caught = |file: &str, source: &str| found(file, source).len();
    assert_eq!(caught("matrix/rows.rs", "use rayon::prelude::*;"), 1);
    assert_eq!(caught("numeric/parallel.rs", "use rayon::prelude::*;"), 0);
    assert_eq!(
        caught(
            "numeric/linalg.rs",
            "fn f() { statrs::function::gamma::gamma(1.0); }"
        ),
        1
    );
    assert_eq!(
        caught(
            "evaluation/mod.rs",
            "use rand::Rng;\nuse rand_xoshiro as x;"
        ),
        2
    );
    assert_eq!(caught("simulate/draw.rs", "use rand::Rng;"), 0);
    assert_eq!(caught("design/dense.rs", "use ::faer::Mat;"), 1);
    assert_eq!(caught("estimator/mod.rs", "extern crate jiff;"), 1);
    assert_eq!(caught("kernel/loss.rs", "use plotters;"), 1);
    // A module of ours or a variable that shares the name.
    assert_eq!(
        caught(
            "matrix/rows.rs",
            "use super::csv::Reader; let csv = 1; self::csv::f();"
        ),
        0
    );
}

#[test]
fn unknown_rooms_and_the_front_door_are_caught() {
    assert!(
        found("cellar/wine.rs", "")[0]
            .1
            .contains("not in the table")
    );
    assert!(
        found("kernel/loss.rs", "use crate::PatientMatrix;")[0]
            .1
            .contains("front door")
    );
}

#[test]
fn long_files_are_caught_and_the_list_of_exceptions_is_strict() {
    assert_eq!(check_length("matrix/rows.rs", MAX_LINES), None);
    assert!(check_length("matrix/rows.rs", MAX_LINES + 1).is_some());
    for (file, n_lines) in TOO_LONG {
        assert_eq!(check_length(file, n_lines), None);
        assert!(check_length(file, n_lines + 1).is_some());
        assert!(check_length(file, MAX_LINES).is_some());
    }
}

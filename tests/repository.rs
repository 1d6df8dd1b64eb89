//! The repository keeps what its claims rest on: one array crate, and for every reference result
//! the script that made it and the versions of its tools.

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Versions of a package named in a lock file.
fn versions<'a>(lock: &'a str, package: &str) -> Vec<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line == name {
            found.extend(lines.next());
        }
    }
    found
}

#[test]
fn one_version_of_the_array_crate() {
    let lock = "name = \"ndarray\"\nversion = \"1\"\nname = \"ndarray\"\nversion = \"2\"\n";
    assert_eq!(versions(lock, "ndarray").len(), 2, "two versions are seen");
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert_eq!(versions(&lock, "ndarray").len(), 1);
    assert_eq!(versions(&lock, "linfa").len(), 1);
}

#[test]
fn every_reference_result_has_its_script_and_versions() {
    let mut folders = 0;
    for entry in fs::read_dir(root().join("tests/fixtures")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        folders += 1;
        let names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        let has = |name: &str| names.iter().any(|other| other == name);
        assert!(
            has("make.R") || has("make.py"),
            "{}: no script",
            folder.display()
        );
        for file in ["README.md", "versions.txt"] {
            assert!(has(file), "{}: no {file}", folder.display());
        }
    }
    assert!(folders >= 8, "only {folders} folders of reference results");
}

//! The rules of the house, held by a test: which module may import which, and which crate may be named
//! where. Textual, so a tripwire rather than a proof.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// A module imports its own folder or a strictly lower floor.
const FLOORS: &[(&str, u32)] = &[
    ("allocator", 0),
    ("error", 0),
    ("phase", 0),
    ("processors", 0),
    ("secret", 0),
    ("net", 0),
    ("resilience", 1),
    ("metrics", 1),
    ("source", 2),
    ("store", 2),
    ("transfer", 3),
    ("storage", 4),
    ("queue", 5),
    ("binding", 6),
];

/// A crate and the only places that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("napi", &["binding/"]),
    ("napi_derive", &["binding/"]),
    ("aws_sdk_s3", &["store/s3"]),
    ("reqwest", &["source/http"]),
    ("ring", &["store/"]),
    ("rand", &["resilience/"]),
    ("mimalloc", &["allocator"]),
    ("rustix", &["binding/runtime"]),
];

const MAX_LINES: usize = 500;

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(&root).expect("inside src").to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found
}

/// The code without its comments, so that prose may name what code may not.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

fn floor_of(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|&(_, floor)| floor)
}

/// The room that a file stands in: its folder, or its own name on the ground floor.
fn room_of(file: &str) -> &str {
    let first = file.split(['/', '\\']).next().unwrap_or(file);
    first.strip_suffix(".rs").unwrap_or(first)
}

fn idents_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).map(move |(at, _)| {
        let rest = &line[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn modules_import_downwards_only() {
    let mut broken = Vec::new();
    for (file, text) in sources() {
        let room = room_of(&file);
        let Some(floor) = floor_of(room) else {
            assert_eq!(file, "lib.rs", "{file} stands on no floor: give it one in this test and in ARCHITECTURE.md");
            continue;
        };
        for (number, line) in code_lines(&text) {
            if line.contains("crate::{") || line.contains("super::super") {
                broken.push(format!("{file}:{number} hides what it imports"));
            }
            for target in idents_after(line, "crate::") {
                let fine = target == room || floor_of(target).is_none_or(|below| below < floor);
                if !fine {
                    broken.push(format!("{file}:{number} {room} -> {target}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn crates_are_named_where_they_belong() {
    let mut broken = Vec::new();
    for (file, text) in sources() {
        for (name, places) in CRATES {
            if places.iter().any(|place| file.starts_with(place)) {
                continue;
            }
            let path = format!("{name}::");
            for (number, line) in code_lines(&text) {
                let named = line
                    .match_indices(&path)
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
                if named {
                    broken.push(format!("{file}:{number} names {name}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn no_file_is_a_warehouse() {
    let long: Vec<_> =
        sources().into_iter().filter(|(_, text)| text.lines().count() > MAX_LINES).map(|(file, _)| file).collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines: {long:?}");
}

#[test]
fn certificates_are_always_checked() {
    let telltale = ["dangerous()", "danger_accept"];
    for (file, text) in sources() {
        assert!(!telltale.iter().any(|word| text.contains(word)), "{file} turns certificate checks off");
    }
}

//! The rules of the crate's structure: which module may import which, and where a crate may be named. The checks are
//! textual: they find mistakes, not tricks.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module imports its own folder or a strictly lower layer.
const LAYERS: &[(&str, u32)] = &[
    ("allocator", 0),
    ("error", 0),
    ("phase", 0),
    ("cpu", 0),
    ("secret", 0),
    ("net", 0),
    ("resilience", 1),
    ("metrics", 1),
    ("source", 2),
    ("store", 2),
    ("transfer", 3),
    ("storage", 4),
    ("binding", 6),
];

/// A crate and the only places that may name it.
const CRATES: &[(&str, &[&str])] = &[
    ("napi", &["binding/"]),
    ("napi_derive", &["binding/"]),
    ("aws_sdk_s3", &["store/s3/"]),
    ("reqwest", &["source/http"]),
    ("quick_xml", &["store/s3/xml"]),
    ("hickory_resolver", &["net/public_dns"]),
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

fn layer_of(module: &str) -> Option<u32> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|&(_, layer)| layer)
}

/// The top-level module of a file: its folder, or its own name.
fn top_module_of(file: &str) -> &str {
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
fn modules_import_lower_layers_only() {
    let mut broken = Vec::new();
    for (file, text) in sources() {
        let module = top_module_of(&file);
        let Some(layer) = layer_of(module) else {
            assert_eq!(file, "lib.rs", "{file} has no layer: add it to this test and to ARCHITECTURE.md");
            continue;
        };
        for (number, line) in code_lines(&text) {
            if line.contains("crate::{") || line.contains("super::super") {
                broken.push(format!("{file}:{number} hides what it imports"));
            }
            for target in idents_after(line, "crate::") {
                let fine = target == module || layer_of(target).is_none_or(|below| below < layer);
                if !fine {
                    broken.push(format!("{file}:{number} {module} -> {target}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The module paths of a `use` declaration, its braces expanded: `a::{b, c::d}` gives `a::b` and `a::c::d`.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else { return vec![tree.split(" as ").next().unwrap_or(tree).trim().to_owned()] };
    let (prefix, inner) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())]);
    let (mut depth, mut start, mut items) = (0_u32, 0, Vec::new());
    for (at, character) in inner.char_indices().chain([(inner.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                items.push(&inner[start..at]);
                start = (at + 1).min(inner.len());
            }
            _ => {}
        }
    }
    let items = items.into_iter().filter(|item| !item.trim().is_empty());
    items.flat_map(|item| expanded(&format!("{prefix}{}", item.trim()))).collect()
}

/// What a module imports: re-exports and tests do not count.
fn imports_of(
    module: &str,
    is_folder: bool,
    text: &str,
    modules: &BTreeMap<String, (bool, String)>,
) -> BTreeSet<String> {
    let code: String = code_lines(text).map(|(_, line)| line).collect::<Vec<_>>().join("\n");
    let code = code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    let mut paths = Vec::new();
    for item in code.split(';') {
        let item = item.rsplit(['}', '{', ']']).next().filter(|_| !item.contains("use ")).unwrap_or(item);
        if let Some((before, tree)) = item.split_once("use ")
            && !before.trim_end().ends_with("pub")
            && !before.trim_end().ends_with(')')
        {
            paths.extend(expanded(tree));
        }
    }
    for prefix in ["crate::", "super::"] {
        for (at, _) in code.match_indices(prefix) {
            let path = code[at..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next();
            let is_exported = code[..at].ends_with("pub use ");
            paths.extend(path.filter(|_| !is_exported).map(str::to_owned));
        }
    }
    let absolute = |path: &String| match path.split_once("::") {
        Some(("crate", rest)) => rest.to_owned(),
        Some(("super", rest)) => [parent, rest].join("::"),
        Some(("self", rest)) => [module, rest].join("::"),
        _ if is_folder => [module, path].join("::"),
        _ => String::new(),
    };
    let known = |path: String| {
        let path = path.trim_start_matches("::").to_owned();
        let mut prefix = path.as_str();
        while !modules.contains_key(prefix) {
            prefix = prefix.rsplit_once("::")?.0;
        }
        // A name that the folder's own file only passes on belongs to the module that it comes from.
        let name = path[prefix.len()..].trim_start_matches("::").split("::").next().unwrap_or_default();
        let exported_from = modules[prefix].1.split("pub use ").skip(1).find_map(|export| {
            let export = export.split(';').next()?;
            let names = expanded(export).into_iter().find(|path| path.rsplit("::").next() == Some(name))?;
            Some([prefix, names.trim_start_matches("self::").split("::").next()?].join("::"))
        });
        Some(exported_from.filter(|module| modules.contains_key(module)).unwrap_or_else(|| prefix.to_owned()))
    };
    paths.iter().map(absolute).filter_map(known).filter(|imported| imported != module).collect()
}

#[test]
fn modules_do_not_import_each_other_in_cycles() {
    let modules: BTreeMap<String, (bool, String)> = sources()
        .into_iter()
        .filter(|(file, _)| file != "lib.rs")
        .map(|(file, text)| {
            let path = file.trim_end_matches(".rs").replace('\\', "/");
            let (path, is_folder) = path.strip_suffix("/mod").map_or((path.as_str(), false), |folder| (folder, true));
            (path.replace('/', "::"), (is_folder, text))
        })
        .collect();
    let imports: BTreeMap<&str, BTreeSet<String>> = modules
        .iter()
        .map(|(module, (is_folder, text))| (module.as_str(), imports_of(module, *is_folder, text, &modules)))
        .collect();
    assert!(imports["storage::copy_back"].contains("storage::order"), "imports are found: {imports:#?}");
    // A module that imports nothing that is left, or that nothing left imports, is no part of a cycle.
    let mut left: BTreeSet<&str> = imports.keys().copied().collect();
    loop {
        let imported: BTreeSet<&str> = left.iter().flat_map(|module| &imports[module]).map(String::as_str).collect();
        let outside: Vec<_> = left
            .iter()
            .copied()
            .filter(|module| !imported.contains(module) || !imports[module].iter().any(|it| left.contains(it.as_str())))
            .collect();
        if outside.is_empty() {
            break;
        }
        left.retain(|module| !outside.contains(module));
    }
    let cycles: BTreeMap<_, Vec<_>> = left
        .iter()
        .map(|module| (module, imports[module].iter().filter(|it| left.contains(it.as_str())).collect()))
        .collect();
    assert!(cycles.is_empty(), "{cycles:#?}");
}

#[test]
fn crates_are_named_where_they_belong() {
    let mut broken = Vec::new();
    for (file, text) in sources() {
        for (name, folders) in CRATES {
            if folders.iter().any(|folder| file.starts_with(folder)) {
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
fn no_file_is_longer_than_the_limit() {
    let long: Vec<_> =
        sources().into_iter().filter(|(_, text)| text.lines().count() > MAX_LINES).map(|(file, _)| file).collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines: {long:?}");
}

#[test]
fn certificates_are_always_checked() {
    let bypasses = ["dangerous()", "danger_accept"];
    for (file, text) in sources() {
        assert!(!bypasses.iter().any(|word| text.contains(word)), "{file} turns certificate checks off");
    }
}

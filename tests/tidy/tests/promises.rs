//! Every promise in `docs/behaviour.md` names tests that are there.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap().to_owned()
}

/// The names of all functions, and of tests that a macro makes of them.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(named(&fs::read_to_string(&path).unwrap()));
        }
    }
}

fn named(source: &str) -> Vec<String> {
    let lines = source.lines().map(str::trim_start);
    let name = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let function = line
            .strip_prefix("fn ")
            .and_then(|rest| rest.split('(').next());
        let made = line.split_once(" => ").map(|(name, _)| name);
        function.or(made).map(str::to_owned)
    };
    lines.filter_map(name).collect()
}

#[test]
fn every_promise_names_a_test_that_is_there() {
    let root = root();
    let mut names = BTreeSet::new();
    for room in ["core", "data", "services", "tests"] {
        functions(&root.join(room), &mut names);
    }
    let page = fs::read_to_string(root.join("docs/behaviour.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let mut promises = 0;
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [promise, tests, ..] = cells[..] else {
            panic!("{row}")
        };
        if promise == "promise" {
            continue;
        }
        let tests: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {promise}");
        for test in tests {
            assert!(names.contains(test), "no such test: {test}, for: {promise}");
        }
        promises += 1;
    }
    assert!(promises > 30, "{promises}");
}

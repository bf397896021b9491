//! Replays the committed corpora.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path};

use fuzz_replay::{PROPERTIES, Property};

#[test]
fn the_corpora_hold() {
    for (name, property) in PROPERTIES {
        let inputs = corpus(name);
        assert!(inputs.len() >= 20, "{name} has {} inputs", inputs.len());
        for (file, input) in inputs {
            hold(property, &file, &input);
        }
    }
}

#[test]
fn the_inputs_to_begin_with_hold() {
    for ((name, property), (of, inputs)) in PROPERTIES.into_iter().zip(fuzz_replay::seeds()) {
        assert_eq!(name, of);
        for (number, input) in inputs.iter().enumerate() {
            hold(property, &format!("{name}, seed {number}"), input);
        }
    }
}

/// Whatever is cut off an input, or doubled, is one too.
#[test]
fn their_prefixes_hold_too() {
    for (name, property) in PROPERTIES {
        for (file, input) in corpus(name) {
            for part in 1..8 {
                hold(property, &file, &input[..input.len() * part / 8]);
            }
            hold(property, &file, &[&input[..], &input[..]].concat());
        }
    }
}

/// Runs a property, and names the input when it does not hold.
fn hold(property: Property, file: &str, input: &[u8]) {
    let held = std::panic::catch_unwind(|| property(input));
    assert!(held.is_ok(), "{file}, the first {} bytes", input.len());
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let entries = fs::read_dir(corpora.join(name)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let inputs = paths.iter().map(|path| {
        let file = path.file_name().unwrap().to_string_lossy();
        (format!("{name}/{file}"), fs::read(path).unwrap())
    });
    inputs.collect()
}

use std::fs;

use super::*;
use crate::zone::tests::published;

fn names(generation: u64) -> PublishedNames {
    published(
        generation,
        &[("east", "192.0.2.1"), ("west.geo", "-> east.geo")],
    )
}

/// Writes the file as it is, without care.
#[expect(
    clippy::disallowed_methods,
    reason = "a damaged file is not written with care"
)]
fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_kept_last_is_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::within(dir.path());
    assert_eq!(kept.load().unwrap(), Loaded::Nothing);
    kept.keep(&names(7)).unwrap();
    kept.keep(&names(8)).unwrap();
    assert_eq!(kept.load().unwrap(), Loaded::Whole(names(8)));
}

#[test]
fn the_bytes_are_those_of_version_1() {
    let expected = concat!(
        "godwit-names 1 744685b629199520bdbe89f864c9d0b5af00d4bacc0c9c5dbbe66f77ef29fc0f\n",
        r#"{"store":"s","generation":7,"zone":"redis.example","ttlSeconds":5,"names":[{"name":"east","addresses":["192.0.2.1"]},{"name":"west.geo","alias":"east.geo"}]}"#,
    );
    assert_eq!(String::from_utf8(bytes(&names(7))).unwrap(), expected);
}

#[test]
fn a_file_that_was_changed_anywhere_is_damaged_and_never_other_names() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::within(dir.path());
    let whole = bytes(&names(7));
    let wrong = |bytes: &[u8]| {
        put(kept.path(), bytes);
        !matches!(kept.load(), Ok(Loaded::Whole(_) | Loaded::Nothing))
    };
    for length in 0..whole.len() {
        assert!(wrong(&whole[..length]), "cut to {length}");
        let mut flipped = whole.clone();
        for bit in 0..8 {
            flipped[length] = whole[length] ^ (1 << bit);
            assert!(wrong(&flipped), "bit {bit} of byte {length}");
        }
    }
    assert!(wrong(&[&whole[..], b" "].concat()), "longer");
}

/// The steps of `write_durable`, each of which may be the last one.
#[test]
fn a_crash_at_any_moment_leaves_the_old_names_or_the_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::within(dir.path());
    kept.keep(&names(7)).unwrap();
    let new = bytes(&names(8));
    let beside = dir.path().join("names.new");
    for length in 0..=new.len() {
        put(&beside, &new[..length]);
        assert_eq!(kept.load().unwrap(), Loaded::Whole(names(7)), "{length}");
    }
    kept.keep(&names(9)).unwrap();
    assert_eq!(kept.load().unwrap(), Loaded::Whole(names(9)));
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::within(dir.path());
    put(kept.path(), b"godwit-names 2 something else\n\x00");
    let error = kept.load().unwrap_err().to_string();
    assert!(
        error.contains("version 2") && error.contains("names"),
        "{error}"
    );
}

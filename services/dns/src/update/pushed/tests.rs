use std::path::Path;

use super::*;

fn addresses(text: &str) -> Addresses {
    text.split_whitespace()
        .map(|ip| ip.parse().unwrap())
        .collect()
}

fn wanted(names: &[(&str, &str)]) -> BTreeMap<String, Addresses> {
    let one = |(name, ips): &(&str, &str)| ((*name).to_owned(), addresses(ips));
    names.iter().map(one).collect()
}

/// The names that have or may have something of ours.
fn names(pushed: &Pushed) -> Vec<String> {
    pushed.compare(&BTreeMap::new()).0
}

fn open(dir: &Path) -> Pushed {
    Pushed::open(dir, "192.0.2.53").unwrap()
}

fn write(pushed: &mut Pushed) -> bool {
    let Some(write) = pushed.unwritten() else {
        return false;
    };
    write().unwrap();
    pushed.written();
    true
}

#[test]
fn what_is_intended_is_known_after_a_crash_and_nothing_is_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut pushed = open(dir.path());
    assert!(!write(&mut pushed));
    pushed.intend(&wanted(&[("east", "192.0.2.1")]));
    assert!(write(&mut pushed));

    let mut pushed = open(dir.path());
    assert_eq!(
        pushed.perhaps("east"),
        [addresses(""), addresses("192.0.2.1")]
    );
    pushed.confirm("east", addresses("192.0.2.1"));
    assert!(write(&mut pushed));
    pushed.intend(&wanted(&[("east", "192.0.2.1")]));
    pushed.confirm("east", addresses("192.0.2.1"));
    assert!(!write(&mut pushed));

    // Two generations whose answers were never heard.
    pushed.intend(&wanted(&[("east", "192.0.2.2")]));
    pushed.intend(&wanted(&[("east", "192.0.2.3")]));
    assert_eq!(
        pushed.perhaps("east"),
        ["192.0.2.1", "192.0.2.3", "192.0.2.2", ""].map(addresses)
    );
    pushed.confirm("east", addresses("192.0.2.3"));
    assert!(write(&mut pushed));
    assert_eq!(
        open(dir.path()).perhaps("east"),
        ["192.0.2.3", ""].map(addresses)
    );
}

#[test]
fn what_is_somebody_else_s_is_not_ours_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let mut pushed = open(dir.path());
    pushed.intend(&wanted(&[("east", "192.0.2.1")]));
    pushed.withdraw("east");
    assert!(names(&pushed).is_empty());
    pushed.confirm("west", addresses("192.0.2.2"));
    pushed.intend(&wanted(&[("west", "192.0.2.3")]));
    pushed.withdraw("west");
    assert_eq!(pushed.perhaps("west"), ["192.0.2.2", ""].map(addresses));
    pushed.confirm("west", addresses(""));
    assert!(names(&pushed).is_empty());
    assert!(write(&mut pushed));
}

#[test]
fn another_server_has_nothing_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let mut pushed = open(dir.path());
    pushed.confirm("east", addresses("192.0.2.1"));
    assert!(write(&mut pushed));
    let other = Pushed::open(dir.path(), "192.0.2.54").unwrap();
    assert!(names(&other).is_empty());
    assert_eq!(names(&open(dir.path())), ["east"]);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a damaged file is not written with care"
)]
fn a_damaged_file_claims_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut pushed = open(dir.path());
    pushed.confirm("east", addresses("192.0.2.1"));
    assert!(write(&mut pushed));
    let whole = std::fs::read(dir.path().join(FILE)).unwrap();
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 4;
        std::fs::write(dir.path().join(FILE), damaged).unwrap();
        let opened = Pushed::open(dir.path(), "192.0.2.53");
        assert!(
            opened.is_err() || names(&opened.unwrap()).is_empty(),
            "{place}"
        );
    }
}

//! A comparison's course: what comes after what, what is kept in its file, and what it says.

use proptest::prelude::*;
use verify::{
    Difference, Finding, Key, Options, Progress, ResumeError, Scan, Side, Subject, Tally, Verdict,
    Work,
};

fn subject() -> Subject {
    Subject {
        primary: "/east".to_owned(),
        secondary: "/west".to_owned(),
    }
}

fn options() -> Options {
    Options {
        tolerance_ms: 1_000,
        first: 2,
    }
}

fn key(name: &str) -> Key {
    Key {
        database: 0,
        name: name.as_bytes().to_vec(),
    }
}

fn different(name: &str) -> (Key, Finding) {
    (
        key(name),
        Finding::Different(vec![Difference::MissingOn(Side::Primary)]),
    )
}

fn keys(count: u64) -> Tally {
    Tally {
        keys: count,
        ..Tally::default()
    }
}

fn place(progress: &Progress) -> (u16, Side, u64) {
    match progress.work() {
        Work::Scan(Scan {
            database,
            side,
            cursor,
            ..
        }) => (database, side, cursor),
        other @ (Work::LookAgain(_) | Work::Done) => panic!("{other:?}"),
    }
}

#[test]
fn both_sides_of_each_database_are_scanned_and_moving_keys_come_last() {
    let mut progress = Progress::new(subject(), options());
    assert_eq!(progress.work(), Work::Done);
    progress.add(9);
    progress.add(0);
    assert_eq!(place(&progress), (0, Side::Primary, 0));
    progress.scanned(keys(5), vec![(key("hot"), Finding::Moving)], 77);
    assert_eq!(place(&progress), (0, Side::Primary, 77));
    progress.scanned(keys(5), vec![], 0);
    assert_eq!(place(&progress), (0, Side::Secondary, 0));
    progress.scanned(keys(10), vec![], 0);
    assert_eq!(place(&progress), (9, Side::Primary, 0));
    progress.scanned(keys(1), vec![], 0);
    progress.scanned(keys(1), vec![], 0);
    assert_eq!(progress.work(), Work::LookAgain(vec![key("hot")]));
    assert_eq!(progress.verdict(), Verdict::Undecided);
    progress.looked_again(&[key("hot")], vec![], 0);
    assert_eq!(
        (progress.work(), progress.verdict()),
        (Work::Done, Verdict::Same)
    );
    assert_eq!(
        (
            progress.compared(),
            progress.databases().collect::<Vec<_>>()
        ),
        (11, vec![(0, 10), (9, 1)])
    );
}

#[test]
fn a_key_named_twice_is_different_once() {
    let mut progress = Progress::new(subject(), options());
    progress.add(0);
    progress.scanned(keys(1), vec![different("a"), different("b")], 5);
    progress.scanned(keys(1), vec![different("a"), different("c")], 0);
    let (count, first) = progress.different();
    assert_eq!((count, first.len()), (3, 2), "the first two are named");
    assert_eq!(progress.verdict(), Verdict::Different);
}

#[test]
fn a_difference_outweighs_what_could_not_be_said() {
    let mut progress = Progress::new(subject(), options());
    progress.add(0);
    progress.scanned(keys(1), vec![(key("hot"), Finding::Moving)], 0);
    progress.scanned(keys(1), vec![], 0);
    progress.looked_again(&[key("hot")], vec![(key("hot"), Finding::Moving)], 0);
    assert_eq!(
        (progress.verdict(), progress.undecided().0),
        (Verdict::Undecided, 1)
    );
    progress.add(1);
    progress.scanned(keys(1), vec![different("a")], 0);
    assert_eq!(progress.verdict(), Verdict::Different);
}

#[test]
fn another_process_of_the_engine_is_scanned_from_the_beginning() {
    let mut progress = Progress::new(subject(), options());
    progress.add(0);
    progress.add(1);
    assert!(!progress.answered_by("one"), "nothing was lost");
    progress.scanned(keys(5), vec![], 7);
    assert!(!progress.answered_by("one"));
    assert_eq!((place(&progress).2, progress.compared()), (7, 5));
    assert!(progress.answered_by("two"));
    assert_eq!(
        (place(&progress), progress.compared()),
        ((0, Side::Primary, 0), 0)
    );
    progress.scanned(keys(5), vec![], 0);
    assert!(!progress.answered_by("west one"));
    progress.scanned(keys(3), vec![], 9);
    assert!(progress.answered_by("west two"));
    assert_eq!(
        (place(&progress), progress.compared()),
        ((0, Side::Secondary, 0), 5)
    );
}

#[test]
fn a_file_of_something_else_is_refused_by_name() {
    let file = Progress::new(subject(), options()).to_file().unwrap();
    let read = |bytes: &[u8], subject: Subject, options: Options| {
        Progress::from_file(bytes, &subject, &options).unwrap_err()
    };
    let turned = Subject {
        primary: "/west".to_owned(),
        secondary: "/east".to_owned(),
    };
    let error = read(&file, turned, options());
    assert_eq!(error.to_string(), "it is of the link from /east to /west");
    let other = Options {
        tolerance_ms: 5,
        first: 2,
    };
    assert_eq!(
        read(&file, subject(), other).to_string(),
        "it was begun with --tolerance 1000ms"
    );
    let other = Options {
        tolerance_ms: 1_000,
        first: 3,
    };
    assert_eq!(
        read(&file, subject(), other).to_string(),
        "it was begun with --first 2"
    );
    let newer = String::from_utf8(file)
        .unwrap()
        .replace("\"version\":1", "\"version\":2");
    assert!(matches!(
        read(newer.as_bytes(), subject(), options()),
        ResumeError::Version { found: 2 }
    ));
    assert!(matches!(
        read(b"{}", subject(), options()),
        ResumeError::Foreign(_)
    ));
}

/// What a scan comes to: keys, findings by name and whether they move, the next cursor.
type Step = (u64, Vec<(u8, bool)>, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let findings = proptest::collection::vec((0_u8..20, any::<bool>()), 0..4);
    proptest::collection::vec((0_u64..9, findings, 0_u64..3), 0..30)
}

proptest! {
    #[test]
    fn what_goes_on_from_the_file_ends_the_same(steps in steps(), killed in 0_usize..30) {
        let run = |killed: Option<usize>| {
            let mut progress = Progress::new(subject(), options());
            (0..4).for_each(|database| progress.add(database));
            for (index, (named, findings, next)) in steps.iter().enumerate() {
                if killed == Some(index) {
                    let file = progress.to_file().unwrap();
                    progress = Progress::from_file(&file, &subject(), &options()).unwrap();
                }
                let found = findings.iter().map(|(name, moving)| {
                    let (key, finding) = different(&name.to_string());
                    (key, if *moving { Finding::Moving } else { finding })
                });
                match progress.work() {
                    Work::Scan(_) => progress.scanned(keys(*named), found.collect(), *next),
                    Work::LookAgain(again) => progress.looked_again(&again, found.collect(), 0),
                    Work::Done => break,
                }
            }
            progress
        };
        prop_assert_eq!(run(None), run(Some(killed)));
    }
}

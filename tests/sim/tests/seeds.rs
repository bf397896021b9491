//! Sixty-four seeds in four parts, and that a seed is all that a run depends on.

use std::{collections::BTreeMap, ops::Range};

/// Runs seeds; what happened in them, and how often.
fn runs(seeds: Range<u64>) -> BTreeMap<&'static str, u64> {
    let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds {
        let outcome = sim::run(seed).unwrap_or_else(|why| panic!("{why}"));
        for (what, times) in outcome.tally {
            *tally.entry(what).or_default() += times;
        }
    }
    for what in [
        "came to rest",
        "failovers begun",
        "failovers forced",
        "crashes of an agent",
        "crashes of the control plane",
        "partitions",
        "one-way cuts",
    ] {
        assert!(tally.contains_key(what), "no run had {what}: {tally:?}");
    }
    tally
}

macro_rules! parts {
    ($($name:ident => $seeds:expr;)*) => {
        /// Whatever the network does, nothing is lost and the link comes to rest.
        mod nothing_is_lost_and_the_link_comes_to_rest {
            $(
                #[test]
                fn $name() {
                    super::runs($seeds);
                }
            )*
        }
    };
}

parts! {
    first => 0..16;
    second => 16..32;
    third => 32..48;
    fourth => 48..64;
}

#[test]
fn a_seed_gives_the_same_run_line_by_line() {
    let run = |seed| sim::run(seed).map(|outcome| outcome.trace);
    let (first, second) = (run(7).unwrap(), run(7).unwrap());
    assert!(first.len() > 30, "nothing happened: {first:?}");
    assert_eq!(first, second);
    assert_ne!(first, run(8).unwrap(), "another seed is another run");
}

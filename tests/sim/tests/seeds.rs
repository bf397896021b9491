//! Sixty-four seeds, and that a seed is all that a run depends on.

use std::collections::BTreeMap;

const SEEDS: std::ops::Range<u64> = 0..64;

#[test]
fn whatever_the_network_does_nothing_is_lost_and_the_link_comes_to_rest() {
    let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in SEEDS {
        let outcome = sim::run(seed).unwrap_or_else(|why| panic!("{why}"));
        for (what, times) in outcome.tally {
            *tally.entry(what).or_default() += times;
        }
    }
    for what in [
        "came to rest",
        "failovers begun",
        "crashes of an agent",
        "crashes of the control plane",
        "partitions",
        "one-way cuts",
    ] {
        assert!(tally.contains_key(what), "no run had {what}: {tally:?}");
    }
}

#[test]
fn a_seed_gives_the_same_run_line_by_line() {
    let run = |seed| sim::run(seed).map(|outcome| outcome.trace);
    let (first, second) = (run(7).unwrap(), run(7).unwrap());
    assert!(first.len() > 100, "nothing happened: {first:?}");
    assert_eq!(first, second);
    assert_ne!(first, run(8).unwrap(), "another seed is another run");
}

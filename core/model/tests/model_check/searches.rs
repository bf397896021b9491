//! The searches that end in about a minute. `core/model/examples/model_check.rs` goes further.

use super::{Bounds, Handoff, Leased, Left, search};

const LIMIT: usize = 3_000_000;

/// Writes, failovers, crashes, held up messages, cuts.
pub(super) const fn left(writes: u8, attempts: u8, crashes: u8, late: u8, cuts: u8) -> Left {
    Left {
        writes,
        attempts,
        forces: 0,
        crashes,
        late,
        cuts,
    }
}

pub(super) const fn bounds(shards: usize, left: Left) -> Bounds {
    Bounds {
        shards,
        left,
        plans_apart: false,
        looks_apart: false,
    }
}

fn holds(bounds: Bounds, kinds: &[&str]) {
    match search(&Handoff::new(bounds, None), LIMIT) {
        Ok(searched) => {
            for kind in kinds {
                assert!(searched.kinds.contains_key(kind), "no {kind}: {searched}");
            }
            println!("{bounds:?}: {searched}");
        }
        Err(found) => panic!("broken: {}\n{}", found.promise, found.path),
    }
}

const PLANNED: &[&str] = &[
    "at rest before",
    "at rest after a promotion",
    "at rest after an abort",
];
const FORCED: &[&str] = &[
    "at rest after a promotion",
    "at rest after an abort",
    "at rest after a forced failover",
];

#[test]
fn two_writes_in_one_handoff() {
    holds(bounds(1, left(2, 1, 0, 0, 0)), PLANNED);
}

#[test]
fn a_crash_and_a_message_that_is_held_up() {
    let bounds = Bounds {
        plans_apart: true,
        ..bounds(1, left(0, 1, 1, 1, 0))
    };
    holds(bounds, PLANNED);
}

#[test]
fn a_write_a_crash_and_a_cut() {
    holds(bounds(1, left(1, 1, 1, 0, 1)), PLANNED);
}

#[test]
fn two_attempts_and_a_message_that_is_held_up() {
    holds(bounds(1, left(0, 2, 0, 1, 0)), PLANNED);
}

#[test]
fn two_attempts_with_a_write_and_a_commit_that_comes_late() {
    let bounds = Bounds {
        plans_apart: true,
        ..bounds(1, left(1, 2, 0, 0, 0))
    };
    holds(bounds, PLANNED);
}

#[test]
fn two_shards_and_a_write() {
    holds(bounds(2, left(1, 1, 0, 0, 0)), PLANNED);
}

#[test]
fn two_shards_and_a_crash() {
    holds(bounds(2, left(0, 1, 1, 0, 0)), PLANNED);
}

#[test]
fn a_forced_failover_at_any_moment() {
    let forced = Left {
        forces: 1,
        ..left(1, 2, 0, 0, 0)
    };
    holds(bounds(1, forced), FORCED);
}

#[test]
fn a_forced_failover_and_a_crash() {
    let forced = Left {
        forces: 1,
        ..left(1, 1, 1, 0, 0)
    };
    holds(bounds(1, forced), FORCED);
}

#[test]
fn a_forced_failover_of_two_shards() {
    let forced = Left {
        forces: 1,
        ..left(0, 1, 0, 0, 0)
    };
    holds(bounds(2, forced), FORCED);
}

/// Clocks that run apart by up to one part in fifty.
#[test]
fn leases_with_clocks_apart() {
    for fast in [980, 1_000, 1_020] {
        match search(&Leased::new(fast, 1, None), LIMIT) {
            Ok(searched) => {
                println!("{fast}: {searched}");
                assert_eq!(searched.kinds.len(), 3, "{searched}");
            }
            Err(found) => panic!("broken: {}\n{}", found.promise, found.path),
        }
    }
}

//! Keys that differed at a first look, looked at again until it is known why.
//!
//! In a round the geo-primary is read, then the geo-secondary once it has applied everything that
//! the geo-primary had by then, then the geo-primary once more. When the geo-primary answered the
//! same both times, nothing was on its way, so what the geo-secondary has is what it will have.

use crate::{Clocks, Compared, Difference, Key, Seen, compare};

/// Rounds in which a key has to differ, one after another, to be different. One is enough
/// unless a key was changed and changed back within it.
const CONFIRMATIONS: u32 = 3;

/// How keys are judged.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How far apart times of expiry may be, in milliseconds.
    pub tolerance_ms: u64,
    /// Rounds, after which a key that changes all the time is left alone.
    pub rounds: u32,
}

/// What was seen in a round.
#[derive(Debug, Clone)]
pub struct Round {
    /// On the geo-primary.
    pub primary: Seen,
    /// On the geo-secondary, when it had applied at least that.
    pub secondary: Seen,
    /// On the geo-primary, after that.
    pub primary_after: Seen,
    /// The times of day, taken last.
    pub clocks: Clocks,
}

/// What is known of a key at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The geo-secondary has something else.
    Different(Vec<Difference>),
    /// It was written to all the time.
    Moving,
}

/// What is known of a key after a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Both sides had the same.
    Same,
    /// Another round is needed.
    Again,
    /// It is known.
    Found(Finding),
}

/// A key that differed.
#[derive(Debug, Clone)]
pub struct Suspect {
    /// Which.
    pub key: Key,
    rounds: u32,
    confirmed: u32,
}

impl Suspect {
    /// Before the first round.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self {
            key,
            rounds: 0,
            confirmed: 0,
        }
    }

    /// Takes what a round saw.
    pub fn judge(&mut self, round: &Round, rules: Rules) -> Judgement {
        let against =
            |primary| compare(primary, &round.secondary, round.clocks, rules.tolerance_ms);
        let (before, after) = (against(&round.primary), against(&round.primary_after));
        if before == Compared::Same || after == Compared::Same {
            return Judgement::Same;
        }
        self.rounds += 1;
        let still = round.primary == round.primary_after;
        match after {
            Compared::Differs(differences) if still => {
                self.confirmed += 1;
                if self.confirmed >= CONFIRMATIONS {
                    return Judgement::Found(Finding::Different(differences));
                }
            }
            Compared::Differs(_) | Compared::Torn | Compared::Same => self.confirmed = 0,
        }
        if self.rounds >= rules.rounds {
            return Judgement::Found(Finding::Moving);
        }
        Judgement::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, Facts, Kind, Measure, Side};

    const RULES: Rules = Rules {
        tolerance_ms: 1_000,
        rounds: 5,
    };
    const NOW: Clocks = Clocks {
        primary: 1_000_000,
        secondary: 1_000_000,
    };

    fn holds(value: u8, expires: Option<u64>) -> Seen {
        let digest = Digest::try_from(format!("{value:032x}")).unwrap();
        Seen::There(Facts {
            kind: Kind::String,
            value: Measure { length: 1, digest },
            expires,
        })
    }

    fn value(value: u8) -> Seen {
        holds(value, None)
    }

    fn judged(rounds: &[[&Seen; 3]]) -> Vec<Judgement> {
        let key = Key {
            database: 0,
            name: b"k".to_vec(),
        };
        let mut suspect = Suspect::new(key);
        let judge = |[primary, secondary, after]: &[&Seen; 3]| {
            let round = Round {
                primary: (*primary).clone(),
                secondary: (*secondary).clone(),
                primary_after: (*after).clone(),
                clocks: NOW,
            };
            suspect.judge(&round, RULES)
        };
        rounds.iter().map(judge).collect()
    }

    #[test]
    fn what_differs_in_every_round_is_different() {
        let last = judged(&[[&value(1), &value(2), &value(1)]; 3])
            .pop()
            .unwrap();
        let Judgement::Found(Finding::Different(differences)) = last else {
            panic!("{last:?}")
        };
        assert!(matches!(differences[..], [Difference::Value { .. }]));
        let last = judged(&[[&value(1), &Seen::Missing, &value(1)]; 3])
            .pop()
            .unwrap();
        let missing = vec![Difference::MissingOn(Side::Secondary)];
        assert_eq!(last, Judgement::Found(Finding::Different(missing)));
    }

    #[test]
    fn what_changes_in_every_round_is_moving() {
        let (a, b, c) = (value(1), value(2), value(3));
        let last = judged(&[[&a, &b, &c]; 5]).pop().unwrap();
        assert_eq!(last, Judgement::Found(Finding::Moving));
        let last = judged(&[[&a, &Seen::Torn, &a]; 5]).pop().unwrap();
        assert_eq!(last, Judgement::Found(Finding::Moving));
    }

    #[test]
    fn a_change_between_begins_the_counting_anew() {
        let (a, b, c) = (value(1), value(2), value(3));
        let differs = [&a, &b, &a];
        let all = judged(&[differs, differs, [&a, &b, &c], differs, differs]);
        assert_eq!(all[3], Judgement::Again);
        assert_eq!(all[4], Judgement::Found(Finding::Moving));
    }

    #[test]
    fn what_was_on_its_way_has_arrived() {
        let (a, b) = (value(1), value(2));
        assert_eq!(judged(&[[&a, &a, &b]]), [Judgement::Same]);
        assert_eq!(judged(&[[&a, &b, &b]]), [Judgement::Same]);
    }

    #[test]
    fn a_key_that_expires_is_no_difference() {
        let due = |ms: u64| holds(1, Some(ms));
        let gone = Seen::Missing;
        for (primary, secondary) in [(&due(1_000_500), &gone), (&gone, &due(900_000))] {
            assert_eq!(judged(&[[primary, secondary, primary]]), [Judgement::Same]);
        }
        let later = due(1_001_001);
        assert_eq!(judged(&[[&later, &gone, &later]]), [Judgement::Again]);
    }

    #[test]
    fn times_of_expiry_may_be_a_little_apart() {
        let due = |ms: u64| holds(1, Some(ms));
        let (a, b, c) = (due(5_000_000), due(5_001_000), due(5_001_001));
        assert_eq!(judged(&[[&a, &b, &a]]), [Judgement::Same]);
        assert_eq!(judged(&[[&a, &c, &a]]), [Judgement::Again]);
        assert_eq!(judged(&[[&a, &holds(1, None), &a]]), [Judgement::Again]);
    }
}

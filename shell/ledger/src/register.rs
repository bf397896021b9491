//! What a client remembers of its register: each time it is set, the engine tells what it was.

use crate::{history::History, ranges::Ranges};

/// What was seen in the register.
#[derive(Debug, Default)]
pub(crate) struct Register {
    /// Acknowledged operations that should have been there, and an earlier one was.
    pub(crate) lost: Ranges,
    /// Operations of unknown outcome that were there.
    pub(crate) unknown: Ranges,
    /// Refused operations that were there.
    pub(crate) refused: Ranges,
    /// What was never sent and was there.
    pub(crate) phantom: Vec<u64>,
}

impl Register {
    /// The register was seen to hold `value` (0 when there was none) before operation `n`.
    pub(crate) fn held(&mut self, value: u64, n: u64, history: &History) {
        if history.acknowledged.last().is_some_and(|last| value < last) {
            for lost in history.acknowledged.above(value).numbers() {
                self.lost.insert(lost);
            }
        }
        if history.unknown.contains(value) {
            self.unknown.insert(value);
        } else if history.refused.contains(value) {
            self.refused.insert(value);
        } else if value >= n {
            self.phantom.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_shows_although_the_register_is_set_again() {
        let (mut history, mut register) = (History::default(), Register::default());
        for n in history.next(10) {
            register.held(n - 1, n, &history);
            history.acknowledge(n, 0, 1);
        }
        assert_eq!(register.lost.count(), 0);
        history.next(2);
        history.unknown.insert(11);
        register.held(7, 12, &history);
        history.acknowledge(12, 0, 2);
        register.held(12, 13, &history);
        assert!(register.lost.numbers().eq(8..=10));
    }

    #[test]
    fn a_later_write_of_unknown_outcome_may_be_there() {
        let (mut history, mut register) = (History::default(), Register::default());
        history.next(3);
        history.acknowledge(1, 0, 1);
        history.unknown.insert(2);
        history.refused.insert(3);
        register.held(2, 4, &history);
        assert_eq!((register.lost.count(), register.unknown.count()), (0, 1));
        register.held(3, 4, &history);
        assert!(register.refused.contains(3) && register.phantom.is_empty());
        register.held(4, 4, &history);
        assert_eq!(register.phantom, [4]);
    }
}

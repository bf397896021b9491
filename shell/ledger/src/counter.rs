//! What a client remembers of its counter, whose increments have no names: it takes the answers
//! one by one and finds out which of them are still in the counter's value.
//!
//! An increment of unknown outcome may have been carried out or not, and perhaps later than the
//! ones behind it. What such increments can explain is neither lost nor doubled, so the counts
//! are what is certain.

use crate::ranges::Ranges;

/// The acknowledged increments that are in the counter's value, and those that are not.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    /// Runs of values with the numbers of the operations that made them, ascending in both.
    standing: Vec<Run>,
    /// The value as it was seen last.
    value: u64,
    /// Increments of unknown outcome that are not in the value as far as one knows: from before
    /// the last acknowledged one, and since then.
    open: u64,
    open_since: u64,
    /// Refused increments since the last acknowledged one.
    refused: u64,
    reign: Option<u32>,
    /// Values that were acknowledged and then missing.
    pub(crate) lost: Vec<(u64, u64)>,
    /// The operations that had made them.
    pub(crate) lost_numbers: Ranges,
    pub(crate) unknown_present: u64,
    pub(crate) doubled: u64,
    pub(crate) refused_present: u64,
}

#[derive(Debug)]
struct Run {
    value: u64,
    number: u64,
    length: u64,
}

impl Counter {
    pub(crate) fn unknown(&mut self) {
        self.open_since += 1;
    }

    pub(crate) fn refused(&mut self) {
        self.refused += 1;
    }

    /// Increment `number` was acknowledged with `value`, by the primary `reign`.
    pub(crate) fn acknowledge(&mut self, number: u64, value: u64, reign: u32) {
        self.held(value.saturating_sub(1));
        if self.reign.replace(reign).is_some_and(|old| old != reign) {
            // What the former primary has not carried out by now, this one never will.
            self.open = 0;
        }
        self.open += std::mem::take(&mut self.open_since);
        self.refused = 0;
        self.value = value;
        match self.standing.last_mut() {
            Some(run) if run.value + run.length == value && run.number + run.length == number => {
                run.length += 1;
            }
            Some(_) | None => self.standing.push(Run {
                value,
                number,
                length: 1,
            }),
        }
    }

    /// The counter's value was seen to be `value`.
    pub(crate) fn held(&mut self, value: u64) {
        if let Some(more) = value.checked_sub(self.value) {
            let known = more.min(self.open + self.open_since);
            let since = known.min(self.open_since);
            self.open_since -= since;
            self.open -= known - since;
            self.unknown_present += known;
            let refused = (more - known).min(self.refused);
            self.refused_present += refused;
            self.doubled += more - known - refused;
        } else {
            self.fall(value);
        }
        self.value = value;
    }

    /// Takes away the increments whose values are above `value`.
    fn fall(&mut self, value: u64) {
        while let Some(run) = self.standing.last_mut() {
            let end = run.value + run.length - 1;
            if end <= value {
                return;
            }
            let first = run.value.max(value + 1);
            let number = run.number + (first - run.value);
            for lost in number..run.number + run.length {
                self.lost_numbers.insert(lost);
            }
            self.lost.push((first, end));
            run.length = first - run.value;
            if run.length == 0 {
                self.standing.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(to: u64) -> Counter {
        let mut counter = Counter::default();
        for n in 1..=to {
            counter.acknowledge(n, n, 1);
        }
        counter
    }

    #[test]
    fn what_is_missing_at_the_end_is_lost() {
        let mut counter = counted(10);
        counter.held(7);
        assert_eq!(counter.lost, [(8, 10)]);
        assert!(counter.lost_numbers.numbers().eq(8..=10));
        assert_eq!(counter.doubled, 0);
    }

    #[test]
    fn a_loss_shows_although_the_counter_goes_on() {
        let mut counter = counted(10);
        counter.unknown();
        counter.acknowledge(12, 8, 2);
        counter.acknowledge(13, 9, 2);
        counter.held(9);
        assert_eq!(counter.lost, [(8, 10)]);
        assert_eq!((counter.doubled, counter.unknown_present), (0, 0));
    }

    #[test]
    fn an_unknown_increment_explains_one_more_and_no_two() {
        let mut counter = counted(10);
        counter.unknown();
        counter.acknowledge(12, 12, 1);
        assert_eq!((counter.unknown_present, counter.doubled), (1, 0));
        counter.acknowledge(13, 14, 1);
        assert_eq!((counter.unknown_present, counter.doubled), (1, 1));
        assert!(counter.lost.is_empty());
    }

    #[test]
    fn an_unknown_increment_may_come_late_but_not_after_its_primary() {
        let mut late = counted(3);
        late.unknown();
        late.acknowledge(5, 4, 1);
        late.acknowledge(6, 6, 1);
        assert_eq!((late.unknown_present, late.doubled), (1, 0));
        let mut after = counted(3);
        after.unknown();
        after.acknowledge(5, 4, 1);
        after.acknowledge(6, 5, 2);
        after.acknowledge(7, 7, 2);
        assert_eq!((after.unknown_present, after.doubled), (0, 1));
    }

    #[test]
    fn an_unknown_increment_may_have_gone_to_the_new_primary() {
        let mut counter = counted(3);
        counter.unknown();
        counter.acknowledge(5, 4, 2);
        counter.acknowledge(6, 6, 2);
        assert_eq!((counter.unknown_present, counter.doubled), (1, 0));
    }

    #[test]
    fn a_refused_increment_must_not_count() {
        let mut counter = counted(3);
        counter.refused();
        counter.acknowledge(5, 5, 1);
        assert_eq!((counter.refused_present, counter.doubled), (1, 0));
    }
}

//! Sets of numbers that mostly follow each other, kept as their ranges.

/// A set of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds a number; `false` when it was there.
    pub(crate) fn insert(&mut self, n: u64) -> bool {
        match self.0.last_mut() {
            Some((_, last)) if *last + 1 == n => {
                *last = n;
                return true;
            }
            Some((_, last)) if *last < n => {
                self.0.push((n, n));
                return true;
            }
            Some(_) => {}
            None => {
                self.0.push((n, n));
                return true;
            }
        }
        let at = self.0.partition_point(|(first, _)| *first <= n);
        if let Some((_, last)) = at.checked_sub(1).and_then(|before| self.0.get_mut(before)) {
            if *last >= n {
                return false;
            }
            if *last + 1 == n {
                *last = n;
                self.join(at);
                return true;
            }
        }
        match self.0.get_mut(at) {
            Some((first, _)) if n + 1 == *first => *first = n,
            Some(_) | None => self.0.insert(at, (n, n)),
        }
        true
    }

    /// Makes one range of the one at `at` and the one before it, when they touch.
    fn join(&mut self, at: usize) {
        if let (Some(before), Some((first, last))) = (at.checked_sub(1), self.0.get(at).copied())
            && let Some((_, end)) = self.0.get_mut(before)
            && *end + 1 == first
        {
            *end = last;
            self.0.remove(at);
        }
    }

    pub(crate) fn contains(&self, n: u64) -> bool {
        let at = self.0.partition_point(|(first, _)| *first <= n);
        let before = at.checked_sub(1).and_then(|before| self.0.get(before));
        before.is_some_and(|(_, last)| *last >= n)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.0.last().map(|(_, last)| *last)
    }

    /// The greatest member that is not above `n`.
    pub(crate) fn at_most(&self, n: u64) -> Option<u64> {
        let at = self.0.partition_point(|(first, _)| *first <= n);
        let (_, last) = self.0.get(at.checked_sub(1)?)?;
        Some(n.min(*last))
    }

    /// The ranges, first and last, in ascending order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.ranges().flat_map(|(first, last)| first..=last)
    }

    /// The members above `n`.
    pub(crate) fn above(&self, n: u64) -> Self {
        let kept = self.ranges().filter(|(_, last)| *last > n);
        Self(kept.map(|(first, last)| (first.max(n + 1), last)).collect())
    }

    /// The members that `other` does not have.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut cuts = other.ranges().peekable();
        for (first, last) in self.ranges() {
            let mut from = first;
            while cuts.next_if(|(_, end)| *end < from).is_some() {}
            while let Some((start, end)) = cuts.peek().copied().filter(|(start, _)| *start <= last)
            {
                if start > from {
                    left.push((from, start - 1));
                }
                from = from.max(end.saturating_add(1));
                if end >= last {
                    break;
                }
                cuts.next();
            }
            if from <= last {
                left.push((from, last));
            }
        }
        Self(left)
    }

    /// The members that `other` has as well.
    pub(crate) fn within(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use runtime::dice::Dice;

    use super::*;

    fn set(numbers: impl IntoIterator<Item = u64>) -> Ranges {
        let mut set = Ranges::default();
        for n in numbers {
            set.insert(n);
        }
        set
    }

    #[test]
    fn neighbours_become_one_range() {
        let set = set([1, 2, 3, 7, 5, 6, 4]);
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(1, 7)]);
    }

    #[test]
    fn they_are_sets() {
        let dice = Dice::from_seed(1);
        for _ in 0..200 {
            let draw = || -> (Ranges, BTreeSet<u64>) {
                let mut model = BTreeSet::new();
                let mut ranges = Ranges::default();
                for _ in 0..30 {
                    let n = dice.below(40);
                    assert_eq!(ranges.insert(n), model.insert(n));
                }
                (ranges, model)
            };
            let ((a, in_a), (b, in_b)) = (draw(), draw());
            assert!(a.numbers().eq(in_a.iter().copied()));
            assert!(a.without(&b).numbers().eq(in_a.difference(&in_b).copied()));
            assert!(a.within(&b).numbers().eq(in_a.intersection(&in_b).copied()));
            assert_eq!(a.count(), in_a.len() as u64);
            assert_eq!(a.last(), in_a.last().copied());
            for n in 0..42 {
                assert_eq!(a.contains(n), in_a.contains(&n));
                assert_eq!(a.at_most(n), in_a.range(..=n).next_back().copied());
                assert!(a.above(n).numbers().eq(in_a.range(n + 1..).copied()));
            }
        }
    }
}

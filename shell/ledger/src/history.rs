//! What one client remembers of its operations: which were acknowledged, when, and by whom.

use crate::ranges::Ranges;

/// The operations of one client, by their numbers: 1, 2, 3….
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The last that was sent.
    pub(crate) sent: u64,
    pub(crate) acknowledged: Ranges,
    pub(crate) unknown: Ranges,
    pub(crate) refused: Ranges,
    moments: Moments,
    /// Who acknowledged, from which number on.
    reigns: Vec<(u64, u32)>,
}

impl History {
    /// The next `count` numbers, which are about to be sent.
    pub(crate) fn next(&mut self, count: u64) -> std::ops::RangeInclusive<u64> {
        let first = self.sent + 1;
        self.sent += count;
        first..=self.sent
    }

    /// Takes down an acknowledgement at `moment`, by the primary `reign`. They come in the order
    /// of their numbers.
    pub(crate) fn acknowledge(&mut self, n: u64, moment: u32, reign: u32) {
        self.acknowledged.insert(n);
        self.moments.push(moment);
        if self.reigns.last().is_none_or(|(_, last)| *last != reign) {
            self.reigns.push((n, reign));
        }
    }

    /// Every acknowledged operation: number, moment, reign.
    pub(crate) fn acknowledgements(&self) -> impl Iterator<Item = (u64, u32, u32)> {
        let mut reigns = self.reigns.iter().copied().peekable();
        let mut reign = 0;
        let timed = self.acknowledged.numbers().zip(self.moments.all());
        timed.map(move |(n, moment)| {
            while let Some((_, next)) = reigns.next_if(|(first, _)| *first <= n) {
                reign = next;
            }
            (n, moment, reign)
        })
    }
}

/// Moments in ascending order, as their differences: most of them take one byte.
#[derive(Debug, Default)]
struct Moments {
    bytes: Vec<u8>,
    last: u32,
}

impl Moments {
    fn push(&mut self, moment: u32) {
        let moment = moment.max(self.last);
        let mut rest = moment - self.last;
        self.last = moment;
        loop {
            let low = (rest & 0x7f) as u8;
            rest >>= 7;
            if rest == 0 {
                self.bytes.push(low);
                return;
            }
            self.bytes.push(low | 0x80);
        }
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        let mut bytes = self.bytes.iter();
        let mut moment = 0;
        std::iter::from_fn(move || {
            let mut shift = 0;
            loop {
                let byte = bytes.next()?;
                moment += u32::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return Some(moment);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back() {
        let all = [0, 0, 1, 128, 300, 300, 70_000, u32::MAX];
        let mut moments = Moments::default();
        for moment in all {
            moments.push(moment);
        }
        assert!(moments.all().eq(all));
    }

    #[test]
    fn every_acknowledgement_knows_its_moment_and_its_primary() {
        let mut history = History::default();
        assert_eq!(history.next(5), 1..=5);
        for (n, moment, reign) in [(1, 10, 7), (2, 11, 7), (4, 500, 8), (5, 501, 7)] {
            history.acknowledge(n, moment, reign);
        }
        history.unknown.insert(3);
        let all: Vec<_> = history.acknowledgements().collect();
        assert_eq!(all, [(1, 10, 7), (2, 11, 7), (4, 500, 8), (5, 501, 7)]);
    }

    #[test]
    fn ten_million_operations_take_ten_megabytes() {
        let mut history = History::default();
        for n in history.next(10_000_000) {
            history.acknowledge(n, u32::try_from(n / 3).unwrap(), 1);
        }
        assert_eq!(history.moments.bytes.len(), 10_000_000);
        assert_eq!(history.acknowledged.ranges().count(), 1);
    }
}

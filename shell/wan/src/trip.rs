//! Cuts at a byte.

use crate::Direction;

/// Counts down to a cut.
#[derive(Debug, Default)]
pub(crate) struct Trip(Option<Armed>);

#[derive(Debug)]
struct Armed {
    direction: Direction,
    /// Bytes until the cut; never 0, for that is the cut.
    left: u64,
    /// Bytes from that cut to the next, if there is to be one.
    again: Option<u64>,
}

impl Trip {
    /// A cut after `bytes`; none after no bytes.
    pub(crate) fn arm(&mut self, direction: Direction, bytes: u64, again: bool) {
        self.0 = (bytes > 0).then_some(Armed {
            direction,
            left: bytes,
            again: again.then_some(bytes),
        });
    }

    pub(crate) fn disarm(&mut self) {
        self.0 = None;
    }

    /// How many of `count` bytes may pass now: one at least, when there is one.
    pub(crate) fn allows(&self, direction: Direction, count: usize) -> usize {
        match &self.0 {
            Some(armed) if armed.direction == direction => {
                count.min(usize::try_from(armed.left).unwrap_or(usize::MAX))
            }
            Some(_) | None => count,
        }
    }

    /// `count` bytes have passed. `true`: now is the time to cut.
    pub(crate) fn passed(&mut self, direction: Direction, count: usize) -> bool {
        let Some(armed) = &mut self.0 else {
            return false;
        };
        if armed.direction != direction {
            return false;
        }
        armed.left = armed.left.saturating_sub(count as u64);
        if armed.left > 0 {
            return false;
        }
        match armed.again {
            Some(bytes) => armed.left = bytes,
            None => self.0 = None,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    /// Lets as much of `count` pass as is allowed; tells how much, and whether that cuts.
    fn pass(trip: &mut Trip, count: usize) -> (usize, bool) {
        let allowed = trip.allows(ToClient, count);
        (allowed, trip.passed(ToClient, allowed))
    }

    #[test]
    fn cuts_once_at_the_byte() {
        let mut trip = Trip::default();
        trip.arm(ToClient, 10, false);
        assert_eq!(pass(&mut trip, 6), (6, false));
        assert_eq!(trip.allows(ToServer, 100), 100);
        assert!(!trip.passed(ToServer, 100));
        assert_eq!(pass(&mut trip, 6), (4, true));
        assert_eq!(pass(&mut trip, 600), (600, false));
    }

    #[test]
    fn cuts_again_and_again_until_it_is_disarmed() {
        let mut trip = Trip::default();
        trip.arm(ToClient, 10, true);
        for _ in 0..3 {
            assert_eq!(pass(&mut trip, 60), (10, true));
        }
        trip.disarm();
        assert_eq!(pass(&mut trip, 60), (60, false));
        trip.arm(ToClient, 0, true);
        assert_eq!(pass(&mut trip, 60), (60, false));
    }
}

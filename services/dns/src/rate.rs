//! How many equal answers one network gets: a forged sender must not make this server a nuisance.
//!
//! Counted are answers about one subject to one network, as the sender's address has it. Whoever
//! gets too many gets none, and every second time one that only asks for TCP: that cannot be
//! forged, so a real resolver in that network still finds out.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::IpAddr,
    time::Duration,
};

use tokio::time::Instant;

use crate::answer::Subject;

/// Networks and subjects that are told apart; those that fall together share what is allowed.
const SLOTS: usize = 1 << 14;
/// The parts of an answer that are counted.
const WHOLE: u64 = 1_000;

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is sent.
    Send,
    /// One that asks for TCP is sent instead.
    Shorten,
    /// Nothing is sent.
    Drop,
}

/// Counts answers.
pub(crate) struct Limiter {
    slots: Vec<Slot>,
    per_second: u64,
    started: Instant,
    seed: u64,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Thousandths of answers that were sent and are not forgiven yet.
    debt: u64,
    /// When that was so, in milliseconds since the start.
    at_ms: u64,
    /// The last one too many was dropped.
    dropped: bool,
}

impl Limiter {
    /// Lets a network have so many equal answers in a second; 0: all. The seed keeps others from
    /// knowing who falls together.
    pub(crate) fn new(per_second: u32, seed: u64, now: Instant) -> Self {
        let slots = if per_second == 0 { 0 } else { SLOTS };
        Self {
            slots: vec![Slot::default(); slots],
            per_second: u64::from(per_second),
            started: now,
            seed,
        }
    }

    /// Counts an answer that is about to be sent.
    pub(crate) fn count(&mut self, to: IpAddr, subject: &Subject, now: Instant) -> Verdict {
        let key = self.key(to, subject);
        let since = now.saturating_duration_since(self.started);
        let Some(slot) = self.slots.get_mut(key) else {
            return Verdict::Send;
        };
        let now_ms = whole_ms(since);
        let forgiven = now_ms
            .saturating_sub(slot.at_ms)
            .saturating_mul(self.per_second);
        slot.debt = slot.debt.saturating_sub(forgiven);
        slot.at_ms = now_ms;
        if slot.debt + WHOLE <= self.per_second.saturating_mul(WHOLE) {
            slot.debt += WHOLE;
            slot.dropped = false;
            return Verdict::Send;
        }
        slot.dropped = !slot.dropped;
        if slot.dropped {
            Verdict::Drop
        } else {
            Verdict::Shorten
        }
    }

    fn key(&self, to: IpAddr, subject: &Subject) -> usize {
        let mut hasher = DefaultHasher::new();
        self.seed.hash(&mut hasher);
        network(to).hash(&mut hasher);
        subject.hash(&mut hasher);
        let slots = u64::try_from(SLOTS).unwrap_or(1);
        usize::try_from(hasher.finish() % slots).unwrap_or(0)
    }
}

/// The network of an address: those whose host can have any address of it.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & 0xFFFF_FF00).into()),
        IpAddr::V6(ip) => {
            let first_56 = u128::MAX << (128 - 56);
            IpAddr::V6((u128::from(ip) & first_56).into())
        }
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use Verdict::{Drop, Send, Shorten};

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_gets_so_many_and_then_every_second_short() {
        let start = Instant::now();
        let mut limiter = Limiter::new(3, 1, start);
        let mut count = |last: u8, at: Duration| {
            let to = ip(&format!("192.0.2.{last}"));
            limiter.count(to, &Subject::NoName, start + at)
        };
        let at_once: Vec<_> = (0..7).map(|last| count(last, Duration::ZERO)).collect();
        assert_eq!(at_once, [Send, Send, Send, Drop, Shorten, Drop, Shorten]);
        let third = Duration::from_millis(334);
        assert_eq!([count(9, third), count(9, third)], [Send, Drop]);
        let later = Duration::from_secs(60);
        let then: Vec<_> = (0..4).map(|last| count(last, later)).collect();
        assert_eq!(then, [Send, Send, Send, Drop]);
    }

    #[test]
    fn other_networks_and_other_subjects_are_counted_apart() {
        let start = Instant::now();
        let mut limiter = Limiter::new(1, 7, start);
        for to in ["192.0.2.1", "192.0.3.1", "2001:db8::1", "2001:db8:0:100::1"] {
            assert_eq!(limiter.count(ip(to), &Subject::NoName, start), Send, "{to}");
            assert_eq!(
                limiter.count(ip(to), &Subject::Refusal, start),
                Send,
                "{to}"
            );
        }
        for to in ["192.0.2.200", "::ffff:192.0.2.9", "2001:db8:0:a::2"] {
            assert_ne!(limiter.count(ip(to), &Subject::NoName, start), Send, "{to}");
        }
    }

    #[test]
    fn without_a_limit_all_are_sent() {
        let start = Instant::now();
        let mut limiter = Limiter::new(0, 7, start);
        assert!((0..1_000).all(|_| limiter.count(ip("::1"), &Subject::NoName, start) == Send));
    }
}

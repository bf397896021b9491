//! Keeps refusals from flooding the log: the first of a kind are told one by one, the rest are
//! counted, and the count is told when the window is over. Nothing here waits; `now` comes in.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

use model::Timestamp;

use super::record::{Kind, Record};

/// Refusals of one kind in one window that are told one by one.
const EACH: u64 = 5;
/// A window of refusals, in milliseconds.
const REFUSALS_MS: u64 = 60_000;
/// A window of attempts without a name, in milliseconds.
const UNAUTHENTICATED_MS: u64 = 600_000;
/// Kinds of refusals that are told apart in a window.
const KINDS: usize = 500;
/// Addresses of attempts without a name that are told apart in a window.
const ADDRESSES: usize = 20;

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Flood {
    windows: BTreeMap<Alike, Window>,
}

/// What makes refusals alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Alike {
    Refused {
        who: String,
        operation: String,
        resource: String,
        code: String,
    },
    /// The rest, when there are too many kinds.
    OtherRefusals,
    Unauthenticated(Option<IpAddr>),
    /// The rest, when there are too many addresses.
    OtherAddresses,
}

#[derive(Debug)]
struct Window {
    ends: Timestamp,
    seen: u64,
    /// Not told one by one.
    untold: u64,
    last: Record,
}

impl Flood {
    /// Takes a refusal, and gives it back if it is to be told now.
    pub(super) fn pass(&mut self, record: Record, now: Timestamp) -> Option<Record> {
        let (mut alike, each, ms) = if record.kind == Kind::Unauthenticated {
            let from = record.request.as_ref().and_then(|request| request.from);
            let from = from.map(network);
            (Alike::Unauthenticated(from), 1, UNAUTHENTICATED_MS)
        } else {
            (refused(&record), EACH, REFUSALS_MS)
        };
        if !self.windows.contains_key(&alike) && self.is_full(&alike) {
            alike = match alike {
                Alike::Refused { .. } | Alike::OtherRefusals => Alike::OtherRefusals,
                Alike::Unauthenticated(_) | Alike::OtherAddresses => Alike::OtherAddresses,
            };
        }
        let window = self.windows.entry(alike).or_insert_with(|| Window {
            ends: now.plus_ms(ms),
            seen: 0,
            untold: 0,
            last: record.clone(),
        });
        window.seen += 1;
        if window.seen <= each {
            return Some(record);
        }
        window.untold += 1;
        window.last = record;
        None
    }

    /// What is to be told of the windows that are over; with `all`, of every one.
    pub(super) fn over(&mut self, now: Timestamp, all: bool) -> Vec<Record> {
        let mut over = Vec::new();
        self.windows.retain(|alike, window| {
            if now < window.ends && !all {
                return true;
            }
            if window.untold > 0 {
                over.push(summary(alike, window));
            }
            false
        });
        over
    }

    fn is_full(&self, of: &Alike) -> bool {
        let (most, same): (usize, fn(&Alike) -> bool) = match of {
            Alike::Refused { .. } | Alike::OtherRefusals => {
                (KINDS, |alike| matches!(alike, Alike::Refused { .. }))
            }
            Alike::Unauthenticated(_) | Alike::OtherAddresses => (ADDRESSES, |alike| {
                matches!(alike, Alike::Unauthenticated(_))
            }),
        };
        self.windows.keys().filter(|alike| same(alike)).count() >= most
    }
}

fn refused(record: &Record) -> Alike {
    let who = record.caller.as_ref().map(|who| who.id.clone());
    let code = record.refusal.as_ref().map(|refusal| refusal.code.clone());
    Alike::Refused {
        who: who.unwrap_or_default(),
        operation: record.operation.clone(),
        resource: record.resource.to_ascii_lowercase(),
        code: code.unwrap_or_default(),
    }
}

/// Whoever has one IPv6 address has the whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// One record for those that were not told, made of the last of them.
fn summary(alike: &Alike, window: &Window) -> Record {
    let count = window.untold;
    let whose = match alike {
        Alike::Refused { .. } => "more requests like this were refused",
        Alike::OtherRefusals => "more requests of other kinds were refused",
        Alike::Unauthenticated(_) => "more requests from there did not say truly who asked",
        Alike::OtherAddresses => "more requests from other addresses did not say truly who asked",
    };
    Record {
        count,
        text: Some(format!("{count} {whose}; this was the last of them")),
        ..window.last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::tests::{refusal, unauthenticated};

    #[test]
    fn the_first_refusals_are_told_and_the_rest_counted() {
        let mut flood = Flood::default();
        let now = Timestamp(1_000);
        let told = (0..1_000).filter_map(|_| flood.pass(refusal("a", "Conflict"), now));
        assert_eq!(told.count(), 5);
        assert!(flood.pass(refusal("b", "Conflict"), now).is_some());
        assert!(flood.over(now.plus_ms(59_999), false).is_empty());
        let over = flood.over(now.plus_ms(60_000), false);
        assert_eq!(over.len(), 1);
        assert_eq!(over[0].count, 995);
        assert!(flood.pass(refusal("a", "Conflict"), now).is_some());
    }

    #[test]
    fn strangers_from_everywhere_are_a_few_records() {
        let mut flood = Flood::default();
        let now = Timestamp(1_000);
        let from = |n: u32| unauthenticated(IpAddr::from(n.to_be_bytes()));
        let told = (0..10_000).filter_map(|n| flood.pass(from(n), now));
        assert_eq!(told.count(), 21);
        let over = flood.over(now, true);
        assert_eq!(over.len(), 1);
        assert_eq!(over[0].count, 10_000 - 21);
    }

    #[test]
    fn there_are_only_so_many_kinds_of_refusals() {
        let mut flood = Flood::default();
        let told = (0..800).filter_map(|n| {
            let record = refusal(&n.to_string(), "Conflict");
            flood.pass(record, Timestamp(0))
        });
        assert_eq!(told.count(), 505);
        assert_eq!(flood.over(Timestamp(0), true)[0].count, 800 - 505);
    }
}

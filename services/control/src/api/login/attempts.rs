//! How often somebody may fail to sign in.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use model::{ObjectId, Timestamp};
use parking_lot::Mutex;

/// Failures are counted for so long from the first one on.
const WINDOW_MS: u64 = 60_000;
/// Failures of one client from one place.
const OF_A_CLIENT: u32 = 10;
/// Failures from one place, whichever the client. On this machine there may be a proxy that all come
/// by, so there it does not count.
const OF_A_PLACE: u32 = 100;
/// Counters at a time; when all are taken, new failures are not counted. A secret has 256 random bits:
/// what is bounded here is the work, not the guessing.
const MOST: usize = 10_000;

/// Failures to sign in, by place and client.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<BTreeMap<Who, Counter>>);

/// From where, and as whom; `None`: as anybody.
type Who = (Option<IpAddr>, Option<ObjectId>);

struct Counter {
    since: Timestamp,
    failures: u32,
}

impl Counter {
    /// Milliseconds that it counts on.
    fn left(&self, now: Timestamp) -> u64 {
        // A clock that was set back ends it, too.
        let end = self.since.plus_ms(WINDOW_MS);
        if self.since <= now {
            end.0.saturating_sub(now.0)
        } else {
            0
        }
    }
}

impl Attempts {
    /// Seconds until `client` may try again from `peer`; `None`: now.
    pub(super) fn wait(
        &self,
        peer: Option<SocketAddr>,
        client: Option<&ObjectId>,
        now: Timestamp,
    ) -> Option<u64> {
        let counters = self.0.lock();
        let place = place(peer);
        let waits = limits(place, client).filter_map(|(who, most)| {
            let counter = counters.get(&who)?;
            let left = counter.left(now);
            (counter.failures >= most && left > 0).then(|| left.div_ceil(1000))
        });
        waits.max()
    }

    /// Counts a failure.
    pub(super) fn failed(
        &self,
        peer: Option<SocketAddr>,
        client: Option<&ObjectId>,
        now: Timestamp,
    ) {
        let mut counters = self.0.lock();
        let place = place(peer);
        for (who, _) in limits(place, client) {
            if counters.len() >= MOST && !counters.contains_key(&who) {
                counters.retain(|_, counter| counter.left(now) > 0);
                if counters.len() >= MOST {
                    continue;
                }
            }
            let counter = counters.entry(who).or_insert(Counter {
                since: now,
                failures: 0,
            });
            if counter.left(now) == 0 {
                *counter = Counter {
                    since: now,
                    failures: 0,
                };
            }
            counter.failures = counter.failures.saturating_add(1);
        }
    }
}

/// The counters of an attempt, each with what it may come to.
fn limits(place: Option<IpAddr>, client: Option<&ObjectId>) -> impl Iterator<Item = (Who, u32)> {
    let is_here = place.is_none_or(|place| place.is_loopback());
    let of_a_client = client.map(|client| ((place, Some(client.clone())), OF_A_CLIENT));
    let of_a_place = (!is_here).then_some(((place, None), OF_A_PLACE));
    of_a_client.into_iter().chain(of_a_place)
}

/// One place is an IPv4 address, or the /64 of an IPv6 address: one customer has as many of those.
fn place(peer: Option<SocketAddr>) -> Option<IpAddr> {
    peer.map(|peer| match peer.ip().to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) if address.is_loopback() => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn client(last: char) -> ObjectId {
        format!("6f1c4f30-0000-4000-8000-00000000000{last}")
            .parse()
            .unwrap()
    }

    fn peer(text: &str) -> Option<SocketAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_client_that_fails_waits_and_others_do_not() {
        let attempts = Attempts::default();
        let (here, there) = (peer("192.0.2.1:1"), peer("192.0.2.2:1"));
        let (one, two) = (client('1'), client('2'));
        for _ in 0..OF_A_CLIENT {
            assert_eq!(attempts.wait(here, Some(&one), NOW), None);
            attempts.failed(here, Some(&one), NOW);
        }
        assert_eq!(attempts.wait(here, Some(&one), NOW), Some(60));
        assert_eq!(
            attempts.wait(here, Some(&one), NOW.plus_ms(59_500)),
            Some(1)
        );
        assert_eq!(attempts.wait(here, Some(&two), NOW), None);
        assert_eq!(attempts.wait(there, Some(&one), NOW), None);
        let later = NOW.plus_ms(WINDOW_MS);
        assert_eq!(attempts.wait(here, Some(&one), later), None);
        attempts.failed(here, Some(&one), later);
        assert_eq!(attempts.wait(here, Some(&one), later), None);
    }

    #[test]
    fn a_place_waits_whichever_client_it_tries_unless_it_is_here() {
        let attempts = Attempts::default();
        let (v4, here) = (peer("192.0.2.1:1"), peer("127.0.0.1:1"));
        let v6 = ["[2001:db8::1]:1", "[2001:db8::2:1]:9"].map(peer);
        for at in 0..OF_A_PLACE {
            let by_v6 = v6[usize::from(at % 2 == 0)];
            for from in [v4, by_v6, here] {
                attempts.failed(from, None, NOW);
            }
        }
        for from in [v4, v6[0], v6[1]] {
            assert!(attempts.wait(from, Some(&client('3')), NOW).is_some());
            assert!(attempts.wait(from, None, NOW).is_some());
        }
        assert_eq!(attempts.wait(here, None, NOW), None);
        assert_eq!(attempts.wait(None, None, NOW), None);
        let other = peer("[2001:db8:0:1::1]:1");
        assert_eq!(attempts.wait(other, None, NOW), None);
    }

    #[test]
    fn counters_are_bounded_and_those_that_are_over_make_room() {
        let attempts = Attempts::default();
        let many = |at: u32| peer(&format!("{}:1", std::net::Ipv4Addr::from_bits(at)));
        for at in 0..20_000 {
            attempts.failed(many(0x0a00_0000 + at), None, NOW);
        }
        assert_eq!(attempts.0.lock().len(), MOST);
        attempts.failed(many(0x0b00_0000), None, NOW.plus_ms(WINDOW_MS));
        assert_eq!(attempts.0.lock().len(), 1);
    }
}

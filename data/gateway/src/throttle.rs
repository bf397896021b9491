//! What failed logins cost: each address has a budget of them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Failed logins that cost nothing but themselves.
const FREE: u32 = 10;
/// Failed logins after which an address is refused without a look at what it presents.
const MOST: u32 = 60;
/// The time in which one failed login is forgiven.
const FORGIVEN: Duration = Duration::from_secs(1);
/// The first delay; it doubles with each failure beyond the free ones.
const DELAY: Duration = Duration::from_millis(50);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(2);
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

/// What an address is to wait, or that it is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// The login is looked at, and its failure answered after this time.
    Heard { delay: Duration },
    /// It is refused.
    Spent,
}

/// The failed logins of all addresses. IPv6 networks of 64 bits count as one address.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<BTreeMap<IpAddr, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Failures {
    /// What is left of them at `now`.
    fn at(self, now: Instant) -> Self {
        let passed = now.saturating_duration_since(self.since);
        let forgiven = passed.as_millis() / FORGIVEN.as_millis();
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        Self {
            count: self.count.saturating_sub(forgiven),
            since: self.since + FORGIVEN.saturating_mul(forgiven),
        }
    }
}

impl Throttle {
    /// What a login from `address` is given.
    pub(crate) fn budget(&self, address: IpAddr, now: Instant) -> Budget {
        let failures = self.0.lock().get(&network(address)).copied();
        match failures.map_or(0, |failures| failures.at(now).count) {
            0..FREE => Budget::Heard {
                delay: Duration::ZERO,
            },
            count @ FREE..MOST => Budget::Heard {
                delay: DELAY
                    .saturating_mul(1 << (count - FREE).min(10))
                    .min(LONGEST),
            },
            MOST.. => Budget::Spent,
        }
    }

    /// A login from `address` failed.
    pub(crate) fn note_failure(&self, address: IpAddr, now: Instant) {
        let mut addresses = self.0.lock();
        let address = network(address);
        if addresses.len() >= ADDRESSES && !addresses.contains_key(&address) {
            make_room(&mut addresses, now);
        }
        let failures = addresses.entry(address).or_insert(Failures {
            count: 0,
            since: now,
        });
        let left = failures.at(now);
        *failures = Failures {
            count: (left.count + 1).min(MOST),
            // What is full is forgiven from its last failure on, not from its first.
            since: if left.count == 0 || left.count >= MOST {
                now
            } else {
                left.since
            },
        };
    }
}

/// Forgets what is forgiven, or else whoever failed least.
fn make_room(addresses: &mut BTreeMap<IpAddr, Failures>, now: Instant) {
    addresses.retain(|_, failures| failures.at(now).count > 0);
    if addresses.len() >= ADDRESSES {
        let least = addresses
            .iter()
            .min_by_key(|(_, failures)| failures.at(now).count)
            .map(|(address, _)| *address);
        if let Some(least) = least {
            addresses.remove(&least);
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn failed(throttle: &Throttle, address: IpAddr, times: u32, now: Instant) {
        for _ in 0..times {
            throttle.note_failure(address, now);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_cost_time_and_then_everything() {
        let throttle = Throttle::default();
        let (one, other, now) = (ip("192.0.2.1"), ip("192.0.2.2"), Instant::now());
        let free = Budget::Heard {
            delay: Duration::ZERO,
        };
        failed(&throttle, one, FREE - 1, now);
        assert_eq!(throttle.budget(one, now), free);
        failed(&throttle, one, 2, now);
        let delay = DELAY * 2;
        assert_eq!(throttle.budget(one, now), Budget::Heard { delay });
        failed(&throttle, one, MOST, now);
        assert_eq!(throttle.budget(one, now), Budget::Spent);
        assert_eq!(throttle.budget(other, now), free);
        let later = now + FORGIVEN;
        assert_eq!(
            throttle.budget(one, later),
            Budget::Heard { delay: LONGEST }
        );
        let much_later = now + FORGIVEN * MOST;
        assert_eq!(throttle.budget(one, much_later), free);
    }

    #[tokio::test(start_paused = true)]
    async fn the_addresses_of_one_network_share_a_budget() {
        let throttle = Throttle::default();
        let now = Instant::now();
        failed(&throttle, ip("2001:db8::1"), MOST, now);
        assert_eq!(throttle.budget(ip("2001:db8::2"), now), Budget::Spent);
        assert_ne!(throttle.budget(ip("2001:db8:0:1::2"), now), Budget::Spent);
        failed(&throttle, ip("::ffff:192.0.2.1"), MOST, now);
        assert_eq!(throttle.budget(ip("192.0.2.1"), now), Budget::Spent);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_addresses_is_bounded() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let worst = ip("192.0.2.1");
        failed(&throttle, worst, MOST, now);
        for number in 0..2 * u32::try_from(ADDRESSES).unwrap() {
            throttle.note_failure(IpAddr::V4(number.into()), now);
        }
        assert!(throttle.0.lock().len() <= ADDRESSES);
        assert_eq!(throttle.budget(worst, now), Budget::Spent);
    }
}

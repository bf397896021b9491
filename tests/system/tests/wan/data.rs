//! Data that compression does not help, and the comparison of two caches by all they hold.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use redis::Connection;
use system::{Cache, World, waiting};

/// What a value has, mostly.
const VALUE: usize = 32 << 10;
/// Keys asked at a time.
const BATCH: usize = 64;
/// Large data sets take their time.
const PATIENCE: Duration = Duration::from_secs(super::size(120, 1200));

/// Numbers that look random, the same for the same seed (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let numbers = std::iter::repeat_with(|| self.next().to_le_bytes());
        numbers.flatten().take(count).collect()
    }
}

/// Writes `bytes` of values to keys of their own: strings, some that expire in an hour, and small
/// hashes and lists between them.
pub(crate) fn fill(cache: &Cache<'_>, name: &str, bytes: u64) {
    let mut connection = cache.connect();
    let mut dice = Dice::new(bytes);
    let count = bytes / VALUE as u64;
    for begin in (0..count).step_by(16) {
        let mut pipe = redis::pipe();
        for number in begin..(begin + 16).min(count) {
            pipe.cmd("SET")
                .arg(format!("{name}:{number}"))
                .arg(dice.bytes(VALUE));
            match number % 4 {
                0 => pipe.arg("PX").arg(3_600_000),
                1 => pipe
                    .cmd("HSET")
                    .arg(format!("{name}:hash"))
                    .arg(number % 50)
                    .arg(number),
                2 => pipe.cmd("RPUSH").arg(format!("{name}:list")).arg(number),
                _ => &mut pipe,
            };
        }
        pipe.exec(&mut connection).unwrap();
    }
}

/// What a cache holds: for each key its expiry and what `DUMP` gives, both hashed.
fn dumps(cache: &Cache<'_>) -> BTreeMap<Vec<u8>, u64> {
    let mut connection = cache.connect();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    let mut found = BTreeMap::new();
    for batch in keys.chunks(BATCH) {
        let mut pipe = redis::pipe();
        for key in batch {
            pipe.cmd("DUMP").arg(key).cmd("PEXPIRETIME").arg(key);
        }
        let answers: Vec<redis::Value> = pipe.query(&mut connection).unwrap();
        for (key, answers) in batch.iter().zip(answers.chunks(2)) {
            let mut hasher = DefaultHasher::new();
            format!("{answers:?}").hash(&mut hasher);
            found.insert(key.clone(), hasher.finish());
        }
    }
    found
}

fn arrived(west: &Cache<'_>, marker: u64) -> Option<()> {
    let mut connection: Connection = west
        .client()
        .get_connection_with_timeout(Duration::from_secs(2))
        .ok()?;
    connection
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let value: Option<u64> = redis::cmd("GET")
        .arg("marker")
        .query(&mut connection)
        .ok()?;
    (value == Some(marker)).then_some(())
}

/// Waits until whatever was written to `from` is at `to`.
pub(crate) fn until_arrived(from: &Cache<'_>, to: &Cache<'_>) {
    let marker: u64 = redis::cmd("INCR")
        .arg("marker")
        .query(&mut from.connect())
        .unwrap();
    waiting::within(PATIENCE, "the last write arrives", || arrived(to, marker));
}

/// As [`until_arrived`], then compares every key; nobody may write meanwhile.
pub(crate) fn until_same(world: &World, from: &Cache<'_>, to: &Cache<'_>) {
    until_arrived(from, to);
    let (left, right) = (dumps(from), dumps(to));
    assert_eq!(left.len(), right.len(), "{}", world.logs());
    let differing = left
        .iter()
        .find(|(key, hash)| right.get(*key) != Some(hash));
    if let Some((key, _)) = differing {
        panic!("{} differs\n{}", String::from_utf8_lossy(key), world.logs());
    }
}

/// Waits, for a large data set, until the link is healthy.
pub(crate) fn until_linked(world: &World) {
    waiting::within(PATIENCE, "the link is healthy", || {
        world.link().filter(|link| link["healthy"] == true)
    });
}

//! Digests of values: 128 bits that are the same on every machine and in every version.
//!
//! SHA-256, of which half is kept. It is slower than hashes made for tables, and far faster than
//! an engine hands values out; sums of it cannot be brought to a chosen result, so that values made
//! for the purpose do not pass for each other.

use std::{collections::HashSet, fmt};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Members that are told apart from those seen before in one reading, at most: 64 bits each.
pub(crate) const SEEN_AT_ONCE: u64 = 1 << 20;

/// A value's digest.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(u128);

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest of 32 hexadecimal digits")]
pub struct ParseDigestError(String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;

    fn try_from(text: String) -> Result<Self, ParseDigestError> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(&text, 16) {
            Ok(digest) if digits => Ok(Self(digest)),
            Ok(_) | Err(_) => Err(ParseDigestError(text)),
        }
    }
}

/// Things in their order.
#[derive(Clone)]
pub(crate) struct Ordered(Sha256);

impl Ordered {
    /// `kind` tells a list from a stream with the same bytes in it.
    pub(crate) fn new(kind: &str) -> Self {
        let mut new = Self(Sha256::new());
        new.field(kind.as_bytes());
        new
    }

    /// Bytes with their length, so that `ab`, `c` is not `a`, `bc`.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.0
            .update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(bytes);
    }

    /// Bytes that go on: it does not matter where they are cut.
    pub(crate) fn more(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    pub(crate) fn end(self) -> Digest {
        let whole: [u8; 32] = self.0.finalize().into();
        let (half, _rest) = whole.split_at(16);
        Digest(
            half.iter()
                .fold(0, |sum, byte| (sum << 8) | u128::from(*byte)),
        )
    }
}

/// Members of a set or fields of a hash, in any order, and each as often as the engine likes: it
/// names some twice while its table is being rehashed.
///
/// Those seen before are remembered. So that this has a bound, a large collection is read several
/// times, and each reading counts those members whose digest falls to it.
#[derive(Clone)]
pub(crate) struct Unordered {
    kind: &'static str,
    sum: u128,
    count: u64,
    readings: u64,
    reading: u64,
    seen: HashSet<u64>,
}

impl Unordered {
    /// For a collection that has `length` members or about so.
    pub(crate) fn new(kind: &'static str, length: u64) -> Self {
        Self::with_bound(kind, length, SEEN_AT_ONCE)
    }

    fn with_bound(kind: &'static str, length: u64, at_once: u64) -> Self {
        Self {
            kind,
            sum: 0,
            count: 0,
            readings: length.div_ceil(at_once).max(1),
            reading: 0,
            seen: HashSet::new(),
        }
    }

    pub(crate) fn member(&mut self, parts: &[&[u8]]) {
        let mut member = Ordered::new("member");
        for part in parts {
            member.field(part);
        }
        let Digest(digest) = member.end();
        let [high, low] = [digest >> 64, digest & u128::from(u64::MAX)];
        if high % u128::from(self.readings) != u128::from(self.reading) {
            return;
        }
        if self.seen.insert(u64::try_from(low).unwrap_or_default()) {
            self.sum = self.sum.wrapping_add(digest);
            self.count += 1;
        }
    }

    /// The collection was read to its end. `Some`: that was the last reading.
    pub(crate) fn end_reading(&mut self) -> Option<(u64, Digest)> {
        self.seen.clear();
        self.reading += 1;
        if self.reading < self.readings {
            return None;
        }
        let mut whole = Ordered::new(self.kind);
        whole.number(self.count);
        whole.more(&self.sum.to_le_bytes());
        Some((self.count, whole.end()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest_of(members: &[Vec<u8>], at_once: u64) -> (u64, Digest) {
        let length = u64::try_from(members.len()).unwrap();
        let mut sum = Unordered::with_bound("set", length, at_once);
        loop {
            for member in members {
                sum.member(&[member]);
            }
            if let Some(done) = sum.end_reading() {
                return done;
            }
        }
    }

    #[test]
    fn digests_never_change() {
        // As computed by another program from the description.
        let mut list = Ordered::new("list");
        list.field(b"a");
        list.field(b"");
        assert_eq!(list.end().to_string(), "50debba9ffa6d14d9fdb9c25ce56230a");
        let set = digest_of(&[b"a".to_vec(), b"b".to_vec()], 100);
        assert_eq!(set.1.to_string(), "93fdc3584a4da03018c2332524854faf");
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let (_, digest) = digest_of(&[b"a".to_vec()], 1);
        assert_eq!(Digest::try_from(digest.to_string()).unwrap(), digest);
        assert!(Digest::try_from("+1".to_owned()).is_err());
        assert!(Digest::try_from(format!("+{:031x}", 1)).is_err());
    }

    #[test]
    fn where_fields_end_matters() {
        let of = |fields: &[&[u8]]| {
            let mut list = Ordered::new("list");
            fields.iter().for_each(|field| list.field(field));
            list.end()
        };
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"a"]), of(&[b"a", b""]));
    }

    proptest! {
        #[test]
        fn order_and_repetition_do_not_matter(
            members in proptest::collection::btree_set(proptest::collection::vec(any::<u8>(), 0..4), 0..40),
            order in any::<u64>(),
            again in proptest::collection::vec(any::<proptest::sample::Index>(), 0..10),
            at_once in 1_u64..50,
        ) {
            let members: Vec<_> = members.into_iter().collect();
            let mut shuffled = members.clone();
            shuffled.sort_by_key(|member| {
                member.iter().fold(order, |mixed, byte| mixed.rotate_left(9).wrapping_mul(31) ^ u64::from(*byte))
            });
            for index in again {
                if !members.is_empty() {
                    shuffled.push(index.get(&members).clone());
                }
            }
            let whole = digest_of(&members, 1_000);
            prop_assert_eq!(whole, digest_of(&shuffled, at_once));
            prop_assert_eq!(whole.0, u64::try_from(members.len()).unwrap());
        }

        #[test]
        fn another_member_is_another_digest(
            members in proptest::collection::btree_set(any::<u16>(), 1..30), which in any::<proptest::sample::Index>(), other in any::<u16>(),
        ) {
            prop_assume!(!members.contains(&other));
            let bytes = |members: &[u16]| members.iter().map(|m| m.to_be_bytes().to_vec()).collect::<Vec<_>>();
            let members: Vec<_> = members.into_iter().collect();
            let mut changed = members.clone();
            let at = which.index(changed.len());
            changed[at] = other;
            prop_assert_ne!(digest_of(&bytes(&members), 100).1, digest_of(&bytes(&changed), 100).1);
        }
    }
}

//! A session on its way to another engine, and through the wire to another gateway.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    change::{NAME_BYTES, PREFIXES},
    subscriptions::{BYTES, NAMES},
};

/// The largest database number that is taken from the wire.
const DATABASES: u32 = 1 << 20;

/// Bytes of a name that a client chose. On the wire it is text, each byte the character of the
/// same number.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Box<[u8]>);

impl Name {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|byte| char::from(*byte)).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Option<Vec<u8>> = text.chars().map(|byte| u8::try_from(byte).ok()).collect();
        let wrong = || serde::de::Error::custom("a name has a character above U+00FF");
        bytes.map(|bytes| Self(bytes.into())).ok_or_else(wrong)
    }
}

/// What has to be built up at another engine. Who the client is does not belong to it: whoever
/// opens the engine says that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Carried {
    pub(crate) resp3: bool,
    pub(crate) database: u32,
    pub(crate) name: Option<Name>,
    pub(crate) library_name: Option<Name>,
    pub(crate) library_version: Option<Name>,
    pub(crate) no_evict: bool,
    pub(crate) no_touch: bool,
    pub(crate) read_only: bool,
    pub(crate) replies: Replies,
    pub(crate) tracking: Option<Tracking>,
    pub(crate) caching: Option<bool>,
    pub(crate) channels: Vec<Name>,
    pub(crate) patterns: Vec<Name>,
    pub(crate) shards: Vec<Name>,
    /// A transaction was open; it is discarded.
    pub(crate) transaction: bool,
    /// Keys were watched; they count as changed.
    pub(crate) watch: bool,
}

/// Which replies a client wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Replies {
    #[default]
    On,
    Off,
    /// All but the next.
    Skip,
}

/// How the engine tracks what the client reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tracking {
    pub(crate) broadcast: bool,
    pub(crate) opt_in: bool,
    pub(crate) opt_out: bool,
    pub(crate) no_loop: bool,
    pub(crate) prefixes: Vec<Name>,
}

/// What came in from the wire is larger than a session can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session to be carried over has {what}, which no gateway sends; it is not taken")]
pub struct CarriedError {
    what: &'static str,
}

impl Serialize for Carried {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Carried {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let carried = Self::deserialize(deserializer)?;
        carried.check().map_err(serde::de::Error::custom)?;
        Ok(carried)
    }
}

impl Carried {
    /// Whether it is within what [`Session::carry`](crate::Session::carry) gives.
    fn check(&self) -> Result<(), CarriedError> {
        let refuse = |what| Err(CarriedError { what });
        let prefixes = || self.tracking.iter().flat_map(|tracking| &tracking.prefixes);
        let names = [&self.name, &self.library_name, &self.library_version];
        let mut short = names.into_iter().flatten().chain(prefixes());
        let subscribed = || {
            self.channels
                .iter()
                .chain(&self.patterns)
                .chain(&self.shards)
        };
        let bytes = || subscribed().map(|name| name.0.len()).sum::<usize>();
        if self.database > DATABASES {
            refuse("a database that is too high")
        } else if prefixes().count() > PREFIXES {
            refuse("too many prefixes of tracked keys")
        } else if short.any(|name| name.0.len() > NAME_BYTES) {
            refuse("a name that is too long")
        } else if subscribed().count() > NAMES || bytes() > BYTES {
            refuse("too many subscriptions")
        } else if self.transaction && !self.resp3 && subscribed().next().is_some() {
            refuse("a transaction of a subscriber on RESP2")
        } else {
            Ok(())
        }
    }
}

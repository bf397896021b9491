//! What is compared of a key: never the value itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A string, and what is kept in one: bitmaps, HyperLogLogs.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A hash.
    Hash,
    /// A sorted set.
    SortedSet,
    /// A stream.
    Stream,
    /// A type of a module, by its name.
    Module(String),
}

impl Kind {
    /// By the name that `TYPE` answers.
    pub(crate) fn named(name: &[u8]) -> Self {
        match name {
            b"string" => Self::String,
            b"list" => Self::List,
            b"set" => Self::Set,
            b"hash" => Self::Hash,
            b"zset" => Self::SortedSet,
            b"stream" => Self::Stream,
            other => Self::Module(other.escape_ascii().to_string()),
        }
    }

    /// What its length counts.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self {
            Self::String => "bytes",
            Self::List => "elements",
            Self::Set | Self::SortedSet => "members",
            Self::Hash => "fields",
            Self::Stream => "entries",
            Self::Module(_) => "bytes when dumped",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "a string",
            Self::List => "a list",
            Self::Set => "a set",
            Self::Hash => "a hash",
            Self::SortedSet => "a sorted set",
            Self::Stream => "a stream",
            Self::Module(name) => return write!(f, "a module's `{name}`"),
        })
    }
}

/// A value as it is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Bytes of a string, or how many elements.
    pub length: u64,
    /// Of all of it.
    pub digest: Digest,
}

/// A key that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its type.
    pub kind: Kind,
    /// Its value.
    pub value: Measure,
    /// When it expires, in milliseconds since the Unix epoch.
    pub expires: Option<u64>,
}

/// What one look at a key found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// There is no such key.
    Missing,
    /// It became another while it was read.
    Torn,
    /// It is there.
    There(Facts),
}

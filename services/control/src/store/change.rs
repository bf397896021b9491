//! A change: what it expects and what it writes.

use std::{fmt, sync::Arc};

use model::LinkRecord;
use serde::Serialize;

use super::{Record, Versioned};

/// The key of a record: its kind, a slash, and its name within the kind. Each is made and read in
/// the file of its record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Arc<str>);

impl Key {
    pub(crate) fn new(prefix: &str, name: &str) -> Self {
        Self(format!("{prefix}{name}").into())
    }

    pub(crate) fn from_stored(text: String) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Comparisons and writes that happen together or not at all.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Keys with the version that they must have; `None`: they must not exist.
    pub(super) compares: Vec<(Key, Option<u64>)>,
    /// Keys with their new value; `None`: they go.
    pub(super) writes: Vec<(Key, Option<String>)>,
    /// What the activity log is to tell of it, in JSON.
    pub(super) told: Vec<String>,
}

impl Change {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Expects that `record` has not been changed since it was read.
    #[must_use]
    pub(crate) fn expect<T: Record>(mut self, record: &Versioned<T>) -> Self {
        self.compares.push((record.key(), Some(record.version())));
        self
    }

    /// Adds a record that must not exist yet.
    #[must_use]
    pub(crate) fn insert<T: Record>(mut self, record: &T) -> Self {
        self.compares.push((record.key(), None));
        self.writes.push((record.key(), Some(encode(record))));
        self
    }

    /// Puts `new` in the place of `old`, if that has not been changed since it was read.
    #[must_use]
    pub(crate) fn replace<T: Record>(self, old: &Versioned<T>, new: &T) -> Self {
        debug_assert_eq!(old.key(), new.key(), "a record keeps its key");
        let mut change = self.expect(old);
        change.writes.push((old.key(), Some(encode(new))));
        change
    }

    /// Removes `old`, if it has not been changed since it was read.
    #[must_use]
    pub(crate) fn remove<T: Record>(self, old: &Versioned<T>) -> Self {
        let mut change = self.expect(old);
        change.writes.push((old.key(), None));
        change
    }

    /// Has the activity log tell of it: kept if and only if the change is made.
    #[must_use]
    pub(crate) fn tell(mut self, told: &impl Serialize) -> Self {
        let told = serde_json::to_string(told);
        self.told
            .push(told.expect("what is told is made of maps with string keys"));
        self
    }

    /// What it writes: keys with their new value in JSON; `None`: they go.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (&Key, Option<&str>)> {
        let writes = self.writes.iter();
        writes.map(|(key, value)| (key, value.as_deref()))
    }

    /// Changes each record of a kind that it is about to write.
    pub(crate) fn amend<T: Record>(&mut self, mut amend: impl FnMut(&mut T)) {
        for (key, value) in &mut self.writes {
            let of_kind = key.as_str().starts_with(T::PREFIX);
            let Some(text) = value.as_mut().filter(|_| of_kind) else {
                continue;
            };
            if let Ok(mut record) = serde_json::from_str::<T>(text) {
                amend(&mut record);
                *text = encode(&record);
            }
        }
    }

    /// The links that it writes; `None`: one goes.
    pub(super) fn links(&self) -> impl Iterator<Item = (&Key, Option<LinkRecord>)> {
        let links = self
            .writes
            .iter()
            .filter(|(key, _)| key.as_str().starts_with(LinkRecord::PREFIX));
        links.map(|(key, value)| {
            let decoded = value.as_deref().map(serde_json::from_str);
            (key, decoded.and_then(Result::ok))
        })
    }
}

fn encode<T: Record>(record: &T) -> String {
    serde_json::to_string(record).expect("records are made of maps with string keys")
}

//! The records of one kind, in a map whose copies share what is the same in both.
//!
//! A commit copies the few nodes of the tree that lead to what it writes; whoever holds an older
//! table keeps it. What lies between two tables is found by walking what they do not share, so it
//! costs as much as was written between them and not as much as there is.

use std::{
    ops::{
        Bound::{Excluded, Unbounded},
        Deref,
    },
    sync::Arc,
};

use imbl::{OrdMap, OrdSet, ordmap::DiffItem};

use super::{Key, Record};

/// The records of one kind, by key. Cheap to clone; a clone never changes.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: OrdMap<Key, Versioned<T>>,
    /// The keys of those that are not at rest.
    restless: OrdSet<Key>,
}

/// What became of a record between two tables.
#[derive(Debug)]
pub(crate) struct Difference<'a, T> {
    /// As it was; `None`: it was not there.
    pub(crate) old: Option<&'a Versioned<T>>,
    /// As it is; `None`: it is not there any more.
    pub(crate) new: Option<&'a Versioned<T>>,
}

impl<T> Table<T> {
    pub(crate) fn get(&self, key: &Key) -> Option<&Versioned<T>> {
        self.rows.get(key)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The records whose key begins with `prefix`, by key. With a name, only those behind the one of
    /// that name, which need not be there.
    pub(crate) fn list(
        &self,
        prefix: Key,
        behind: Option<&str>,
    ) -> impl Iterator<Item = &Versioned<T>> {
        let from = Key::new(prefix.as_str(), behind.unwrap_or_default());
        let behind = self.rows.range((Excluded(from), Unbounded));
        behind
            .take_while(move |(key, _)| key.as_str().starts_with(prefix.as_str()))
            .map(|(_, row)| row)
    }

    /// Every record, by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Versioned<T>> {
        self.rows.values()
    }

    /// Every record that is not at rest, by key.
    pub(crate) fn restless(&self) -> impl Iterator<Item = &Versioned<T>> {
        let keys = self.restless.iter();
        keys.filter_map(|key| self.rows.get(key))
    }

    /// What was written since `before`, by key. States in between may be missing: a record that was
    /// written twice differs once, and one that came and went not at all.
    pub(crate) fn changes_since<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = Difference<'a, T>> {
        before.rows.diff(&self.rows).map(|item| match item {
            DiffItem::Add(_, new) => Difference {
                old: None,
                new: Some(new),
            },
            DiffItem::Update {
                old: (_, old),
                new: (_, new),
            } => Difference {
                old: Some(old),
                new: Some(new),
            },
            DiffItem::Remove(_, old) => Difference {
                old: Some(old),
                new: None,
            },
        })
    }
}

impl<T: Record> Table<T> {
    pub(super) fn insert(&mut self, key: Key, version: u64, record: T) {
        if record.is_at_rest() {
            self.restless.remove(&key);
        } else {
            self.restless.insert(key.clone());
        }
        let record = Arc::new(record);
        self.rows.insert(key, Versioned { version, record });
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.restless.remove(key);
        self.rows.remove(key);
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self {
            rows: self.rows.clone(),
            restless: self.restless.clone(),
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: OrdMap::new(),
            restless: OrdSet::new(),
        }
    }
}

/// A record with the revision of the commit that wrote it.
#[derive(Debug)]
pub(crate) struct Versioned<T> {
    version: u64,
    record: Arc<T>,
}

impl<T> Versioned<T> {
    pub(crate) fn version(&self) -> u64 {
        self.version
    }
}

/// Of one key: no two commits have the same revision.
impl<T> PartialEq for Versioned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
    }
}

impl<T> Clone for Versioned<T> {
    fn clone(&self) -> Self {
        Self {
            version: self.version,
            record: Arc::clone(&self.record),
        }
    }
}

impl<T> Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}

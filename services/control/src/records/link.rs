//! `link/<id>`: a link.

use model::{CacheRecord, LinkId, LinkRecord};

use crate::store::{Key, Record, State, Table, Versioned};

/// The key of a link.
pub(crate) fn key(id: &LinkId) -> Key {
    Key::new(LinkRecord::PREFIX, id.as_str())
}

impl Record for LinkRecord {
    const PREFIX: &'static str = "link/";

    fn key(&self) -> Key {
        key(&self.id)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.links
    }
}

impl State {
    /// The link that a cache is part of.
    pub(crate) fn link_of(&self, cache: &CacheRecord) -> Option<&Versioned<LinkRecord>> {
        self.links.get(&key(cache.link.as_ref()?))
    }
}

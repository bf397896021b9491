//! Which of a receipt's keys were written at the present geo-primary since it took over.

use std::collections::BTreeMap;

use resp::Touch;

/// The keys of a receipt, and of each whether it was written since.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    keys: BTreeMap<Vec<u8>, Vec<(Option<u32>, bool)>>,
}

impl Written {
    /// Takes an entry of the receipt's own list.
    pub(super) fn lost(&mut self, touch: Touch) {
        if let Touch::Key { database, key } = touch {
            let places = self.keys.entry(key).or_default();
            if !places.iter().any(|(known, _)| *known == database) {
                places.push((database, false));
            }
        }
    }

    /// Takes an entry of what was written since.
    pub(super) fn since(&mut self, touch: &Touch) {
        match touch {
            Touch::Key { database, key } => {
                if let Some(places) = self.keys.get_mut(key) {
                    mark(places, *database);
                }
            }
            Touch::Database(database) => {
                for places in self.keys.values_mut() {
                    mark(places, *database);
                }
            }
            Touch::Everything => {
                for places in self.keys.values_mut() {
                    mark(places, None);
                }
            }
        }
    }

    /// Tells whether it was written since, or may have been. A key that the receipt's list does not
    /// name may; of a whole database, one key is enough.
    pub(super) fn has(&self, touch: &Touch) -> bool {
        match touch {
            Touch::Key { database, key } => {
                let places = self.keys.get(key).map_or(&[][..], Vec::as_slice);
                let mut here = places
                    .iter()
                    .filter(|(known, _)| same(*known, *database))
                    .peekable();
                here.peek().is_none() || here.any(|(_, written)| *written)
            }
            Touch::Database(database) => self.any(*database),
            Touch::Everything => self.any(None),
        }
    }

    /// Different keys, and how many of them were written since.
    pub(super) fn count(&self) -> (usize, usize) {
        let places = || self.keys.values().flatten();
        let written = places().filter(|(_, written)| *written).count();
        (places().count(), written)
    }

    fn any(&self, database: Option<u32>) -> bool {
        let mut places = self.keys.values().flatten();
        places.any(|(known, written)| *written && same(*known, database))
    }
}

fn mark(places: &mut [(Option<u32>, bool)], database: Option<u32>) {
    for (known, written) in places {
        *written |= same(*known, database);
    }
}

/// A database that is not known may be any.
fn same(one: Option<u32>, other: Option<u32>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(database: Option<u32>, name: &str) -> Touch {
        Touch::Key {
            database,
            key: name.as_bytes().to_vec(),
        }
    }

    fn lost() -> Written {
        let mut written = Written::default();
        for (database, name) in [(Some(0), "a"), (Some(1), "a"), (Some(0), "b"), (None, "c")] {
            written.lost(key(database, name));
        }
        written
    }

    #[test]
    fn a_key_is_written_in_its_database_alone() {
        let mut written = lost();
        written.since(&key(Some(1), "a"));
        written.since(&key(Some(0), "of nobody's interest"));
        assert!(written.has(&key(Some(1), "a")));
        assert!(!written.has(&key(Some(0), "a")) && !written.has(&key(Some(0), "b")));
        assert!(written.has(&Touch::Database(Some(1))) && written.has(&Touch::Everything));
        assert!(!written.has(&Touch::Database(Some(2))));
        assert_eq!(written.count(), (4, 1));
    }

    #[test]
    fn an_unknown_database_may_be_any() {
        let mut written = lost();
        written.since(&key(None, "a"));
        written.since(&key(Some(7), "c"));
        assert!(written.has(&key(Some(0), "a")) && written.has(&key(Some(1), "a")));
        assert!(written.has(&key(None, "c")) && written.has(&key(Some(7), "c")));
        assert!(!written.has(&key(Some(0), "b")));
    }

    #[test]
    fn an_emptied_database_wrote_all_its_keys() {
        let mut written = lost();
        written.since(&Touch::Database(Some(1)));
        assert!(written.has(&key(Some(1), "a")) && !written.has(&key(Some(0), "a")));
        written.since(&Touch::Everything);
        assert_eq!(written.count(), (4, 4));
    }

    #[test]
    fn a_key_that_the_list_lacks_counts_as_written() {
        assert!(lost().has(&key(Some(0), "unheard of")));
        assert!(lost().has(&key(Some(5), "a")));
    }
}

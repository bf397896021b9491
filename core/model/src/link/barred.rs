//! A link that the geo-primary's firewall keeps apart.

use super::{LinkRecord, LinkSeen};
use crate::CacheObserved;

impl LinkRecord {
    /// The geo-primary's firewall does not admit the agent beside the geo-secondary, as either of
    /// them says in this epoch: the sentence that both say.
    #[must_use]
    pub fn not_admitted<'a>(&self, seen: LinkSeen<'a>) -> Option<&'a str> {
        let said = |cache: Option<&'a CacheObserved>| {
            let cache = cache.filter(|cache| cache.epoch == self.epoch)?;
            let mut halves = cache.shards.iter().filter_map(|shard| shard.link.as_ref());
            halves.find_map(|half| half.not_admitted.as_deref())
        };
        // The geo-primary's half knows when it is over.
        match seen.primary {
            Some(_) => said(seen.primary),
            None => said(seen.secondary),
        }
    }
}

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
            let halves = cache.shards.iter().filter_map(|shard| shard.link.as_ref());
            let mut apart = halves.filter(|half| !half.connected);
            apart.find_map(|half| half.not_admitted.as_deref())
        };
        // Either may be the first to tell.
        said(seen.primary).or_else(|| said(seen.secondary))
    }
}

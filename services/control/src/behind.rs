//! How far the geo-secondary of a link is known to be behind, by the latest reports, however old.

use model::{Behind, CacheObserved, LinkRecord, Member, ShardIndex, ShardObserved};

use crate::{observations::Seen, view::lag_ms};

/// What is known of each shard. An agent that is gone cannot say more than it said last.
pub(crate) fn behind(seen: &Seen, link: &LinkRecord) -> Vec<Behind> {
    let (primary, secondary) = (
        last(seen, link, &link.primary),
        last(seen, link, &link.secondary),
    );
    let shards = |side: &Option<(&CacheObserved, u64)>| {
        side.as_ref().map_or(0, |(cache, _)| cache.shards.len())
    };
    (0..shards(&primary).max(shards(&secondary)))
        .filter_map(|index| {
            let at = |side: Option<(&CacheObserved, u64)>| {
                let (cache, age) = side?;
                Some((cache.shards.get(index)?.clone(), age))
            };
            let (p, s) = (at(primary), at(secondary));
            let shard =
                |side: &Option<(ShardObserved, u64)>| side.as_ref().map(|(shard, _)| shard.clone());
            let (ours, theirs) = (shard(&p), shard(&s));
            let bytes = missing(ours.as_ref(), theirs.as_ref());
            // Nothing is missing, though nobody may have written and measured a lag yet.
            let none = (bytes == Some(0)).then_some(0.0);
            Some(Behind {
                shard: ShardIndex(u16::try_from(index).ok()?),
                bytes,
                lag_ms: lag_ms(ours.as_ref(), theirs.as_ref()).or(none),
                as_of_ms: p.or(s).map(|(_, age)| age),
            })
        })
        .collect()
}

/// Stream bytes that the geo-secondary lacks; `None` where that is not sure.
fn missing(primary: Option<&ShardObserved>, secondary: Option<&ShardObserved>) -> Option<u64> {
    let ours = primary?;
    let positions = ours
        .position
        .zip(secondary.and_then(|shard| shard.position));
    if let Some((ours, theirs)) = positions
        && ours.replid == theirs.replid
    {
        return Some(ours.offset.since(theirs.offset));
    }
    let offsets = ours.link.as_ref()?.offsets;
    let (received, applied) = offsets.received.zip(offsets.applied)?;
    Some(received.since(applied))
}

/// The latest report of a member in the link's present epoch, with its age in milliseconds.
fn last<'a>(
    seen: &'a Seen,
    link: &LinkRecord,
    member: &Member,
) -> Option<(&'a CacheObserved, u64)> {
    let heard = seen.last(&member.region)?;
    let cache = heard.cache(&member.uid)?;
    let age = u64::try_from(seen.age(heard).as_millis()).unwrap_or(u64::MAX);
    (cache.epoch == link.epoch).then_some((cache, age))
}

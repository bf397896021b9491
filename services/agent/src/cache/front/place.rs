//! Where a cache's connections go, decided from its role and from what is seen of its shard.

use std::net::SocketAddr;

use gateway::Place;
use model::{CacheDesired, GeoRole, SecondaryReads, Secret, ShardStanding};

/// What is known of a cache when it is to be said where its connections go.
#[derive(Clone, Copy)]
pub(in crate::cache) struct Seen<'a> {
    /// What it is to be.
    pub(in crate::cache) order: &'a CacheDesired,
    /// What its shard can do.
    pub(in crate::cache) standing: &'a ShardStanding,
    /// The leading engine was promoted just now.
    pub(in crate::cache) took_over: bool,
    /// Where the leading engine listens, while it runs.
    pub(in crate::cache) engine: Option<SocketAddr>,
    /// Where it listens when it runs.
    pub(in crate::cache) service: Option<SocketAddr>,
    /// It takes clients' writes, or nobody knows.
    pub(in crate::cache) may_write: bool,
    /// Its data are, or were once, the link's.
    pub(in crate::cache) has_data: bool,
    /// The password that opens the engine for clients.
    pub(in crate::cache) client: &'a Secret,
    /// The zone of the endpoints' names.
    pub(in crate::cache) zone: &'a str,
    /// Where connections go at present.
    pub(in crate::cache) before: Option<&'a Place>,
    /// They are held for a handoff.
    pub(in crate::cache) holds: bool,
}

/// Where connections go; `None`: it stays as it is.
///
/// A write never goes to a side without the right to take it: an engine that may take writes is
/// led to only while its cache's role says so.
pub(in crate::cache) fn place(seen: Seen<'_>) -> Option<Place> {
    match &seen.order.role {
        GeoRole::Alone | GeoRole::Primary { .. } => leading(seen),
        GeoRole::Yielding { .. } => yielding(seen),
        GeoRole::Secondary { source, .. } | GeoRole::Taking { source, .. } => {
            Some(following(seen, *source))
        }
    }
}

fn leading(seen: Seen<'_>) -> Option<Place> {
    let Some(engine) = seen.engine else {
        return Some(nowhere("the cache's leading engine is being started"));
    };
    let here = |writable| {
        Some(Place::Here {
            engine,
            client: seen.client.clone(),
            writable,
        })
    };
    match seen.standing {
        _ if seen.took_over => here(true),
        ShardStanding::Writable => here(true),
        ShardStanding::Unleased => here(false),
        // Something is being settled, or the engine is busy: whoever is there stays.
        ShardStanding::Starting | ShardStanding::Silent => match seen.before {
            Some(Place::Here { engine: before, .. }) if *before == engine => None,
            Some(Place::Here { .. } | Place::There { .. } | Place::Syncing { .. })
            | Some(Place::Nowhere { .. })
            | None => Some(nowhere("the cache's leading engine is not ready yet")),
        },
        ShardStanding::Lost => Some(nowhere("every node of the cache is gone")),
        ShardStanding::Yielded { .. }
        | ShardStanding::Following
        | ShardStanding::Syncing
        | ShardStanding::Cut
        | ShardStanding::Unpromotable { .. }
        | ShardStanding::Rejoining { .. }
        | ShardStanding::Unsaved { .. } => Some(nowhere("the cache cannot take its role yet")),
    }
}

/// Until it is fenced, it is led to as before; who is held stays so until the handoff has ended.
fn yielding(seen: Seen<'_>) -> Option<Place> {
    if seen.holds {
        return None;
    }
    match seen.engine {
        Some(engine) if seen.may_write => Some(Place::Here {
            engine,
            client: seen.client.clone(),
            writable: true,
        }),
        Some(_) | None => match seen.before {
            Some(_) => None,
            None => Some(nowhere("a failover is under way")),
        },
    }
}

fn following(seen: Seen<'_>, source: Option<SocketAddr>) -> Place {
    let link = seen.order.replication.as_ref();
    let (Some(relay), Some(link), Some(engine)) = (source, link, seen.service) else {
        return nowhere("the geo-primary is not known here yet");
    };
    if seen.may_write {
        return nowhere("the cache is no longer the geo-primary, and its engine is being told");
    }
    let (region, cache) = (link.peer.clone(), link.peer_cache.clone());
    let client = seen.client.clone();
    let stale = link.settings.secondary_reads == SecondaryReads::Stale;
    let syncing = *seen.standing == ShardStanding::Syncing && !stale;
    if syncing || !seen.has_data {
        let geo_primary_name = match seen.zone {
            "" => cache.name.to_string(),
            zone => format!("{}.{zone}", cache.name),
        };
        return Place::Syncing {
            engine,
            client,
            region,
            relay,
            cache,
            geo_primary_name,
        };
    }
    Place::There {
        engine,
        client,
        region,
        relay,
        cache,
    }
}

fn nowhere(why: &str) -> Place {
    Place::Nowhere {
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;

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

/// What is to become of a cache's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache) enum Decision {
    /// They go where they went before, or wait as they did.
    Stay,
    /// They wait, because where they are must not be written to.
    Wait,
    /// They go there.
    Go(Box<Place>),
}

/// Decides where connections go.
///
/// A write never goes to a side without the right to take it: an engine that may take writes is
/// led to only while its cache's role says so, and whoever is there already hears that
/// nobody leads at present, or waits.
pub(in crate::cache) fn place(seen: Seen<'_>) -> Decision {
    match &seen.order.role {
        GeoRole::Alone | GeoRole::Primary { .. } => leading(seen),
        GeoRole::Yielding { .. } => yielding(seen),
        GeoRole::Secondary { source, .. } | GeoRole::Taking { source, .. } => {
            following(seen, *source)
        }
    }
}

fn leading(seen: Seen<'_>) -> Decision {
    let Some(engine) = seen.engine else {
        let changes = matches!(
            seen.standing,
            ShardStanding::Starting | ShardStanding::Silent
        );
        if seen.holds && changes {
            // Another node takes its place, and is a moment away.
            return Decision::Stay;
        }
        return nowhere("the cache's leading engine is being started");
    };
    let here = |writable| {
        go(Place::Here {
            engine,
            client: seen.client.clone(),
            writable,
        })
    };
    match seen.standing {
        _ if seen.took_over => here(true),
        ShardStanding::Writable => here(true),
        ShardStanding::Unleased => here(false),
        // A handoff was given up, and the engine is about to be told.
        _ if seen.holds => Decision::Stay,
        // Something is being settled, or the engine is busy: whoever is there stays.
        ShardStanding::Starting | ShardStanding::Silent => match seen.before {
            Some(Place::Here { engine: before, .. }) if *before == engine => Decision::Stay,
            Some(Place::Here { .. } | Place::There { .. } | Place::Syncing { .. })
            | Some(Place::Nowhere { .. })
            | None => nowhere("the cache's leading engine is not ready yet"),
        },
        ShardStanding::Lost => nowhere("every node of the cache is gone"),
        ShardStanding::Yielded { .. }
        | ShardStanding::Following
        | ShardStanding::Syncing
        | ShardStanding::Cut
        | ShardStanding::Unpromotable { .. }
        | ShardStanding::Rejoining { .. }
        | ShardStanding::Unsaved { .. } => nowhere("the cache cannot take its role yet"),
    }
}

/// Until it is fenced, it is led to as before; who is held stays so until the handoff has ended.
fn yielding(seen: Seen<'_>) -> Decision {
    if seen.holds {
        return Decision::Stay;
    }
    match seen.engine {
        Some(engine) if seen.may_write => go(Place::Here {
            engine,
            client: seen.client.clone(),
            writable: true,
        }),
        Some(_) | None => match seen.before {
            Some(_) => Decision::Stay,
            None => nowhere("a failover is under way"),
        },
    }
}

fn following(seen: Seen<'_>, source: Option<SocketAddr>) -> Decision {
    let link = seen.order.replication.as_ref();
    let (Some(relay), Some(link), Some(engine)) = (source, link, seen.service) else {
        return if seen.may_write {
            Decision::Wait
        } else {
            nowhere("the geo-primary is not known here yet")
        };
    };
    let (region, cache) = (link.peer.clone(), link.peer_cache.clone());
    let client = seen.client.clone();
    let stale = link.settings.secondary_reads == SecondaryReads::Stale;
    let syncing = *seen.standing == ShardStanding::Syncing && !stale;
    if seen.may_write || syncing || !seen.has_data {
        let geo_primary_name = match seen.zone {
            "" => cache.name.to_string(),
            zone => format!("{}.{zone}", cache.name),
        };
        return go(Place::Syncing {
            engine,
            client,
            region,
            relay,
            cache,
            geo_primary_name,
        });
    }
    go(Place::There {
        engine,
        client,
        region,
        relay,
        cache,
    })
}

fn go(place: Place) -> Decision {
    Decision::Go(Box::new(place))
}

fn nowhere(why: &str) -> Decision {
    go(Place::Nowhere {
        why: why.to_owned(),
    })
}

#[cfg(test)]
mod tests;

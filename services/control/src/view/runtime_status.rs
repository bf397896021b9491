//! What runs right now: Godwit's own `runtimeStatus` of caches and links (`docs/api.md`).

use model::{
    CacheObserved, CacheRecord, Door, Doors, JournalObserved, LagObserved, LinkActivity,
    LinkObserved, LinkRecord, LinkSeen, OffsetsObserved, Persistence, PersistenceObserved,
    ShardObserved, ShardStanding, Standing, Timestamp, WireObserved, is_storage_key,
};
use psync::Position;
use serde_json::{Value, json};

use super::{
    health::health,
    link::{link_id, settings_json},
    lost_writes::receipt_names,
    maintenance::maintenance_status,
    operation::time,
    provisioning_state,
};
use crate::{
    admission::warnings_of,
    observations::Seen,
    plane::Plane,
    reconciler::{is_settled, link_seen},
    store::State,
};

/// The status of a cache.
pub(crate) fn cache_status(
    plane: &Plane,
    state: &State,
    seen: &Seen,
    cache: &CacheRecord,
) -> Value {
    let link = state.link_of(cache);
    let role = link.map(|link| link.role_of(&cache.uid, None).kind());
    let last = seen.last(&cache.region);
    let observed = seen.cache(&cache.region, &cache.uid);
    let problem = match last {
        None => Some(format!(
            "the agent of {} has not reported since the control plane started; check that it runs",
            cache.region.display_name()
        )),
        Some(_) if seen.region(&cache.region).is_none() => Some(format!(
            "the agent of {} does not report any more; check that it runs",
            cache.region.display_name()
        )),
        Some(heard) => observed
            .and_then(|cache| cache.problem.clone())
            .or_else(|| heard.report.problem.clone()),
    };
    json!({
        "id": format!("{}/runtimeStatus", cache.id),
        "name": cache.id.name.as_str(),
        "location": cache.region.display_name(),
        "provisioningState": provisioning_state(cache, link.map(|link| &**link)),
        "role": format!("{:?}", role.unwrap_or(model::RoleKind::Alone)),
        "epoch": link.map_or(cache.epoch, |link| link.epoch),
        "observedRole": observed.map(|seen| format!("{:?}", seen.role)),
        "observedEpoch": observed.map(|seen| seen.epoch),
        "endpoint": observed.and_then(|seen| seen.doors).map(|doors| {
            let door = doors.direct;
            json!({"host": door.ip.to_string(), "port": door.plain.unwrap_or(door.tls)})
        }),
        "endpoints": endpoints(plane, cache, observed.and_then(|seen| seen.doors)),
        "engine": observed.and_then(|seen| seen.engine).map(|engine| engine.to_string()),
        "maintenance": maintenance_status(state, seen, cache, plane.clock.now()),
        "settled": observed.is_some_and(|seen| is_settled(cache, seen)),
        "resize": observed.and_then(|seen| seen.resize.doing.as_ref()).map(|doing| json!({"waitingFor": doing})),
        "persistence": persistence(cache, observed),
        "problem": problem,
        "msSinceReport": last.map(|heard| whole_ms(seen.age(heard))),
        "shards": observed.map_or_else(Vec::new, |seen| seen.shards.iter().map(shard_json).collect()),
    })
}

/// What is asked for to keep a cache's data, and what is in force; `null` without any.
fn persistence(cache: &CacheRecord, observed: Option<&CacheObserved>) -> Option<Value> {
    let asked = cache.spec.persistence();
    let shards = observed.map_or(&[][..], |seen| &seen.persistence);
    (asked != Persistence::Off || !shards.is_empty()).then(|| {
        let in_force = shards.iter().all(|shard| shard.in_force == asked);
        let accounts = cache.spec.configuration.keys();
        let accounts: Vec<_> = accounts.filter(|key| is_storage_key(key)).collect();
        let (kind, every, keep) = match asked {
            Persistence::Off => ("None", None, None),
            Persistence::Snapshots {
                every_minutes,
                keep,
            } => ("RDB", Some(every_minutes), Some(keep)),
            Persistence::AppendOnly => ("AOF", None, None),
        };
        json!({
            "kind": kind,
            "everyMinutes": every,
            "maxSnapshots": keep,
            "inForce": in_force && !shards.is_empty(),
            "storage": "the disk of the host that runs the cache's engines",
            "unusedStorageAccounts": accounts,
            "shards": shards.iter().map(kept_json).collect::<Vec<_>>(),
        })
    })
}

fn kept_json(shard: &PersistenceObserved) -> Value {
    json!({
        "snapshotAgeMs": shard.snapshot_age_ms,
        "snapshots": shard.snapshots,
        "bytes": shard.bytes,
        "writing": shard.writing,
        "failures": shard.failures,
        "problem": shard.problem,
    })
}

/// Where clients reach a cache: names always, addresses and ports while somebody listens there.
fn endpoints(plane: &Plane, cache: &CacheRecord, doors: Option<Doors>) -> Value {
    let endpoint = |name: String, door: Option<Door>| {
        json!({
            "name": name,
            "address": door.map(|door| door.ip),
            "tlsPort": door.map(|door| door.tls),
            "plainPort": door.and_then(|door| door.plain),
        })
    };
    let name = &cache.id.name;
    json!({
        "direct": endpoint(plane.host(name), doors.map(|doors| doors.direct)),
        "geo": endpoint(plane.geo_host(name), doors.map(|doors| doors.geo)),
    })
}

/// The status of a link, as `own` shows it.
pub(crate) fn link_status(
    state: &State,
    seen: &Seen,
    own: &CacheRecord,
    link: &LinkRecord,
    now: Timestamp,
) -> Value {
    let sides = link_seen(seen, link);
    let health = health(link, sides);
    let mut warnings = warnings_of(state, link);
    warnings.retain(|warning| !health.reasons.contains(warning));
    json!({
        "id": format!("{}/runtimeStatus", link_id(&own.id, &link.other(&own.uid).id.name)),
        "link": link.id,
        "phase": phase(link),
        "state": health.state,
        "epoch": link.epoch,
        "attempt": link.attempt,
        "provisioningState": link.provisioning_state(),
        "primary": link.primary.id.name.as_str(),
        "secondary": link.secondary.id.name.as_str(),
        "healthy": health.healthy,
        "reasons": health.reasons,
        "warnings": warnings,
        "replicationSettings": settings_json(&link.settings),
        "fencing": link.settings.fencing,
        "lease": json!({"heldMs": Some(sides.away.lease_left_ms).filter(|left| *left > 0)}),
        "autoFailover": auto_failover(link, sides, now),
        "fork": fork(link),
        "rejoin": sides.secondary.and_then(rejoin),
        "lostWrites": receipt_names(seen, link),
        "shards": link_shards(sides),
    })
}

/// What there is to say of failovers that happen by themselves.
fn auto_failover(link: &LinkRecord, seen: LinkSeen<'_>, now: Timestamp) -> Option<Value> {
    let told = link.settings.auto_failover.is_some() || link.last_auto.is_some();
    told.then(|| {
        json!({
            "waits": link.auto_failover_waits(seen, now),
            "lastAt": link.last_auto.and_then(time),
        })
    })
}

/// Where the geo-primary took over by force.
fn fork(link: &LinkRecord) -> Option<Value> {
    let Standing::Forced { at, forks } = &link.standing else {
        return None;
    };
    let shown = |forks: &Vec<Position>| forks.iter().copied().map(position_json).collect();
    let positions: Option<Vec<_>> = forks.as_ref().map(shown);
    Some(json!({"epoch": at, "positions": positions}))
}

/// What the former geo-primary of a forced failover does before it follows, or waits for: the shard
/// that needs somebody first.
fn rejoin(secondary: &CacheObserved) -> Option<Value> {
    let mut shards = secondary.shards.iter().map(|shard| &shard.standing);
    let unsaved = shards.clone().find_map(|standing| {
        let ShardStanding::Unsaved { why } = standing else {
            return None;
        };
        Some(json!({"doing": null, "why": why}))
    });
    unsaved.or_else(|| {
        shards.find_map(|standing| {
            let ShardStanding::Rejoining { doing } = standing else {
                return None;
            };
            Some(json!({"doing": doing, "why": null}))
        })
    })
}

/// The name of what is under way.
pub(crate) fn phase(link: &LinkRecord) -> &'static str {
    use model::LinkPhase;

    match link.phase {
        LinkPhase::Creating => "Creating",
        LinkPhase::Syncing => "Syncing",
        LinkPhase::Linked => "Linked",
        LinkPhase::HandingOff { .. } => "HandingOff",
        LinkPhase::Forcing { .. } => "Forcing",
        LinkPhase::Promoting => "Promoting",
        LinkPhase::UnlinkingPrimary => "UnlinkingPrimary",
        LinkPhase::UnlinkingSecondary => "UnlinkingSecondary",
    }
}

fn whole_ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn link_shards(seen: LinkSeen<'_>) -> Vec<Value> {
    let shards = |cache: Option<&CacheObserved>| cache.map_or(0, |cache| cache.shards.len());
    (0..shards(seen.primary).max(shards(seen.secondary)))
        .map(|index| {
            let at = |cache: Option<&'_ CacheObserved>| cache?.shards.get(index).cloned();
            let (primary, secondary) = (at(seen.primary), at(seen.secondary));
            json!({
                "shard": index,
                "primary": primary.as_ref().map(shard_json),
                "secondary": secondary.as_ref().map(shard_json),
                "bytesBehind": bytes_behind(primary.as_ref(), secondary.as_ref()),
                "lagMs": lag_ms(primary.as_ref(), secondary.as_ref()),
                "offsets": offsets(primary.as_ref(), secondary.as_ref()),
                "lastMinute": half(&primary).and_then(|half| half.last_minute).map(lag_json),
                "lastHour": half(&primary).and_then(|half| half.last_hour).map(lag_json),
                "stalled": stalled(&primary).or_else(|| stalled(&secondary)),
                "wire": half(&primary).map(|half| wire_json(half.wire)),
                "journal": half(&primary).and_then(|half| half.journal).map(journal_json),
            })
        })
        .collect()
}

/// Stream bytes that the secondary has not applied: the difference of the two positions when they
/// are of one history, else what the primary's half counts.
pub(crate) fn bytes_behind(
    primary: Option<&ShardObserved>,
    secondary: Option<&ShardObserved>,
) -> Option<u64> {
    let half = |shard: Option<&ShardObserved>| shard?.link.as_ref().map(|half| half.bytes_behind);
    let positions = primary
        .and_then(|shard| shard.position)
        .zip(secondary.and_then(|shard| shard.position));
    match positions {
        Some((p, s)) if p.replid == s.replid => Some(p.offset.since(s.offset)),
        Some(_) | None => half(primary),
    }
}

/// The lag, as the outbound half measures it; the inbound half repeats what it was told.
pub(crate) fn lag_ms(
    primary: Option<&ShardObserved>,
    secondary: Option<&ShardObserved>,
) -> Option<f64> {
    let half = |shard: Option<&ShardObserved>| shard?.link.as_ref()?.lag_ms;
    half(primary).or_else(|| half(secondary))
}

fn half(shard: &Option<ShardObserved>) -> Option<&LinkObserved> {
    shard.as_ref()?.link.as_ref()
}

fn stalled(shard: &Option<ShardObserved>) -> Option<String> {
    half(shard)?.stalled.clone()
}

/// How far the stream has come at each station. The geo-primary's side knows them all; what it
/// cannot tell without a connection, the other side may.
fn offsets(primary: Option<&ShardObserved>, secondary: Option<&ShardObserved>) -> Value {
    let of = |shard: Option<&ShardObserved>| {
        let half = shard.and_then(|shard| shard.link.as_ref());
        half.map_or_else(OffsetsObserved::default, |half| half.offsets)
    };
    let (p, s) = (of(primary), of(secondary));
    offsets_json(OffsetsObserved {
        received: p.received,
        journaled: p.journaled,
        shipped: p.shipped.or(s.shipped),
        applied: p.applied.or(s.applied),
    })
}

fn offsets_json(offsets: OffsetsObserved) -> Value {
    json!({
        "received": offsets.received,
        "journaled": offsets.journaled,
        "shipped": offsets.shipped,
        "applied": offsets.applied,
    })
}

fn lag_json(lag: LagObserved) -> Value {
    json!({"p50Ms": lag.p50_ms, "p99Ms": lag.p99_ms, "maxMs": lag.max_ms})
}

fn wire_json(wire: WireObserved) -> Value {
    json!({
        "rawBytes": wire.raw_bytes,
        "sentBytes": wire.sent_bytes,
        "ratio": ratio(wire),
        "bypassedBytes": wire.bypassed_bytes,
        "bypassing": wire.bypassing,
        "reconnects": wire.reconnects,
        "stalls": wire.stalls,
    })
}

/// How many raw bytes a sent byte carries; `None` before any was sent.
#[expect(clippy::cast_precision_loss, reason = "a ratio needs no more digits")]
fn ratio(wire: WireObserved) -> Option<f64> {
    (wire.sent_bytes > 0).then(|| wire.raw_bytes as f64 / wire.sent_bytes as f64)
}

fn journal_json(journal: JournalObserved) -> Value {
    json!({
        "bytes": journal.bytes,
        "oldestMs": journal.oldest_ms,
        "snapshotBytes": journal.snapshot_bytes,
        "queuedBytes": journal.queued_bytes,
    })
}

fn shard_json(shard: &ShardObserved) -> Value {
    let (standing, detail) = standing(&shard.standing);
    let nodes: Vec<_> = shard
        .nodes
        .iter()
        .map(|node| {
            json!({
                "index": node.index, "pid": node.pid, "leads": node.leads, "inStep": node.in_step,
                "address": node.address.map(|address| address.to_string()),
            })
        })
        .collect();
    json!({
        "shard": shard.shard,
        "standing": standing,
        "standingDetail": detail,
        "position": shard.position.map(position_json),
        "keys": shard.keys,
        "usedMemory": shard.used_memory,
        "opsPerSecond": shard.ops_per_second,
        "clients": shard.clients,
        "nodes": nodes,
        "link": shard.link.as_ref().map(half_json),
    })
}

pub(super) fn position_json(position: Position) -> Value {
    json!({"replid": position.replid.as_str(), "offset": position.offset})
}

fn standing(standing: &ShardStanding) -> (&'static str, Option<String>) {
    match standing {
        ShardStanding::Starting => ("Starting", None),
        ShardStanding::Writable => ("Writable", None),
        ShardStanding::Yielded { attempt } => {
            ("Yielded", Some(format!("fenced in handoff {attempt}")))
        }
        ShardStanding::Following => ("Following", None),
        ShardStanding::Syncing => ("Syncing", None),
        ShardStanding::Cut => ("Cut", None),
        ShardStanding::Silent => ("Silent", None),
        ShardStanding::Lost => ("Lost", None),
        ShardStanding::Unpromotable { why } => ("Unpromotable", Some(why.clone())),
        ShardStanding::Unleased => ("Unleased", None),
        ShardStanding::Rejoining { doing } => ("Rejoining", Some(doing.clone())),
        ShardStanding::Unsaved { why } => ("Unsaved", Some(why.clone())),
    }
}

fn half_json(half: &LinkObserved) -> Value {
    let (activity, bytes, total) = match half.activity {
        LinkActivity::Waiting => ("Waiting", None, None),
        LinkActivity::FullSync { bytes, total } => ("FullSync", Some(bytes), total),
        LinkActivity::Streaming => ("Streaming", None, None),
    };
    json!({
        "connected": half.connected,
        "activity": activity,
        "fullSyncBytes": bytes,
        "fullSyncTotal": total,
        "bytesBehind": half.bytes_behind,
        "lagMs": half.lag_ms,
        "roundTripMs": half.round_trip_ms,
        "fullSyncsStarted": half.full_syncs_started,
        "fullSyncsFinished": half.full_syncs_finished,
        "partialSyncs": half.partial_syncs,
        "silentMs": half.silent_ms,
        "lastError": half.last_error,
        "notAdmitted": half.not_admitted,
        "peerAddress": half.peer_address,
        "offsets": offsets_json(half.offsets),
        "lastMinute": half.last_minute.map(lag_json),
        "lastHour": half.last_hour.map(lag_json),
        "stalled": half.stalled,
        "sourceEmpty": half.source_empty,
        "wire": wire_json(half.wire),
        "journal": half.journal.map(journal_json),
    })
}

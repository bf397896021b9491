//! A cache: `arm.md` 2.1.

use std::collections::BTreeMap;

use model::{
    CacheObserved, CacheRecord, Lifecycle, LinkPhase, LinkRecord, ShardObserved, Sku, Tier,
    default_reserved,
};
use serde_json::{Value, json};

use super::link::{link_id, shows_link};
use crate::{observations::Seen, plane::Plane, store::State};

/// The first TLS port and the first plain port of a cache's nodes.
const NODE_PORTS: (u16, u16) = (15_000, 13_000);
/// The ports of the direct endpoint, while no agent has told the true one.
const PORTS: (u16, u16) = (6_379, 6_380);

/// A cache, with its keys when `keys` says so.
pub(crate) fn cache_json(
    plane: &Plane,
    state: &State,
    seen: &Seen,
    cache: &CacheRecord,
    keys: bool,
) -> Value {
    let observed = seen.cache(&cache.region, &cache.uid);
    let mut answer = json!({
        "id": cache.id.to_string(),
        "location": cache.region.display_name(),
        "name": cache.id.name.as_str(),
        "type": "Microsoft.Cache/Redis",
        "tags": cache.spec.tags,
        "properties": properties(plane, state, observed, cache, keys),
    });
    if !cache.spec.zones.is_empty() {
        put(&mut answer, "zones", json!(cache.spec.zones));
    }
    answer
}

fn properties(
    plane: &Plane,
    state: &State,
    observed: Option<&CacheObserved>,
    cache: &CacheRecord,
    keys: bool,
) -> Value {
    let spec = &cache.spec;
    let link = state.link_of(cache);
    let linked: Vec<_> = link
        .filter(|link| shows_link(link, &cache.uid))
        .map(|link| json!({"id": link_id(&cache.id, &link.other(&cache.uid).id.name)}))
        .into_iter()
        .collect();
    let door = observed
        .and_then(|seen| seen.doors)
        .map(|doors| doors.direct);
    let mut properties = json!({
        "provisioningState": provisioning_state(cache, link.map(|link| &**link)),
        "redisVersion": "6.0",
        "sku": sku_json(spec.sku),
        "enableNonSslPort": spec.enable_non_ssl_port,
        "instances": instances(cache, observed),
        "publicNetworkAccess": spec.public_network_access,
        "tenantSettings": spec.tenant_settings,
        "redisConfiguration": displayed_configuration(spec.sku, &spec.configuration),
        "accessKeys": keys.then(|| keys_json(cache)),
        "hostName": plane.host(&cache.id.name),
        "port": door.and_then(|door| door.plain).unwrap_or(PORTS.0),
        "sslPort": door.map_or(PORTS.1, |door| door.tls),
        "linkedServers": linked,
        "updateChannel": spec.update_channel,
        "disableAccessKeyAuthentication": spec.disable_access_key_authentication,
        "privateEndpointConnections": [],
    });
    if let Some(shards) = spec.shards {
        put(&mut properties, "shardCount", json!(shards));
    }
    if spec.sku.tier() == Tier::Premium {
        put(&mut properties, "replicasPerMaster", json!(spec.replicas));
        put(&mut properties, "replicasPerPrimary", json!(spec.replicas));
    }
    if let Some(version) = &spec.minimum_tls_version {
        put(&mut properties, "minimumTlsVersion", json!(version));
    }
    if let Some(policy) = &spec.zonal_allocation_policy {
        put(&mut properties, "zonalAllocationPolicy", json!(policy));
    }
    properties
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

fn sku_json(sku: Sku) -> Value {
    json!({"name": sku.tier().to_string(), "family": sku.family(), "capacity": sku.capacity()})
}

/// Both access keys.
fn keys_json(cache: &CacheRecord) -> Value {
    json!({
        "primaryKey": cache.keys.primary.reveal(),
        "secondaryKey": cache.keys.secondary.reveal(),
    })
}

/// The nodes, shard by shard.
fn instances(cache: &CacheRecord, observed: Option<&CacheObserved>) -> Vec<Value> {
    let clustered = cache.spec.shards.is_some();
    let nodes = u16::from(cache.spec.replicas) + 1;
    let shards = cache.spec.shards.unwrap_or(1);
    let all = (0..shards).flat_map(|shard| (0..nodes).map(move |node| (shard, node)));
    all.map(|(shard, node)| {
        let port = shard * nodes + node;
        let leads = observed
            .and_then(|seen| seen.shards.iter().find(|s| s.shard.0 == shard))
            .and_then(|seen| leading(seen, nodes))
            == Some(node);
        let mut instance = json!({
            "sslPort": NODE_PORTS.0 + port, "isMaster": leads, "isPrimary": leads,
        });
        if cache.spec.enable_non_ssl_port {
            put(&mut instance, "nonSslPort", json!(NODE_PORTS.1 + port));
        }
        if clustered {
            put(&mut instance, "shardId", json!(shard));
        }
        instance
    })
    .collect()
}

/// Which of a shard's instances leads. A node that came by an import has an index beyond theirs, and is
/// shown in the place that nobody else has.
fn leading(shard: &ShardObserved, nodes: u16) -> Option<u16> {
    let leader = shard.nodes.iter().find(|node| node.leads)?;
    let index = u16::from(leader.index);
    if index < nodes {
        return Some(index);
    }
    let is_free = |place: &u16| {
        !shard
            .nodes
            .iter()
            .any(|node| u16::from(node.index) == *place)
    };
    (0..nodes).find(is_free)
}

/// `redisConfiguration` as it is shown: what was set, and what follows from the size.
pub(crate) fn displayed_configuration(
    sku: Sku,
    set: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let reserved = default_reserved(sku).to_string();
    let mut shown = BTreeMap::from([
        ("maxclients".to_owned(), sku.max_clients().to_string()),
        ("maxmemory-reserved".to_owned(), reserved.clone()),
        (
            "maxfragmentationmemory-reserved".to_owned(),
            reserved.clone(),
        ),
        ("maxmemory-delta".to_owned(), reserved),
    ]);
    shown.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
    shown
}

/// The state of a cache: of its own life, or of its link while that is being made or unmade.
pub(crate) fn provisioning_state(cache: &CacheRecord, link: Option<&LinkRecord>) -> &'static str {
    match cache.lifecycle {
        Lifecycle::Creating => "Creating",
        Lifecycle::Updating => "Updating",
        Lifecycle::Scaling => "Scaling",
        Lifecycle::Deleting => "Deleting",
        Lifecycle::Failed { .. } => "Failed",
        Lifecycle::Ready => link.map_or("Succeeded", |link| linked_state(cache, link)),
    }
}

fn linked_state(cache: &CacheRecord, link: &LinkRecord) -> &'static str {
    let is_primary = link.primary.uid == cache.uid;
    match (&link.phase, is_primary) {
        (LinkPhase::Linked, _)
        | (LinkPhase::UnlinkingPrimary, false)
        | (LinkPhase::UnlinkingSecondary, true) => "Succeeded",
        (LinkPhase::UnlinkingPrimary, true) | (LinkPhase::UnlinkingSecondary, false) => "Unlinking",
        (
            LinkPhase::Creating
            | LinkPhase::Syncing
            | LinkPhase::HandingOff { .. }
            | LinkPhase::Forcing { .. }
            | LinkPhase::Promoting,
            _,
        ) => "Linking",
    }
}

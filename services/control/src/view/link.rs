//! A link, as one of its caches shows it: `arm.md` 2.3.

use model::{
    CacheId, CacheName, CacheRecord, CacheUid, LinkPhase, LinkRecord, ReplicationSettings,
};
use serde_json::{Value, json};

use crate::plane::Plane;

/// The resource ID of the link of `own` to `other`.
pub(crate) fn link_id(own: &CacheId, other: &CacheName) -> String {
    format!("{own}/linkedServers/{other}")
}

/// Tells whether a member still shows the link: while it is removed, first the geo-primary stops.
pub(crate) fn shows_link(link: &LinkRecord, own: &CacheUid) -> bool {
    link.phase != LinkPhase::UnlinkingSecondary || link.primary.uid != *own
}

/// The link as `own` shows it.
pub(crate) fn link_json(plane: &Plane, own: &CacheRecord, link: &LinkRecord) -> Value {
    let other = link.other(&own.uid);
    let role = if other.uid == link.primary.uid {
        "Primary"
    } else {
        "Secondary"
    };
    json!({
        "id": link_id(&own.id, &other.id.name),
        "name": other.id.name.as_str(),
        "type": "Microsoft.Cache/Redis/linkedServers",
        "properties": {
            "linkedRedisCacheId": other.id.to_string(),
            "linkedRedisCacheLocation": other.region.display_name(),
            "serverRole": role,
            "geoReplicatedPrimaryHostName": plane.geo_host(&other.id.name),
            "primaryHostName": plane.host(&link.primary.id.name),
            "provisioningState": link.provisioning_state(),
        },
    })
}

/// The settings of a link, as the resource below `own`.
pub(crate) fn settings_resource(own: &CacheRecord, link: &LinkRecord) -> Value {
    let id = link_id(&own.id, &link.other(&own.uid).id.name);
    let mut resource = settings_json(&link.settings);
    resource["id"] = format!("{id}/replicationSettings").into();
    resource
}

/// Settings, by the names and in the values that a change of them takes.
pub(crate) fn settings_json(settings: &ReplicationSettings) -> Value {
    json!({
        "source": settings.source,
        "compression": settings.compression,
        "rateLimit": settings.rate_limit,
        "journal": settings.journal,
        "secondaryReads": settings.secondary_reads,
        "fencing": settings.fencing,
        "leaseSeconds": settings.lease_seconds,
        "autoFailover": settings.auto_failover,
    })
}

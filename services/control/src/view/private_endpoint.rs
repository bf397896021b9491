//! Private endpoints: `privateEndpointConnections` and `privateLinkResources` (`arm.md` 1.3).

use model::{CacheObserved, CacheRecord, Consent, PrivateDoorObserved, PrivateEndpoint};
use serde_json::{Value, json};

use crate::plane::Plane;

/// What a private endpoint may be of: the cache itself, in the managed service's word.
pub(crate) const GROUP: &str = "redisCache";

/// A private endpoint. `observed`: its cache as the agent sees it.
pub(crate) fn private_endpoint_json(
    plane: &Plane,
    cache: &CacheRecord,
    observed: Option<&CacheObserved>,
    endpoint: &PrivateEndpoint,
) -> Value {
    let seen = private_door(observed, endpoint);
    let door = seen.and_then(|seen| seen.door);
    let mut answer = json!({
        "id": format!("{}/privateEndpointConnections/{}", cache.id, endpoint.name),
        "name": endpoint.name,
        "type": "Microsoft.Cache/Redis/privateEndpointConnections",
        "properties": {
            "provisioningState": provisioning_state(endpoint, seen),
            "groupIds": [GROUP],
            "privateLinkServiceConnectionState": {
                "status": endpoint.consent.word(),
                "description": endpoint.description,
                "actionsRequired": endpoint.actions_required,
            },
            "hostName": plane.private_host(&cache.id.name),
            "address": door.map(|door| door.ip).or(endpoint.address),
            "tlsPort": door.map(|door| door.tls),
            "plainPort": door.and_then(|door| door.plain),
            "problem": seen.and_then(|seen| seen.problem.as_deref()),
        },
    });
    if let Some(resource) = &endpoint.resource {
        answer["properties"]["privateEndpoint"] = json!({"id": resource});
    }
    answer
}

/// The endpoint as its cache's agent sees it.
pub(crate) fn private_door<'a>(
    observed: Option<&'a CacheObserved>,
    endpoint: &PrivateEndpoint,
) -> Option<&'a PrivateDoorObserved> {
    let name = endpoint.name.folded();
    let mut all = observed?.private_doors.iter();
    all.find(|seen| seen.name == name)
}

fn provisioning_state(
    endpoint: &PrivateEndpoint,
    seen: Option<&PrivateDoorObserved>,
) -> &'static str {
    match (endpoint.consent, seen) {
        (Consent::Approved, Some(PrivateDoorObserved { door: Some(_), .. })) => "Succeeded",
        (
            Consent::Approved,
            Some(PrivateDoorObserved {
                problem: Some(_), ..
            }),
        ) => "Failed",
        (Consent::Approved, Some(_) | None) => "Creating",
        (Consent::Pending | Consent::Rejected, _) => "Succeeded",
    }
}

/// What a private endpoint of a cache may be of.
pub(crate) fn private_link_resource_json(plane: &Plane, cache: &CacheRecord) -> Value {
    json!({
        "id": format!("{}/privateLinkResources/{GROUP}", cache.id),
        "name": GROUP,
        "type": "Microsoft.Cache/Redis/privateLinkResources",
        "properties": {
            "groupId": GROUP,
            "requiredMembers": [GROUP],
            "requiredZoneNames": [plane.private_zone()],
        },
    })
}

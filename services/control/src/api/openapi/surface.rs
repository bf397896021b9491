//! Which caches can be linked, and private endpoints.

use super::{
    caches::cache,
    operation::{Operation, delete, get, put},
};

pub(super) fn operations() -> Vec<Operation> {
    let endpoint = || cache("/privateEndpointConnections/{privateEndpointConnectionName}");
    vec![
        get(
            cache("/linkCandidates"),
            "Redis_ListLinkCandidates",
            "Which caches could be the geo-secondary of a cache, and why the others could not",
        )
        .query(&["candidateRegion", "compatible", "top", "skipToken"])
        .ok("CandidateList"),
        get(
            cache("/privateLinkResources"),
            "PrivateLinkResources_ListByRedisCache",
            "What private endpoints of a cache may be of",
        )
        .ok("PrivateLinkResourceList"),
        get(
            cache("/privateEndpointConnections"),
            "PrivateEndpointConnections_List",
            "The private endpoints of a cache",
        )
        .ok("PrivateEndpointList"),
        get(
            endpoint(),
            "PrivateEndpointConnections_Get",
            "A private endpoint",
        )
        .ok("PrivateEndpoint"),
        put(
            endpoint(),
            "PrivateEndpointConnections_Put",
            "Make a private endpoint, or say whether it may be",
        )
        .takes("PrivateEndpointBody")
        .ok("PrivateEndpoint")
        .created("PrivateEndpoint")
        .followed(),
        delete(
            endpoint(),
            "PrivateEndpointConnections_Delete",
            "Delete a private endpoint",
        )
        .empty(200)
        .empty(202)
        .empty(204),
    ]
}

//! What this deployment provides: `Microsoft.Cache`, always registered.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};

use super::{ApiError, answer, door::VERSION, find::find_subscription};
use crate::plane::Plane;

/// What can be done to a cache: name, and what to call it.
const OPERATIONS: [(&str, &str); 18] = [
    ("redis/write", "Create or update a cache"),
    ("redis/read", "Read a cache"),
    ("redis/delete", "Delete a cache"),
    ("redis/listKeys/action", "Read the access keys of a cache"),
    ("redis/regenerateKey/action", "Make a new access key"),
    ("redis/linkedServers/write", "Link two caches, or fail over"),
    ("redis/linkedServers/read", "Read a link"),
    ("redis/linkedServers/delete", "Unlink two caches"),
    (
        "redis/firewallRules/write",
        "Create or change a firewall rule",
    ),
    ("redis/firewallRules/read", "Read a firewall rule"),
    ("redis/firewallRules/delete", "Delete a firewall rule"),
    (
        "redis/accessPolicies/write",
        "Create or change an access policy",
    ),
    ("redis/accessPolicies/read", "Read an access policy"),
    ("redis/accessPolicies/delete", "Delete an access policy"),
    (
        "redis/accessPolicyAssignments/write",
        "Give an access policy to somebody",
    ),
    (
        "redis/accessPolicyAssignments/read",
        "Read who has an access policy",
    ),
    (
        "redis/accessPolicyAssignments/delete",
        "Take an access policy away",
    ),
    (
        "checknameavailability/action",
        "Check whether a name is free",
    ),
];

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    Path(subscription): Path<String>,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let subscription = find_subscription(&state, &subscription)?;
    Ok(answer::list(vec![shown(&plane, subscription.id.as_str())]))
}

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path(subscription): Path<String>,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let subscription = find_subscription(&state, &subscription)?;
    Ok(answer::ok(&shown(&plane, subscription.id.as_str())))
}

pub(super) async fn register(
    plane: State<Arc<Plane>>,
    subscription: Path<String>,
) -> Result<Response, ApiError> {
    show(plane, subscription).await
}

fn shown(plane: &Plane, subscription: &str) -> Value {
    let places: Vec<_> = plane.regions.iter().map(|r| r.display_name()).collect();
    let kinds = [
        "Redis",
        "Redis/linkedServers",
        "Redis/firewallRules",
        "Redis/accessPolicies",
        "Redis/accessPolicyAssignments",
        "locations/asyncOperations",
        "locations/operationResults",
        "checkNameAvailability",
        "operations",
    ];
    let kinds: Vec<_> = kinds
        .iter()
        .map(|kind| json!({"resourceType": kind, "locations": places, "apiVersions": [VERSION]}))
        .collect();
    json!({
        "id": format!("/subscriptions/{subscription}/providers/Microsoft.Cache"),
        "namespace": "Microsoft.Cache",
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "resourceTypes": kinds,
    })
}

pub(super) async fn operations() -> Response {
    let shown = OPERATIONS.iter().map(|(name, what)| {
        json!({
            "name": format!("Microsoft.Cache/{name}"),
            "isDataAction": false,
            "display": {
                "provider": "Microsoft Cache", "resource": "Redis Cache", "operation": what,
                "description": what,
            },
        })
    });
    answer::list(shown.collect())
}

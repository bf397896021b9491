//! What this deployment provides: `Microsoft.Cache`, always registered.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};

use super::{ApiError, answer, door::VERSION, find::find_subscription};
use crate::plane::Plane;

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
        "Redis/privateEndpointConnections",
        "Redis/privateLinkResources",
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

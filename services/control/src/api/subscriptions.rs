//! Tenants, subscriptions and their regions. There is nothing to change here.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};

use super::{ApiError, answer, caller::Caller, find::find_subscription};
use crate::{plane::Plane, records::SubscriptionRecord, store::State as Records};

pub(super) async fn tenants(State(plane): State<Arc<Plane>>, caller: Caller) -> Response {
    let state = plane.store.state();
    let mut tenants: Vec<_> = entered(&state, &caller).map(|s| s.tenant.clone()).collect();
    tenants.sort();
    tenants.dedup();
    let shown = tenants.into_iter().map(|tenant| {
        json!({
            "id": format!("/tenants/{tenant}"), "tenantId": tenant, "displayName": "Godwit",
            "tenantCategory": "Home",
        })
    });
    answer::list(shown.collect())
}

pub(super) async fn list(State(plane): State<Arc<Plane>>, caller: Caller) -> Response {
    let state = plane.store.state();
    answer::list(entered(&state, &caller).map(shown).collect())
}

/// Those in which the caller has a role.
fn entered<'a>(
    state: &'a Records,
    caller: &'a Caller,
) -> impl Iterator<Item = &'a SubscriptionRecord> {
    let all = state.subscriptions.iter().map(|one| &**one);
    all.filter(|one| caller.rights.enter(one.id.as_str()))
}

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    Ok(answer::ok(&shown(find_subscription(&state, &id)?)))
}

fn shown(subscription: &SubscriptionRecord) -> Value {
    json!({
        "id": format!("/subscriptions/{}", subscription.id),
        "subscriptionId": subscription.id,
        "tenantId": subscription.tenant,
        "displayName": subscription.display_name,
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01", "quotaId": "Internal_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

pub(super) async fn locations(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let subscription = find_subscription(&state, &id)?;
    let shown = plane.regions.iter().map(|region| {
        let pair = region.pair().map(|pair| {
            json!({"name": pair, "id": format!("/subscriptions/{}/locations/{pair}", subscription.id)})
        });
        json!({
            "id": format!("/subscriptions/{}/locations/{region}", subscription.id),
            "name": region,
            "type": "Region",
            "displayName": region.display_name(),
            "regionalDisplayName": region.display_name(),
            "metadata": {
                "regionType": "Physical", "regionCategory": "Recommended",
                "pairedRegion": pair.into_iter().collect::<Vec<_>>(),
            },
        })
    });
    Ok(answer::list(shown.collect()))
}

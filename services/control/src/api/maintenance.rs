//! When a cache's nodes are restarted: `forceReboot`, `patchSchedules`, `listUpgradeNotifications`,
//! and Godwit's own `upgradeEngine`.

mod reboot;
mod schedules;
mod upgrades;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use model::{CacheRecord, LinkPhase, OperationId, RollWhat};

use super::{ApiError, transfers::no_data_change};
use crate::{
    plane::Plane,
    records::{OperationRecord, Outcome, Work},
    store::{Change, State as Records, Versioned},
};

/// The path of a cache.
type Names = axum::extract::Path<(String, String, String)>;

pub(super) fn routes() -> Router<Arc<Plane>> {
    const CACHE: &str = "/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.cache/redis/{name}";
    Router::new()
        .route(&format!("{CACHE}/forcereboot"), post(reboot::reboot))
        .route(&format!("{CACHE}/patchschedules"), get(schedules::list))
        .route(
            &format!("{CACHE}/patchschedules/{{schedule}}"),
            get(schedules::show)
                .put(schedules::put)
                .delete(schedules::delete),
        )
        .route(
            &format!("{CACHE}/listupgradenotifications"),
            get(upgrades::notifications),
        )
        .route(&format!("{CACHE}/upgradeengine"), post(upgrades::upgrade))
}

/// Refuses `what` (such as `scale`) while nodes of a cache are being restarted.
pub(super) fn not_restarting(cache: &CacheRecord, what: &str) -> Result<(), ApiError> {
    match cache.maintenance.order {
        None => Ok(()),
        Some(_) => Err(ApiError::conflict(format!(
            "Cannot {what} the cache `{}`, since nodes of it are being restarted; wait until that has ended.",
            cache.id.name
        ))),
    }
}

/// Refuses to restart nodes of a cache on which something else is under way that needs them.
fn may_restart(state: &Records, cache: &CacheRecord) -> Result<(), ApiError> {
    let name = &cache.id.name;
    if cache.maintenance.order.is_some() {
        return Err(ApiError::conflict(format!(
            "Nodes of the cache `{name}` are being restarted already; wait until that has ended."
        )));
    }
    no_data_change(cache, "restart nodes of")?;
    if cache.resize.is_some() {
        return Err(ApiError::conflict(format!(
            "The cache `{name}` is being changed: its size, its replicas or its persistence. Wait until it is `Succeeded`, then restart its nodes."
        )));
    }
    let Some(link) = state.link_of(cache) else {
        return Ok(());
    };
    let other = &link.other(&cache.uid).id;
    if link.phase != LinkPhase::Linked {
        return Err(ApiError::conflict(format!(
            "The link of `{name}` and `{}` is being made, unmade, or fails over; wait until it is `Succeeded`.",
            other.name
        )));
    }
    let busy = state
        .cache(other)
        .and_then(|other| other.maintenance.order.as_ref());
    match busy {
        None => Ok(()),
        Some(_) => Err(ApiError::conflict(format!(
            "Nodes of the cache `{}` are being restarted, and of two linked caches one goes at a time; wait until that has ended.",
            other.name
        ))),
    }
}

/// The change that gives a cache's agent an order, and the operation that ends with it.
fn ordered(
    plane: &Plane,
    cache: &Versioned<CacheRecord>,
    what: RollWhat,
    from: Option<model::EngineBuild>,
    id: &OperationId,
) -> (Change, OperationRecord) {
    let now = plane.clock.now();
    let maintenance = cache
        .maintenance
        .with_order(what.clone(), now, id.clone(), from);
    let (order, uid) = (maintenance.given, cache.uid.clone());
    let of = cache.id.clone();
    let work = match what {
        RollWhat::Reboot { .. } => Work::Reboot {
            cache: of,
            uid,
            order,
        },
        RollWhat::Upgrade { .. } => Work::UpgradeEngine {
            cache: of,
            uid,
            order,
        },
    };
    let op = OperationRecord {
        id: id.clone(),
        subscription: cache.id.subscription.clone(),
        region: cache.region.clone(),
        work,
        started: now,
        outcome: Outcome::InProgress,
        failover: None,
        origin: None,
    };
    let next = CacheRecord {
        maintenance,
        ..CacheRecord::clone(cache)
    };
    (Change::new().replace(cache, &next).insert(&op), op)
}

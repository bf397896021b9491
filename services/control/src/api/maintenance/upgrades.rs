//! `listUpgradeNotifications`, and Godwit's own `upgradeEngine`.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use model::{CacheRecord, Hindrance, Newer, OperationId, RollWhat, Timestamp, hindrance};
use serde_json::json;

use super::{Names, may_restart, ordered};
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        caches::being_deleted,
        caller::{Caller, Leads},
        decide::{Plan, decide},
        find::find_cache,
        query::{Asked, bad_query},
    },
    plane::Plane,
    reconciler::{pair_engines, upgrade_of},
    records::OperationRecord,
    store::State as Records,
    view::upgrade_notifications,
};

const MS_PER_MINUTE: f64 = 60_000.0;

/// What waits, what is under way, and what ended in the last `history` minutes.
pub(super) async fn notifications(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    asked: Asked,
) -> Result<Response, ApiError> {
    let now = plane.clock.now();
    let since = match asked.get("history") {
        None => Timestamp(0),
        Some(text) => since(text, now)?,
    };
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let seen = plane.observations.seen();
    Ok(answer::list(upgrade_notifications(
        &state,
        &seen,
        cache,
        (since, now),
    )))
}

fn since(history: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    let minutes: Option<f64> = history.parse().ok();
    let minutes = minutes.filter(|minutes| minutes.is_finite() && *minutes >= 0.0);
    let minutes = minutes.ok_or_else(|| {
        let shown: String = history.chars().take(40).collect();
        bad_query(&format!(
            "`history` is `{}`; it takes a number of minutes.",
            shown.escape_debug()
        ))
    })?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and what is too large is all of the past"
    )]
    let ms = (minutes * MS_PER_MINUTE) as u64;
    Ok(Timestamp(now.0.saturating_sub(ms)))
}

/// What a request for an upgrade came to.
enum Came {
    /// It has begun.
    Begun(Box<OperationRecord>, String),
    /// There is nothing to begin now.
    Not(String),
}

/// Brings the installed engine to a cache's nodes: in its patch window, which begins later, or, without
/// one or with `now`, at once.
pub(super) async fn upgrade(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Names,
    caller: Caller,
    mut body: Fields,
) -> Result<Response, ApiError> {
    let at_once = body.flag("now")?.unwrap_or(false);
    body.finish()?;
    let id = OperationId::new(plane.dice.guid());
    let came = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        let seen = plane.observations.seen();
        if let Some(error) = unready(cache) {
            return Err(error);
        }
        may_restart(state, cache)?;
        if seen.cache(&cache.region, &cache.uid).is_none() {
            return Err(refused(&Hindrance::Unseen(cache.id.name.to_string())));
        }
        let (from, to) = match upgrade_of(&seen, cache) {
            Newer::Ready { from, to } => (from, to),
            Newer::Nothing => return Ok(Plan::Answer(Came::Not(newest(cache)))),
            Newer::Refused { why } => {
                return Err(ApiError::conflict(format!(
                    "The cache `{}` cannot be upgraded: {why}.",
                    cache.id.name
                )));
            }
        };
        if let Some(later) = later(cache, plane.clock.now()).filter(|_| !at_once) {
            return Ok(Plan::Answer(Came::Not(later)));
        }
        if let Some(why) = hinders(state, &plane, cache, &to) {
            return Err(refused(&why));
        }
        let told = format!(
            "The nodes of the cache `{}` go from {} to {}, one after another.",
            cache.id.name,
            from.told_from(&to),
            to.told_from(&from)
        );
        let what = RollWhat::Upgrade { to };
        let (change, op) = ordered(&plane, cache, what, Some(from), &id);
        Ok(Plan::Commit(change, Came::Begun(Box::new(op), told)))
    })
    .await?;
    Ok(match came {
        Came::Begun(op, message) => {
            let headers = caller.follow(&op, &Leads::ToOperation);
            let body = json!({ "message": message });
            let answer = answer::json_response(StatusCode::ACCEPTED, &body);
            answer::with_headers(answer, headers)
        }
        Came::Not(message) => answer::ok(&json!({ "message": message })),
    })
}

fn unready(cache: &CacheRecord) -> Option<ApiError> {
    (cache.lifecycle == model::Lifecycle::Deleting).then(|| being_deleted(cache))
}

fn newest(cache: &CacheRecord) -> String {
    format!(
        "Every node of the cache `{}` runs the engine that is installed beside it.",
        cache.id.name
    )
}

/// When it will happen by itself; `None`: it may be now.
fn later(cache: &CacheRecord, now: Timestamp) -> Option<String> {
    let schedule = cache.maintenance.schedule.as_ref()?;
    let next = schedule.next(now);
    (next > now).then(|| {
        let at = jiff::Timestamp::from_millisecond(i64::try_from(next.0).unwrap_or(i64::MAX));
        let at = at.map_or_else(|_| "later".to_owned(), |at| format!("at {at}"));
        format!(
            "The cache `{}` is upgraded by itself in its patch window, which begins {at}; ask with `now` to begin at once.",
            cache.id.name
        )
    })
}

fn hinders(
    state: &Records,
    plane: &Plane,
    cache: &CacheRecord,
    to: &model::EngineBuild,
) -> Option<Hindrance> {
    let seen = plane.observations.seen();
    let observed = seen.cache(&cache.region, &cache.uid);
    hindrance(cache, observed, pair_engines(state, &seen, cache), to)
}

fn refused(why: &Hindrance) -> ApiError {
    ApiError::conflict(format!("The upgrade cannot begin, since {why}."))
}

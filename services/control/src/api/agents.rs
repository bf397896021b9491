//! The agents' API: reports in, desired state out, the decision of a handoff, and bodies that
//! somebody waits for.

mod figures;
mod transfers;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{FromRequest, Query, Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post},
};
use model::{
    Decision, LinkRecord, PromotionAnswer, PromotionRequest, Region, RegionObserved, ReportAnswer,
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout_at};

use super::{
    ApiError, answer, body,
    decide::{Plan, decide},
};
use crate::{
    activity,
    admission::peers_seen,
    desired::Published,
    history::Event,
    observations::Leading,
    plane::Plane,
    records::{AddressRecord, AgentRecord, agent_key, link},
    store::Change,
};

/// A region of thousands of caches reports a few MB.
const LIMIT: usize = 64 << 20;
/// The longest long poll.
const MAX_WAIT: Duration = Duration::from_secs(60);

pub(super) fn routes() -> Router<Arc<Plane>> {
    Router::new()
        .route("/agents/v1/report", post(report))
        .route("/agents/v1/desired", get(desired))
        .route("/agents/v1/figures", post(figures::take))
        .route("/agents/v1/promotions", post(promote))
        .route("/agents/v1/transfers/{id}", post(transfers::take))
        .route("/agents/v1/transfers/{id}/refused", post(transfers::refuse))
}

/// A body that is one of the model's own values.
struct Message<T>(T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Message<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let bytes = body::read(request, LIMIT).await?;
        let message = serde_json::from_slice(&bytes);
        message.map(Self).map_err(|error| body::malformed(&error))
    }
}

pub(super) fn no_region(region: &Region) -> ApiError {
    ApiError::not_found(
        "RegionNotFound",
        format!(
            "This deployment has no region '{region}'; start the agent with one that the control plane was started with."
        ),
    )
}

async fn report(
    State(plane): State<Arc<Plane>>,
    Message(mut report): Message<RegionObserved>,
) -> Result<Json<ReportAnswer>, ApiError> {
    if !plane.regions.contains(&report.region) {
        return Err(no_region(&report.region));
    }
    remember_agent(&plane, &report).await?;
    remember_addresses(&plane, &report).await;
    let events = std::mem::take(&mut report.events);
    let region = report.region.clone();
    let leading = Leading::of(&report);
    let (state, now) = (plane.store.state(), plane.clock.now());
    plane.egress.hear(&state, &report, now);
    plane.observations.hear(report);
    let record = |event: &Event| activity::of_link(&state, event);
    plane.history.hear(&region, events, now, record).await;
    // Last: a lease counts here from now on, and there from before the report was sent.
    Ok(Json(ReportAnswer {
        leases: plane.observations.grants.grant(&plane.store, &leading),
        asked: plane.transfers.asked_of(&region),
    }))
}

/// Stores of an agent what desired state depends on, when that is news.
async fn remember_agent(plane: &Plane, report: &RegionObserved) -> Result<(), ApiError> {
    decide(plane, |state| {
        let old = state.agents.get(&agent_key(&report.region));
        let known = old.and_then(|old| old.relay_address);
        let peers = old.map_or_else(BTreeMap::new, |old| old.peers.clone());
        let record = AgentRecord {
            region: report.region.clone(),
            // An agent that is starting has none yet; where it was is the best guess till then.
            relay_address: report.relay_address.or(known),
            engine: report.engine,
            peers: peers_seen(state, &peers, report),
        };
        Ok(match old {
            Some(old) if **old == record => Plan::Answer(()),
            Some(old) => Plan::Commit(Change::new().replace(old, &record), ()),
            None => Plan::Commit(Change::new().insert(&record), ()),
        })
    })
    .await
}

/// Stores where a region's caches are reached, when that is news: names must lead there while its
/// agent is not heard from. A report is heard also when that fails: leases depend on it, and it says
/// the same again.
async fn remember_addresses(plane: &Plane, report: &RegionObserved) {
    let remembered = decide(plane, |state| {
        let change = AddressRecord::changes(state, report);
        Ok(match change {
            Some(change) => Plan::Commit(change, ()),
            None => Plan::Answer(()),
        })
    });
    if let Err(error) = remembered.await {
        tracing::warn!(
            region = %report.region, code = error.code, error = error.message,
            "Where the caches of a region are reached has changed and cannot be stored; their names lead where they led"
        );
    }
}

#[derive(Deserialize)]
struct DesiredQuery {
    region: String,
    after: Option<u64>,
    wait_ms: Option<u64>,
    /// What differs from `after` is enough, where that can be told (206).
    changes: Option<bool>,
}

async fn desired(
    State(plane): State<Arc<Plane>>,
    query: Result<Query<DesiredQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let bad = |why: String| ApiError::bad_request("InvalidQuery", why);
    let Query(query) = query.map_err(|error| bad(format!("{}.", error.body_text())))?;
    let region: Region = query
        .region
        .parse()
        .map_err(|error| bad(format!("{error}.")))?;
    let mut watched = plane
        .desired
        .watch(&region)
        .ok_or_else(|| no_region(&region))?;
    let revision = plane.store.state().revision;
    if let Some(after) = query.after
        && after > revision
    {
        return Err(ApiError::conflict(format!(
            "The agent acts on generation {after}, and this store is at revision {revision}: it was restored from an older copy. Restore a newer copy of the store."
        )));
    }
    let wait = Duration::from_millis(query.wait_ms.unwrap_or(0)).min(MAX_WAIT);
    let news =
        |desired: &Arc<Published>| query.after.is_none_or(|after| desired.generation() > after);
    let deadline = Instant::now() + wait;
    let stopped = plane.stopping.cancelled();
    let found = async {
        watched
            .wait_for(news)
            .await
            .ok()
            .map(|found| Arc::clone(&found))
    };
    let found = tokio::select! {
        biased;
        found = timeout_at(deadline, found) => found.ok().flatten(),
        () = stopped => None,
    };
    let Some(desired) = found else {
        return Ok(answer::empty(StatusCode::NO_CONTENT, HeaderMap::new()));
    };
    let known = query.after.filter(|_| query.changes == Some(true));
    Ok(match known.and_then(|known| desired.since(known)) {
        Some(changes) => answer::json_response(StatusCode::PARTIAL_CONTENT, &changes),
        None => answer::ok(&desired.whole()),
    })
}

async fn promote(
    State(plane): State<Arc<Plane>>,
    Message(request): Message<PromotionRequest>,
) -> Result<Response, ApiError> {
    let promoted = decide(&plane, |state| {
        let Some(link) = state.links.get(&link::key(&request.link)) else {
            return Ok(Plan::Answer(false));
        };
        let shards = state
            .cache(&link.secondary.id)
            .map(|cache| cache.spec.shards);
        check_barriers(link, shards.flatten().unwrap_or(1), &request)?;
        let decision = link.decide(request.attempt, &request.barriers, plane.clock.now());
        Ok(match decision {
            Decision::Promote(next) => Plan::Commit(Change::new().replace(link, &next), true),
            Decision::AlreadyPromoted => Plan::Answer(true),
            Decision::TooLate => Plan::Answer(false),
        })
    })
    .await?;
    tracing::info!(
        link.id = %request.link, attempt = request.attempt, promoted,
        "Answered who asked for the promotion"
    );
    Ok(answer::ok(&PromotionAnswer { promoted }))
}

fn check_barriers(
    link: &LinkRecord,
    shards: u16,
    request: &PromotionRequest,
) -> Result<(), ApiError> {
    if request.barriers.len() == usize::from(shards) {
        return Ok(());
    }
    Err(ApiError::body(format!(
        "The request has {} barriers, and the link {} has {shards} shards; send one barrier for each.",
        request.barriers.len(),
        link.id
    )))
}

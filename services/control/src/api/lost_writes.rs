//! What a former geo-primary took and the other side never got: `lostWrites`, which the managed
//! service does not have. Receipts are told by agents; their contents are passed on from there.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use model::{CacheRecord, Receipt, ShardIndex, Wanted};
use psync::{Offset, Position};
use tokio::time::timeout;

use super::{
    ApiError, answer,
    find::find_cache,
    query::{Asked, bad_query},
};
use crate::{
    observations::Seen,
    plane::Plane,
    transfers::{BEGIN, NoBody, Pieces},
    view::{receipt_json, receipts, receipts_of_cache},
};

type Cache = Path<(String, String, String)>;
type Named = Path<(String, String, String, String)>;

/// A receipt that was discarded is out of the agent's reports within so long.
const REPORTED: Duration = Duration::from_secs(10);
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Cache,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let seen = plane.observations.seen();
    Ok(answer::list(receipts_of_cache(&seen, cache)))
}

pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, receipt)): Named,
) -> Result<Response, ApiError> {
    let cache = cache(&plane, &subscription, &group, &name)?;
    let seen = plane.observations.seen();
    let receipt = find_receipt(&seen, &cache, &receipt)?;
    Ok(answer::ok(&receipt_json(&seen, &cache.region, receipt)))
}

/// The commands, in RESP.
pub(super) async fn content(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, receipt)): Named,
) -> Result<Response, ApiError> {
    let cache = cache(&plane, &subscription, &group, &name)?;
    let receipt = find_receipt(&plane.observations.seen(), &cache, &receipt)?.name();
    let body = ask(&plane, &cache, Wanted::LostWrites { receipt }).await?;
    Ok(passed_on(body))
}

/// The keys, each with its database, in RESP.
pub(super) async fn keys(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, receipt)): Named,
) -> Result<Response, ApiError> {
    let cache = cache(&plane, &subscription, &group, &name)?;
    let receipt = find_receipt(&plane.observations.seen(), &cache, &receipt)?.name();
    let body = ask(&plane, &cache, Wanted::LostKeys { receipt }).await?;
    Ok(passed_on(body))
}

/// The keys that a cache was told to write since a position, in the form of [`keys`].
pub(super) async fn written_since(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name)): Cache,
    asked: Asked,
) -> Result<Response, ApiError> {
    let shard = asked.get("shard").map_or(Some(0), |text| text.parse().ok());
    let shard = shard.ok_or_else(|| bad_query("`shard` takes the index of a shard."))?;
    let position = asked.get("position").and_then(position);
    let position = position
        .ok_or_else(|| bad_query("`position` takes a replication ID, a colon and an offset."))?;
    let cache = cache(&plane, &subscription, &group, &name)?;
    let wanted = Wanted::WrittenSince {
        shard: ShardIndex(shard),
        position,
    };
    Ok(passed_on(ask(&plane, &cache, wanted).await?))
}

fn position(text: &str) -> Option<Position> {
    let (replid, offset) = text.split_once(':')?;
    let (replid, offset) = (replid.parse().ok()?, offset.parse().ok()?);
    Some(Position::new(replid, Offset(offset)))
}

/// Has the agent remove a receipt with its files; answers when its reports do not list it any more.
pub(super) async fn discard(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, receipt)): Named,
) -> Result<Response, ApiError> {
    let cache = cache(&plane, &subscription, &group, &name)?;
    let receipt = find_receipt(&plane.observations.seen(), &cache, &receipt)?.name();
    let wanted = Wanted::Discard {
        receipt: receipt.clone(),
    };
    let mut reports = plane.observations.watch();
    // An empty body says that it is done.
    let _done_or_broken_off = ask(&plane, &cache, wanted).await?.whole().await;
    let gone = async {
        loop {
            reports.borrow_and_update();
            if find_receipt(&plane.observations.seen(), &cache, &receipt).is_err() {
                return;
            }
            if reports.changed().await.is_err() {
                return;
            }
        }
    };
    timeout(REPORTED, gone).await.map_err(|_late| {
        ApiError::new(
            StatusCode::CONFLICT,
            "AgentUnseen",
            format!(
                "The agent of {} took the word to discard `{receipt}` and has not reported since; look again when it does.",
                cache.region.display_name()
            ),
        )
    })?;
    tracing::info!(cache = %cache.id.name, %receipt, "Lost writes were discarded");
    Ok(answer::empty(StatusCode::OK, HeaderMap::new()))
}

fn cache(
    plane: &Plane,
    subscription: &str,
    group: &str,
    name: &str,
) -> Result<CacheRecord, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, subscription, group, name)?;
    Ok(CacheRecord::clone(cache))
}

fn find_receipt<'a>(
    seen: &'a Seen,
    cache: &CacheRecord,
    name: &str,
) -> Result<&'a Receipt, ApiError> {
    let mut all = receipts(seen, &cache.region, &cache.uid).iter();
    let found = all.find(|receipt| receipt.name().eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let shown: String = name.chars().take(100).collect();
        let resource = format!("Microsoft.Cache/Redis/{}/lostWrites/{shown}", cache.id.name);
        ApiError::no_resource(&resource, &cache.id.group)
    })
}

/// Asks the agent of a cache for a body.
async fn ask(plane: &Plane, cache: &CacheRecord, what: Wanted) -> Result<Pieces, ApiError> {
    let place = cache.region.display_name();
    let unseen = |when: &str| {
        ApiError::new(
            StatusCode::CONFLICT,
            "AgentUnseen",
            format!("The agent of {place}, which has that, {when}; ask again when it reports."),
        )
    };
    if plane.observations.seen().region(&cache.region).is_none() {
        return Err(unseen("does not report"));
    }
    let id = plane.dice.guid();
    let awaited = plane.transfers.ask(id, &cache.region, &cache.uid, what);
    let awaited = awaited.ok_or_else(|| {
        ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyTransfers",
            "Too many bodies are on their way from agents; ask again when one has ended.",
        )
    })?;
    awaited.body().await.map_err(|error| match error {
        NoBody::Unseen => unseen(&format!("did not send it within {} s", BEGIN.as_secs())),
        NoBody::Refused(why) => {
            ApiError::conflict(format!("The agent of {place} does not send that: {why}."))
        }
    })
}

fn passed_on(pieces: Pieces) -> Response {
    let mut response = Body::from_stream(pieces.into_stream()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, BYTES);
    response
}

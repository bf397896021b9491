//! What people say, and look up, after a failover that was forced.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use model::LinkRecord;

use super::{Names, find_link};
use crate::{
    api::{
        ApiError, answer,
        body::Fields,
        decide::{Plan, decide},
        find::find_cache,
    },
    observations::Seen,
    plane::Plane,
    reconciler::link_seen,
    store::Change,
    view::{link_status, receipts_of_link},
};

/// `acceptUnsaved`: the former geo-primary may follow although some of what it took is not saved.
pub(in crate::api) async fn accept_unsaved(
    plane: State<Arc<Plane>>,
    names: Names,
    body: Fields,
) -> Result<Response, ApiError> {
    say(plane, names, body, |link, seen| {
        let accepted = link.accept_unsaved(link_seen(seen, link));
        accepted.ok_or_else(|| {
            ApiError::conflict(format!(
                "Nobody asks whether `{}` may follow without what it cannot save: it is not `Unsaved`, or its agent does not report.",
                link.secondary.id.name
            ))
        })
    })
    .await
}

/// `acknowledgeAutoFailover`: somebody has seen that a failover happened by itself.
pub(in crate::api) async fn acknowledge(
    plane: State<Arc<Plane>>,
    names: Names,
    body: Fields,
) -> Result<Response, ApiError> {
    say(plane, names, body, |link, _seen| {
        Ok(link.acknowledge_auto_failover())
    })
    .await
}

/// Takes a person's word, and answers with the runtime status that follows from it.
async fn say(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
    body: Fields,
    word: impl Fn(&LinkRecord, &Seen) -> Result<LinkRecord, ApiError>,
) -> Result<Response, ApiError> {
    body.finish()?;
    let (cache, link) = decide(&plane, |state| {
        let cache = find_cache(state, &subscription, &group, &name)?;
        let link = find_link(state, cache, &other)?;
        let next = word(link, &plane.observations.seen())?;
        let answer = (cache.clone(), next);
        if answer.1 == **link {
            return Ok(Plan::Answer(answer));
        }
        let change = Change::new().replace(link, &answer.1);
        Ok(Plan::Commit(change, answer))
    })
    .await?;
    let status = link_status(
        &plane.store.state(),
        &plane.observations.seen(),
        &cache,
        &link,
        plane.clock.now(),
    );
    Ok(answer::ok(&status))
}

/// What each of the two took and the other never got.
pub(in crate::api) async fn lost_writes(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let link = find_link(&state, cache, &other)?;
    Ok(answer::list(receipts_of_link(
        &plane.observations.seen(),
        link,
    )))
}

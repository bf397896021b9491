//! `GET /providers/Godwit.Cache/names`: the names of every cache, for whoever serves DNS.
//!
//! Part of the management API, so it takes the management token; and a token of its own, when the
//! control plane was given one, with which nothing else can be read.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use tokio::time::{Instant, timeout_at};

use super::{
    ApiError, answer,
    query::{Asked, bad_query},
};
use crate::{names::Published, plane::Plane};

/// The path, in its one spelling.
pub(super) const PATH: &str = "/providers/godwit.cache/names";
/// The longest long poll.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Answers as soon as the names differ from what `generation` had, and at once without one; 204
/// when nothing changed for `wait` milliseconds.
pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let known = number(&asked, "generation")?;
    let wait = Duration::from_millis(number(&asked, "wait")?.unwrap_or(0)).min(MAX_WAIT);
    let revision = plane.store.state().revision;
    if let Some(known) = known
        && known > revision
    {
        return Err(ApiError::conflict(format!(
            "Generation {known} of the names is known already, and this store is at revision {revision}: it was restored from an older copy. Restore a newer copy of the store."
        )));
    }
    let news = |names: &Arc<Published>| known.is_none_or(|known| names.generation > known);
    let deadline = Instant::now() + wait;
    let mut watched = plane.names.watch();
    let stopped = plane.stopping.cancelled();
    let found = async {
        let found = watched.wait_for(news).await.ok();
        found.map(|found| Arc::clone(&found))
    };
    let found = tokio::select! {
        biased;
        found = timeout_at(deadline, found) => found.ok().flatten(),
        () = stopped => None,
    };
    Ok(match found {
        Some(names) => answer::ok(&plane.names.shown(&names)),
        None => answer::empty(StatusCode::NO_CONTENT, HeaderMap::new()),
    })
}

fn number(asked: &Asked, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = asked.get(name) else {
        return Ok(None);
    };
    let read = text.parse().map(Some);
    read.map_err(|_not_a_number| bad_query(&format!("`{name}` is not a whole number.")))
}

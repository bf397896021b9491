//! What happened on a link: `events`, which the managed service does not have.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use model::Timestamp;

use super::{Names, find_link};
use crate::{
    api::{
        ApiError, answer,
        find::find_cache,
        query::{Asked, bad_query},
    },
    history::Since,
    plane::Plane,
    view::event_json,
};

/// As many are shown when nobody says how many.
const TOP: usize = 100;
/// As many are shown at most: as many as are kept.
const MOST: usize = 1_000;

pub(in crate::api) async fn events(
    State(plane): State<Arc<Plane>>,
    Path((subscription, group, name, other)): Names,
    asked: Asked,
) -> Result<Response, ApiError> {
    let top = asked.get("top").map_or(Ok(TOP), top)?;
    let since = asked.get("since").map(since).transpose()?;
    let state = plane.store.state();
    let cache = find_cache(&state, &subscription, &group, &name)?;
    let link = find_link(&state, cache, &other)?;
    let mut events = plane.history.events(&link.id, since, top).await?;
    events.sort_by_key(|event| (event.at, event.number));
    Ok(answer::list(events.iter().map(event_json).collect()))
}

fn top(text: &str) -> Result<usize, ApiError> {
    let number = text.parse().ok().filter(|top| (1..=MOST).contains(top));
    number.ok_or_else(|| bad_query(&format!("`top` takes a number from 1 to {MOST}.")))
}

/// The number of the last event that is known, or a time.
fn since(text: &str) -> Result<Since, ApiError> {
    if let Ok(number) = text.parse() {
        return Ok(Since::Number(number));
    }
    let time: Option<jiff::Timestamp> = text.parse().ok();
    let ms = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    ms.map(|ms| Since::Time(Timestamp(ms))).ok_or_else(|| {
        bad_query("`since` takes the number of an event, or a time such as 2026-03-01T12:00:00Z.")
    })
}

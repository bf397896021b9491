//! The agent's side of a transfer: its body, or why there is none.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;

use super::Message;
use crate::{
    api::{ApiError, answer},
    plane::Plane,
    transfers::Sent,
};

/// No reason is longer than this.
const LONGEST: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct Refusal {
    why: String,
}

/// Passes the body on to who waits for it, as it comes.
pub(super) async fn take(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let sending = plane.transfers.take(&id).ok_or_else(nobody)?;
    let sent = tokio::select! {
        sent = sending.run(body.into_data_stream()) => sent,
        () = plane.stopping.cancelled() => Sent::NobodyWaits,
    };
    match sent {
        Sent::Whole => Ok(answer::empty(StatusCode::OK, HeaderMap::new())),
        Sent::NobodyWaits => Err(nobody()),
        Sent::BrokenOff => Err(ApiError::bad_request(
            "TransferBrokenOff",
            "The body broke off or stood still; who waited for it was told.",
        )),
    }
}

pub(super) async fn refuse(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
    Message(refusal): Message<Refusal>,
) -> Result<Response, ApiError> {
    let why = refusal.why.chars().take(LONGEST).collect();
    if plane.transfers.refuse(&id, why) {
        Ok(answer::empty(StatusCode::OK, HeaderMap::new()))
    } else {
        Err(nobody())
    }
}

fn nobody() -> ApiError {
    ApiError::not_found(
        "TransferNotFound",
        "Nobody waits for this transfer; it was taken, or its client went away.",
    )
}

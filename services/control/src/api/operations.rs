//! Long-running operations, to be polled.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use model::OperationId;
use serde_json::json;

use super::{
    ApiError, answer,
    caller::{Caller, Leads, poll_again},
    find::find_subscription,
};
use crate::{
    plane::Plane,
    records::{OperationRecord, Outcome, operation_key},
    store::State as Records,
    view::operation_json,
};

type Names = Path<(String, String, String)>;

/// `asyncOperations`: always 200 with a status in the body.
pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Path((subscription, _location, id)): Names,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let op = find(&state, &subscription, &id)?;
    let body = operation_json(&state, &plane.observations.seen(), op);
    Ok(answer::with_headers(answer::ok(&body), poll_again()))
}

/// `operationresults`: 202 while it runs, then 200, or the error it ended with.
pub(super) async fn result(
    State(plane): State<Arc<Plane>>,
    Path((subscription, _location, id)): Names,
    caller: Caller,
) -> Result<Response, ApiError> {
    let state = plane.store.state();
    let op = find(&state, &subscription, &id)?;
    let body = operation_json(&state, &plane.observations.seen(), op);
    let short = json!({"id": body["id"], "name": body["name"], "status": body["status"]});
    Ok(match &op.outcome {
        Outcome::InProgress => answer::with_headers(
            answer::json_response(StatusCode::ACCEPTED, &short),
            caller.follow(op, &Leads::ToResult),
        ),
        Outcome::Succeeded { .. } => answer::ok(&short),
        Outcome::Failed { message, .. } => {
            ApiError::new(StatusCode::CONFLICT, "OperationFailed", message.clone()).into_response()
        }
    })
}

fn find<'a>(
    state: &'a Records,
    subscription: &str,
    id: &str,
) -> Result<&'a OperationRecord, ApiError> {
    let subscription = find_subscription(state, subscription)?;
    let key = operation_key(&OperationId::new(id.to_ascii_lowercase()));
    let found = state.operations.get(&key).map(|op| &**op);
    found
        .filter(|op| op.subscription == subscription.id)
        .ok_or_else(|| ApiError::no_operation(&subscription.id, id))
}

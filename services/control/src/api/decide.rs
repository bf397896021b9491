//! Read, decide, compare and swap; read again when somebody was faster.

use std::sync::Arc;

use super::ApiError;
use crate::{
    activity,
    plane::Plane,
    store::{Change, CommitError, State},
};

/// How often a request is decided anew before the caller is told to try later.
const ATTEMPTS: usize = 32;

/// What a request comes to in one state.
pub(super) enum Plan<T> {
    /// An answer, with nothing to write.
    Answer(T),
    /// An answer that is true once the change is made.
    Commit(Change, T),
}

/// Decides a request in the present state, and again as long as somebody else changes what it
/// depends on.
pub(super) async fn decide<T>(
    plane: &Plane,
    mut plan: impl FnMut(&Arc<State>) -> Result<Plan<T>, ApiError>,
) -> Result<T, ApiError> {
    for _ in 1..ATTEMPTS {
        match attempt(plane, &mut plan).await? {
            Ok(answer) => return Ok(answer),
            Err(CommitError::Conflict { key }) => {
                tracing::debug!(key = %key, "Decided on an older state; deciding anew");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(attempt(plane, &mut plan).await??)
}

async fn attempt<T>(
    plane: &Plane,
    plan: &mut impl FnMut(&Arc<State>) -> Result<Plan<T>, ApiError>,
) -> Result<Result<T, CommitError>, ApiError> {
    let state = plane.store.state();
    let (change, answer) = match plan(&state)? {
        Plan::Answer(answer) => return Ok(Ok(answer)),
        Plan::Commit(change, answer) => (change, answer),
    };
    let (change, told) = activity::attach(change, &state).split();
    let committed = plane.store.commit(change).await;
    told.settle(committed.is_ok());
    Ok(committed.map(|_revision| answer))
}

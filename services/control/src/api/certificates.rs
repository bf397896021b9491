//! The agents' API, continued: the authority, and certificates under it.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use tls::{CertificateRequest, IssueError, KnownAuthority};

use super::{ApiError, agents::no_region, answer, body};
use crate::plane::Plane;

/// A request for a P-256 key has some 400 bytes.
const LIMIT: usize = 64 << 10;

pub(super) fn routes() -> Router<Arc<Plane>> {
    Router::new()
        .route("/agents/v1/authority", get(authority))
        .route("/agents/v1/certificates", post(issue))
}

async fn authority(State(plane): State<Arc<Plane>>) -> Response {
    answer::ok(&KnownAuthority {
        authority: plane.authority.certificate_pem().to_owned(),
    })
}

async fn issue(State(plane): State<Arc<Plane>>, request: Request) -> Result<Response, ApiError> {
    let bytes = body::read(request, LIMIT).await?;
    let asked: CertificateRequest =
        serde_json::from_slice(&bytes).map_err(|error| body::malformed(&error))?;
    let region = asked.region;
    if !plane.regions.contains(&region) {
        return Err(no_region(&region));
    }
    let now = plane.clock.now();
    let issued = plane
        .authority
        .issue(&region, &asked.request, now, &plane.dice)
        .map_err(|error| refusal(&error))?;
    tracing::info!(region = %region, "Certified the key of an agent");
    Ok(answer::ok(&issued))
}

fn refusal(error: &IssueError) -> ApiError {
    let broken = |code, message: String| {
        tracing::error!(error = %runtime::chain(error), "Failed to certify an agent");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    };
    match error {
        IssueError::Unreadable | IssueError::Algorithm | IssueError::Signature => {
            ApiError::bad_request(
                "InvalidCertificateRequest",
                format!("Cannot certify the agent: {error}."),
            )
        }
        IssueError::Expired { .. } => broken(
            "AuthorityExpired",
            format!(
                "Cannot certify the agent: {error}. Remove authority.pem from the control plane's data directory and start the control plane again; it makes a new one."
            ),
        ),
        IssueError::Sign(_) => broken(
            "CertificateNotIssued",
            "The control plane could not sign the certificate; its log says why.".to_owned(),
        ),
    }
}

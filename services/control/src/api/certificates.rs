//! The authority, and certificates under it: for agents, for what they serve, and what clients trust.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tls::{
    CertificateRequest, IssueError, IssuedCertificate, KnownAuthority, ServerCertificateRequest,
    ServerNames,
};

use super::{ApiError, agents::no_region, answer, body};
use crate::plane::Plane;

/// A request for a P-256 key has some 400 bytes, and one for a server's up to 512 addresses.
const LIMIT: usize = 64 << 10;

pub(super) fn routes() -> Router<Arc<Plane>> {
    Router::new()
        .route("/agents/v1/authority", get(authority))
        .route("/agents/v1/certificates", post(issue))
        .route("/agents/v1/server-certificates", post(issue_server))
        .route(
            "/providers/godwit.cache/certificateauthority",
            get(for_clients),
        )
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

/// The agent says at which addresses its caches are; for which names a certificate is, is said here
/// (ADR 16).
async fn issue_server(
    State(plane): State<Arc<Plane>>,
    request: Request,
) -> Result<Response, ApiError> {
    let bytes = body::read(request, LIMIT).await?;
    let asked: ServerCertificateRequest =
        serde_json::from_slice(&bytes).map_err(|error| body::malformed(&error))?;
    let region = &asked.region;
    if !plane.regions.contains(region) {
        return Err(no_region(region));
    }
    let addresses = asked.addresses.iter().copied();
    let names = ServerNames::new(&plane.zone, addresses).map_err(|error| {
        ApiError::bad_request(
            "InvalidCertificateRequest",
            format!("Cannot certify the server: {error}."),
        )
    })?;
    let now = plane.clock.now();
    let issued: IssuedCertificate = plane
        .authority
        .issue_server(region, &names, &asked.request, now, &plane.dice)
        .map_err(|error| refusal(&error))?;
    tracing::info!(
        region = %region, addresses = asked.addresses.len(),
        "Certified the key of an agent's servers"
    );
    Ok(answer::ok(&issued))
}

/// As a file that clients read.
async fn for_clients(State(plane): State<Arc<Plane>>) -> Response {
    let pem = plane.authority.certificate_pem().to_owned();
    let mut response = pem.into_response();
    let form = HeaderValue::from_static("application/x-pem-file");
    response.headers_mut().insert(CONTENT_TYPE, form);
    response
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

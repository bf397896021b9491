//! Refusals in OAuth's shape (RFC 6749, 5.2), which is not that of the management API.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::json;

use crate::{
    api::{ApiError, answer},
    plane::Plane,
};

/// Somebody who does not get a token.
#[derive(Debug, Clone)]
pub(in crate::api) struct Refusal {
    status: StatusCode,
    error: &'static str,
    why: String,
    /// Seconds until another attempt is worth it.
    retry_after: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, error: &'static str, why: impl Into<String>) -> Self {
        Self {
            status,
            error,
            why: why.into(),
            retry_after: None,
        }
    }

    pub(super) fn bad(error: &'static str, why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, why)
    }

    pub(super) fn no_tenant(name: &str) -> Self {
        let shown: String = name.chars().take(80).collect();
        Self::bad(
            "invalid_tenant",
            format!(
                "There is no tenant '{}' here; `godwit sp list` shows the one that there is.",
                shown.escape_debug()
            ),
        )
    }

    /// The same for an unknown client and for a wrong secret: nobody is told which clients there are.
    pub(super) fn client() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "There is no such client with this secret: check both, or make another secret with `godwit sp reset`.",
        )
    }

    /// Something here does not work; the log says what.
    pub(super) fn broken() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "The control plane could not sign a token; its log says why.",
        )
    }

    pub(super) fn too_many(seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "temporarily_unavailable",
                format!(
                    "There were too many attempts with a wrong secret; try again in {seconds} s."
                ),
            )
        }
    }

    pub(super) fn response(self, plane: &Plane) -> Response {
        let now = jiff::Timestamp::from_millisecond(
            i64::try_from(plane.clock.now().0).unwrap_or(i64::MAX),
        );
        let trace = plane.dice.guid();
        let body = json!({
            "error": self.error,
            "error_description": self.why,
            "timestamp": now.unwrap_or_default().strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            "trace_id": trace,
            "correlation_id": trace,
        });
        let mut response = answer::json_response(self.status, &body);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let name = if error.status.is_server_error() {
            "server_error"
        } else {
            "invalid_request"
        };
        Self::new(error.status, name, error.message)
    }
}

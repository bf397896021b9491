//! Errors in the management API's shape: an HTTP status, a code, a message of whole sentences.

use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use model::{
    AcceptEmptyRefused, CacheId, CacheName, FailoverRefused, ForceRefused, GroupName,
    SubscriptionId,
};
use runtime::chain;
use serde_json::json;

use super::{answer::json_response, login::verify::NotIn};
use crate::{activity::Refusal, history::HistoryError, principal::Principal, store::CommitError};

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The field of the body that it is about.
    target: Option<String>,
    challenge: Option<String>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            target: None,
            challenge: None,
        }
    }

    /// The same, about a field of the body.
    pub(crate) fn about(self, target: impl Into<String>) -> Self {
        Self {
            target: Some(target.into()),
            ..self
        }
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Something about the body.
    pub(crate) fn body(message: impl Into<String>) -> Self {
        Self::bad_request("InvalidRequestBody", message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn no_such_route(path: &str) -> Self {
        let path: String = path.chars().take(300).collect();
        Self::not_found(
            "NotFound",
            format!("This version of Godwit has nothing at `{path}`; check the path."),
        )
    }

    pub(crate) fn no_such_method(method: &Method, path: &str) -> Self {
        let path: String = path.chars().take(300).collect();
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            format!("`{path}` does not take the method {method}."),
        )
    }

    pub(crate) fn no_subscription(id: &str) -> Self {
        let id: String = id.chars().take(80).collect();
        Self::not_found(
            "SubscriptionNotFound",
            format!("The subscription '{id}' could not be found."),
        )
    }

    pub(crate) fn no_group(name: &GroupName) -> Self {
        Self::not_found(
            "ResourceGroupNotFound",
            format!("Resource group '{name}' could not be found."),
        )
    }

    pub(crate) fn no_cache(id: &CacheId) -> Self {
        Self::no_resource(&format!("Microsoft.Cache/Redis/{}", id.name), &id.group)
    }

    pub(crate) fn no_link(id: &CacheId, other: &CacheName) -> Self {
        let resource = format!("Microsoft.Cache/Redis/{}/linkedServers/{other}", id.name);
        Self::no_resource(&resource, &id.group)
    }

    pub(crate) fn no_resource(resource: &str, group: &GroupName) -> Self {
        Self::not_found(
            "ResourceNotFound",
            format!("The Resource '{resource}' under resource group '{group}' was not found."),
        )
    }

    pub(crate) fn no_operation(subscription: &SubscriptionId, id: &str) -> Self {
        let id: String = id.chars().take(80).collect();
        Self::not_found(
            "NotFound",
            format!(
                "The operation '{id}' of the subscription '{subscription}' was not found; operations are kept for a day after their end."
            ),
        )
    }

    /// Nobody is known by what was sent; `authority` is where one signs in.
    pub(crate) fn unauthenticated(authority: &str, is_agent: bool) -> Self {
        let whose = if is_agent {
            "the agents' token"
        } else {
            "the management token, or a token of a service principal,"
        };
        let mut error = Self::new(
            StatusCode::UNAUTHORIZED,
            "AuthenticationFailed",
            format!(
                "Authentication failed: send `Authorization: Bearer` with {whose} of this control plane."
            ),
        );
        error.challenge = Some(challenge(
            authority,
            "The token is missing or is not this control plane's.",
        ));
        error
    }

    /// A token that was signed for somebody is not believed.
    pub(super) fn not_in(authority: &str, why: &NotIn) -> Self {
        let message = format!("The access token is invalid: {why}.");
        let mut error = Self::new(StatusCode::UNAUTHORIZED, why.code(), message);
        error.challenge = Some(challenge(
            authority,
            "The access token is expired, or not for this deployment.",
        ));
        error
    }

    /// Somebody is known and may not do it.
    pub(crate) fn forbidden(principal: &Principal, action: &str, scope: &str) -> Self {
        let scope: String = scope.chars().take(500).collect();
        Self::new(
            StatusCode::FORBIDDEN,
            "AuthorizationFailed",
            format!(
                "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
                principal.name, principal.id
            ),
        )
    }

    /// The same, of the other cache that it is about.
    pub(crate) fn forbidden_linked(
        principal: &Principal,
        action: &str,
        scope: &str,
        other: &CacheId,
    ) -> Self {
        let scope: String = scope.chars().take(500).collect();
        Self::new(
            StatusCode::FORBIDDEN,
            "LinkedAuthorizationFailed",
            format!(
                "The client '{}' with object id '{}' has permission to perform action '{action}' on scope '{scope}'; however, it does not have permission to perform action 'Microsoft.Cache/redis/write' on the linked scope '{other}'.",
                principal.name, principal.id
            ),
        )
    }

    /// The failover of a link cannot begin.
    pub(crate) fn failover(refused: &FailoverRefused) -> Self {
        Self::conflict(format!("Cannot fail over, since {refused}."))
    }

    /// The failover of a link cannot be forced.
    pub(crate) fn force(refused: &ForceRefused) -> Self {
        Self::conflict(format!("Cannot force the failover, since {refused}."))
    }

    /// An empty geo-primary cannot be accepted.
    pub(crate) fn accept_empty(refused: &AcceptEmptyRefused) -> Self {
        Self::conflict(format!("Cannot accept an empty source, since {refused}."))
    }
}

/// `WWW-Authenticate` (RFC 6750, 3).
fn challenge(authority: &str, why: &str) -> String {
    format!(
        "Bearer authorization_uri=\"{authority}\", error=\"invalid_token\", error_description=\"{why}\""
    )
}

impl From<CommitError> for ApiError {
    fn from(error: CommitError) -> Self {
        match &error {
            CommitError::Conflict { .. } => Self::conflict(
                "The resource is being changed by others at the same time; ask again.",
            ),
            CommitError::Full { .. }
            | CommitError::Failed { .. }
            | CommitError::Poisoned { .. } => {
                tracing::error!(error = %chain(&error), "Failed to store a request");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "StoreFailed",
                    format!("The control plane could not store the request: {error}."),
                )
            }
            CommitError::Stopped => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "The control plane is stopping; ask again.",
            ),
        }
    }
}

impl From<HistoryError> for ApiError {
    fn from(error: HistoryError) -> Self {
        match &error {
            HistoryError::Closed => CommitError::Stopped.into(),
            HistoryError::Database { .. } | HistoryError::Figures { .. } => {
                tracing::error!(error = %chain(&error), "Failed to read the history");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "HistoryFailed",
                    format!("The control plane could not read its history: {error}."),
                )
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({"error": {"code": self.code, "message": self.message}});
        if let Some(target) = self.target {
            body["error"]["target"] = json!(target);
        }
        let mut response = json_response(self.status, &body);
        response.extensions_mut().insert(Refusal {
            code: self.code.to_owned(),
            message: self.message,
        });
        let challenge = self.challenge.map(|text| HeaderValue::from_str(&text));
        if let Some(Ok(challenge)) = challenge {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

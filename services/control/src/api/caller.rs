//! The caller's side of a request: the URL it used to get here, and the headers that tell it
//! where a long-running operation can be followed.

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
};
use model::{GroupName, Rights, Role, SubscriptionId};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::ApiError;
use crate::{listen::Arrival, principal::Principal, records::OperationRecord};

const ASYNC_OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");
/// Seconds between two looks at an operation: the least that the header can say.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Who asks: put into the request at the door.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// Scheme and host that the caller used.
    pub(super) base: String,
    /// The API version that it speaks.
    pub(super) api_version: String,
    /// Who it is.
    pub(super) principal: Principal,
    /// What they may do.
    pub(super) rights: Rights,
}

/// What the `Location` header of an operation leads to.
pub(super) enum Leads<'a> {
    /// The resource with this ID.
    To(&'a str),
    /// `operationresults`.
    ToResult,
    /// The same as `Azure-AsyncOperation`.
    ToOperation,
}

impl Caller {
    /// Scheme and host of a request. Where TLS does not end here it is a local proxy's business, which
    /// says so.
    pub(super) fn base(request: &Request) -> String {
        let text = |name| {
            let value: Option<&HeaderValue> = request.headers().get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let arrival: Option<&Arrival> = request.extensions().get();
        let is_encrypted = arrival.is_some_and(|arrival| arrival.encrypted);
        let is_forwarded = text(HeaderName::from_static("x-forwarded-proto"))
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        let scheme = if is_encrypted || is_forwarded {
            "https"
        } else {
            "http"
        };
        let host = text(header::HOST).filter(|host| is_host(host));
        format!("{scheme}://{}", host.unwrap_or("localhost"))
    }

    /// Tells whether they may see what is in a resource group.
    pub(super) fn sees(&self, subscription: &SubscriptionId, group: &GroupName) -> bool {
        let (subscription, group) = (subscription.as_str(), Some(group.as_str()));
        self.rights.allow(Role::Reader, subscription, group)
    }

    /// The absolute URL of a path.
    pub(super) fn url(&self, path: &str) -> String {
        let path = utf8_percent_encode(path, PATH);
        format!("{}{path}?api-version={}", self.base, self.api_version)
    }

    /// The headers by which an operation is followed.
    pub(super) fn follow(&self, op: &OperationRecord, leads: &Leads<'_>) -> HeaderMap {
        let operation = self.url(&operation_path(op, "asyncOperations"));
        let location = match leads {
            Leads::To(id) => self.url(id),
            Leads::ToResult => self.url(&operation_path(op, "operationresults")),
            Leads::ToOperation => operation.clone(),
        };
        let mut headers = poll_again();
        for (name, url) in [(ASYNC_OPERATION, operation), (header::LOCATION, location)] {
            if let Ok(value) = HeaderValue::from_str(&url) {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// Tells a host, with a port or without, from what could mean something else in a URL or a header.
fn is_host(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !text.is_empty() && text.len() <= 300 && text.bytes().all(fits)
}

/// Asks for another look soon.
pub(super) fn poll_again() -> HeaderMap {
    HeaderMap::from_iter([(header::RETRY_AFTER, RETRY_AFTER)])
}

fn operation_path(op: &OperationRecord, kind: &str) -> String {
    format!(
        "/subscriptions/{}/providers/Microsoft.Cache/locations/{}/{kind}/{}",
        op.subscription,
        op.region.display_name(),
        op.id
    )
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Self>().cloned();
        // Whoever comes through the door for such a route has one.
        caller.ok_or_else(|| ApiError::unauthenticated("", false))
    }
}

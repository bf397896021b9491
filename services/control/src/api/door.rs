//! The door: who asks, for which version, in which spelling. What it lets in is in lower case
//! where the API fixes the text, and every answer that goes out has the API's headers.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, Uri, header},
    response::{IntoResponse as _, Response},
};
use model::{Rights, Role};
use percent_encoding::percent_decode_str;
use tower::ServiceExt as _;

mod action;
mod identity;
mod needs;

use action::action;
use identity::{Known, identify};
use needs::{Need, other_cache};

use super::{
    ApiError,
    caller::Caller,
    login,
    note::{self, Note},
    openapi, routes,
};
use crate::{plane::Plane, principal::Principal, store::State as Records};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");
const CLIENT_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// Versions of the cache API that are served, first and last. They differ in nothing served here.
const VERSIONS: (&str, &str) = ("2015-08-01", "2025-08-01-preview");
/// The version that answers are shaped after.
pub(super) const VERSION: &str = "2024-11-01";

#[derive(Clone)]
struct Door {
    plane: Arc<Plane>,
    inner: Router,
}

/// The whole API.
pub(crate) fn service(plane: Arc<Plane>) -> Router {
    let inner = routes(Arc::clone(&plane));
    Router::new()
        .fallback(enter)
        .with_state(Door { plane, inner })
}

async fn enter(State(door): State<Door>, request: Request) -> Response {
    let id = door.plane.dice.guid();
    let asked = request.headers();
    let given = |name| asked.get(name).and_then(|value| value.to_str().ok());
    let correlation = note::correlation(given(CORRELATION_ID))
        .unwrap_or(&id)
        .to_owned();
    let client = asked.get(CLIENT_ID).cloned();
    tracing::debug!(request.id = ?id, method = %request.method(), path = request.uri().path(), "Request");
    let note = Note::take(&door.plane, &request, &id, &correlation, given(CLIENT_ID));
    let mut response = match login::find(request.uri().path()) {
        Some(asked) => login::respond(&door.plane, asked, request).await,
        None => match admit(&door.plane, request, &note) {
            Ok(request) => match note.serve(door.inner.oneshot(request)).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(error) => error.into_response(),
        },
    };
    note.answered(&response);
    let headers = response.headers_mut();
    headers.insert(CORRELATION_ID, header_value(&correlation));
    headers.insert(REQUEST_ID, header_value(&id));
    if let Some(client) = client {
        headers.insert(CLIENT_ID, client);
    }
    let cache_control = headers.entry(header::CACHE_CONTROL);
    cache_control.or_insert(HeaderValue::from_static("no-cache"));
    response
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_not_ascii| HeaderValue::from_static(""))
}

/// Checks who asks, what they may do, and the version, and gives the request its one spelling.
fn admit(plane: &Plane, mut request: Request, note: &Note) -> Result<Request, ApiError> {
    let base = Caller::base(&request);
    decodes(request.uri().path())?;
    let path = one_spelling(request.uri().path());
    let state = plane.store.state();
    let known = identify(plane, &state, request.headers(), &path, &base)?;
    if let Known::Principal(principal, rights) = &known {
        note.is_of(principal);
        let asked = request.uri().path();
        allow(&state, principal, rights, request.method(), asked, &path)?;
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    if !path.starts_with("/agents/") && path != "/metrics" && path != openapi::PATH {
        let of_cache =
            path.contains("/microsoft.cache/") && !path.contains("/providers/microsoft.insights/");
        let api_version = api_version(&query, of_cache)?;
        if let Known::Principal(principal, rights) = known {
            request.extensions_mut().insert(Caller {
                base,
                api_version,
                principal,
                rights,
            });
        }
    }
    let uri = if query.is_empty() {
        path
    } else {
        format!("{path}?{query}")
    };
    let invalid = |_invalid| ApiError::bad_request("InvalidRequestUri", "The path is not valid.");
    *request.uri_mut() = uri.parse::<Uri>().map_err(invalid)?;
    Ok(request)
}

/// Refuses a path that is no text once it is decoded, before anybody takes a name out of it.
fn decodes(path: &str) -> Result<(), ApiError> {
    let decoded = percent_decode_str(path).decode_utf8();
    decoded.map(drop).map_err(|_not_utf8| {
        ApiError::bad_request(
            "InvalidRequestUri",
            "The path is not valid: once it is decoded it is not UTF-8.",
        )
    })
}

/// Refuses what somebody may not do: `asked` is the path as it came, `path` its one spelling.
fn allow(
    state: &Records,
    principal: &Principal,
    rights: &Rights,
    method: &Method,
    asked: &str,
    path: &str,
) -> Result<(), ApiError> {
    let action = || action(method, asked);
    if !Need::of(method, path).is_met(rights, state) {
        return Err(ApiError::forbidden(principal, &action(), asked));
    }
    let Some(other) = other_cache(method, path, state) else {
        return Ok(());
    };
    let (subscription, group) = (other.subscription.as_str(), other.group.as_str());
    if rights.allow(Role::Contributor, subscription, Some(group)) {
        return Ok(());
    }
    Err(ApiError::forbidden_linked(
        principal,
        &action(),
        asked,
        &other,
    ))
}

fn api_version(query: &str, of_cache: bool) -> Result<String, ApiError> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let version = pairs
        .filter(|(name, _)| name.eq_ignore_ascii_case("api-version"))
        .map(|(_, value)| value.to_ascii_lowercase())
        .next();
    let Some(version) = version.filter(|version| !version.is_empty()) else {
        return Err(ApiError::bad_request(
            "MissingApiVersionParameter",
            format!(
                "The api-version query parameter (?api-version=) is required for all requests; use {VERSION}."
            ),
        ));
    };
    let shown: String = version.chars().take(40).collect();
    if !is_version(&version) {
        return Err(ApiError::bad_request(
            "InvalidApiVersionParameter",
            format!("The api-version '{shown}' is invalid; use a date such as {VERSION}."),
        ));
    }
    let (first, last) = VERSIONS;
    if of_cache && !(first..=last).contains(&version.as_str()) {
        return Err(ApiError::bad_request(
            "NoRegisteredProviderFound",
            format!(
                "The api-version '{shown}' is not supported for Microsoft.Cache; use {first} to {last}, best {VERSION}."
            ),
        ));
    }
    Ok(version)
}

/// Tells `2024-11-01` and `2024-11-01-preview`.
fn is_version(text: &str) -> bool {
    let (date, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    let date_ok = date.len() == 10
        && date.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    date_ok
        && matches!(
            rest,
            "" | "-preview" | "-privatepreview" | "-alpha" | "-beta"
        )
}

/// Writes a path in its one spelling: what the API fixes in lower case, names as they came, no
/// empty segments.
fn one_spelling(path: &str) -> String {
    enum Next {
        Fixed,
        Name,
        Namespace,
    }
    let mut next = Next::Fixed;
    let mut written = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        written.push('/');
        next = match next {
            Next::Name => {
                written.push_str(segment);
                Next::Fixed
            }
            Next::Fixed | Next::Namespace => {
                let fixed = segment.to_ascii_lowercase();
                written.push_str(&fixed);
                match next {
                    Next::Namespace => Next::Fixed,
                    Next::Fixed | Next::Name if fixed == "providers" => Next::Namespace,
                    Next::Fixed | Next::Name => Next::Name,
                }
            }
        };
    }
    if written.is_empty() {
        written.push('/');
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling_and_names_keep_theirs() {
        for (given, expected) in [
            ("/", "/"),
            ("/Subscriptions/S1/", "/subscriptions/S1"),
            (
                "//SUBSCRIPTIONS/S/ResourceGroups/My-Group/Providers/microsoft.CACHE/Redis/MyCache/LinkedServers/Other",
                "/subscriptions/S/resourcegroups/My-Group/providers/microsoft.cache/redis/MyCache/linkedservers/Other",
            ),
            (
                "/subscriptions/S/providers/Microsoft.Cache/locations/East%20US/asyncOperations/ID",
                "/subscriptions/S/providers/microsoft.cache/locations/East%20US/asyncoperations/ID",
            ),
            (
                "/subscriptions/S/providers/Microsoft.Cache/CheckNameAvailability",
                "/subscriptions/S/providers/microsoft.cache/checknameavailability",
            ),
            (
                "/providers/Microsoft.Cache/Operations",
                "/providers/microsoft.cache/operations",
            ),
            ("/agents/v1/report", "/agents/v1/report"),
        ] {
            assert_eq!(one_spelling(given), expected);
        }
    }

    #[test]
    fn versions_are_dates_in_the_range() {
        assert!(api_version("api-version=2024-11-01", true).is_ok());
        assert!(api_version("x=1&API-VERSION=2025-08-01-preview", true).is_ok());
        assert!(api_version("api-version=2026-01-01", false).is_ok());
        for (query, code) in [
            ("", "MissingApiVersionParameter"),
            ("api-version=", "MissingApiVersionParameter"),
            ("api-version=latest", "InvalidApiVersionParameter"),
            ("api-version=2014-04-01", "NoRegisteredProviderFound"),
            ("api-version=2031-01-01", "NoRegisteredProviderFound"),
        ] {
            assert_eq!(api_version(query, true).unwrap_err().code, code, "{query}");
        }
    }
}

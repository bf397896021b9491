//! Signing in: what the stock command line, SDKs and Terraform ask before they have a token. Nobody has
//! proved to be anybody here, so each answer costs a fixed budget.
//!
//! The metadata of the deployment as a cloud, OpenID Connect's discovery document of each tenant, the
//! keys that tokens are signed with, and the endpoint that gives tokens to service principals for
//! their secrets. [`verify`] is the other end: whose token it is, and what they may do.

mod attempts;
mod audience;
mod documents;
mod keys;
mod refusal;
mod token;
pub(super) mod verify;

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};

pub(crate) use attempts::Attempts;
pub(crate) use keys::Believed;
pub(super) use refusal::Refusal;

use super::{ApiError, answer, caller::Caller};
use crate::{plane::Plane, store::State};

/// The name under which whoever knows no tenant finds the only one (as AD FS is addressed).
const ADFS: &str = "adfs";

/// What can be asked without a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// `GET /metadata/endpoints`.
    Metadata,
    /// `GET /<tenant>/v2.0/.well-known/openid-configuration`, or without the version.
    Discovery(String),
    /// `GET /<tenant>/discovery/v2.0/keys`, or without the version.
    Keys(String),
    /// `POST /<tenant>/oauth2/v2.0/token`, or without the version.
    Token(String, token::Version),
}

/// Tells what can be asked without a token from everything else, whatever the case of the path.
pub(super) fn find(path: &str) -> Option<Asked> {
    use token::Version;

    let path = path.to_ascii_lowercase();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let asked = match segments.as_slice() {
        ["metadata", "endpoints"] => Asked::Metadata,
        [tenant, "v2.0", ".well-known", "openid-configuration"]
        | [tenant, ".well-known", "openid-configuration"] => Asked::Discovery((*tenant).to_owned()),
        [tenant, "discovery", "v2.0", "keys"] | [tenant, "discovery", "keys"] => {
            Asked::Keys((*tenant).to_owned())
        }
        [tenant, "oauth2", "v2.0", "token"] => Asked::Token((*tenant).to_owned(), Version::Two),
        [tenant, "oauth2", "token"] => Asked::Token((*tenant).to_owned(), Version::One),
        _ => return None,
    };
    Some(asked)
}

/// Answers it.
pub(super) async fn respond(plane: &Arc<Plane>, asked: Asked, request: Request) -> Response {
    let takes = match asked {
        Asked::Metadata | Asked::Discovery(_) | Asked::Keys(_) => Method::GET,
        Asked::Token(..) => Method::POST,
    };
    if *request.method() != takes {
        let path = request.uri().path();
        return ApiError::no_such_method(request.method(), path).into_response();
    }
    let base = Caller::base(&request);
    let state = plane.store.state();
    let answered = match asked {
        Asked::Metadata => Ok(metadata(request.uri(), &base)),
        Asked::Discovery(tenant) => Tenant::find(&state, &tenant)
            .map(|tenant| answer::ok(&documents::discovery(&base, &tenant))),
        Asked::Keys(tenant) => {
            Tenant::find(&state, &tenant).map(|_| answer::ok(&keys::published(&state)))
        }
        Asked::Token(tenant, version) => match Tenant::find(&state, &tenant) {
            Ok(tenant) => token::give(plane, &base, &tenant, version, request).await,
            Err(refusal) => Err(refusal),
        },
    };
    answered.unwrap_or_else(|refusal| refusal.response(plane))
}

fn metadata(uri: &Uri, base: &str) -> Response {
    let query = uri.query().unwrap_or_default().to_ascii_lowercase();
    let is_list = ["2019-05-01", "2020-06-01"]
        .iter()
        .any(|version| query.contains(&format!("api-version={version}")));
    let cloud = documents::cloud(base);
    let body = if is_list {
        serde_json::Value::Array(vec![cloud])
    } else {
        cloud
    };
    answer::json_response(StatusCode::OK, &body)
}

/// A tenant, and how it was addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tenant {
    /// A GUID.
    id: String,
    /// By [`ADFS`].
    unnamed: bool,
}

impl Tenant {
    fn find(state: &State, name: &str) -> Result<Self, Refusal> {
        let mut tenants = state.subscriptions.iter().map(|one| &one.tenant);
        let unnamed = name == ADFS;
        let found = tenants.find(|id| unnamed || id.eq_ignore_ascii_case(name));
        let id = found.cloned().ok_or_else(|| Refusal::no_tenant(name))?;
        Ok(Self { id, unnamed })
    }

    /// Where it is, below the deployment's URL: what discovery begins with, and whose tokens say to be
    /// issued there.
    fn issuer(&self, base: &str) -> String {
        if self.unnamed {
            format!("{base}/{ADFS}")
        } else {
            format!("{base}/{}/v2.0", self.id)
        }
    }

    /// The beginning of its other endpoints.
    fn root(&self, base: &str) -> String {
        let name = if self.unnamed { ADFS } else { &self.id };
        format!("{base}/{name}")
    }
}

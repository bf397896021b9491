//! Who asks: whoever shows one of the deployment's own tokens, or one that was signed for them.

use axum::http::{HeaderMap, header};
use model::Rights;

use crate::{
    api::{
        ApiError,
        login::verify::{NotIn, may_be_token, verify},
        names,
    },
    plane::Plane,
    principal::Principal,
    store::State,
};

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// An agent, or whoever may read the names alone: there is no more to be asked.
    Token,
    /// Somebody whose rights are looked at.
    Principal(Principal, Rights),
}

/// Tells who asks for `path`.
pub(super) fn identify(
    plane: &Plane,
    state: &State,
    headers: &HeaderMap,
    path: &str,
    base: &str,
) -> Result<Known, ApiError> {
    let is_agent = path.starts_with("/agents/");
    let unknown = || ApiError::unauthenticated(&authority(state, base), is_agent);
    let token = bearer(headers).ok_or_else(unknown)?;
    if is_agent {
        let matches = plane.agent_token.matches(token);
        return matches.then_some(Known::Token).ok_or_else(unknown);
    }
    if plane.token.matches(token) {
        return Ok(Known::Principal(Principal::operator(), Rights::All));
    }
    // Whoever serves DNS faces the network; it need not hold what opens more than the names.
    let for_names = plane.names_token.as_ref().filter(|_| path == names::PATH);
    if for_names.is_some_and(|wanted| wanted.matches(token)) {
        return Ok(Known::Token);
    }
    if !may_be_token(token) {
        return Err(unknown());
    }
    match verify(plane, state, token) {
        Ok((principal, rights)) => Ok(Known::Principal(principal, rights)),
        Err(why) => {
            tracing::debug!(error = %why, "A token was not believed");
            Err(ApiError::not_in(&authority(state, base), &why))
        }
    }
}

/// Where one signs in: the URL of the tenant.
fn authority(state: &State, base: &str) -> String {
    let tenant = state.subscriptions.iter().next().map(|one| &one.tenant);
    tenant.map_or_else(|| base.to_owned(), |tenant| format!("{base}/{tenant}"))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

impl NotIn {
    /// The code of the answer.
    pub(in crate::api) fn code(&self) -> &'static str {
        match self {
            Self::Token(tokens::TokenError::Expired { .. }) => "ExpiredAuthenticationToken",
            Self::Audience => "InvalidAuthenticationTokenAudience",
            Self::Token(_) | Self::Gone => "InvalidAuthenticationToken",
        }
    }
}

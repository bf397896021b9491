//! Whose token it is, and what they may do.

use model::{ObjectId, Rights, Timestamp};
use serde_json::{Map, Value};
use tokens::TokenError;

use super::audience;
use crate::{
    plane::Plane,
    principal::{Principal, PrincipalKind},
    records::service_principal,
    store::State,
};

/// The claim that names the secret that a token was given for.
pub(super) const SECRET: &str = "godwit_secret";

/// A token that lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::api) enum NotIn {
    /// It is not one of this deployment's, or its time is over.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It is for something else.
    #[error("the token is not for the management API; sign in for this deployment's URL")]
    Audience,
    /// Whoever it was given to is no more, or signs in with other secrets now.
    #[error(
        "the token was given to a service principal that was deleted, or for a secret that was taken back; sign in again"
    )]
    Gone,
}

/// Tells what could be a token of this deployment's own from other secrets: it has three parts.
pub(in crate::api) fn may_be_token(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Whose `token` is, as of `state`, and what they may do.
pub(in crate::api) fn verify(
    plane: &Plane,
    state: &State,
    token: &str,
) -> Result<(Principal, Rights), NotIn> {
    let now = plane.clock.now();
    let claims = claims(plane, state, token, now)?;
    let text = |name: &'static str| {
        let text = claims.get(name).and_then(Value::as_str);
        text.ok_or(TokenError::Claim(name))
    };
    let guid = |name: &'static str| {
        let guid: Result<ObjectId, _> = text(name)?.parse();
        guid.map_err(|_no_guid| TokenError::Claim(name))
    };
    let base = issued_at(text("iss")?).ok_or(TokenError::Claim("iss"))?;
    if !audience::is_management(base, text("aud")?) {
        return Err(NotIn::Audience);
    }
    let (application, object, secret) = (guid("appid")?, guid("oid")?, guid(SECRET)?);
    let known = state
        .service_principals
        .get(&service_principal::key(&application));
    let known = known.ok_or(NotIn::Gone)?;
    let is_same = known.object == object && text("tid")? == known.tenant;
    if !is_same || known.secrets.iter().all(|one| one.id != secret) {
        return Err(NotIn::Gone);
    }
    let principal = Principal {
        id: object.to_string(),
        name: known.name.clone(),
        kind: PrincipalKind::ServicePrincipal,
    };
    Ok((principal, state.rights_of(&object)))
}

fn claims(
    plane: &Plane,
    state: &State,
    token: &str,
    now: Timestamp,
) -> Result<Map<String, Value>, NotIn> {
    let keys = plane.token_keys.of(state);
    // Without a key nobody has ever signed in.
    let keys = keys.ok_or(NotIn::Gone)?;
    Ok(keys.claims(token, now)?)
}

/// The URL below which a token was issued: its issuer without the tenant.
fn issued_at(issuer: &str) -> Option<&str> {
    let (base, _tenant) = match issuer.strip_suffix("/v2.0") {
        Some(of_a_tenant) => of_a_tenant.rsplit_once('/')?,
        None => issuer.rsplit_once('/')?,
    };
    Some(base)
}

//! What a token claims (RFC 7519, 4.1), held against what was asked. The signature comes first.

use model::{Timestamp, TokenIssuer};
use serde_json::{Map, Value};

use crate::{TokenError, Verified, error::shown};

/// How far the issuer's clock may be from this one's.
pub const LEEWAY_MS: u64 = 60_000;

/// The issuer that a token names.
pub(crate) fn issuer(claims: &Map<String, Value>) -> Result<&str, TokenError> {
    let named = claims.get("iss").and_then(Value::as_str);
    named.ok_or(TokenError::Claim("iss"))
}

/// Holds the claims of a token that `issuer` signed against its rules.
pub(crate) fn check(
    claims: &Map<String, Value>,
    issuer: &TokenIssuer,
    object_id: &str,
    now: Timestamp,
) -> Result<Verified, TokenError> {
    if !is_for(claims.get("aud"), &issuer.audiences)? {
        return Err(TokenError::Audience {
            expected: issuer.audiences.join("`, `"),
        });
    }
    let expires = is_now(claims, now)?;
    let holder = claims.get("oid").and_then(Value::as_str);
    let holder = holder.ok_or(TokenError::Claim("oid"))?;
    if holder.is_empty() || holder != object_id {
        return Err(TokenError::OtherHolder {
            presented: shown(holder),
        });
    }
    Ok(Verified {
        object_id: holder.to_owned(),
        issuer: issuer.issuer.clone(),
        expires,
    })
}

/// Holds the times of a token against `now`; gives the moment of its end.
pub(crate) fn is_now(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, TokenError> {
    let expires = moment(claims, "exp")?.ok_or(TokenError::Claim("exp"))?;
    if now >= expires.plus_ms(LEEWAY_MS) {
        return Err(TokenError::Expired { at: expires, now });
    }
    for name in ["nbf", "iat"] {
        let from = moment(claims, name)?;
        if let Some(from) = from.filter(|from| *from > now.plus_ms(LEEWAY_MS)) {
            return Err(TokenError::NotYet { from, now });
        }
    }
    Ok(expires)
}

fn is_for(audience: Option<&Value>, ours: &[String]) -> Result<bool, TokenError> {
    let odd = || TokenError::Claim("aud");
    let is_ours = |one: &Value| {
        let one = one.as_str().ok_or_else(odd)?;
        Ok(ours.iter().any(|our| our == one))
    };
    match audience {
        Some(Value::Array(all)) => all.iter().try_fold(false, |found, one| {
            let is_ours: Result<bool, TokenError> = is_ours(one);
            Ok(found | is_ours?)
        }),
        Some(one) => is_ours(one),
        None => Err(odd()),
    }
}

/// A NumericDate: seconds, with a fraction or without.
fn moment(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let odd = TokenError::Claim(name);
    if let Some(seconds) = value.as_u64() {
        return Ok(Some(Timestamp(seconds.saturating_mul(1000))));
    }
    let seconds = value
        .as_f64()
        .filter(|seconds| *seconds >= 0.0)
        .ok_or(odd)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and a moment too far away is as good as the last one"
    )]
    Ok(Some(Timestamp((seconds * 1000.0) as u64)))
}

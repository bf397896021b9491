//! A token in its compact form (RFC 7515, 7.1), taken apart strictly. Nothing in it is believed
//! yet.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{Algorithm, TokenError, error::shown, strict};

/// The longest token that is looked at: as much as engines take as one argument before a login.
pub const LONGEST: usize = 16 << 10;

/// The parts of a token.
#[derive(Debug)]
pub(crate) struct Jws<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: String,
    /// What the signature is over.
    pub(crate) signed: &'a str,
    pub(crate) signature: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart. Of its header only `alg`, `kid` and `crit` are looked at: keys, and
    /// places where keys are said to be, are the issuer's to give, not the token's.
    pub(crate) fn read(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::TooLong { bytes: token.len() });
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Form);
        };
        let signed = token
            .get(..header.len() + 1 + claims.len())
            .ok_or(TokenError::Form)?;
        let header = strict::object(&decoded(header)?).ok_or(TokenError::Form)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let named = text("alg").ok_or(TokenError::Form)?;
        let algorithm = named
            .parse()
            .map_err(|_not_believed| TokenError::Algorithm {
                presented: shown(named),
            })?;
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        let key = text("kid").ok_or(TokenError::NoKeyId)?.to_owned();
        Ok(Self {
            algorithm,
            key,
            signed,
            signature: decoded(signature)?,
            payload: decoded(claims)?,
        })
    }

    /// What it claims.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, TokenError> {
        strict::object(&self.payload).ok_or(TokenError::Form)
    }
}

/// Base64url without padding, in the one spelling that it has.
fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    let octets = URL_SAFE_NO_PAD.decode(part);
    octets.map_err(|_odd| TokenError::Form)
}

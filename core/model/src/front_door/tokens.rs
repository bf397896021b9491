//! Who may come in with a token.

use serde::{Deserialize, Serialize};

/// One who may come in with a token: an access policy assignment, with its policy's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUser {
    /// The object ID: the token's `oid`, and the name that is given to `AUTH`.
    pub object_id: String,
    /// The policy's permissions, in the engines' ACL words (`arm.md` 6.4).
    pub permissions: String,
}

/// Somebody whose tokens are believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenIssuer {
    /// The `iss` claim, letter by letter.
    pub issuer: String,
    /// The `aud` claims that are taken: one of these.
    pub audiences: Vec<String>,
    /// Its signing keys.
    pub keys: IssuerKeys,
}

/// Where an issuer's signing keys are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssuerKeys {
    /// Behind `<issuer>/.well-known/openid-configuration` (OpenID Connect Discovery 1.0).
    Discovered,
    /// Here: a JSON Web Key Set (RFC 7517).
    Given(String),
}

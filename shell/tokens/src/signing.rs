//! The other side of tokens: keys of this deployment's own, what they sign, and whether a token is
//! one of theirs.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use model::{Secret, Timestamp};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Map, Value, json};

use crate::{
    Algorithm, KeySetError, TokenError, claims, error::shown, jws::Jws, keys::KeySet, keys::Verdict,
};

/// The algorithm of a [`TokenKey`].
const ALGORITHM: Algorithm = Algorithm::Es256;

/// A key that cannot be made or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The system gave no randomness.
    #[error("make an ECDSA P-256 key for tokens: the system gives no randomness")]
    Make,
    /// What is stored is no key.
    #[error("what is stored as a key for tokens is no ECDSA P-256 key in PKCS #8")]
    Read,
    /// It does not sign.
    #[error("sign a token: the system gives no randomness")]
    Sign,
}

/// A private key that signs tokens (ECDSA P-256, `ES256`).
pub struct TokenKey {
    id: String,
    pair: EcdsaKeyPair,
}

impl TokenKey {
    /// Makes the private half of a key: PKCS #8 in base64url, for the store alone.
    pub fn generate() -> Result<Secret, SigningError> {
        let dice = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &dice);
        let made = made.map_err(|_unspecified| SigningError::Make)?;
        Ok(Secret::new(URL_SAFE_NO_PAD.encode(made.as_ref())))
    }

    /// The key whose private half [`TokenKey::generate`] made, under an ID.
    pub fn new(id: impl Into<String>, private: &Secret) -> Result<Self, SigningError> {
        let octets = URL_SAFE_NO_PAD.decode(private.reveal());
        let octets = octets.map_err(|_odd| SigningError::Read)?;
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(curve, &octets, &SystemRandom::new());
        Ok(Self {
            id: id.into(),
            pair: pair.map_err(|_rejected| SigningError::Read)?,
        })
    }

    /// Its public half, a JSON Web Key (RFC 7517).
    #[must_use]
    pub fn public(&self) -> Value {
        // An uncompressed point: a 4, then both coordinates.
        let point = self.pair.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": ALGORITHM.name(), "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// A token with these claims, in its compact form.
    pub fn sign(&self, claims: &Value) -> Result<String, SigningError> {
        let header = json!({"typ": "JWT", "alg": ALGORITHM.name(), "kid": self.id});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_unspecified| SigningError::Sign)?;
        Ok(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature.as_ref())
        ))
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenKey").field(&self.id).finish()
    }
}

/// A JSON Web Key Set of public halves, as issuers publish it.
#[must_use]
pub fn key_set(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

/// The public halves of keys that this process has at hand.
#[derive(Debug, Clone)]
pub struct OwnKeys(KeySet);

impl OwnKeys {
    /// Reads a JSON Web Key Set, such as [`key_set`] makes.
    pub fn read(set: &Value) -> Result<Self, KeySetError> {
        KeySet::read(set.to_string().as_bytes()).map(Self)
    }

    /// The claims of a token that one of the keys signed and whose time is `now`. Whose it is, and
    /// whom it is for, is for the caller to look at.
    pub fn claims(&self, token: &str, now: Timestamp) -> Result<Map<String, Value>, TokenError> {
        let jws = Jws::read(token)?;
        let signed = jws.signed.as_bytes();
        match self
            .0
            .verify(&jws.key, jws.algorithm, signed, &jws.signature)
        {
            Verdict::Good => {}
            Verdict::Bad => return Err(TokenError::Signature),
            Verdict::OtherAlgorithm(expected) => {
                return Err(TokenError::OtherAlgorithm {
                    presented: jws.algorithm,
                    expected,
                });
            }
            Verdict::Unknown => {
                return Err(TokenError::UnknownKey {
                    key: shown(&jws.key),
                    issuer: "this deployment".to_owned(),
                });
            }
        }
        let claimed = jws.claims()?;
        claims::is_now(&claimed, now)?;
        Ok(claimed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LEEWAY_MS;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn key(id: &str) -> TokenKey {
        TokenKey::new(id, &TokenKey::generate().unwrap()).unwrap()
    }

    fn known(keys: &[&TokenKey]) -> OwnKeys {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        OwnKeys::read(&key_set(&keys)).unwrap()
    }

    fn claims() -> Value {
        let seconds = NOW.0 / 1000;
        json!({"iat": seconds, "nbf": seconds, "exp": seconds + 3600, "oid": "somebody"})
    }

    #[test]
    fn what_a_key_signs_is_known_as_its_own() {
        let (one, two) = (key("one"), key("two"));
        let known = known(&[&one, &two]);
        for key in [&one, &two] {
            let token = key.sign(&claims()).unwrap();
            assert_eq!(known.claims(&token, NOW).unwrap()["oid"], "somebody");
        }
    }

    #[test]
    fn a_stored_key_is_the_same_key() {
        let private = TokenKey::generate().unwrap();
        let (before, after) = (
            TokenKey::new("k", &private).unwrap(),
            TokenKey::new("k", &private).unwrap(),
        );
        assert_eq!(before.public(), after.public());
        assert_eq!(format!("{before:?}"), "TokenKey(\"k\")");
        for odd in ["", "!", "AAAA"] {
            let read = TokenKey::new("k", &Secret::new(odd));
            assert_eq!(read.unwrap_err(), SigningError::Read);
        }
    }

    #[test]
    fn foreign_altered_and_unsigned_tokens_are_not_known() {
        let (own, foreign) = (key("k"), key("k"));
        let known = known(&[&own]);
        let token = foreign.sign(&claims()).unwrap();
        assert_eq!(known.claims(&token, NOW), Err(TokenError::Signature));
        let other = key("other").sign(&claims()).unwrap();
        let refused = known.claims(&other, NOW);
        assert!(matches!(refused, Err(TokenError::UnknownKey { .. })));

        let good = own.sign(&claims()).unwrap();
        let parts: Vec<&str> = good.split('.').collect();
        let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut more = claims();
        more["oid"] = "somebody else".into();
        let altered = format!("{}.{}.{}", parts[0], encoded(more), parts[2]);
        assert_eq!(known.claims(&altered, NOW), Err(TokenError::Signature));

        let none = encoded(json!({"alg": "none", "kid": "k"}));
        for signature in ["", parts[2]] {
            let unsigned = format!("{none}.{}.{signature}", parts[1]);
            let refused = known.claims(&unsigned, NOW);
            assert!(matches!(refused, Err(TokenError::Algorithm { .. })));
        }
        // A shared secret that everybody knows: the public key.
        let shared = encoded(json!({"alg": "HS256", "kid": "k"}));
        let refused = known.claims(&format!("{shared}.{}.{}", parts[1], parts[2]), NOW);
        assert!(matches!(refused, Err(TokenError::Algorithm { .. })));
    }

    #[test]
    fn a_token_has_its_time() {
        let own = key("k");
        let known = known(&[&own]);
        let token = own.sign(&claims()).unwrap();
        let end = NOW.plus_ms(3_600_000);
        assert!(known.claims(&token, end.plus_ms(LEEWAY_MS - 1)).is_ok());
        let late = known.claims(&token, end.plus_ms(LEEWAY_MS));
        assert!(matches!(late, Err(TokenError::Expired { .. })));
        let early = known.claims(&token, Timestamp(NOW.0 - LEEWAY_MS - 1000));
        assert!(matches!(early, Err(TokenError::NotYet { .. })));
        let endless = own.sign(&json!({"oid": "somebody"})).unwrap();
        assert_eq!(known.claims(&endless, NOW), Err(TokenError::Claim("exp")));
    }
}

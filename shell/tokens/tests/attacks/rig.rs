//! An issuer whose keys are given, and one that is asked for them.

use std::time::Duration;

use model::{IssuerKeys, Timestamp, TokenIssuer};
use runtime::tasks::Tasks;
use serde_json::{Value, json};
use tokens::{
    Algorithm, TokenError, Verified, Verifier,
    testing::{self, AUDIENCE, SigningKey},
};

/// When everything happens.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(crate) const HOLDER: &str = "5d0c4f30-0000-4000-8000-0000000000aa";
pub(crate) const ISSUER: &str = "https://issuer.test/tenant/";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// One issuer with one key, which is given.
pub(crate) struct Given {
    pub(crate) key: SigningKey,
    pub(crate) verifier: Verifier,
}

impl Given {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::new("k1", algorithm);
        let verifier = Verifier::new(&[rules(testing::key_set_of(&[&key]))], Tasks::new());
        Self { key, verifier }
    }

    /// Shows `token` as the holder's.
    pub(crate) async fn show(&self, token: &str) -> Result<Verified, TokenError> {
        self.verifier.verify(HOLDER, token, NOW).await
    }

    /// Shows a token with these claims.
    pub(crate) async fn claim(&self, claims: &Value) -> Result<Verified, TokenError> {
        self.show(&self.key.sign(&self.key.header(), claims)).await
    }

    /// Shows a token with the usual claims but for these; `null` leaves one out.
    pub(crate) async fn claim_but(&self, but: Value) -> Result<Verified, TokenError> {
        self.claim(&changed(claims(), but)).await
    }

    /// Shows a token with the usual header but for these members, signed by the key.
    pub(crate) async fn head_but(&self, but: Value) -> Result<Verified, TokenError> {
        let header = changed(self.key.header(), but);
        self.show(&self.key.sign(&header, &claims())).await
    }
}

pub(crate) fn rules(keys: String) -> TokenIssuer {
    TokenIssuer {
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned(), "second".to_owned()],
        keys: IssuerKeys::Given(keys),
    }
}

/// The claims of a good token.
pub(crate) fn claims() -> Value {
    let seconds = NOW.0 / 1000;
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "oid": HOLDER, "sub": "x", "tid": "t",
        "iat": seconds, "nbf": seconds, "exp": seconds + 3600,
    })
}

pub(crate) fn changed(mut object: Value, but: Value) -> Value {
    for (name, value) in but.as_object().unwrap() {
        let members = object.as_object_mut().unwrap();
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    object
}

//! The verifier: whose tokens are believed, asked about one token at a time.

use std::{collections::BTreeMap, sync::Arc};

use model::{Timestamp, TokenIssuer};
use parking_lot::RwLock;
use runtime::{chain, tasks::Tasks};

use crate::{
    KeySetError, PlaceError, TokenError, claims, error::shown, issuer::Issuer, jws::Jws,
    keys::Verdict,
};

/// An issuer whose tokens cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// It has no name.
    #[error("an issuer has no name; give it the `iss` of its tokens")]
    Unnamed,
    /// It issues tokens for nobody.
    #[error("an issuer has no audience; give it the `aud` of the tokens that are for these caches")]
    Audience,
    /// Its keys are to be discovered, and its name says nothing of where.
    #[error("find the keys of the issuer")]
    Place(#[from] PlaceError),
    /// Its keys are given, and are none.
    #[error("read the keys that are given for the issuer")]
    Keys(#[from] KeySetError),
}

/// A token that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is: its `oid`, which is the object ID that was asked about.
    pub object_id: String,
    /// Who issued it.
    pub issuer: String,
    /// When it ends, without leeway: whoever came in with it has to show a new one by then.
    pub expires: Timestamp,
}

/// Checks an issuer before it is given to a [`Verifier`]; asks nobody.
pub fn check(issuer: &TokenIssuer) -> Result<(), IssuerError> {
    Issuer::new(issuer.clone()).map(drop)
}

/// Tells tokens that are believed from those that are not. Clones are one.
#[derive(Debug, Clone)]
pub struct Verifier {
    issuers: Arc<RwLock<BTreeMap<String, Arc<Issuer>>>>,
    tasks: Tasks,
}

impl Verifier {
    /// Believes these issuers; keys are fetched in `tasks`, and the first time at once.
    #[must_use]
    pub fn new(issuers: &[TokenIssuer], tasks: Tasks) -> Self {
        let verifier = Self {
            issuers: Arc::default(),
            tasks,
        };
        verifier.replace(issuers);
        verifier
    }

    /// Believes these issuers instead. One that is the same as before keeps the keys that are known
    /// of it; one that cannot be used is told, and no token of it is believed.
    pub fn replace(&self, issuers: &[TokenIssuer]) {
        let mut before = self.issuers.write();
        let mut now = BTreeMap::new();
        for rules in issuers {
            let known = before.get(&rules.issuer);
            if let Some(known) = known.filter(|known| known.rules() == rules) {
                now.entry(rules.issuer.clone())
                    .or_insert_with(|| Arc::clone(known));
                continue;
            }
            let issuer = match Issuer::new(rules.clone()) {
                Ok(issuer) => Arc::new(issuer),
                Err(error) => {
                    tracing::error!(
                        issuer = rules.issuer, error = %chain(&error),
                        "no token of the issuer is believed"
                    );
                    continue;
                }
            };
            issuer.begin(&self.tasks);
            now.entry(rules.issuer.clone()).or_insert(issuer);
        }
        *before = now;
    }

    /// Tells whether any token is believed.
    #[must_use]
    pub fn has_issuers(&self) -> bool {
        !self.issuers.read().is_empty()
    }

    /// Waits until no keys are on their way.
    #[cfg(any(test, feature = "testing"))]
    pub async fn settled(&self) {
        let issuers: Vec<_> = self.issuers.read().values().cloned().collect();
        for issuer in issuers {
            issuer.settled().await;
        }
    }

    /// Believes `token` if it is one that a configured issuer signed for the holder of `object_id`,
    /// and that is valid at `now`. Waits for the issuer's keys if they are not known, some seconds
    /// at most; otherwise it answers at once.
    pub async fn verify(
        &self,
        object_id: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified, TokenError> {
        let jws = Jws::read(token)?;
        let claimed = jws.claims()?;
        let named = claims::issuer(&claimed)?;
        let issuer = self.issuers.read().get(named).cloned();
        let issuer = issuer.ok_or_else(|| TokenError::UnknownIssuer {
            presented: shown(named),
        })?;
        match self.ask(&issuer, &jws).await? {
            Verdict::Good => claims::check(&claimed, issuer.rules(), object_id, now),
            Verdict::Bad => Err(TokenError::Signature),
            Verdict::OtherAlgorithm(expected) => Err(TokenError::OtherAlgorithm {
                presented: jws.algorithm,
                expected,
            }),
            Verdict::Unknown => Err(TokenError::UnknownKey {
                key: shown(&jws.key),
                issuer: issuer.rules().issuer.clone(),
            }),
        }
    }

    /// Asks the issuer's keys about the signature; for a key that is not known, once again with
    /// newer keys if there are any.
    async fn ask(&self, issuer: &Arc<Issuer>, jws: &Jws<'_>) -> Result<Verdict, TokenError> {
        let signed = jws.signed.as_bytes();
        let known = issuer.keys(&self.tasks);
        if let Some(keys) = &known {
            let verdict = keys.verify(&jws.key, jws.algorithm, signed, &jws.signature);
            if verdict != Verdict::Unknown {
                return Ok(verdict);
            }
        }
        let newer = issuer.newer(known.as_ref(), &self.tasks).await;
        match (newer, known) {
            (Some(keys), _) => Ok(keys.verify(&jws.key, jws.algorithm, signed, &jws.signature)),
            (None, Some(_)) => Ok(Verdict::Unknown),
            (None, None) => Err(TokenError::NoKeys {
                issuer: issuer.rules().issuer.clone(),
            }),
        }
    }
}

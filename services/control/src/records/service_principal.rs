//! `service-principal/<application ID>`: a program that signs in with a secret.

use model::{ObjectId, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::store::{Key, Record, State, Table, Versioned};

/// A program that signs in with a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServicePrincipalRecord {
    /// What it signs in as: a GUID.
    pub(crate) application: ObjectId,
    /// What roles are given to: another GUID.
    pub(crate) object: ObjectId,
    /// What people call it; unique, whatever the case.
    pub(crate) name: String,
    /// The tenant that it is in: a GUID.
    pub(crate) tenant: String,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// What it may sign in with; each of them will do.
    pub(crate) secrets: Vec<SecretRecord>,
}

/// A secret, of which only the digest is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretRecord {
    /// Its ID, which tokens name that it brought: they live no longer than it.
    pub(crate) id: ObjectId,
    /// SHA-256 of the secret, in hexadecimal digits. It has 256 random bits, so there is nothing to
    /// be guessed from this, and no salt or slowness would add to that.
    pub(crate) digest: Secret,
    /// When it was made.
    pub(crate) created: Timestamp,
}

/// The digest of a secret, as it is kept.
pub(crate) fn digest(secret: &Secret) -> Secret {
    let digest = Sha256::digest(secret.reveal().as_bytes());
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    Secret::new(digits.collect::<String>())
}

/// The key of a service principal.
pub(crate) fn key(application: &ObjectId) -> Key {
    Key::new(ServicePrincipalRecord::PREFIX, application.as_str())
}

impl Record for ServicePrincipalRecord {
    const PREFIX: &'static str = "service-principal/";

    fn key(&self) -> Key {
        key(&self.application)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.service_principals
    }
}

impl State {
    /// The service principal that roles are given to by this object ID.
    pub(crate) fn service_principal(
        &self,
        object: &ObjectId,
    ) -> Option<&Versioned<ServicePrincipalRecord>> {
        let mut all = self.service_principals.iter();
        all.find(|one| one.object == *object)
    }
}

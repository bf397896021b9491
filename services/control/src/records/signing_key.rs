//! `signing-key/<id>`: a key that signs the tokens of those who sign in.

use model::{Secret, Timestamp};
use serde::{Deserialize, Serialize};

use crate::store::{Key, Record, State, Table};

/// A key that signs tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SigningKeyRecord {
    /// Its ID, the `kid` of what it signs: a GUID.
    pub(crate) id: String,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// Its private half (PKCS #8, base64url); the public one is made of it.
    pub(crate) private: Secret,
}

impl Record for SigningKeyRecord {
    const PREFIX: &'static str = "signing-key/";

    fn key(&self) -> Key {
        Key::new(Self::PREFIX, &self.id)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.signing_keys
    }
}

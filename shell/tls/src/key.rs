//! An agent's own key: made on its host, kept there.

use std::fmt;

use model::Secret;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};

/// A key cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no randomness.
    #[error("make an ECDSA P-256 key")]
    Make(#[source] rcgen::Error),
    /// The text is not such a key.
    #[error("the text is not an ECDSA P-256 key in PKCS #8 PEM")]
    Read(#[source] rcgen::Error),
    /// The key does not sign.
    #[error("sign a certificate request")]
    Sign(#[source] rcgen::Error),
}

/// An agent's private key (ECDSA P-256).
pub struct AgentKey(KeyPair);

impl AgentKey {
    /// Makes a key.
    pub fn generate() -> Result<Self, KeyError> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(KeyError::Make)
    }

    /// Reads a key that [`AgentKey::to_pem`] wrote.
    pub fn from_pem(pem: &Secret) -> Result<Self, KeyError> {
        KeyPair::from_pkcs8_pem_and_sign_algo(pem.reveal(), &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(KeyError::Read)
    }

    /// The key as PKCS #8 PEM, for the agent's own disk.
    #[must_use]
    pub fn to_pem(&self) -> Secret {
        Secret::new(self.0.serialize_pem())
    }

    /// A certificate request (PKCS #10 PEM). It asks for no name: the authority gives the name.
    pub fn request(&self) -> Result<String, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&self.0).map_err(KeyError::Sign)?;
        request.pem().map_err(KeyError::Sign)
    }

    /// The key as PKCS #8 DER.
    pub(crate) fn der(&self) -> Vec<u8> {
        self.0.serialize_der()
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

//! What is shown to clients: a certificate with what it hangs on, and its key.

use std::{collections::BTreeSet, fmt, net::IpAddr, sync::Arc};

use model::Secret;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

use crate::{
    AgentKey, AuthorityCertificate, AuthorityError, IssuedCertificate, Validity,
    certificate::Claims, certified::check_issuer, provider::provider,
};

/// A server certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServerCertificateError {
    /// There is no certificate in the text, or something between is none.
    #[error("the text holds no chain of certificates in PEM")]
    Chain,
    /// The first certificate is odd.
    #[error("the server's certificate, the first of the chain, cannot be read")]
    Unreadable,
    /// There is no key in the text.
    #[error("the text holds no private key in PEM (PKCS #8, PKCS #1 or SEC 1, unencrypted)")]
    Key,
    /// They do not go together, or the key is of a kind that is not used.
    #[error(
        "the key cannot be used with the certificate: it has to be the certificate's own, RSA of 2048 bits or more, ECDSA P-256 or P-384, or Ed25519"
    )]
    Mismatch(#[source] rustls::Error),
    /// The authority that came with it is unusable.
    #[error("use the authority's certificate")]
    Authority(#[from] AuthorityError),
    /// Another authority issued it, or it is not for servers.
    #[error(
        "the server's certificate was not issued for servers by the authority that came with it"
    )]
    Issuer(#[source] rustls::Error),
}

/// A server certificate with its chain and key: checked to belong together, though not to be valid
/// now, and not to be trusted by anybody.
#[derive(Clone)]
pub struct ServerCertificate {
    names: Vec<String>,
    validity: Validity,
    signing: Arc<CertifiedKey>,
}

impl ServerCertificate {
    /// Reads a chain, the server's own certificate first, and its key; both PEM.
    pub fn from_pem(chain: &str, key: &Secret) -> Result<Self, ServerCertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        let chain = chain.map_err(|_no_pem| ServerCertificateError::Chain)?;
        let own = chain.first().ok_or(ServerCertificateError::Chain)?;
        let claims = Claims::read(own).map_err(|_odd| ServerCertificateError::Unreadable)?;
        let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes())
            .map_err(|_no_pem| ServerCertificateError::Key)?;
        let signing = CertifiedKey::from_der(chain, key, &provider())
            .map_err(ServerCertificateError::Mismatch)?;
        Ok(Self {
            names: claims.names().to_vec(),
            validity: claims.validity(),
            signing: Arc::new(signing),
        })
    }

    /// Joins an agent's key and what the authority issued for it.
    pub fn issued(
        key: &AgentKey,
        issued: &IssuedCertificate,
    ) -> Result<Self, ServerCertificateError> {
        let authority = AuthorityCertificate::from_pem(&issued.authority)?;
        let certificate = Self::from_pem(&issued.certificate, &key.to_pem())?;
        let own = certificate.signing.end_entity_cert();
        own.and_then(|der| check_issuer(der, &authority, certificate.validity.from))
            .map_err(ServerCertificateError::Issuer)?;
        Ok(certificate)
    }

    /// Tells whether it is for the caches of a zone, by both names of each.
    #[must_use]
    pub fn covers_zone(&self, zone: &str) -> bool {
        let names = [format!("DNS:*.{zone}"), format!("DNS:*.geo.{zone}")];
        names.iter().all(|name| self.names.contains(name))
    }

    /// Tells whether it is for the private endpoints of a zone's caches.
    #[must_use]
    pub fn covers_private_endpoints(&self, zone: &str) -> bool {
        self.names.contains(&format!("DNS:*.privatelink.{zone}"))
    }

    /// Tells whether it is for all of these addresses.
    #[must_use]
    pub fn covers_addresses(&self, addresses: &BTreeSet<IpAddr>) -> bool {
        let mut names = addresses.iter().map(|address| format!("IP:{address}"));
        names.all(|name| self.names.contains(&name))
    }

    /// The names and addresses that it is for, for people.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When it is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Tells whether `other` is the same certificate, with the same chain. It has the same key then.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.signing.cert == other.signing.cert
    }

    pub(super) fn signing(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.signing)
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("names", &self.names)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

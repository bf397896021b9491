//! A key with its certificate, and the messages by which an agent comes to have one.

use std::{fmt, net::IpAddr, sync::Arc};

use model::{Region, Secret, StoreId, Timestamp};
use rustls::{
    RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};

use crate::{
    AgentKey, AuthorityCertificate, AuthorityError, KeyError, certificate::Claims, name,
    provider::provider,
};

/// An agent asks for a certificate: the body of `POST /agents/v1/certificates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRequest {
    /// The agent's region.
    pub region: Region,
    /// [`AgentKey::request`].
    pub request: String,
}

/// An agent asks for a certificate to show to clients: the body of
/// `POST /agents/v1/server-certificates`. The host names are the control plane's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCertificateRequest {
    /// The agent's region.
    pub region: Region,
    /// The addresses of its caches' doors.
    pub addresses: Vec<IpAddr>,
    /// [`AgentKey::request`].
    pub request: String,
}

/// The answer: a certificate, and the authority that issued it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// The certificate, PEM.
    pub certificate: String,
    /// The authority's certificate, PEM.
    pub authority: String,
}

/// The answer to `GET /agents/v1/authority`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAuthority {
    /// The authority's certificate, PEM.
    pub authority: String,
}

/// A key and a certificate that do not go together.
#[derive(Debug, thiserror::Error)]
pub enum CertifiedError {
    /// The key is unusable.
    #[error("use the agent's key")]
    Key(#[from] KeyError),
    /// The authority's certificate is unusable.
    #[error("use the authority's certificate")]
    Authority(#[from] AuthorityError),
    /// The certificate cannot be read.
    #[error("the agent's certificate is not one in PEM")]
    Unreadable,
    /// The authority did not issue the certificate, or it is for another key or use.
    #[error(
        "the agent's certificate was not issued for this key by the authority that came with it"
    )]
    Mismatch(#[source] rustls::Error),
    /// It has no name of an agent.
    #[error(
        "the agent's certificate does not name one agent of the authority's deployment: it is that of {0}"
    )]
    Name(String),
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Timestamp,
    /// The last moment.
    pub until: Timestamp,
}

impl Validity {
    /// Tells whether `now` is within.
    #[must_use]
    pub fn covers(self, now: Timestamp) -> bool {
        self.from <= now && now <= self.until
    }

    /// Tells whether less than a third of it is left.
    #[must_use]
    pub fn is_nearly_over(self, now: Timestamp) -> bool {
        let third = self.until.0.saturating_sub(self.from.0) / 3;
        now.0 > self.until.0.saturating_sub(third)
    }
}

/// A key, its certificate, and the authority that issued it: checked to belong together, though
/// not to be valid now.
#[derive(Clone)]
pub struct Certified {
    key: Secret,
    issued: IssuedCertificate,
    authority: AuthorityCertificate,
    region: Region,
    validity: Validity,
    signing: Arc<CertifiedKey>,
}

impl Certified {
    /// Joins a key and what was issued for it.
    pub fn new(key: &AgentKey, issued: IssuedCertificate) -> Result<Self, CertifiedError> {
        let authority = AuthorityCertificate::from_pem(&issued.authority)?;
        let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes())
            .map_err(|_no_pem| CertifiedError::Unreadable)?;
        let claims = Claims::read(&der).map_err(|_odd| CertifiedError::Unreadable)?;
        let signing = CertifiedKey::from_der(
            vec![der.clone()],
            PrivatePkcs8KeyDer::from(key.der()).into(),
            &provider(),
        )
        .map_err(CertifiedError::Mismatch)?;
        check_issuer(&der, &authority, claims.not_before).map_err(CertifiedError::Mismatch)?;
        let named = claims.uri.as_deref().and_then(name::read_agent);
        let region = match named {
            Some((store, region)) if store == *authority.store() => region,
            Some(_) | None => return Err(CertifiedError::Name(claims.describe())),
        };
        Ok(Self {
            key: key.to_pem(),
            issued,
            authority,
            region,
            validity: claims.validity(),
            signing: Arc::new(signing),
        })
    }

    /// The private key (PKCS #8 PEM), for the agent's own disk.
    #[must_use]
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// The certificates, as they were issued.
    #[must_use]
    pub fn issued(&self) -> &IssuedCertificate {
        &self.issued
    }

    /// The only authority that this agent trusts.
    #[must_use]
    pub fn authority(&self) -> &AuthorityCertificate {
        &self.authority
    }

    /// The deployment that it belongs to.
    #[must_use]
    pub fn store(&self) -> &StoreId {
        self.authority.store()
    }

    /// The region whose agent it is.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// When the certificate is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    pub(crate) fn signing(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.signing)
    }
}

impl fmt::Debug for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certified")
            .field("region", &self.region)
            .field("store", self.store())
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

/// Checks the authority's signature and the certificate's purpose, as of a moment in its time.
pub(crate) fn check_issuer(
    der: &CertificateDer<'_>,
    authority: &AuthorityCertificate,
    at: Timestamp,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone())?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_millis(at.0));
    verify_server_cert_signed_by_trust_anchor(
        &ParsedCertificate::try_from(der)?,
        &roots,
        &[],
        at,
        provider().signature_verification_algorithms.all,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_third_is_nearly_over() {
        let validity = Validity {
            from: Timestamp(1000),
            until: Timestamp(4000),
        };
        let nearly =
            [0, 1000, 3000, 3001, 4000, 9000].map(|now| validity.is_nearly_over(Timestamp(now)));
        assert_eq!(nearly, [false, false, false, true, true, true]);
        let covers = [999, 1000, 4000, 4001].map(|now| validity.covers(Timestamp(now)));
        assert_eq!(covers, [false, true, true, false]);
    }
}

//! The deployment's own certificate authority: made with the store, it certifies agents, and what
//! they serve to clients.

mod server;

use std::fmt;

use model::{Region, Secret, StoreId, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use runtime::dice::Dice;
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer, alg_id, pem::PemObject as _,
};
use time::OffsetDateTime;
use x509_cert::{
    Certificate,
    der::{Decode as _, Encode as _, EncodePem as _, pem::LineEnding},
    request::CertReq,
    spki::AlgorithmIdentifierOwned,
};

pub use server::OwnCertificateError;

use crate::{
    IssuedCertificate,
    certificate::{Claims, shown_time},
    name,
    provider::provider,
};

/// How long an agent's certificate is valid.
pub const CERTIFICATE_DAYS: u64 = 30;
/// How long an authority is valid.
const AUTHORITY_YEARS: u64 = 10;
/// How far behind the control plane's clock an agent's may be.
const CLOCK_SLACK_MS: u64 = 5 * 60 * 1000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// An authority cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The store's identity cannot stand in a certificate.
    #[error(
        "the store's identity `{0}` cannot be a certificate's name: use letters, digits and hyphens, 40 at most"
    )]
    Store(StoreId),
    /// The certificate cannot be made.
    #[error("make a certificate authority")]
    Make(#[source] rcgen::Error),
    /// The certificate is not an authority's.
    #[error("the text is not the certificate of a Godwit authority in PEM")]
    Certificate,
    /// The key is not a key.
    #[error("the text holds no ECDSA P-256 key in PKCS #8 PEM")]
    Key,
    /// Certificate and key are not each other's.
    #[error("the key is not that of the authority's certificate")]
    Mismatch,
}

/// A certificate is not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request cannot be read.
    #[error("the certificate request is not a PKCS #10 request in PEM")]
    Unreadable,
    /// The request is for a key of another kind.
    #[error(
        "the certificate request is for another kind of key than ECDSA P-256, or is not signed with SHA-256"
    )]
    Algorithm,
    /// Whoever made the request does not have the key.
    #[error("the certificate request is not signed with the key that it asks a certificate for")]
    Signature,
    /// The authority's time is over.
    #[error("the certificate authority expired on {}", shown_time(*.at))]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Signing failed.
    #[error("sign a certificate")]
    Sign(#[source] rcgen::Error),
}

/// The certificate of an authority, as agents know it.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorityCertificate {
    der: CertificateDer<'static>,
    store: StoreId,
    expires: Timestamp,
}

impl AuthorityCertificate {
    /// Reads a certificate in PEM.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes());
        Self::from_der(der.map_err(|_no_pem| AuthorityError::Certificate)?)
    }

    fn from_der(der: CertificateDer<'static>) -> Result<Self, AuthorityError> {
        let claims = Claims::read(&der).map_err(|_odd| AuthorityError::Certificate)?;
        let store = claims.uri.as_deref().and_then(name::read_authority);
        Ok(Self {
            der,
            store: store.ok_or(AuthorityError::Certificate)?,
            expires: claims.not_after,
        })
    }

    /// The store whose control plane keeps the authority.
    #[must_use]
    pub fn store(&self) -> &StoreId {
        &self.store
    }

    /// When its time ends.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

impl fmt::Debug for AuthorityCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorityCertificate")
            .field("store", &self.store)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The authority of one deployment, with its private key.
pub struct Authority {
    certificate: AuthorityCertificate,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes the authority of a store, valid for ten years from `now`.
    pub fn create(store: &StoreId, now: Timestamp) -> Result<Self, AuthorityError> {
        if !name::can_name(store) {
            return Err(AuthorityError::Store(store.clone()));
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::Make)?;
        let mut params = root_params(store);
        params.subject_alt_names =
            vec![uri(&name::authority_uri(store)).map_err(AuthorityError::Make)?];
        params.not_before = moment(Timestamp(now.0.saturating_sub(CLOCK_SLACK_MS)));
        params.not_after = moment(now.plus_ms(AUTHORITY_YEARS * 365 * DAY_MS));
        let made = params.self_signed(&key).map_err(AuthorityError::Make)?;
        Ok(Self {
            certificate: AuthorityCertificate::from_der(made.der().clone())?,
            pem: made.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads what [`Authority::to_pem`] wrote.
    pub fn from_pem(pem: &Secret) -> Result<Self, AuthorityError> {
        let certificate = AuthorityCertificate::from_pem(pem.reveal())?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.reveal().as_bytes())
            .map_err(|_no_pem| AuthorityError::Key)?;
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_odd| AuthorityError::Key)?;
        let unreadable = |_odd| AuthorityError::Certificate;
        let parsed = Certificate::from_der(&certificate.der).map_err(unreadable)?;
        let certified = parsed.tbs_certificate().subject_public_key_info();
        if certified.to_der().map_err(unreadable)? != key.subject_public_key_info() {
            return Err(AuthorityError::Mismatch);
        }
        Ok(Self {
            pem: parsed.to_pem(LineEnding::LF).map_err(unreadable)?,
            issuer: Issuer::new(root_params(&certificate.store), key),
            certificate,
        })
    }

    /// Certificate and private key as PEM, for the control plane's own disk.
    #[must_use]
    pub fn to_pem(&self) -> Secret {
        Secret::new(format!("{}{}", self.pem, self.issuer.key().serialize_pem()))
    }

    /// What agents are told of it.
    #[must_use]
    pub fn certificate(&self) -> &AuthorityCertificate {
        &self.certificate
    }

    /// Its certificate in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// Certifies the key of a request (PKCS #10 PEM) as that of the agent of `region`, for thirty
    /// days. The names and extensions that the request asks for are ignored.
    pub fn issue(
        &self,
        region: &Region,
        request: &str,
        now: Timestamp,
        dice: &Dice,
    ) -> Result<IssuedCertificate, IssueError> {
        let key = RequestedKey::read(request)?;
        let mut params = self.params(now, dice)?;
        params.distinguished_name = common_name(region.as_str());
        params.subject_alt_names =
            vec![uri(&name::agent_uri(&self.certificate.store, region)).map_err(IssueError::Sign)?];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign(params, &key)
    }

    /// What every certificate has that is issued at `now`.
    fn params(&self, now: Timestamp, dice: &Dice) -> Result<CertificateParams, IssueError> {
        let expires = self.certificate.expires;
        if now >= expires {
            return Err(IssueError::Expired { at: expires });
        }
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(dice));
        params.not_before = moment(Timestamp(now.0.saturating_sub(CLOCK_SLACK_MS)));
        params.not_after = moment(now.plus_ms(CERTIFICATE_DAYS * DAY_MS).min(expires));
        Ok(params)
    }

    fn sign(
        &self,
        params: CertificateParams,
        key: &RequestedKey,
    ) -> Result<IssuedCertificate, IssueError> {
        let made = params
            .signed_by(key, &self.issuer)
            .map_err(IssueError::Sign)?;
        Ok(IssuedCertificate {
            certificate: made.pem(),
            authority: self.pem.clone(),
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authority").field(&self.certificate).finish()
    }
}

/// What every certificate of the authority of `store` has, and what it signs with.
fn root_params(store: &StoreId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("Godwit {store}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn uri(text: &str) -> Result<SanType, rcgen::Error> {
    Ok(SanType::URI(text.try_into()?))
}

/// Whole seconds: certificates know no less.
fn moment(at: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    // A certificate cannot say a later time than this.
    OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap_or_else(|_too_far| date_time_ymd(9999, 12, 31))
}

/// 126 random bits: positive, and never zero.
fn serial(dice: &Dice) -> SerialNumber {
    let high = (dice.below(u64::MAX) >> 1) | (1 << 62);
    let bytes = [high, dice.below(u64::MAX)].map(u64::to_be_bytes).concat();
    SerialNumber::from_slice(&bytes)
}

/// The public key of a request whose sender has proved to have the private one.
struct RequestedKey(Vec<u8>);

impl RequestedKey {
    fn read(pem: &str) -> Result<Self, IssueError> {
        let unreadable = |_odd| IssueError::Unreadable;
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|_no_pem| IssueError::Unreadable)?;
        let request = CertReq::from_der(&der).map_err(unreadable)?;
        let (asked, signed) = (&request.info.public_key, &request.algorithm);
        let is = |found: &AlgorithmIdentifierOwned, wanted: alg_id::AlgorithmIdentifier| {
            // Without the tag and the length, which is below 128 for both that are wanted.
            let der = found.to_der().unwrap_or_default();
            der.get(2..) == Some(wanted.as_ref())
        };
        if !is(&asked.algorithm, alg_id::ECDSA_P256) || !is(signed, alg_id::ECDSA_SHA256) {
            return Err(IssueError::Algorithm);
        }
        let key = asked.subject_public_key.as_bytes();
        let signature = request.signature.as_bytes();
        let (Some(key), Some(signature)) = (key, signature) else {
            return Err(IssueError::Unreadable);
        };
        let message = request.info.to_der().map_err(unreadable)?;
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms.all;
        let mut fitting = algorithms.iter().filter(|algorithm| {
            algorithm.public_key_alg_id() == alg_id::ECDSA_P256
                && algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
        });
        let is_signed =
            fitting.any(|algorithm| algorithm.verify_signature(key, &message, signature).is_ok());
        if is_signed {
            Ok(Self(key.to_vec()))
        } else {
            Err(IssueError::Signature)
        }
    }
}

impl PublicKeyData for RequestedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

#[cfg(test)]
mod tests;

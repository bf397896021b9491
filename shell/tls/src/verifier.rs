//! Who is at the other end: the path to the one authority, then the one name.

use std::sync::Arc;

use model::{Region, StoreId};
use parking_lot::Mutex;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::{Refusal, certificate::Claims, name, provider::provider};

/// What one handshake found out about the other side.
pub(crate) type Verdict = Arc<Mutex<Option<Result<Region, Refusal>>>>;

/// The rules that every certificate is held against.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) store: StoreId,
    pub(crate) roots: Arc<RootCertStore>,
    /// Checks path, time and purpose of clients' certificates.
    pub(crate) clients: Arc<dyn ClientCertVerifier>,
}

/// Verifies the other side of one connection, and remembers what it found.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) rules: Arc<Rules>,
    /// Who the other side has to be; `None` takes every agent of the deployment.
    pub(crate) expected: Option<Region>,
    pub(crate) verdict: Verdict,
}

impl Verifier {
    /// `path`: what the library says of path, time and purpose.
    fn judge(&self, der: &[u8], path: Result<(), Error>) -> Result<(), Error> {
        let found = self.weigh(der, path);
        let answer = match &found {
            Ok(_) => Ok(()),
            Err(refusal) => Err(Error::InvalidCertificate(alert(refusal))),
        };
        *self.verdict.lock() = Some(found);
        answer
    }

    fn weigh(&self, der: &[u8], path: Result<(), Error>) -> Result<Region, Refusal> {
        let claims = Claims::read(der).map_err(|_odd| Refusal::Unreadable)?;
        path.map_err(|error| self.explain(&claims, error))?;
        let expected = &self.rules.store;
        let region = match claims.uri.as_deref().and_then(name::read_agent) {
            Some((store, region)) if store == *expected => region,
            Some(_) | None => {
                return Err(Refusal::Name {
                    presented: claims.describe(),
                    expected: expected.clone(),
                });
            }
        };
        match &self.expected {
            Some(expected) if *expected != region => Err(Refusal::OtherRegion {
                presented: region,
                expected: expected.clone(),
            }),
            Some(_) | None => Ok(region),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not named here is shown in rustls' own words"
    )]
    fn explain(&self, claims: &Claims, error: Error) -> Refusal {
        let presented = claims.describe();
        let Error::InvalidCertificate(what) = &error else {
            return Refusal::Invalid {
                presented,
                source: error,
            };
        };
        match what {
            // A root of the same name with another key shows as a bad signature.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Refusal::OtherAuthority {
                    presented,
                    expected: self.rules.store.clone(),
                }
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Refusal::Expired {
                    presented,
                    at: claims.not_after,
                }
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Refusal::NotYet {
                    presented,
                    from: claims.not_before,
                }
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Refusal::Purpose { presented }
            }
            _ => Refusal::Invalid {
                presented,
                source: error,
            },
        }
    }
}

/// What the other side is told.
fn alert(refusal: &Refusal) -> CertificateError {
    match refusal {
        Refusal::Unreadable => CertificateError::BadEncoding,
        Refusal::OtherAuthority { .. } => CertificateError::UnknownIssuer,
        Refusal::Expired { .. } => CertificateError::Expired,
        Refusal::NotYet { .. } => CertificateError::NotValidYet,
        Refusal::Purpose { .. } => CertificateError::InvalidPurpose,
        Refusal::Key { .. } => CertificateError::BadSignature,
        Refusal::Name { .. } | Refusal::OtherRegion { .. } => {
            CertificateError::ApplicationVerificationFailure
        }
        Refusal::Invalid { source, .. } => {
            if let Error::InvalidCertificate(what) = source {
                what.clone()
            } else {
                CertificateError::BadEncoding
            }
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The authority certifies agents directly: there is nothing between.
        let path = ParsedCertificate::try_from(end_entity).and_then(|parsed| {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &self.rules.roots,
                &[],
                now,
                provider().signature_verification_algorithms.all,
            )
        });
        self.judge(end_entity, path)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rules
            .clients
            .verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rules
            .clients
            .verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rules.clients.supported_verify_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // There is one authority: a client has nothing to choose from.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let path = self.rules.clients.verify_client_cert(end_entity, &[], now);
        self.judge(end_entity, path.map(drop))?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rules
            .clients
            .verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.rules
            .clients
            .verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.rules.clients.supported_verify_schemes()
    }
}

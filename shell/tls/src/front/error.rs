//! Why a client did not come in, as far as TLS goes.

use std::io;

use rustls::{AlertDescription, PeerIncompatible, PeerMisbehaved};

use super::CLIENT_HANDSHAKE;

/// A client's connection that did not come about, or a front that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// There is nothing to show to clients.
    #[error(
        "there is no server certificate yet: the control plane has not answered, or its file cannot be used"
    )]
    NoCertificate,
    /// The client is too slow, or does not speak TLS and waits.
    #[error("the client did not finish the TLS handshake in {} s", CLIENT_HANDSHAKE.as_secs())]
    Late,
    /// The connection ended on the way; so does one of a client that gives up without a word.
    #[error("the connection broke during the TLS handshake")]
    Broken(#[source] io::Error),
    /// The client and the listener have nothing in common, or the client gave up.
    #[error("{0}")]
    Refused(Mismatch, #[source] rustls::Error),
    /// The tickets' keys cannot be made.
    #[error("make the keys of session tickets")]
    Tickets(#[source] rustls::Error),
    /// The library does not speak the versions of TLS.
    #[error("set up TLS for clients")]
    Versions(#[source] rustls::Error),
}

/// What a client and the listener do not agree about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It speaks older versions only.
    #[error("the client speaks no version of TLS as new as the cache's `minimumTlsVersion`")]
    Version,
    /// It does not speak TLS.
    #[error("the client does not speak TLS; the port without TLS is another one")]
    NotTls,
    /// It does not believe the server's certificate.
    #[error(
        "the client does not trust the server's certificate; give it the authority's, which `godwit ca` prints"
    )]
    Untrusted,
    /// They have no cipher, group or signature in common, or the client breaks the protocol.
    #[error("the client and the listener found no way to speak TLS")]
    Handshake,
}

impl FrontError {
    /// Tells why a handshake failed.
    pub(super) fn of(error: io::Error) -> Self {
        let inner = error.get_ref();
        match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => Self::Refused(Mismatch::of(tls), tls.clone()),
            None => Self::Broken(error),
        }
    }
}

impl Mismatch {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "rustls has many ways to say that a handshake failed, and adds more"
    )]
    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::PeerIncompatible(
                // Before 1.2 no client says how it verifies signatures.
                PeerIncompatible::SignatureAlgorithmsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::SupportedVersionsExtensionRequired,
            )
            | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => Self::Version,
            rustls::Error::InvalidMessage(_)
            | rustls::Error::InappropriateMessage { .. }
            | rustls::Error::PeerMisbehaved(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec) => {
                Self::NotTls
            }
            rustls::Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::UnsupportedCertificate,
            ) => Self::Untrusted,
            _ => Self::Handshake,
        }
    }
}

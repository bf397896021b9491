//! What can go wrong between two agents, in sentences that a person can act on.

use std::io;

use model::{Region, StoreId, Timestamp};
use rustls::AlertDescription;

use crate::{Protocol, certificate::shown_time, identity::HANDSHAKE};

/// A connection between agents that did not come about, or that the other side refused.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is nothing to prove oneself with.
    #[error("the agent of `{region}` has no certificate yet: the control plane has not answered")]
    NoIdentity {
        /// Whose certificate is missing.
        region: Region,
    },
    /// The other side is too slow, or does not speak TLS and waits.
    #[error("the other side did not finish the TLS handshake in {} s", HANDSHAKE.as_secs())]
    Late,
    /// The connection ended on the way.
    #[error("the connection broke during the TLS handshake")]
    Broken(#[source] io::Error),
    /// The other side speaks something else.
    #[error(
        "the other side does not speak TLS 1.3 as agents do; check that the address is an agent's, and its version"
    )]
    Protocol(#[source] rustls::Error),
    /// The other side does not prove who it is.
    #[error("the other side presented no certificate, so it is no agent")]
    Anonymous,
    /// The other side is not who it has to be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The other side does not take this agent's certificate.
    #[error("the other side refused this agent's certificate: {0}")]
    RefusedByPeer(Alert),
    /// The two sides speak different protocols within TLS.
    #[error("the other side does not speak {}{}; update the older of the two agents", either(.wanted), offered(.presented.as_ref()))]
    Application {
        /// What was offered to it.
        wanted: Vec<Protocol>,
        /// What it speaks instead.
        presented: Option<String>,
    },
}

fn either(wanted: &[Protocol]) -> String {
    let names: Vec<_> = wanted.iter().map(|each| format!("`{each}`")).collect();
    names.join(" or ")
}

fn offered(presented: Option<&String>) -> String {
    presented.map_or_else(String::new, |name| format!(" but `{name}`"))
}

impl TlsError {
    /// Whose certificate the other side presented, as far as it got; nothing in it is proved.
    #[must_use]
    pub fn presented(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => refusal.presented(),
            Self::Application { presented, .. } => presented.clone(),
            Self::NoIdentity { .. }
            | Self::Late
            | Self::Broken(_)
            | Self::Protocol(_)
            | Self::Anonymous
            | Self::RefusedByPeer(_) => None,
        }
    }
}

/// Why a certificate is not believed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// It is no certificate.
    #[error("the other side's certificate cannot be read")]
    Unreadable,
    /// Another authority issued it, or one that says to be this deployment's.
    #[error(
        "the other side's certificate was issued by another control plane, expected that of store {expected}; if the authority was made anew, restart the agent that has the older one (presented: {presented})"
    )]
    OtherAuthority {
        /// The certificate.
        presented: String,
        /// The store whose authority is trusted.
        expected: StoreId,
    },
    /// Its time is over.
    #[error("the other side's certificate expired on {}; check that its agent reaches the control plane, and both clocks (presented: {presented})", shown_time(*.at))]
    Expired {
        /// The certificate.
        presented: String,
        /// When.
        at: Timestamp,
    },
    /// Its time has not begun.
    #[error("the other side's certificate is not valid before {}; check the clock of this host (presented: {presented})", shown_time(*.from))]
    NotYet {
        /// The certificate.
        presented: String,
        /// From when.
        from: Timestamp,
    },
    /// It is not for this use.
    #[error(
        "the other side's certificate is not for connections between agents (presented: {presented})"
    )]
    Purpose {
        /// The certificate.
        presented: String,
    },
    /// It does not name exactly one agent of this deployment.
    #[error(
        "the other side's certificate does not name one agent of store {expected} (presented: {presented})"
    )]
    Name {
        /// The certificate.
        presented: String,
        /// This agent's deployment.
        expected: StoreId,
    },
    /// It is another agent's.
    #[error(
        "the other side is the agent of `{presented}`, expected `{expected}`; check the addresses of the agents"
    )]
    OtherRegion {
        /// Whose certificate it is.
        presented: Region,
        /// Whose it had to be.
        expected: Region,
    },
    /// It is a copy: whoever presents it does not have its key.
    #[error(
        "the other side does not have the key of the certificate that it presented, that of the agent of `{presented}`"
    )]
    Key {
        /// Whose certificate it is.
        presented: Region,
    },
    /// Something else is wrong with it.
    #[error("the other side's certificate is not valid (presented: {presented})")]
    Invalid {
        /// The certificate.
        presented: String,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
}

impl Refusal {
    fn presented(&self) -> Option<String> {
        match self {
            Self::Unreadable => None,
            Self::OtherAuthority { presented, .. }
            | Self::Expired { presented, .. }
            | Self::NotYet { presented, .. }
            | Self::Purpose { presented }
            | Self::Name { presented, .. }
            | Self::Invalid { presented, .. } => Some(presented.clone()),
            Self::OtherRegion { presented, .. } | Self::Key { presented } => {
                Some(format!("the agent of `{presented}`"))
            }
        }
    }
}

/// What the other side said when it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Alert {
    /// It trusts another authority.
    #[error(
        "it was issued by another control plane than the other side's, or before the authority was made anew"
    )]
    OtherAuthority,
    /// It is not valid at the other side's time.
    #[error("it is not valid by the other side's clock; compare the clocks of both hosts")]
    Time,
    /// It names somebody else.
    #[error("the other side expected the agent of another region")]
    OtherAgent,
    /// The other side did not say.
    #[error("it did not say why; its log does")]
    Unexplained,
}

impl Alert {
    /// What an alert says of the certificate of who gets it; `None`: nothing.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "rustls has alerts for everything, and adds more"
    )]
    pub(crate) fn of(error: &rustls::Error) -> Option<Self> {
        let rustls::Error::AlertReceived(alert) = error else {
            return None;
        };
        match *alert {
            AlertDescription::UnknownCA => Some(Self::OtherAuthority),
            AlertDescription::CertificateExpired => Some(Self::Time),
            AlertDescription::AccessDenied => Some(Self::OtherAgent),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired => Some(Self::Unexplained),
            _ => None,
        }
    }
}

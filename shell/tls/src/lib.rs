//! TLS: mutual between agents, who know each other by certificates; and the server's side of it
//! towards the clients of caches.
//!
//! The control plane keeps an [`Authority`], which certifies the key of each region's agent. An
//! [`Identity`] is what an agent is to the others: [`Identity::accept`] and [`Identity::connect`]
//! turn a TCP connection into a [`TlsStream`] whose other end is known to be the agent of a region.
//! A [`FrontTls`] turns the TCP connection of a client into a [`FrontStream`]; the control plane has one, too, with
//! a certificate that its authority issues to itself ([`Authority::certify_own`]).
//!
//! In: a store's identity, certificate requests, TCP connections. Out: certificates, encrypted
//! streams, and errors that say what the other side presented and what was expected.
//!
//! Invariants between agents:
//! - An agent is its certificate's one name, `godwit://<store>/regions/<region>`; host names and
//!   addresses prove nothing and are not looked at.
//! - One authority is trusted, that of the agent's own deployment; the system's are not.
//! - Both sides show a certificate. Nothing is resumed and nothing is sent early, so every stream's
//!   peer was verified by its own handshake.
//! - An agent's key leaves its host in no message, and no error or log shows it.
//!
//! And towards clients: a certificate can be exchanged at any time, and no connection ends for it;
//! nothing older than TLS 1.2 is spoken; no client certificate is asked for, and nothing is sent early.
//!
//! It does not listen, dial, keep files, or ask for certificates; and it does not know which
//! regions a stream is allowed to serve.

#![warn(missing_docs)]

mod authority;
mod certificate;
mod certified;
mod error;
mod farewell;
mod front;
mod host_names;
mod identity;
mod key;
mod name;
mod protocol;
mod provider;
mod server_names;
mod stream;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trust;
mod verifier;

pub use authority::{
    Authority, AuthorityCertificate, AuthorityError, CERTIFICATE_DAYS, IssueError,
    OwnCertificateError,
};
pub use certified::{
    CertificateRequest, Certified, CertifiedError, IssuedCertificate, KnownAuthority,
    ServerCertificateRequest, Validity,
};
pub use error::{Alert, Refusal, TlsError};
pub use front::{
    FrontError, FrontStream, FrontTls, Mismatch, ServerCertificate, ServerCertificateError,
};
pub use host_names::{HostNameError, HostNames};
pub use identity::{Identity, PeerIdentity};
pub use key::{AgentKey, KeyError};
pub use protocol::Protocol;
pub use server_names::{ADDRESSES, ServerNames, ServerNamesError};
pub use stream::TlsStream;
pub use trust::{ClientStream, ServerTrust, Trust, TrustError};

//! The server's side of TLS towards the clients of caches.

mod certificate;
mod error;
mod stream;

use std::{fmt, sync::Arc, time::Duration};

use model::TlsVersion;
use parking_lot::RwLock;
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::ring::Ticketer,
    server::{ClientHello, ProducesTickets, ResolvesServerCert, ServerSessionMemoryCache},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsAcceptor;

pub use certificate::{ServerCertificate, ServerCertificateError};
pub use error::{FrontError, Mismatch};
pub use stream::FrontStream;

use crate::{farewell::farewell, provider::provider};

/// How long a client may take for its handshake.
pub(crate) const CLIENT_HANDSHAKE: Duration = Duration::from_secs(10);
/// Sessions that are kept for clients of TLS 1.2 that cannot keep a ticket, at most.
const SESSIONS: usize = 1024;

/// Accepts clients. Clones are one: a certificate that is exchanged is exchanged for all, for
/// handshakes from then on; connections that stand go on.
///
/// Sessions are resumed by tickets, under keys that change every six hours and are kept for as long
/// again; for clients of TLS 1.2 without tickets, by a bounded cache. An exchanged certificate leaves
/// them valid. Nothing is sent early, and no client certificate is asked for.
#[derive(Clone)]
pub struct FrontTls {
    certificate: Arc<Exchangeable>,
    from_1_2: TlsAcceptor,
    from_1_3: TlsAcceptor,
}

impl FrontTls {
    /// A front without a certificate yet: every handshake fails until
    /// [`FrontTls::set_certificate`].
    ///
    /// # Errors
    ///
    /// When the system gives no randomness for the tickets' keys.
    pub fn new() -> Result<Self, FrontError> {
        let tickets = Ticketer::new().map_err(FrontError::Tickets)?;
        let certificate = Arc::new(Exchangeable::default());
        let acceptor = |versions: &[&'static SupportedProtocolVersion]| {
            let config = config(versions, &certificate, &tickets)?;
            Ok::<_, FrontError>(TlsAcceptor::from(Arc::new(config)))
        };
        Ok(Self {
            from_1_2: acceptor(&[&TLS13, &TLS12])?,
            from_1_3: acceptor(&[&TLS13])?,
            certificate,
        })
    }

    /// Shows this certificate in every handshake from now on.
    pub fn set_certificate(&self, certificate: ServerCertificate) {
        *self.certificate.0.write() = Some(certificate);
    }

    /// The certificate that is shown.
    #[must_use]
    pub fn certificate(&self) -> Option<ServerCertificate> {
        self.certificate.0.read().clone()
    }

    /// Accepts a client that speaks `minimum` or something newer, within ten seconds. A client that
    /// is refused is told so by an alert before its connection is closed.
    pub async fn accept(
        &self,
        tcp: TcpStream,
        minimum: TlsVersion,
    ) -> Result<FrontStream, FrontError> {
        if self.certificate.0.read().is_none() {
            return Err(FrontError::NoCertificate);
        }
        let shaken = self.acceptor(minimum).accept(tcp).into_fallible();
        match timeout(CLIENT_HANDSHAKE, shaken).await {
            Err(_elapsed) => Err(FrontError::Late),
            Ok(Err((error, tcp))) => {
                farewell(tcp).await;
                Err(FrontError::of(error))
            }
            Ok(Ok(stream)) => Ok(FrontStream::encrypted(stream)),
        }
    }

    fn acceptor(&self, minimum: TlsVersion) -> &TlsAcceptor {
        match minimum {
            TlsVersion::V1_2 => &self.from_1_2,
            TlsVersion::V1_3 => &self.from_1_3,
        }
    }
}

impl fmt::Debug for FrontTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontTls")
            .field("certificate", &self.certificate())
            .finish_non_exhaustive()
    }
}

fn config(
    versions: &[&'static SupportedProtocolVersion],
    certificate: &Arc<Exchangeable>,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, FrontError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(FrontError::Versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(certificate) as _);
    config.ticketer = Arc::clone(tickets);
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config.max_early_data_size = 0;
    Ok(config)
}

/// What is shown to whichever name a client asks for.
#[derive(Debug, Default)]
struct Exchangeable(RwLock<Option<ServerCertificate>>);

impl ResolvesServerCert for Exchangeable {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificate = self.0.read();
        certificate.as_ref().map(ServerCertificate::signing)
    }
}
